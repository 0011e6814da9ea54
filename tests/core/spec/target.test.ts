/** What a spec may say of its target, and what is filled in. */
import { describe, expect, it } from 'vitest';
import { parseSpec } from '../../../src/core/spec/spec.ts';

const sku = 'Standard_NC24ads_A100_v4';
const h100 = 'Standard_NC40ads_H100_v5';

function parse(target: object) {
  const parsed = parseSpec({ model: { name: 'Phi-4', version: '7' }, target });
  return parsed.ok ? { target: parsed.value.target, faults: [] } : { target: null, faults: parsed.faults };
}
const managed = (fields: object = {}) => parse({ kind: 'managed', sku, ...fields });

describe('placements', () => {
  it.each([
    ['nothing', {}, [{ workspace: 'default', sku }]],
    ['a workspace', { workspace: 'west' }, [{ workspace: 'west', sku }]],
    [
      'names',
      { placements: ['east', 'west'] },
      [
        { workspace: 'east', sku },
        { workspace: 'west', sku },
      ],
    ],
    [
      'a SKU of its own',
      { placements: ['east', { workspace: 'west', sku: h100.toLowerCase() }] },
      [
        { workspace: 'east', sku },
        { workspace: 'west', sku: h100 },
      ],
    ],
    [
      'one workspace with two SKUs',
      { placements: ['east', { workspace: 'east', sku: h100 }] },
      [
        { workspace: 'east', sku },
        { workspace: 'east', sku: h100 },
      ],
    ],
  ])('from %s', (_, fields, wanted) => {
    const { target } = managed(fields);
    expect(target).toMatchObject({
      placements: wanted,
      workspace: wanted[0]?.workspace,
      sku: wanted[0]?.sku,
    });
    // What is stored can be sent again.
    expect(parse(target ?? {}).target).toEqual(target);
  });

  it.each([
    ['an empty list', { placements: [] }, 'target.placements', /at least one/],
    [
      'another first than the workspace',
      { workspace: 'a', placements: ['b'] },
      'target.placements',
      /begin with "workspace"/,
    ],
    ['one twice', { placements: ['a', { workspace: 'a', sku }] }, 'target.placements', /twice/],
    [
      'eleven',
      { placements: Array.from({ length: 11 }, (_, index) => `w${index}`) },
      'target.placements',
      /at most 10/,
    ],
    [
      'an unknown SKU',
      { placements: [{ workspace: 'a', sku: 'Standard_D4s_v5' }] },
      'target.placements[0].sku',
      /not a GPU size/,
    ],
    [
      'an unknown field',
      { placements: [{ workspace: 'a', region: 'x' }] },
      'target.placements[0].region',
      /not a field/,
    ],
    ['a wait of a day', { waitForCapacityMinutes: 1_440 }, 'target.waitForCapacityMinutes', /from 0 to 240/],
  ])('not %s', (_, fields, path, message) => {
    expect(managed(fields).faults).toMatchObject([{ path, message: expect.stringMatching(message) }]);
  });
});

describe('what is not measured in one run', () => {
  it.each([
    ['many endpoints', { endpoints: 9 }, 'target.endpoints', /from 1 to 8/],
    [
      'the same settings twice',
      { requestSettings: [{}, {}] },
      'target.requestSettings',
      /same settings twice/,
    ],
    ['no settings', { requestSettings: [] }, 'target.requestSettings', /at least one/],
    ['a word for settings', { requestSettings: 'all' }, 'target.requestSettings', /or a list of such/],
    [
      'a fault inside settings',
      { requestSettings: { requestTimeoutSeconds: 'long' } },
      'target.requestSettings.requestTimeoutSeconds',
      /from 1 to 180/,
    ],
    [
      'a fault inside a list of settings',
      { requestSettings: [{}, { requestTimeoutSeconds: 181 }] },
      'target.requestSettings[1].requestTimeoutSeconds',
      /from 1 to 180/,
    ],
    ['an endpoint kept for days', { keepMinutes: 2_880 }, 'target.keepMinutes', /from 0 to 240/],
    [
      'half-public access',
      { publicNetworkAccess: 'some' },
      'target.publicNetworkAccess',
      /"enabled" or "disabled"/,
    ],
  ])('%s is refused with what to do', (_, fields, path, message) => {
    expect(managed(fields).faults).toMatchObject([{ path, message: expect.stringMatching(message) }]);
  });
});

describe('an endpoint that exists', () => {
  it('needs its name alone, and no model', () => {
    const parsed = parseSpec({ target: { kind: 'endpoint', name: 'prod-1' } });
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        target: { workspace: 'default', name: 'prod-1', deployment: null, sku: null, instances: null },
      },
    });
  });

  it.each(['p', 'pp', '1ab', 'a--b', 'ab-', 'a b', 'a_b', `a${'b'.repeat(32)}`])(
    'is not called %j',
    (name) => {
      expect(parse({ kind: 'endpoint', name }).faults.map(({ path }) => path)).toContain('target.name');
    },
  );
});

describe('a scoring URI', () => {
  const existing = (fields: object) =>
    parse({ kind: 'existing', scoringUri: 'https://a.openai.azure.com/', auth: { kind: 'none' }, ...fields });

  it('of a serverless endpoint may have prices per token', () => {
    expect(existing({ tokenPricesUsdPerMillion: { input: 0.07, output: 0.14 } }).target).toMatchObject({
      tokenPricesUsdPerMillion: { input: 0.07, output: 0.14 },
    });
    expect(existing({}).target).toMatchObject({ tokenPricesUsdPerMillion: null });
    expect(
      existing({ tokenPricesUsdPerMillion: { input: -1 } })
        .faults.map(({ path }) => path)
        .sort(),
    ).toEqual(['target.tokenPricesUsdPerMillion.input', 'target.tokenPricesUsdPerMillion.output']);
  });
});
