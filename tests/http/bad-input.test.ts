/**
 * Whatever is sent to whichever call: an answer of 4xx that names every fault, never a 5xx, never a hang; and nothing
 * of it in the tables or at Azure. Routes are those of the app, so that a new call is tried as soon as there is one.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiRoute, ROUTES } from '../../src/http/routes.ts';
import { expectRefusal, type HttpCalls, openHttpCalls } from './bad-input-calls.ts';
import {
  addField,
  HOSTILE_NAMES,
  HOSTILE_TEXTS,
  hostileJson,
  hostileText,
  objectsIn,
  placesIn,
  replaceIn,
} from './bad-input-values.ts';

let calls: HttpCalls;
beforeAll(async () => {
  calls = await openHttpCalls({ ALLOW_LOOPBACK_SCORING: 'false' });
});
afterAll(() => calls.close());

const managed = { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' };
const spec = {
  model: { registry: 'AzureML', name: 'Phi-4', version: '7' },
  target: { ...managed, environmentVariables: { A: 'b' }, requestSettings: { requestTimeoutSeconds: 60 } },
  workloads: [{ promptTokens: 64, outputTokens: 16 }, 'chatbot'],
  concurrency: { levels: [1, 2] },
  measure: { mode: 'steady', repeats: 1, minRequests: 4, maxSeconds: 10 },
  slo: { attainment: 0.95, ttftMs: 500 },
  limits: { maxCells: 10, maxMinutes: 60, maxUsd: 10 },
};
const rate = {
  model: spec.model,
  target: managed,
  rate: { requestsPerSecond: [1, 2], arrival: 'poisson' },
};
const raw = {
  model: spec.model,
  target: managed,
  api: 'raw',
  template: { body: { input: '{{prompt}}', n: '{{outputTokens}}' }, answer: { text: [['output']] } },
};
const existing = {
  target: {
    kind: 'existing',
    scoringUri: 'https://a.eastus.inference.ml.azure.com/score',
    auth: { kind: 'none' },
  },
};
const comparison = {
  base: { model: spec.model, workloads: spec.workloads },
  targets: [
    { label: 'one', target: managed },
    { label: 'two', target: { ...managed, instances: 2 } },
  ],
  strategy: 'full',
};

const JSON_TYPE = { 'content-type': 'application/json' };
const paramsOf = ({ route }: ApiRoute) =>
  [...route.matchAll(/\{\*?(\w+)[^}]*\}/g)].map(([, name]) => name ?? '');
const takesBody = (method: string) => method === 'POST' || method === 'PUT';
const data = ROUTES.filter(({ route }) => route.startsWith('api/'));
const keyed = data.filter((route) => paramsOf(route).length > 0);
const posted = data.filter(({ method }) => takesBody(method));
const starting = data.filter(({ method, route }) => method === 'POST' && !route.includes('{'));
/** A name that any call would take, for the parameters that are not what is tried. */
const plain = (route: ApiRoute) => Object.fromEntries(paramsOf(route).map((name) => [name, 'abc']));

/** Runs the property, and then holds the world against what it was. */
async function leavesNothing(run: () => Promise<void>): Promise<void> {
  const before = await calls.everything();
  await run();
  expect(await calls.everything()).toBe(before);
  expect(calls.started).toEqual([]);
}

describe('a name in the address', () => {
  it.each(keyed.map((route) => [`${route.method} ${route.route}`, route] as const))(
    '%s is no name, or one that nobody has',
    async (_, route) => {
      await leavesNothing(async () => {
        const names = paramsOf(route);
        const one = async (texts: readonly string[]) => {
          const params = Object.fromEntries(names.map((name, index) => [name, texts[index] ?? 'abc']));
          const answer = await calls.call(route, { params, headers: JSON_TYPE, body: '{}' });
          expectRefusal(answer, [400, 404, 405, 415, 502]);
        };
        for (const text of HOSTILE_TEXTS)
          for (const at of names.keys()) await one(names.map((__, index) => (index === at ? text : 'abc')));
        await fc.assert(
          fc.asyncProperty(fc.array(hostileText, { minLength: names.length, maxLength: names.length }), one),
          { numRuns: 40 },
        );
      });
    },
  );
});

