/**
 * How much of a rented GPU's time a run measures in, where each message of durable history is under way for seconds: the
 * real orchestrations on the real engine, with steps that take the time that steps take, on a clock that jumps.
 */
import type { CellOrder } from '../../src/core/measuring/cell.ts';
import { cellKey } from '../../src/core/measuring/cell.ts';
import type { MeasurePlan } from '../../src/core/measuring/wave.ts';
import { deriveSeed } from '../../src/core/statistics/seed.ts';
import { BENCHMARK } from '../../src/orchestrations/benchmark.ts';
import type { ShardOutcome, Steps } from '../../src/orchestrations/steps.ts';
import { type EngineClock, runOnEngine } from './engine-run.ts';
import { GOOD_SHARD, planOfCells } from './instant-cells.ts';

export interface RentedTime {
  readonly cells: number;
  /** From the moment at which the deployment took requests to the last answer. */
  readonly rentedSeconds: number;
  /** With as many requests in flight as the level says. */
  readonly atTargetSeconds: number;
  /** Cells that were under way beside another one. */
  readonly overlaps: number;
}

/** A cell at its level, and the answers that are still to come when it issues no more: 128 tokens of Phi-4 on an NC24. */
const CELL_MS = 60_000;
const DRAIN_MS = 3_000;
/** A shard's thread and its connections, from its turn to its arrival. */
const READY_MS = 300;
/** As `measureCell` has them: polls for siblings and for a turn, and from the last arrival to the first request. */
const RENDEZVOUS_POLL_MS = 100;
const TURN_POLL_MS = 500;
const START_LEAD_MS = 500;
/** A few requests, of which each is as long as a drain. */
const WARM_UP_MS = 10_000;
const TABLE_MS = 100;

/** Four levels, so many times; repeats in a row as the run's plan has them on Azure, or one by one. */
export function rentedTimePlan({ repeats, inARow }: { repeats: number; inARow: number }): MeasurePlan {
  return {
    ...planOfCells(100),
    workloads: [{ promptTokens: 512, outputTokens: 128 }],
    load: {
      loop: 'closed',
      arrival: 'constant',
      maxInFlight: null,
      walk: { kind: 'levels', levels: [1, 2, 4, 8] },
    },
    repeats: { least: repeats, most: repeats },
    limits: { mode: 'steady', maxSeconds: 120, minRequests: 30, requestTimeoutSeconds: 180 },
    inARow,
  };
}

export async function measureRentedTime(
  plan: MeasurePlan,
  hop: { readonly leastMs: number; readonly mostMs: number; readonly seed: number },
): Promise<RentedTime> {
  const shards = new VirtualShards();
  let readyMs = 0;
  let hops = 0;
  const ready = { state: 'ready' } as const;
  const steps: { [N in keyof Steps]?: (clock: EngineClock, input: Steps[N]['input']) => unknown } = {
    admitRun: () => ({ state: 'admitted', placement: 0 }),
    startRun: () => ({
      kind: 'managed',
      pollSeconds: 10,
      placements: 1,
      waitForCapacityMinutes: 0,
      measureDeadlineMs: plan.deadlineMs,
      ending: null,
    }),
    deployEndpoint: () => ready,
    deployModel: () => ready,
    deployTraffic: () => ready,
    deployProgress: (clock) => {
      readyMs = clock.now();
      return ready;
    },
    warmUp: async (clock) => {
      await clock.until(clock.now() + WARM_UP_MS);
      return ready;
    },
    planMeasuring: () => plan,
    measureCell: (clock, { order, shard }) => shards.measure(clock, order, shard),
    saveCell: async (clock) => {
      await clock.until(clock.now() + TABLE_MS);
      return { saved: true };
    },
    aggregate: () => ({}),
    keepEndpoint: () => ({ kept: false }),
    releaseEndpoint: () => ({ gone: true, error: null }),
    finishRun: () => ({}),
  };
  await runOnEngine({
    name: BENCHMARK,
    input: { runId: 'r1' },
    hopMs: () => {
      hops += 1;
      const share = deriveSeed(hop.seed, 'hop', hops) / 2 ** 32;
      return Math.round(hop.leastMs + share * (hop.mostMs - hop.leastMs));
    },
    step: (name, input, clock) => {
      const step = steps[name as keyof Steps] as
        | ((clock: EngineClock, input: unknown) => unknown)
        | undefined;
      if (step === undefined) throw new Error(`This run does not call the step ${name}.`);
      return step(clock, input);
    },
  });
  return shards.use(readyMs);
}

interface Meeting {
  readonly arrivals: number[];
  startMs: number | null;
  endMs: number | null;
  over: number;
}

/** Shards that meet, begin together and end together, as their rows let them. */
class VirtualShards {
  readonly #meetings = new Map<string, Meeting>();

  async measure(clock: EngineClock, order: CellOrder, shard: number): Promise<ShardOutcome> {
    const { after } = order;
    while (after !== undefined && this.#at(`${after.cellKey}-${after.attempt}`).over < after.shards)
      await clock.until(clock.now() + TURN_POLL_MS);
    const mine = this.#at(`${cellKey(order)}-${order.attempt}`);
    await clock.until(clock.now() + READY_MS);
    mine.arrivals.push(clock.now());
    while (mine.arrivals.length < order.shards) await clock.until(clock.now() + RENDEZVOUS_POLL_MS);
    const startMs = Math.max(...mine.arrivals) + (order.shards === 1 ? 0 : START_LEAD_MS);
    mine.startMs = startMs;
    mine.endMs = startMs + CELL_MS + DRAIN_MS;
    await clock.until(mine.endMs);
    mine.over += 1;
    return { ...GOOD_SHARD, startedAtMs: startMs + shard };
  }

  use(readyMs: number): RentedTime {
    const spans = [...this.#meetings.values()]
      .map(({ startMs, endMs }) => ({ startMs: startMs ?? 0, endMs: endMs ?? 0 }))
      .sort((a, b) => a.startMs - b.startMs);
    return {
      cells: spans.length,
      rentedSeconds: (Math.max(...spans.map(({ endMs }) => endMs)) - readyMs) / 1_000,
      atTargetSeconds: (spans.length * CELL_MS) / 1_000,
      overlaps: spans.filter(({ startMs }, index) => startMs < (spans[index - 1]?.endMs ?? 0)).length,
    };
  }

  #at(key: string): Meeting {
    const known = this.#meetings.get(key) ?? { arrivals: [], startMs: null, endMs: null, over: 0 };
    this.#meetings.set(key, known);
    return known;
  }
}
