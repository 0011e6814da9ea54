/** The document says of each route what there is to say, and of specs what the parser says. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseRequestSet } from '../../src/core/requests/request-set.ts';
import { parseSpec } from '../../src/core/spec/spec.ts';
import { buildOpenApi } from '../../src/http/openapi.ts';
import { OPERATIONS, SPEC_EXAMPLES } from '../../src/http/operations.ts';
import { ROUTES } from '../../src/http/routes.ts';
import { aSpecBody } from '../support/builders.ts';
import { faultsOf, type OpenApiDocument, operationsOf } from '../support/openapi-document.ts';

const document = buildOpenApi(ROUTES, OPERATIONS, '1.2.3') as unknown as OpenApiDocument;
const operations = operationsOf(document);
const SPEC_REQUEST = { $ref: '#/components/schemas/SpecRequest' };
const SPEC = { $ref: '#/components/schemas/Spec' };

describe('the routes', () => {
  it('are all described, and nothing else is', () => {
    expect(ROUTES.map((route) => route.name).filter((name) => OPERATIONS[name] === undefined)).toEqual([]);
    expect(Object.keys(OPERATIONS).filter((name) => ROUTES.every((route) => route.name !== name))).toEqual(
      [],
    );
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(
      ROUTES.map((route) => route.name).sort(),
    );
  });

  it.each(operations.map((one) => [`${one.method} ${one.path}`, one] as const))(
    '%s names its parameters, and its tag is explained',
    (_, { path, parameters = [], summary, tags }) => {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const described = parameters.filter((one) => one.in === 'path');
      expect(described.map((one) => one.name)).toEqual(inPath);
      expect(described.every((one) => one.required === true)).toBe(true);
      expect(summary).toMatch(/^[A-Z].*[^.]$/);
      expect(document.tags.map((tag) => tag.name)).toEqual(expect.arrayContaining([...tags]));
    },
  );

  it('are described when somebody asks and not at each cold start', () => {
    const http = path.join(import.meta.dirname, '..', '..', 'src', 'http');
    const eager = readdirSync(http)
      .filter((file) => file.endsWith('.ts') && !['openapi.ts', 'operations.ts'].includes(file))
      .filter((file) =>
        /^import (?!type )[^;]*'\.\/(openapi|operations|contract\/\w+)\.ts'/m.test(
          readFileSync(path.join(http, file), 'utf8'),
        ),
      );
    expect(eager).toEqual([]);
  });

  it('want a key wherever the route does', () => {
    const anonymous = operations.filter(({ security }) => security?.length === 0);
    expect(anonymous.map(({ operationId }) => operationId).sort()).toEqual(
      ROUTES.filter((route) => route.authLevel === 'anonymous')
        .map((route) => route.name)
        .sort(),
    );
    for (const operation of operations)
      expect('401' in operation.responses).toBe(!anonymous.includes(operation));
  });

  it('with a body are documented with its example, which is one', () => {
    for (const { operationId, requestBody } of operations) {
      if (requestBody === undefined) continue;
      expect(requestBody.required).toBe(true);
      for (const { schema, examples = {} } of Object.values(requestBody.content)) {
        expect(Object.keys(examples), operationId).not.toEqual([]);
        for (const { value } of Object.values(examples))
          expect(faultsOf(document, schema, value), operationId).toEqual([]);
      }
    }
  });
});

describe('the document', () => {
  it('refers only to what it holds, and holds nothing that it does not refer to', () => {
    const text = JSON.stringify(document);
    const referred = new Set(Array.from(text.matchAll(/"\$ref":"([^"]+)"/g), (match) => match[1]));
    const held = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect([...referred].sort()).toEqual(held.sort());
  });

  it('describes no object that may hold fields which it does not name, but for maps and free JSON', () => {
    const open = objectsOf(document.components.schemas).filter(
      ([, schema]) => schema.additionalProperties === undefined,
    );
    expect(open.map(([path]) => path)).toEqual([]);
  });

  it('refuses to describe a body and an answer under one name', () => {
    const named = z.strictObject({ size: z.int().default(1) }).meta({ id: 'Named' });
    const contents = { 'application/json': { schema: named } };
    const operation = {
      summary: 'Do',
      tag: 'app',
      body: contents,
      answers: { 200: { description: 'Done.', contents } },
    } as const;
    const [route] = ROUTES;
    if (route === undefined) throw new Error('There are no routes.');
    expect(() => buildOpenApi([{ ...route, name: 'do' }], { do: operation }, '1')).toThrow(/two names/);
  });
});

/** Specs as users write them: mostly right, wrong in a field now and then. */
function mostly(right: readonly unknown[], wrong: readonly unknown[]) {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...right) },
    { weight: 1, arbitrary: fc.constantFrom(...wrong) },
  );
}