describe('a query', () => {
  it.each(data.map((route) => [`${route.method} ${route.route}`, route] as const))(
    'of %s that nobody knows, that comes twice or means something elsewhere does no harm',
    async (_, route) => {
      await leavesNothing(async () => {
        const known = [
          'state',
          'model',
          'sku',
          'limit',
          'continuation',
          'format',
          'registry',
          'search',
          'version',
          'region',
          'workspace',
        ];
        const pair = fc.tuple(
          fc.oneof(fc.constantFrom(...known, ...HOSTILE_NAMES), hostileText),
          hostileText,
        );
        await fc.assert(
          fc.asyncProperty(fc.array(pair, { minLength: 1, maxLength: 3 }), async (query) => {
            const answer = await calls.call(route, {
              params: plain(route),
              query,
              headers: JSON_TYPE,
              body: '{}',
            });
            expect(answer.status).toBeLessThan(503);
            expect(answer.status).not.toBe(500);
            if (answer.status >= 400) expectRefusal(answer, [400, 404, 415, 502]);
          }),
          { numRuns: 40 },
        );
      });
    },
  );

  it('names every parameter that the call does not know', async () => {
    const listRuns = data.find(({ name }) => name === 'listRuns');
    const answer = await calls.call(listRuns!, {
      query: [
        ['__proto__', 'x'],
        ['constructor', 'y'],
        ['limit', '1e9'],
      ],
    });
    expect(answer.json.faults.map(({ path }: { path: string }) => path).sort()).toEqual([
      '__proto__',
      'constructor',
    ]);
  });

  it('with a quote is a value and never a part of a filter', async () => {
    const listRuns = data.find(({ name }) => name === 'listRuns')!;
    for (const text of HOSTILE_TEXTS.filter((one) => one !== '' && one.length <= 2_048)) {
      for (const name of ['model', 'sku']) {
        const { status, json } = await calls.call(listRuns, { query: [[name, text]] });
        expect([status, json.runs]).toEqual([200, []]);
      }
    }
  });
});

