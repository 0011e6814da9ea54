import { describe, expect, it, vi } from 'vitest';
import { SampleKeeper, sampleShare } from '../../src/activities/sample-keeper.ts';
import { SPEC_BOUNDS } from '../../src/core/spec/spec-bounds.ts';
import type { Services } from '../../src/services.ts';
import { sample } from '../load/a-sample.ts';
import { aSpec } from '../support/builders.ts';

const GROUP = { runId: 'r1', cellKey: 'w000-c0001-r01', attempt: 1 };

/** Services whose tables take what is stored, or do not. */
function aStore(fails = false) {
  const stored: string[] = [];
  const save = async (_group: object, _shard: number, lines: readonly string[]) => {
    if (fails) throw new Error('The tables are away.');
    stored.push(...lines);
  };
  return { stored, services: { stores: { samples: { save } } } as unknown as Services };
}

describe('what is kept of a cell', () => {
  it('is shared out to its repeats and shards, so that all together stay in the bound', () => {
    const spec = aSpec({ measure: { repeats: { most: 20 } } });
    const share = sampleShare(spec, { shards: 8 });
    expect(share.samples * 160).toBeLessThanOrEqual(SPEC_BOUNDS.keptSamples);
    expect(share.samples * 160).toBeGreaterThan(SPEC_BOUNDS.keptSamples * 0.9);
    expect(share.bytes * 160).toBeLessThanOrEqual(SPEC_BOUNDS.keptSampleBytes);
  });

  it('is the first samples, as many as a shard may keep, however many come', async () => {
    const keeper = new SampleKeeper({ samples: 3, bytes: 1e6 });
    for (let index = 0; index < 10; index += 2)
      await keeper.take([sample({ requestId: `a-${index}` }), sample({ requestId: `a-${index + 1}` })]);
    const { stored, services } = aStore();
    expect(await keeper.store(services, GROUP, 0)).toBe(3);
    expect(stored.map((line) => JSON.parse(line).requestId)).toEqual(['a-0', 'a-1', 'a-2']);
  });

  it('is bounded in bytes too, since a sample of a long stream is long', async () => {
    const keeper = new SampleKeeper({ samples: 100, bytes: 10_000 });
    const long = sample({ gapsMs: Array<number>(500).fill(12.345) });
    await keeper.take([long, long, long, long, long]);
    const { stored, services } = aStore();
    expect(await keeper.store(services, GROUP, 0)).toBe(2);
    expect(stored.join('').length).toBeLessThan(10_000);
  });

  it('is nothing where the tables do not take it, and that is said and does not fail the cell', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const keeper = new SampleKeeper({ samples: 3, bytes: 1e6 });
    await keeper.take([sample({})]);
    expect(await keeper.store(aStore(true).services, GROUP, 0)).toBe(0);
    expect(warn.mock.calls.join()).toContain('samples-not-kept');
    warn.mockRestore();
  });
});
