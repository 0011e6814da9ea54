/**
 * The latency model of one instance: pure arithmetic, documented in README.md. Phi-4 alone on an instance takes
 * about 22 ms a token on NC24ads A100 v4, 14 on NC48ads, 12.5 on NC40ads H100 v5 and 8.75 on NC80adis, which are
 * the single-stream figures that were measured on the real machines.
 */
import type { Model } from './models.ts';
import type { Sku } from './skus.ts';

/** Front door, wrapper and network of one call, before the engine sees it; measured as 0.8 to 1.0 s. */
const FIXED_MS = 900;
/** Extra of a decode step per doubling of GPUs that must agree on it (all-reduce); fitted with the overheads. */
const SYNC_MS_PER_DOUBLING = 0.5;
/** Share of the data sheet's arithmetic that dense layers reach; the usual value of serving engines is 0.5-0.7. */
const ARITHMETIC_SHARE = 0.6;
/** Scheduling and sampling of one sequence in a step; a guess, so that large batches are not free. */
const SEQUENCE_MS = 0.03;
/** Share of the GPU memory that weights and KV cache may fill (vLLM's default `gpu_memory_utilization`). */
const MEMORY_SHARE = 0.9;
/** Sequences that decode together (vLLM's default `max_num_seqs`). */
const MAX_SEQUENCES = 256;
const HOUR_MS = 3_600_000;
/** Of one A100, by which other work than reading and writing text is scaled. */
const A100_TERAFLOPS = 312;

/** The times of one instance, in milliseconds, and how much it can hold. */
export interface InstanceTimes {
  /** From the start of a request to its arrival at the engine. */
  readonly fixedMs: number;
  /** Reading a prompt; it ends with the first token. */
  prefillMs(promptTokens: number): number;
  /** One step in which `sequences` streams emit one token each, with `contextTokens` in their KV caches together. */
  stepMs(sequences: number, contextTokens: number): number;
  /** By how much the machine is slower at that time than at first, as a factor; 1 where it does not drift. */
  slownessAt(atMs: number): number;
  readonly maxSequences: number;
  /** Tokens that prompts and answers of the running sequences may have together. */
  readonly kvCapacityTokens: number;
}

/** Whether weights fit into the memory of one instance; a deployment of a model that does not will crash. */
export function modelFits(sku: Sku, model: Model): boolean {
  return kvCapacityTokens(sku, model) > 0;
}

/**
 * The times of this model on one instance of this SKU.
 * @param factor divides every GPU time: the draw of this deployment times the simulator's `gpuSpeed`.
 * @param fixedFactor divides the fixed part: `gpuSpeed` alone, since a slow machine does not slow the front door.
 */
export function instanceTimes(sku: Sku, model: Model, factor: number, fixedFactor: number): InstanceTimes {
  const { accelerator, gpus } = sku;
  const bytesPerMs = gpus * accelerator.bandwidthGbPerSecond * 1e6 * accelerator.bandwidthShare;
  const flopsPerMs = gpus * accelerator.teraflops * 1e9 * ARITHMETIC_SHARE;
  const overheadMs = accelerator.stepOverheadMs + SYNC_MS_PER_DOUBLING * Math.log2(Math.max(1, gpus));
  const weightBytes = model.parameters * model.bytesPerWeight;
  const arithmeticMs = (tokens: number) => (2 * model.parameters * tokens) / flopsPerMs;

  return {
    fixedMs: FIXED_MS / fixedFactor,
    prefillMs: (promptTokens) =>
      (overheadMs + Math.max(weightBytes / bytesPerMs, arithmeticMs(promptTokens))) / factor,
    stepMs(sequences, contextTokens) {
      const readMs = (weightBytes + model.kvBytesPerToken * contextTokens) / bytesPerMs;
      return (overheadMs + Math.max(readMs, arithmeticMs(sequences)) + SEQUENCE_MS * sequences) / factor;
    },
    slownessAt: () => 1,
    maxSequences: MAX_SEQUENCES,
    kvCapacityTokens: kvCapacityTokens(sku, model),
  };
}

/** The same times, but from `startedAtMs` on longer by so many percent of themselves each hour. */
export function driftingTimes(
  times: InstanceTimes,
  percentPerHour: number,
  startedAtMs: number,
): InstanceTimes {
  return { ...times, slownessAt: (atMs) => 1 + (percentPerHour / 100) * ((atMs - startedAtMs) / HOUR_MS) };
}

/** Milliseconds on this SKU of work that takes so many on one A100 and does not spread over GPUs. */
export function workMs(sku: Sku, a100Ms: number, factor: number): number {
  return (a100Ms * A100_TERAFLOPS) / (sku.accelerator.teraflops * Math.min(1, sku.gpus)) / factor;
}

function kvCapacityTokens(sku: Sku, model: Model): number {
  const memoryBytes = sku.gpus * sku.accelerator.memoryGb * 1e9 * MEMORY_SHARE;
  const freeBytes = memoryBytes - model.parameters * model.bytesPerWeight;
  return Math.max(0, Math.floor(freeBytes / model.kvBytesPerToken));
}
