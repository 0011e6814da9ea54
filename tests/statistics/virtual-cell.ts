/**
 * Repeats of cells in virtual time: request latencies from the simulator's model of a GPU, through the load engine's
 * own window and fold, the summary of shards, and the rates that verdicts are made of. No sockets, no clock.
 */

import type { Sample } from '../../src/core/measuring/sample.ts';
import type { ShardOrder } from '../../src/core/measuring/shard.ts';
import { mergeShards } from '../../src/core/measuring/summary.ts';
import type { CellRecord } from '../../src/core/report/report.ts';
import { ShardFold } from '../../src/load/fold.ts';
import { type InstanceTimes, instanceTimes } from '../../src/simulator/gpu.ts';
import { findModelByName } from '../../src/simulator/models.ts';
import { findSku } from '../../src/simulator/skus.ts';
import { aCell, aProvenance } from '../support/builders.ts';

export const WORKLOAD = { promptTokens: 256, outputTokens: 64 };
/** Of one request beside those of its neighbours, as a share. */
const REQUEST_VARIATION = 0.03;
const ANSWERS_INSIDE = 30;

/** The simulated machine: Phi-4 on one A100, so much faster (or slower) than usual. */
export function machineTimes(speed: number): InstanceTimes {
  const sku = findSku('Standard_NC24ads_A100_v4');
  const model = findModelByName('azureml', 'Phi-4');
  if (sku === undefined || model === undefined) throw new Error('The simulator has no Phi-4 or no A100.');
  return instanceTimes(sku, model, speed, speed);
}

/** Milliseconds of one answer while `level` are decoded together. */
export function answerMs(times: InstanceTimes, level: number): number {
  const { promptTokens, outputTokens } = WORKLOAD;
  const context = level * (promptTokens + outputTokens / 2);
  return times.fixedMs + times.prefillMs(promptTokens) + outputTokens * times.stepMs(level, context);
}

/** One repeat at `level` connections on a machine, as the `cells` table would hold it. */
export function virtualCell(
  at: { readonly level: number; readonly repeat: number; readonly endpoint: string },
  times: InstanceTimes,
  normal: () => number,
): CellRecord {
  const { level, repeat, endpoint } = at;
  const fold = new ShardFold(anOrder(level));
  const serviceMs = answerMs(times, level);
  const takesMs = () => serviceMs * Math.exp(REQUEST_VARIATION * normal());
  fold.begin(0);
  const inFlight = Array.from({ length: level }, (_, worker) => {
    const sentMs = (worker * serviceMs) / level;
    fold.enter(sentMs, sentMs);
    return { worker, sentMs, endMs: sentMs + takesMs() };
  });
  const answered = new Set<number>();
  let nowMs = 0;
  while (fold.succeededInside < ANSWERS_INSIDE) {
    const first = inFlight.reduce((earliest, other) => (other.endMs < earliest.endMs ? other : earliest));
    nowMs = first.endMs;
    fold.leave(nowMs);
    answered.add(first.worker);
    if (!fold.hasWindow && answered.size === level) fold.openWindow(nowMs, first.worker);
    fold.add(aSample(first.sentMs, nowMs - first.sentMs), first.worker);
    fold.enter(nowMs, nowMs);
    first.sentMs = nowMs;
    first.endMs = nowMs + takesMs();
  }
  const summary = mergeShards([fold.summarize(nowMs, 'No window.', ANSWERS_INSIDE, null)]);
  return aCell({ level, repeat, workload: WORKLOAD, summary, provenance: aProvenance({ endpoint }) });
}

function anOrder(connections: number): ShardOrder {
  return {
    route: { api: 'score', url: 'https://virtual.test/score', stream: false },
    authorization: null,
    headers: {},
    connections,
    workload: WORKLOAD,
    charactersPerToken: 4,
    templateTokens: 0,
    seed: 1,
    requestIdPrefix: 'virtual',
    load: { mode: 'steady', minRequests: ANSWERS_INSIDE, maxSeconds: 600 },
    requestTimeoutMs: 190_000,
    startAtMs: null,
  };
}

function aSample(sentMs: number, e2eMs: number): Sample {
  return {
    requestId: 'virtual',
    scheduledMs: sentMs,
    sentMs,
    ttftMs: null,
    ttftReason: 'not-streamed',
    ttftAnswerMs: null,
    e2eMs,
    promptTokens: WORKLOAD.promptTokens,
    cachedPromptTokens: null,
    outputTokens: WORKLOAD.outputTokens,
    unit: 'token',
    outputUnits: WORKLOAD.outputTokens,
    tokenSource: 'usage',
    gapsMs: [],
    status: 200,
    failure: null,
    failureDetail: null,
    flags: [],
    sentBytes: 400,
    receivedBytes: 2_000,
    rateLimit: {},
    bandwidthDelayMs: null,
  };
}