const workloadEntry = fc.oneof(
  mostly(['chatbot', 'sentiment', { name: 'chatbot' }], ['nonsense', 7, null, { name: 'other' }]),
  fc.record({ requests: mostly(['mine'], ['NOT A NAME', 1]) }),
  fc.record(
    {
      promptTokens: mostly([1, 512, { p50: 100, p95: 400 }], [0, '512', { p50: 5 }]),
      outputTokens: mostly([1, 128, { p50: 100, p95: 100 }], [40_000, null]),
      sharedPrefixTokens: mostly([0], [1, -1]),
    },
    { requiredKeys: ['promptTokens', 'outputTokens'] },
  ),
  fc.record(
    {
      promptTokens: fc.constantFrom(100, 200),
      outputTokens: fc.constant(50),
      promptTokensP95: mostly([600], ['x', 1]),
      outputTokensP95: fc.constant(60),
      requestsDigest: fc.constant('0123456789abcdef'),
      requests: fc.constant('mine'),
    },
    { requiredKeys: ['promptTokens', 'outputTokens'] },
  ),
);
const product = fc.record(
  {
    promptTokens: mostly([[64, 128], [{ p50: 10, p95: 20 }]], [[], 64]),
    outputTokens: mostly([[16]], [['16']]),
    sharedPrefixTokens: fc.constantFrom(0, 8),
  },
  { requiredKeys: ['promptTokens', 'outputTokens'] },
);
const spec = fc
  .record(
    {
      workloads: fc.oneof(fc.array(workloadEntry, { maxLength: 2 }), product),
      load: mostly(
        [
          { concurrency: { levels: [1, 2] } },
          { concurrency: { ramp: {} } },
          { concurrency: { search: {} }, slo: { e2eMs: 1 } },
          { rate: { requestsPerSecond: [1] } },
          { rate: { search: { max: 8 } }, slo: { tpotMs: 5, attainment: 0.9 } },
          { rate: { trace: {} } },
          { concurrency: null },
        ],
        [{ concurrency: { levels: [] } }, { rate: {} }, { rate: { search: {} } }],
      ),
      api: mostly(
        [
          { api: 'score' },
          { api: 'raw', template: { body: { q: '{{prompt}}' }, answer: { text: [['a']] } } },
        ],
        [{ api: 'soap' }, { api: 'raw' }, { api: 'raw', template: {} }],
      ),
      measure: mostly([{ repeats: 2 }, { repeats: { most: 5 } }], [{ mode: 'burst', minRequests: 1 }, {}]),
      limits: mostly([{}, { maxUsd: null }], [{ maxCells: 0 }]),
      demand: mostly([{ requestsPerMinute: 600 }, null], [{}]),
      seed: mostly([1], [-1]),
      target: mostly(
        [
          { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' },
          { kind: 'managed', sku: 'standard_nc24ads_a100_v4', placements: ['one', { workspace: 'two' }] },
          { kind: 'endpoint', name: 'prod' },
          { kind: 'existing', scoringUri: 'https://example.com/score', auth: { kind: 'none' } },
        ],
        [{ kind: 'managed' }, { kind: 'existing', scoringUri: 'https://example.com/score' }],
      ),
    },
    { requiredKeys: ['target'] },
  )
  .map(({ load, api, ...fields }) => ({ ...fields, ...(load as object), ...(api as object) }));

describe('the schema of a spec', () => {
  it('holds every spec that the parser reads, and what the parser stores is as documented', () => {
    let read = 0;
    fc.assert(
      fc.property(spec, (fields) => {
        const body = aSpecBody(fields);
        const parsed = parseSpec(body);
        if (!parsed.ok) return;
        read += 1;
        expect(faultsOf(document, SPEC_REQUEST, body)).toEqual([]);
        expect(faultsOf(document, SPEC, JSON.parse(JSON.stringify(parsed.value)))).toEqual([]);
        // A stored spec can be sent again.
        expect(faultsOf(document, SPEC_REQUEST, JSON.parse(JSON.stringify(parsed.value)))).toEqual([]);
      }),
      { numRuns: 1_000, seed: 5 },
    );
    expect(read).toBeGreaterThan(100);
  });

  it.each([
    ['an unknown field', { other: 1 }],
    ['an unknown field deep inside', { measure: { mode: 'burst', minRequests: 1 } }],
    ['no SKU', { target: { kind: 'managed' } }],
    ['a workload without a length', { workloads: [{ promptTokens: 1 }] }],
    ['a scenario that is none', { workloads: ['nonsense'] }],
    ['a level above the bound', { concurrency: { levels: [513] } }],
    ['another API', { api: 'soap' }],
  ])('refuses %s, as the parser does', (_, fields) => {
    expect(parseSpec(aSpecBody(fields)).ok).toBe(false);
    expect(faultsOf(document, SPEC_REQUEST, aSpecBody(fields))).not.toEqual([]);
  });

  it('has examples that the parser reads', () => {
    for (const { value } of Object.values(SPEC_EXAMPLES))
      expect(parseSpec(value)).toMatchObject({ ok: true });
  });

  it('of a request set too: its example is stored as it is', () => {
    const example = operations.find((one) => one.operationId === 'putRequestSet')?.requestBody?.content;
    const value = example?.['application/x-ndjson']?.examples?.lines?.value;
    expect(parseRequestSet(String(value))).toMatchObject({ ok: true, value: { lines: { length: 2 } } });
  });

  it('says the unit or the meaning of what is not plain', () => {
    const text = JSON.stringify(document.components.schemas.SpecRequest);
    for (const word of ['Cells times repeats', 'Closed loop', 'Open loop', 'Share of all attempted requests'])
      expect(text).toContain(word);
  });
});

type Node = Readonly<Record<string, unknown>>;

/** Every schema of an object with named fields, with its path. */
function objectsOf(value: unknown, path = ''): (readonly [string, Node])[] {
  if (typeof value !== 'object' || value === null) return [];
  const own =
    'properties' in value && (value as Node).type === 'object' ? [[path, value as Node] as const] : [];
  return [...own, ...Object.entries(value).flatMap(([name, inner]) => objectsOf(inner, `${path}/${name}`))];
}
