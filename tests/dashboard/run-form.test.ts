import { describe, expect, it } from 'vitest';
import { parseSpec } from '../../src/core/spec/spec.ts';
import { composeSpec, FIRST_FIELDS, placeFaults, type RunFields } from '../../src/dashboard/run-form.ts';

const fields = (changes: Partial<RunFields> = {}): RunFields => ({
  ...FIRST_FIELDS,
  model: 'Phi-4',
  ...changes,
});

describe('the form as a spec', () => {
  it('is a spec that can be planned as it stands, once a model is named', () => {
    const parsed = parseSpec(composeSpec(fields()));
    expect(parsed.ok ? [] : parsed.faults).toEqual([]);
  });

  it.each<[string, Partial<RunFields>, object]>([
    ['levels', { load: 'levels', levels: '1, 8;16 32' }, { concurrency: { levels: [1, 8, 16, 32] } }],
    [
      'a search',
      { load: 'search', searchMax: '48', ttftMs: '500' },
      { concurrency: { search: { max: 48 } } },
    ],
    ['rates', { load: 'rates', rates: '0.5 2' }, { rate: { requestsPerSecond: [0.5, 2] } }],
    [
      'a search for a rate',
      { load: 'rate-search', rateSearchMax: '20', e2eMs: '9000' },
      { rate: { search: { max: 20 } } },
    ],
    ['objectives', { tpotMs: '50', attainment: '99.9 %' }, { slo: { attainment: 0.999, tpotMs: 50 } }],
    [
      'lengths',
      { promptTokens: '512 2048', outputTokens: '64' },
      { workloads: { promptTokens: [512, 2048], outputTokens: [64] } },
    ],
    ['a budget', { maxUsd: '12.5', maxMinutes: '90' }, { limits: { maxUsd: 12.5, maxMinutes: 90 } }],
  ])('says %s as the API reads them', (_, changes, expected) => {
    const spec = composeSpec(fields(changes));
    expect(spec).toMatchObject(expected);
    expect(parseSpec(spec)).toMatchObject({ ok: true });
  });

  it('leaves out what is empty, so that the defaults of the API hold', () => {
    const spec = composeSpec(fields({ maxUsd: ' ', version: '', attainment: '95' }));
    expect(spec).toMatchObject({
      limits: { maxMinutes: 120 },
      model: { registry: 'AzureML', name: 'Phi-4' },
    });
    expect(spec).not.toHaveProperty('limits.maxUsd');
    expect(spec).not.toHaveProperty('model.version');
    expect(spec).not.toHaveProperty('slo');
  });

  it('sends what is no number as it is, and each fault comes back to its field', () => {
    const wrong = fields({
      model: '',
      levels: '1, many',
      maxUsd: 'lots',
      instances: '0',
      sku: 'Standard_X',
      promptTokens: 'long',
    });
    const parsed = parseSpec(composeSpec(wrong));
    if (parsed.ok) throw new Error('That spec cannot be good.');
    const { byField, elsewhere } = placeFaults(parsed.faults, 'levels');
    expect(Object.keys(byField).sort()).toEqual([
      'instances',
      'levels',
      'maxUsd',
      'model',
      'promptTokens',
      'sku',
    ]);
    expect(byField.levels?.[0]).toMatch(/^number 2: /);
    expect(elsewhere).toEqual([]);
  });
});

describe('faults at their fields', () => {
  it.each([
    ['workloads[3].promptTokens', 'promptTokens', 'number 4: is bad'],
    ['workloads', 'promptTokens', 'is bad'],
    ['workloads.outputTokens[0]', 'outputTokens', 'number 1: is bad'],
    ['slo', 'ttftMs', 'is bad'],
    ['rate.search.max', 'rateSearchMax', 'is bad'],
    ['concurrency', 'rateSearchMax', 'is bad'],
    ['target.environmentVariables.X', 'sku', 'environmentVariables.X is bad'],
  ])('%s is told at %s', (path, field, sentence) => {
    expect(placeFaults([{ path, message: 'is bad' }], 'rate-search').byField).toEqual({
      [field]: [sentence],
    });
  });

  it('what no field shows stands apart', () => {
    const fault = { path: 'isolation', message: 'is bad' };
    expect(placeFaults([fault], 'levels')).toEqual({ byField: {}, elsewhere: [fault] });
  });
});