describe('a body', () => {
  it.each(posted.map((route) => [`${route.method} ${route.route}`, route] as const))(
    'of %s that is any JSON, or none, is refused and leaves nothing',
    async (_, route) => {
      await leavesNothing(async () => {
        const text = fc.oneof(
          hostileJson,
          hostileText,
          fc.constantFrom(
            '',
            'null',
            '[]',
            '{}',
            '{"a":',
            '\ufeff{}',
            '"x"',
            '1e999',
            '[1,]',
            '{"a":1}{"b":2}',
            'undefined',
          ),
        );
        const type = fc.constantFrom(
          'application/json',
          'application/json; charset=utf-8',
          'application/x-ndjson',
          'text/plain',
          '',
          'application/jsonp',
        );
        await fc.assert(
          fc.asyncProperty(text, type, async (body, contentType) => {
            const answer = await calls.call(route, {
              params: plain(route),
              headers: contentType === '' ? {} : { 'content-type': contentType },
              body,
            });
            expectRefusal(answer, [400, 404, 413, 415]);
          }),
          { numRuns: 150 },
        );
      });
    },
  );

  const bodies: [string, unknown][] = [
    ['a managed run', spec],
    ['an open load', rate],
    ['a raw template', raw],
    ['an existing endpoint', existing],
    ['a comparison', comparison],
  ];

  it.each(bodies)('for %s with a field that does not exist names it, wherever it stands', async (_, body) => {
    await leavesNothing(async () => {
      const isComparison = body === comparison;
      const known = ['body', 'environmentVariables', 'asked', 'notAsked'];
      const places = objectsIn(body).filter((path) => !path.some((step) => known.includes(String(step))));
      const name = fc.oneof(
        fc.constantFrom(
          '__proto__',
          'constructor',
          'prototype',
          'toString',
          'colour',
          '=1',
          '<b>',
          'a b',
          'ü',
        ),
        fc.stringMatching(/^x[^.[\]\\"]{8,40}$/),
      );
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...places), name, hostileJson, async (path, field, json) => {
          const text = addField(body, path, field, json);
          for (const route of starting) {
            const isOwn = route.route.includes('comparisons') === isComparison;
            if (!isOwn && !route.route.includes('plans')) continue;
            const answer = await calls.call(route, { headers: JSON_TYPE, body: text });
            expectRefusal(answer, [400]);
            const paths = answer.json.faults.map((fault: { path: string }) => fault.path).join('\n');
            expect(paths).toContain(field);
          }
        }),
        { numRuns: 60 },
      );
    });
  });

  it.each(bodies)(
    'for %s with something else in one place is a plan or a refusal, and never a fault',
    async (_, body) => {
      await leavesNothing(async () => {
        const plans = starting.find(({ route }) => route === 'api/plans')!;
        await fc.assert(
          fc.asyncProperty(fc.constantFrom(...placesIn(body)), hostileJson, async (path, json) => {
            const answer = await calls.call(plans, { headers: JSON_TYPE, body: replaceIn(body, path, json) });
            if (answer.status === 200) expect(answer.json.plan.boundMinutes).toBeGreaterThan(0);
            else expectRefusal(answer, [400]);
          }),
          { numRuns: 150 },
        );
      });
    },
  );

  it('never changes what all objects have', async () => {
    const polluted =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"target":{"__proto__":{"kind":"managed"}}}';
    for (const route of posted)
      await calls.call(route, { params: plain(route), headers: JSON_TYPE, body: polluted });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('the bounds of a body', () => {
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  const inObjects = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
  const many = (count: number, one: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => one(index)).join(',');
  const cases: [string, string, number[]][] = [
    ['characters', `{"a":"${'x'.repeat(1_000_001)}"}`, [413, 400]],
    ['depth of lists', nested(400_000), [400]],
    ['depth of objects', inObjects(100_000), [400]],
    ['depth within a field', JSON.stringify(spec).replace('"chatbot"', nested(10_000)), [400]],
    ['items', `{"concurrency":{"levels":[${many(400_000, () => '1')}]}}`, [400]],
    ['items that are each wrong', `{"concurrency":{"levels":[${many(90_000, () => '"x"')}]}}`, [400]],
    ['unknown fields', `{${many(50_000, (index) => `"f${index}":1`)}}`, [400]],
    [
      'workloads',
      JSON.stringify(spec).replace(
        '"chatbot"',
        many(40_000, () => '{}'),
      ),
      [400],
    ],
    [
      'environment variables',
      JSON.stringify(spec).replace('{"A":"b"}', `{${many(30_000, (index) => `"V${index}":"x"`)}}`),
      [400],
    ],
    ['the name of a field', `{"${'n'.repeat(900_000)}":1}`, [400]],
    ['targets', JSON.stringify({ ...comparison, targets: Array.from({ length: 5_000 }, () => ({})) }), [400]],
    ['digits', `{"seed":${'9'.repeat(900_000)}}`, [400]],
  ];

  it.each(cases)('on its %s are kept, and the refusal is short', async (_, body, statuses) => {
    await leavesNothing(async () => {
      for (const route of posted.filter(({ method }) => method === 'POST')) {
        const answer = await calls.call(route, {
          params: plain(route),
          headers: JSON_TYPE,
          body,
        });
        expectRefusal(answer, route.route.includes('{') ? [...statuses, 404] : statuses);
      }
    });
  });

  it('on what it announces are kept before it is read', async () => {
    for (const route of posted.filter(({ route: address }) => !address.includes('{id}'))) {
      const seen = await Promise.all(
        ['application/json', 'application/x-ndjson'].map(async (type) => {
          const headers = { 'content-type': type, 'content-length': '99999999999' };
          const answer = await calls.call(route, { params: plain(route), headers, body: '' });
          expectRefusal(answer, [413, 415]);
          return answer.status;
        }),
      );
      expect(seen).toContain(413);
    }
  });
});

describe('an Idempotency-Key', () => {
  it.each(['', ' ', 'a b', 'a\tb', 'ü', '\u0000', 'x'.repeat(256), 'x'.repeat(300), 'a\nb'])(
    'of %j is refused by every call that starts something',
    async (key) => {
      await leavesNothing(async () => {
        for (const route of starting.filter(({ route: address }) => !address.includes('plans'))) {
          const body = JSON.stringify(route.route.includes('comparisons') ? comparison : spec);
          const answer = await calls.call(route, { headers: { ...JSON_TYPE, 'idempotency-key': key }, body });
          expectRefusal(answer, [400]);
          expect(answer.json.faults).toMatchObject([{ path: 'Idempotency-Key' }]);
        }
      });
    },
  );
});
