import { describe, expect, test } from 'vitest';
import { PAYLOAD_FAMILIES } from '../../../src/core/requests/payload-families.ts';
import { parseSpec } from '../../../src/core/spec/spec.ts';
import { SPEC_BOUNDS } from '../../../src/core/spec/spec-bounds.ts';
import { aSpec, aSpecBody } from '../../support/builders.ts';

const EXISTING = { kind: 'existing', scoringUri: 'https://example.com/score', auth: { kind: 'none' } };

describe('the defaults of a spec', () => {
  test('a model, a kind and a SKU are enough; everything else is filled in', () => {
    expect(aSpec()).toEqual({
      model: { registry: 'AzureML', name: 'Phi-4', version: '7' },
      target: {
        kind: 'managed',
        workspace: 'default',
        sku: 'Standard_NC24ads_A100_v4',
        placements: [{ workspace: 'default', sku: 'Standard_NC24ads_A100_v4' }],
        waitForCapacityMinutes: 0,
        instances: 1,
        endpoints: 1,
        auth: 'key',
        publicNetworkAccess: 'enabled',
        ignoreCatalog: false,
        requestSettings: { maxConcurrentRequestsPerInstance: 'auto', requestTimeoutSeconds: 180 },
        environmentVariables: {},
        keepMinutes: 0,
        pricePerHourUsd: null,
      },
      api: 'auto',
      workloads: [{ promptTokens: 512, outputTokens: 128 }],
      concurrency: { levels: [1, 2, 4, 8] },
      rate: null,
      measure: { mode: 'steady', repeats: 3, minRequests: 30, maxSeconds: 'auto', keepSamples: false },
      slo: null,
      demand: null,
      limits: { maxCells: 100, maxMinutes: 240, maxUsd: 100 },
      isolation: 'exclusive',
      seed: 42,
    });
  });

  test('an existing target needs no model, SKU or price', () => {
    const parsed = parseSpec({ target: EXISTING });
    expect(parsed.ok && parsed.value).toMatchObject({
      model: null,
      target: { sku: null, instances: null, requestTimeoutSeconds: 180 },
    });
  });

  test('a burst has one repeat unless told otherwise', () => {
    expect(aSpec({ measure: { mode: 'burst' } }).measure).toMatchObject({ mode: 'burst', repeats: 1 });
    expect(aSpec({ measure: { mode: 'burst', repeats: 2 } }).measure.repeats).toBe(2);
  });

  test('an empty object is filled in like an absent one', () => {
    const filled = aSpec({ measure: {}, limits: {}, concurrency: { ramp: {} } });
    expect(filled.measure).toEqual(aSpec().measure);
    expect(filled.limits).toEqual(aSpec().limits);
    expect(filled.concurrency).toEqual({ ramp: { from: 1, to: 10, step: 1, failureThreshold: 0.2 } });
  });

  test('what is parsed survives JSON and parses to itself', () => {
    const spec = aSpec({
      workloads: { promptTokens: [64, 128], outputTokens: [64] },
      concurrency: { ramp: { to: 3 } },
    });
    expect(parseSpec(JSON.parse(JSON.stringify(spec)))).toEqual({ ok: true, value: spec });
  });
});

describe('a load', () => {
  test.each<[name: string, fields: object]>([
    ['a search over connections', { concurrency: { search: { max: 32 } }, slo: { ttftMs: 500 } }],
    ['rates', { rate: { requestsPerSecond: [0.5, 2], arrival: 'constant' } }],
    ['a search over rates', { rate: { search: { max: 20 } }, slo: { e2eMs: 9_000, attainment: 0.9 } }],
    ['a trace', { rate: { trace: { speed: [1, 2] } } }],
  ])('of %s parses to itself', (_, fields) => {
    const spec = aSpec(fields);
    expect(parseSpec(JSON.parse(JSON.stringify(spec)))).toEqual({ ok: true, value: spec });
  });

  test('of a rate takes the place of the default levels', () => {
    expect(aSpec({ rate: { requestsPerSecond: [1] } })).toMatchObject({
      concurrency: null,
      rate: { requestsPerSecond: [1], arrival: 'poisson', maxInFlight: 256 },
    });
    expect(aSpec({ rate: null, concurrency: null }).concurrency).toEqual({ levels: [1, 2, 4, 8] });
  });

  test('a search over rates tells them apart by a thirty-second of the highest', () => {
    expect(aSpec({ rate: { search: { max: 16 } }, slo: { e2eMs: 1 } }).rate).toMatchObject({
      search: { max: 16, step: 0.5, maxRequestsPerLevel: 'auto' },
    });
  });

  test('objectives have an attainment of 95 % and no clause that was not asked for', () => {
    expect(aSpec({ slo: { tpotMs: 50 } }).slo).toEqual({
      attainment: 0.95,
      ttftMs: null,
      tpotMs: 50,
      e2eMs: null,
    });
  });
});

