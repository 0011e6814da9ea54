/** Long values: either refused at once with the bound, or stored and read back equal; no row breaks the service's limits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROUTES } from '../../src/http/routes.ts';
import { expectRefusal, type HttpCalls, openHttpCalls } from './bad-input-calls.ts';
import { startTableRelay, type TableRelay } from './table-limits.ts';

let relay: TableRelay;
let calls: HttpCalls;

beforeAll(async () => {
  relay = await startTableRelay();
  calls = await openHttpCalls({ TABLES_ENDPOINT: `${relay.origin}/devstoreaccount1` });
  relay.target = new URL(calls.real.tables.endpoint).origin;
});
afterAll(async () => {
  await calls.close();
  await relay.close();
});

const JSON_TYPE = { 'content-type': 'application/json' };
const route = (name: string) => ROUTES.find((one) => one.name === name) ?? ROUTES[0]!;
const target = { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' };
const model = { name: 'Phi-4', version: '7' };

/** Text that no compression shortens: of Latin letters, of characters outside Latin, or of both. */
function noise(length: number, kind: 'latin' | 'mixed' | 'cjk'): string {
  let state = 7;
  return Array.from({ length }, (_, index) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 1;
    const isLatin = kind === 'latin' || (kind === 'mixed' && index % 2 === 0);
    return String.fromCharCode(isLatin ? 0x30 + ((state >> 8) % 75) : 0x4e00 + ((state >> 8) % 20_000));
  })
    .join('')
    .replace(/[\\{]/g, 'x');
}

const raw = (text: string) => ({
  api: 'raw',
  template: { body: { input: '{{prompt}}', system: text }, answer: { text: [['output']] } },
});

describe('a raw template', () => {
  it.each([
    ['40,000 characters of Latin', 40_000, 'latin', 202],
    ['40,000 characters, half of them outside Latin', 40_000, 'mixed', 202],
    ['390,000 characters of Latin', 390_000, 'latin', 202],
    ['390,000 characters, half of them outside Latin', 390_000, 'mixed', 202],
    ['250,000 characters outside Latin', 250_000, 'cjk', 202],
    ['390,000 characters outside Latin', 390_000, 'cjk', 400],
    ['400,000 characters and its frame', 400_000, 'latin', 400],
  ] as const)('of %s is kept as it is, or refused with the bound', async (_, length, kind, status) => {
    const before = await calls.everything();
    const text = noise(length, kind);
    const body = JSON.stringify({ model, target, ...raw(text) });
    const answer = await calls.call(route('createRun'), {
      headers: { ...JSON_TYPE, 'idempotency-key': `template-${length}-${kind}` },
      body,
    });
    expect(answer.status).toBe(status);
    if (status === 202) {
      const { json } = await calls.call(route('getRun'), { params: { id: answer.json.id } });
      expect(json.spec.template.body.system).toBe(text);
    } else {
      expectRefusal(answer, [400]);
      expect(answer.json.detail).toMatch(/at most 400000 characters|a row holds \d+ kB/);
      expect(await calls.everything()).toBe(before);
    }
    expect(relay.refused).toEqual([]);
  });
});

describe('a list', () => {
  it('of 200 workloads is refused with the bound, one of 100 is kept', async () => {
    const ask = (count: number) =>
      calls.call(route('createRun'), {
        headers: JSON_TYPE,
        body: JSON.stringify({
          model,
          target,
          workloads: Array.from({ length: count }, (_, index) => ({
            promptTokens: 8 + index,
            outputTokens: 8,
          })),
          concurrency: { levels: [1] },
          measure: { mode: 'steady', repeats: 1, maxSeconds: 1 },
          limits: { maxMinutes: 1_440, maxUsd: 400 },
        }),
      });
    const refused = await ask(200);
    expectRefusal(refused, [400]);
    expect(refused.json.detail).toContain('at most 100 workloads');
    const kept = await ask(100);
    expect(kept.status).toBe(202);
    const { json } = await calls.call(route('getRun'), { params: { id: kept.json.id } });
    expect(json.spec.workloads).toHaveLength(100);
    expect(relay.refused).toEqual([]);
  });

  it.each([
    [20, 1_000, 202],
    [20, 60_000, 400],
    [21, 10, 400],
    [4, 300_000, 400],
  ])(
    'of %i targets with %i characters each is kept, or refused with the bound',
    async (count, characters, status) => {
      const before = await calls.everything();
      const answer = await calls.call(route('createComparison'), {
        headers: { ...JSON_TYPE, 'idempotency-key': `comparison-${count}-${characters}` },
        body: JSON.stringify({
          base: {
            model,
            ...raw(noise(characters, 'latin')),
            concurrency: { levels: [1] },
            measure: { repeats: 1 },
          },
          targets: Array.from({ length: count }, (_, index) => ({
            label: `target ${index}`,
            target: { ...target, instances: 1 + (index % 2) },
            seed: index,
          })),
          limits: { maxMinutes: 2_880, maxUsd: 10_000 },
        }),
      });
      if (status === 202) {
        expect(answer.text).toContain('"id"');
        expect(answer.status).toBe(202);
      } else {
        expectRefusal(answer, [400]);
        expect(await calls.everything()).toBe(before);
      }
      expect(relay.refused).toEqual([]);
    },
  );
});

it('the relay saw what was written', () => {
  expect(relay.writes()).toBeGreaterThan(10);
});
