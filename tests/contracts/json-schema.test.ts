import { describe, expect, it } from 'vitest';
import { findFaults, type Schema } from './json-schema.ts';

const closed: Schema = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 2, maxLength: 4, pattern: '^[a-z]+$' } },
  additionalProperties: false,
  required: ['name'],
};
const either: Schema = {
  oneOf: [
    {
      type: 'object',
      properties: { kind: { const: 'a' }, size: { type: 'integer' } },
      additionalProperties: false,
    },
    { type: 'object', properties: { kind: { const: 'b' } }, additionalProperties: false },
  ],
};
const recursive: Schema = {
  $ref: '#/$defs/Node',
  $defs: {
    Node: { type: 'object', properties: { next: { $ref: '#/$defs/Node' } }, additionalProperties: false },
  },
};

describe('a value', () => {
  it.each<[string, unknown, Schema]>([
    ['an object', { name: 'abc' }, closed],
    ['the one branch that fits', { kind: 'a', size: 1 }, either],
    ['definitions that point to themselves', { next: { next: {} } }, recursive],
    ['a list', ['x', 'y'], { type: 'array', items: { type: 'string' } }],
    ['a number', 0.5, { type: 'number', minimum: 0, maximum: 1 }],
    ['a map', { x: 'y' }, { type: 'object', additionalProperties: { type: 'string' } }],
    ['null where null is wanted', null, { type: 'null' }],
    ['one of two types', null, { type: ['string', 'null'] }],
    ['several branches', 1, { anyOf: [{ type: 'integer' }, { type: 'number' }] }],
    ['names by their rule', { ab: 1 }, { type: 'object', propertyNames: { pattern: '^[a-z]+$' } }],
  ])('fits: %s', (_, value, schema) => {
    expect(findFaults(value, schema)).toEqual([]);
  });

  it.each<[string, unknown, Schema, RegExp]>([
    ['what is missing', {}, closed, /body\.name is missing/],
    ['what is unknown', { name: 'abc', extra: 1 }, closed, /body\.extra is not known/],
    ['what is inherited', { name: 'abc', toString: 1 }, closed, /body\.toString is not known/],
    ['a text that is too short', { name: 'a' }, closed, /body\.name .* wrong length/],
    ['a text that is too long', { name: 'abcde' }, closed, /body\.name .* wrong length/],
    ['wrong characters', { name: 'ABC' }, closed, /body\.name .* characters/],
    ['null', { name: null }, closed, /body\.name is null, not string/],
    ['a list where an object is wanted', [], closed, /body is array, not object/],
    ['no branch, told by the nearest', { kind: 'a', size: 'x' }, either, /body\.size is string, not integer/],
    ['two branches', {}, either, /fits 2 branches/],
    ['a fault deep down', { next: { other: 1 } }, recursive, /body\.next\.other is not known/],
    ['no branch of several', true, { anyOf: [{ type: 'integer' }, { type: 'null' }] }, /body is boolean/],
    ['too few items', [], { type: 'array', minItems: 1 }, /has 0 items/],
    ['a name', { A: 1 }, { type: 'object', propertyNames: { pattern: '^[a-z]+$' } }, /the name body\.A/],
    ['what must not be', 'x', { not: {} }, /must not be/],
    ['an item', ['x', 1], { type: 'array', items: { type: 'string' } }, /body\[1\] is 1, not string/],
    ['a fraction', 1.5, { type: 'integer' }, /not integer/],
    ['too much', 2, { type: 'number', maximum: 1 }, /not within/],
    ['a value that Azure does not name', 'Up', { type: 'string', examples: ['Creating'] }, /not one of/],
    ['another constant', 'x', { const: 'y' }, /not one of/],
    ['an entry of a map', { x: 1 }, { additionalProperties: { type: 'string' } }, /body\.x is 1/],
  ])('does not fit: %s', (_, value, schema, fault) => {
    expect(findFaults(value, schema).join('\n')).toMatch(fault);
  });
});

describe('a schema', () => {
  it('with a keyword that is not known here is refused', () => {
    expect(() => findFaults({}, { type: 'object', minProperties: 1 } as Schema)).toThrow(/minProperties/);
  });

  it('that points nowhere, or only to itself, is refused', () => {
    expect(() => findFaults({}, { $ref: '#/$defs/None', $defs: {} })).toThrow(/no #\/\$defs\/None/);
    expect(() => findFaults({}, { $ref: '#/$defs/A', $defs: { A: { $ref: '#/$defs/A' } } })).toThrow(
      /circle/,
    );
  });
});