test('lists of prompt and output tokens become every combination, in order', () => {
  expect(aSpec({ workloads: { promptTokens: [64, 128], outputTokens: [16, 32] } }).workloads).toEqual([
    { promptTokens: 64, outputTokens: 16 },
    { promptTokens: 64, outputTokens: 32 },
    { promptTokens: 128, outputTokens: 16 },
    { promptTokens: 128, outputTokens: 32 },
  ]);
});

test('a SKU in other capitals becomes its own name', () => {
  const spec = aSpec({ target: { kind: 'managed', sku: 'standard_nc24ADS_a100_V4' } });
  expect(spec.target.sku).toBe('Standard_NC24ads_A100_v4');
});

const sku = 'Standard_NC24ads_A100_v4';
const managed = (fields: object) => ({ target: { kind: 'managed', sku, ...fields } });

describe('a fault names its path and what to do', () => {
  test.each<[name: string, body: unknown, path: string, message: RegExp]>([
    ['no object', null, '(body)', /must be an object/],
    ['a list', [], '(body)', /must be an object/],
    ['no target', { model: { name: 'Phi-4', version: '7' } }, 'target', /kind/],
    ['no kind', aSpecBody({ target: { sku } }), 'target.kind', /"managed".*"existing"/],
    [
      'an unknown kind',
      aSpecBody({ target: { kind: 'serverless', sku } }),
      'target.kind',
      /"managed".*"existing"/,
    ],
    ['no model', { target: { kind: 'managed', sku } }, 'model', /is missing/],
    ['no version', aSpecBody({ model: { name: 'Phi-4' } }), 'model.version', /is missing/],
    [
      'a model with a slash',
      aSpecBody({ model: { name: 'a/b', version: '1' } }),
      'model.name',
      /letters, digits/,
    ],
    ['no SKU', aSpecBody({ target: { kind: 'managed' } }), 'target.sku', /GPU VM size/],
    [
      'a SKU that is none',
      aSpecBody(managed({ sku: 'Standard_D2s_v5' })),
      'target.sku',
      /not a GPU size.*Standard_NC24ads_A100_v4/,
    ],
    [
      "the origin's SKU that never was",
      aSpecBody(managed({ sku: 'Standard_NC80ads_H100_v5' })),
      'target.sku',
      /Standard_NC80adis_H100_v5/,
    ],
    ['no instance', aSpecBody(managed({ instances: 0 })), 'target.instances', /from 1 to 50/],
    ['half an instance', aSpecBody(managed({ instances: 1.5 })), 'target.instances', /whole number/],
    [
      'a long timeout',
      aSpecBody(managed({ requestSettings: { requestTimeoutSeconds: 181 } })),
      'target.requestSettings.requestTimeoutSeconds',
      /1 to 180/,
    ],
    ['an endpoint kept for days', aSpecBody(managed({ keepMinutes: 999 })), 'target.keepMinutes', /0 to 240/],
    [
      'a negative price',
      aSpecBody(managed({ pricePerHourUsd: -1 })),
      'target.pricePerHourUsd',
      /from 0 to 1000/,
    ],
    ['level 0', aSpecBody({ concurrency: { levels: [1, 0] } }), 'concurrency.levels[1]', /from 1 to 512/],
    ['level 513', aSpecBody({ concurrency: { levels: [513] } }), 'concurrency.levels[0]', /from 1 to 512/],
    ['no level', aSpecBody({ concurrency: { levels: [] } }), 'concurrency.levels', /at least one level/],
    ['a level twice', aSpecBody({ concurrency: { levels: [2, 2] } }), 'concurrency.levels', /twice/],
    [
      'a ramp downwards',
      aSpecBody({ concurrency: { ramp: { from: 5, to: 2 } } }),
      'concurrency.ramp',
      /"from" is larger/,
    ],
    [
      'a search without objectives',
      aSpecBody({ concurrency: { search: { max: 64 } } }),
      'slo',
      /a search looks for the highest level that meets it/,
    ],
    [
      'two loads',
      aSpecBody({ concurrency: { levels: [1] }, rate: { requestsPerSecond: [1] } }),
      'rate',
      /two loads/,
    ],
    [
      'a rate of 0',
      aSpecBody({ rate: { requestsPerSecond: [0] } }),
      'rate.requestsPerSecond[0]',
      /from 0.001/,
    ],
    [
      'two rates that are one to a thousandth',
      aSpecBody({ rate: { requestsPerSecond: [1, 1.0001] } }),
      'rate.requestsPerSecond',
      /same rate twice/,
    ],
    [
      'steps above the highest rate',
      aSpecBody({ rate: { search: { max: 1, step: 2 } }, slo: { e2eMs: 1 } }),
      'rate.search',
      /steps up to "max"/,
    ],
    [
      'an arrival that is none',
      aSpecBody({ rate: { requestsPerSecond: [1], arrival: 'bursty' } }),
      'rate.arrival',
      /"poisson".*"constant"/,
    ],
    [
      'a burst with a rate',
      aSpecBody({ rate: { requestsPerSecond: [1] }, measure: { mode: 'burst' } }),
      'measure.mode',
      /must be "steady"/,
    ],
    [
      'a burst with a search',
      aSpecBody({ concurrency: { search: {} }, slo: { e2eMs: 1 }, measure: { mode: 'burst' } }),
      'measure.mode',
      /must be "steady"/,
    ],
    ['an SLO without a clause', aSpecBody({ slo: { attainment: 0.9 } }), 'slo', /at least one of "ttftMs"/],
    [
      'an attainment of 1',
      aSpecBody({ slo: { attainment: 1, ttftMs: 1 } }),
      'slo.attainment',
      /0.5 to 0.999/,
    ],
    ['no workload', aSpecBody({ workloads: [] }), 'workloads', /at least one/],
    [
      '0 prompt tokens',
      aSpecBody({ workloads: [{ promptTokens: 0, outputTokens: 1 }] }),
      'workloads[0].promptTokens',
      /from 1 to/,
    ],
    [
      'a workload twice',
      aSpecBody({
        workloads: [
          { promptTokens: 1, outputTokens: 1 },
          { promptTokens: 1, outputTokens: 1 },
        ],
      }),
      'workloads',
      /twice/,
    ],
    ['an unknown scenario', aSpecBody({ workloads: ['chatbots'] }), 'workloads[0]', /"chatbot"/],
    ['an unknown API', aSpecBody({ api: 'grpc' }), 'api', /"openai-chat"/],
    ['an unknown mode', aSpecBody({ measure: { mode: 'soak' } }), 'measure.mode', /"steady" or "burst"/],
    [
      'requests of a burst',
      aSpecBody({ measure: { mode: 'burst', minRequests: 5 } }),
      'measure.minRequests',
      /not a field/,
    ],
    [
      'a demand of nothing',
      aSpecBody({ demand: { requestsPerMinute: 0 } }),
      'demand.requestsPerMinute',
      /from 0.01/,
    ],
    ['an unknown field', aSpecBody({ concurency: {} }), 'concurency', /not a field of a spec/],
    [
      'a limit of text',
      aSpecBody({ limits: { maxMinutes: '60' } }),
      'limits.maxMinutes',
      /number from 1 to 1440/,
    ],
    ['a negative seed', aSpecBody({ seed: -1 }), 'seed', /from 0 to 2147483647/],
    [
      'no address',
      { target: { kind: 'existing', auth: { kind: 'none' } } },
      'target.scoringUri',
      /is missing/,
    ],
    [
      'a key in the spec',
      { target: { ...EXISTING, auth: { kind: 'key', key: 'secret' } } },
      'target.auth.kind',
      /"setting"/,
    ],
  ])('%s', (_, body, path, message) => {
    const faults = faultsOf(body);
    expect(faults).toContainEqual({ path, message: expect.stringMatching(message) });
  });

  // The validator's own words still come through here ("Invalid key in record", "Too small: ..."); no rule, no remedy.
  test.each<[name: string, body: unknown, path: string, message: RegExp]>([
    [
      'an odd variable',
      aSpecBody(managed({ environmentVariables: { 'A B': '1' } })),
      'target.environmentVariables.A B',
      /letters, digits/,
    ],
    ['no time', aSpecBody({ measure: { maxSeconds: 0 } }), 'measure.maxSeconds', /from 1 to 1500/],
    [
      'no room',
      aSpecBody(managed({ requestSettings: { maxConcurrentRequestsPerInstance: 0 } })),
      'target.requestSettings.maxConcurrentRequestsPerInstance',
      /from 1 to 512/,
    ],
    [
      'a long list of sizes',
      aSpecBody({
        workloads: { promptTokens: Array.from({ length: 101 }, (_, index) => index + 1), outputTokens: [1] },
      }),
      'workloads.promptTokens',
      /at most 100/,
    ],
  ])('%s', (_, body, path, message) => {
    expect(faultsOf(body)).toContainEqual({ path, message: expect.stringMatching(message) });
  });

  test('all faults come at once', () => {
    const faults = faultsOf(
      aSpecBody({
        ...managed({ instances: 0, colour: 'red' }),
        seed: -1,
        isolation: 'none',
        workloads: [{ promptTokens: 0, outputTokens: 0 }],
      }),
    );
    expect(faults.map((fault) => fault.path).sort()).toEqual([
      'isolation',
      'seed',
      'target.colour',
      'target.instances',
      'workloads[0].outputTokens',
      'workloads[0].promptTokens',
    ]);
  });

  test.each([
    undefined,
    1,
    'spec',
    true,
    [[]],
    { target: null },
    { target: [] },
    { target: { kind: {} } },
    { model: 5, target: 5 },
  ])('the input %j is refused and never throws', (input) => {
    expect(faultsOf(input).length).toBeGreaterThan(0);
  });
});

