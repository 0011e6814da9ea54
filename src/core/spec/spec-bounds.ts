import { MOST_REPEATS } from '../measuring/repeats.ts';

/** Bounds of a spec. Each keeps a run, a row or a bill finite; the reason stands beside the number. */
export const SPEC_BOUNDS = {
  /** An endpoint has at most 500 active connections (Azure ML limits); 512 is the next power of two, for ramps. */
  level: 512,
  /** One request in 1,000 s: slower, and no measurement of 25 minutes holds two. */
  leastRate: 0.001,
  /** Requests per second: twice what an endpoint of Azure ML lets in. */
  rate: 1_000,
  /** A search over as many takes some twenty levels. */
  searchLevels: 4_096,
  /** More levels than this tell nothing more about a curve, and each costs minutes of a GPU. */
  levels: 64,
  /** The longest context window in the catalog is about one million tokens. */
  promptTokens: 1_048_576,
  /** A deployment answers within 180 s; 32,768 tokens would need 180 tokens/s for one stream. */
  outputTokens: 32_768,
  /** All of a run's plan must fit a durable message of a few kilobytes. */
  workloads: 100,
  /** Azure ML: at most 50 instances in a deployment. */
  instances: 50,
  /** Each is a bill of its own; eight tell the spread between machines to within a factor of two. */
  endpoints: 8,
  /** What the intervals after an early stop were shown for. */
  repeats: MOST_REPEATS,
  minRequests: 10_000,
  /** An activity must end well before the function timeout in host.json (45 minutes). */
  maxSeconds: 1_500,
  cells: 1_000,
  /** A day; a longer sweep is two runs. */
  minutes: 1_440,
  usd: 100_000,
  environmentVariables: 50,
  /** Samples that are kept of a cell, all repeats together: a p99 of them is known to a tenth of itself. */
  keptSamples: 10_000,
  /** Their lines; one of 512 streamed tokens takes 4 kB. An answer with all of them fits a function's memory. */
  keptSampleBytes: 20_000_000,
} as const;
