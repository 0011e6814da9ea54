import { describe, expect, test } from 'vitest';
import { compareRoutes, matchRoute, parseRoute, splitPath } from '../../../src/local/host/route.ts';

function match(template: string, path: string): Readonly<Record<string, string>> | null {
  return matchRoute(parseRoute(template), splitPath(path) ?? []);
}

describe('matching', () => {
  test.each([
    // The page's route: only the root.
    ['{ignored:maxlength(0)?}', '/', {}],
    ['{ignored:maxlength(0)?}', '/x', null],
    ['{ignored:maxlength(0)?}', '/x/y', null],
    ['a/{b}', '/a/1', { b: '1' }],
    ['a/{b}', '/A/1/', { b: '1' }],
    ['a/{b}', '/a', null],
    ['a/{b}', '/a//', null],
    ['a/{b}', '/a/1/2', null],
    ['a/{b?}', '/a', {}],
    ['a/{b=5}', '/a', { b: '5' }],
    ['a/{b=5}/{c?}', '/a/6', { b: '6' }],
    ['a/{*rest}', '/a/b/c', { rest: 'b/c' }],
    ['a/{*rest}', '/a', {}],
    ['{**rest}', '/a/b', { rest: 'a/b' }],
    ['report-{id}.{format}', '/Report-1.2.csv', { id: '1', format: '2.csv' }],
    ['report-{id}.csv', '/report-7.csv', { id: '7' }],
    ['report-{id}.csv', '/report-.csv', null],
    ['a/{__proto__}', '/a/b', JSON.parse('{"__proto__":"b"}')],
    ['{id:int}', '/12', { id: '12' }],
    ['{id:int}', '/-12', { id: '-12' }],
    ['{id:int}', '/2147483648', null],
    ['{id:int}', '/1.5', null],
    ['{id:long}', '/2147483648', { id: '2147483648' }],
    ['{id:long}', '/9223372036854775808', null],
    ['{id:bool}', '/TRUE', { id: 'TRUE' }],
    ['{id:bool}', '/yes', null],
    ['{id:double}', '/1.5e3', { id: '1.5e3' }],
    ['{id:decimal}', '/x', null],
    ['{id:datetime}', '/2026-01-01', { id: '2026-01-01' }],
    ['{id:datetime}', '/never', null],
    ['{id:guid}', '/0F8FAD5B-D9CB-469F-A165-70867728950E', { id: '0F8FAD5B-D9CB-469F-A165-70867728950E' }],
    ['{id:guid}', '/0f8fad5b', null],
    ['{id:alpha}', '/abC', { id: 'abC' }],
    ['{id:alpha}', '/ab1', null],
    ['{id:minlength(2)}', '/a', null],
    ['{id:minlength(2)}', '/ab', { id: 'ab' }],
    ['{id:maxlength(2)}', '/abc', null],
    ['{id:length(3)}', '/abc', { id: 'abc' }],
    ['{id:length(3)}', '/ab', null],
    ['{id:length(1,2)}', '/ab', { id: 'ab' }],
    ['{id:length(1,2)}', '/abc', null],
    ['{id:min(5)}', '/4', null],
    ['{id:max(5)}', '/6', null],
    ['{id:range(5, 7)}', '/7', { id: '7' }],
    ['{id:range(5, 7)}', '/8', null],
    ['{id:required}', '/x', { id: 'x' }],
    [String.raw`{id:regex(^\d{{3}}-(a|b)$)}`, '/123-A', { id: '123-A' }],
    [String.raw`{id:regex(^\d{{3}}-(a|b)$)}`, '/12-a', null],
    ['{id:int:min(5)}', '/4', null],
    ['{id:int:min(5)?}', '/', {}],
  ])('%s against %s', (template, path, expected) => {
    expect(match(template, path)).toEqual(expected);
  });

  test('a path that is not validly encoded is no path', () => {
    expect(splitPath('/a/%zz')).toBeNull();
  });
});

describe('precedence', () => {
  test('literals beat constrained parameters, these plain ones, and catch-alls come last', () => {
    const templates = [
      '{*rest}',
      'a/{*rest}',
      'a/{b}',
      'a/b',
      'a/{b:int}',
      'a/{*rest:minlength(2)}',
      '{a}/b',
      'a/x{b}',
    ];
    const sorted = templates
      .map(parseRoute)
      .sort(compareRoutes)
      .map(({ template }) => template);
    expect(sorted).toEqual([
      'a/b',
      'a/{b:int}',
      'a/x{b}',
      'a/{b}',
      'a/{*rest:minlength(2)}',
      'a/{*rest}',
      '{a}/b',
      '{*rest}',
    ]);
  });
});

describe('templates that cannot be used', () => {
  test.each([
    ['{a', 'a { has no }'],
    ['a}', 'a } has no {'],
    ['{}', 'has no name'],
    ['{a:}', 'has no name'],
    ['{a:nonsense}', "'nonsense' is not known"],
    ['{a:min(x)}', 'takes 1 whole number'],
    ['{a:range(1)}', 'takes 2 whole numbers'],
    ['{a:min(1}', 'has no )'],
    ['{a:regex(()}', 'not valid'],
    ['{a?}/b', 'only the last parameters can be optional'],
    ['{*a}/b', 'must come last'],
    ['{a}/{A}', 'stands in it twice'],
    ['a//b', 'a segment of it is empty'],
    ['x{a?}', 'a segment of its own'],
    ['{a}{b', 'a { has no }'],
  ])('%s', (template, message) => {
    expect(() => parseRoute(template)).toThrow(message);
  });
});