describe('every list is bounded', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

  test.each<[name: string, body: object, path: string]>([
    ['levels', { concurrency: { levels: many(SPEC_BOUNDS.levels + 1) } }, 'concurrency.levels'],
    [
      'workloads',
      { workloads: many(101).map((promptTokens) => ({ promptTokens, outputTokens: 1 })) },
      'workloads',
    ],
    ['combinations', { workloads: { promptTokens: many(11), outputTokens: many(10) } }, 'workloads'],
    [
      'variables',
      managed({ environmentVariables: Object.fromEntries(many(51).map((index) => [`V${index}`, ''])) }),
      'target.environmentVariables',
    ],
  ])('%s', (_, fields, path) => {
    expect(faultsOf(aSpecBody(fields)).map((fault) => fault.path)).toContain(path);
  });

  test('the bound itself is accepted', () => {
    expect(aSpec({ concurrency: { levels: many(SPEC_BOUNDS.levels) } }).concurrency).toEqual({
      levels: many(SPEC_BOUNDS.levels),
    });
    expect(aSpec({ workloads: { promptTokens: many(10), outputTokens: many(10) } }).workloads).toHaveLength(
      100,
    );
  });
});

function faultsOf(body: unknown) {
  const parsed = parseSpec(body);
  return parsed.ok ? [] : parsed.faults;
}

describe('a payload template of the user’s own', () => {
  const template = {
    path: '/score',
    pathRule: 'replace',
    body: { text: '{{prompt}}', length: '{{outputTokens}}' },
  };

  test('goes with the api "raw" and is stored with every default', () => {
    const parsed = parseSpec(aSpecBody({ api: 'raw', template: PAYLOAD_FAMILIES.score }));
    expect(parsed).toMatchObject({ ok: true, value: { api: 'raw', template: PAYLOAD_FAMILIES.score } });
  });

  test.each([
    ['raw without a template', { api: 'raw' }, 'template'],
    ['a template without raw', { api: 'score', template: PAYLOAD_FAMILIES.score }, 'template'],
  ])('%s is a fault', (_, fields, path) => {
    const parsed = parseSpec(aSpecBody(fields));
    expect(parsed).toMatchObject({ ok: false, faults: [{ path, message: expect.any(String) }] });
  });

  test('is checked with its own paths, beside the other faults of the spec', () => {
    const parsed = parseSpec(aSpecBody({ api: 'raw', template: { ...template, body: 7 }, seed: -1 }));
    const paths = parsed.ok ? [] : parsed.faults.map((fault) => fault.path);
    expect(paths).toEqual(expect.arrayContaining(['seed', 'template.body']));
  });
});

describe('several endpoints', () => {
  const target = { kind: 'managed', sku: 'Standard_NC24ads_A100_v4', endpoints: 4 };

  test.each([
    [{}, 4],
    [{ repeats: 7 }, 7],
    [{ mode: 'burst' }, 4],
    [{ repeats: { least: 3, most: 3 } }, { least: 4, most: 4 }],
    [{ repeats: { least: 3, most: 10 } }, { least: 4, most: 10 }],
  ])('have a repeat for each of them: %j', (measure, repeats) => {
    expect(aSpec({ target, measure }).measure.repeats).toEqual(repeats);
  });

  test('and a search are a fault, since it follows one', () => {
    const parsed = parseSpec(aSpecBody({ target, concurrency: { search: {} }, slo: { e2eMs: 1_000 } }));
    expect(parsed).toMatchObject({ ok: false, faults: [{ path: 'target.endpoints' }] });
  });
});
