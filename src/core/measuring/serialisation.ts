/**
 * Whether the server answers requests one after the other, whatever is asked of it at once. Pure.
 *
 * The catalog's vLLM images do that on `/score`: the wrapper blocks its only worker on each request, so neither the
 * GPU nor `max_concurrent_requests_per_instance` matters. The throughput curve is then flat and latency grows with
 * concurrency; adding up each request's own tokens/s instead (the origin's "overall throughput") makes a curve that
 * rises, and a conclusion that is false.
 */
import { studentTQuantile } from '../statistics/distribution.ts';
import { CONFIDENCE, meanInterval } from '../statistics/interval.ts';
import { fitLine, type LinePoint } from '../statistics/line.ts';
import { meanOf } from '../statistics/moments.ts';

/** How many requests the server works on at once, as throughput shows it. */
export interface EffectiveParallelism {
  readonly level: number;
  /** X(c) / X(1). */
  readonly ratio: number;
  /** 95 % interval of the ratio; null below two repeats on a side. */
  readonly lower: number | null;
  readonly upper: number | null;
  /** `one`: at a time. `some`: more than one, less than half of c. `unclear`: the interval does not tell. */
  readonly verdict: 'one' | 'some' | 'scales' | 'unclear';
}

/** Noise and edges of two cells together; a batching engine reaches 2 and more at c = 4. */
const ONE_AT_A_TIME = 1.25;
/** Batching keeps at least half of each stream's speed while memory bandwidth is the limit. */
const SCALING = 0.5;
/** Below this, "one at a time" and "half of c" lie too close to tell. */
const LEAST_LEVEL = 4;

/**
 * X(c) / X(1) from each repeat's output throughput, with the interval of a ratio: the delta method on logarithms with
 * Welch's degrees of freedom. Null where one side has no repeat or c is below 4.
 */
export function effectiveParallelism(
  level: number,
  atOne: readonly number[],
  atLevel: readonly number[],
): EffectiveParallelism | null {
  if (level < LEAST_LEVEL || atOne.length === 0 || atLevel.length === 0) return null;
  const [one, many] = [meanOf(atOne), meanOf(atLevel)];
  if (!(one > 0 && many > 0)) return null;
  const ratio = many / one;
  const spread = ratioSpread(atOne, atLevel);
  const [lower, upper] = spread === null ? [null, null] : [ratio / spread, ratio * spread];
  return { level, ratio, lower, upper, verdict: verdictOf(level, lower ?? ratio, upper ?? ratio) };
}

function verdictOf(level: number, lower: number, upper: number): EffectiveParallelism['verdict'] {
  if (upper <= ONE_AT_A_TIME) return 'one';
  if (lower >= SCALING * level) return 'scales';
  if (lower > ONE_AT_A_TIME && upper < SCALING * level) return 'some';
  return 'unclear';
}

/** The factor by which the ratio may be off on either side. */
function ratioSpread(atOne: readonly number[], atLevel: readonly number[]): number | null {
  const sides = [meanInterval(atOne), meanInterval(atLevel)];
  const errors = sides.map((side) => (side === null ? null : side.standardError / side.mean));
  const [one, many] = errors;
  if (one === null || one === undefined || many === null || many === undefined) return null;
  const variance = one ** 2 + many ** 2;
  if (variance === 0) return 1;
  const degreesOfFreedom = variance ** 2 / (one ** 4 / (atOne.length - 1) + many ** 4 / (atLevel.length - 1));
  return Math.exp(studentTQuantile((1 + CONFIDENCE) / 2, degreesOfFreedom) * Math.sqrt(variance));
}

/** What requests that were sent at one moment say of the server. */
export interface BurstSignature {
  /** Time from one answer to the next, in milliseconds. */
  readonly slopeMs: number;
  readonly rSquared: number;
  /** Service time over slope: how many requests are worked on at once. */
  readonly parallelism: number;
  /** Answers come evenly, one service time after the other. */
  readonly serial: boolean;
}

const EVEN = 0.98;
/** Service time differs between requests and rises a little under load: the origin's own table lies at +11 %. */
const SERVICE_TIME_TOLERANCE = 0.2;
/** Fewer points lie on a line by chance. */
const LEAST_POINTS = 4;

/**
 * The burst signature: the k-th smallest latency of a burst is about k x S when the server works on one request at a
 * time, S being the latency of a request alone. Serial when R^2 of latency over k is above 0.98 and the slope within
 * 20 % of S. A server that works on n at a time gives steps of n, and a slope of S / n. Null below four latencies.
 */
export function burstSignature(latenciesMs: readonly number[], aloneMs: number): BurstSignature | null {
  const ascending = latenciesMs.toSorted((one, other) => one - other);
  return signatureOf(
    ascending.map((y, index) => ({ x: index + 1, y })),
    aloneMs,
  );
}

/**
 * The same from bursts of several sizes of which only the whole time is known, as in tables that others have
 * published: the time of a burst of c is about c x S. `aloneMs` is the time of the burst of one.
 */
export function burstTimesSignature(
  bursts: readonly { readonly level: number; readonly wallMs: number }[],
  aloneMs: number,
): BurstSignature | null {
  return signatureOf(
    bursts.map(({ level, wallMs }) => ({ x: level, y: wallMs })),
    aloneMs,
  );
}

function signatureOf(points: readonly LinePoint[], aloneMs: number): BurstSignature | null {
  const line = points.length < LEAST_POINTS ? null : fitLine(points);
  if (line === null || !(aloneMs > 0)) return null;
  const rSquared = line.rSquared ?? 0;
  return {
    slopeMs: line.slope,
    rSquared,
    parallelism: line.slope > 0 ? aloneMs / line.slope : Number.POSITIVE_INFINITY,
    serial: rSquared > EVEN && Math.abs(line.slope / aloneMs - 1) <= SERVICE_TIME_TOLERANCE,
  };
}

/**
 * The sentence for the report, with what to do about it on this route; null where nothing shows serialisation. What
 * is behind it is told as what it is consistent with: a model without batching, whose one request fills the GPU,
 * looks the same from outside.
 */
export function explainSerialisation(
  route: string,
  parallelism: EffectiveParallelism | null,
  burst: BurstSignature | null,
): string | null {
  const evidence = [
    parallelism?.verdict === 'one'
      ? `${parallelism.level} requests at once give ${parallelism.ratio.toFixed(2)} times the throughput of one`
      : null,
    burst?.serial === true
      ? `the answers of a burst come one by one, ${(burst.slopeMs / 1000).toFixed(burst.slopeMs < 1000 ? 3 : 1)} s apart (R² ${burst.rSquared.toFixed(3)})`
      : null,
  ].filter((part) => part !== null);
  if (evidence.length === 0) return null;
  const cause =
    route === 'score'
      ? 'consistent with the wrapper of the catalog images, which blocks its worker on each call of /score. Set the environment variable WORKER_COUNT of the deployment to the concurrency it shall serve, or call /v1/chat/completions, which does not block; max_concurrent_requests_per_instance alone changes nothing.'
      : 'consistent with a server that admits one request at a time. Raise max_concurrent_requests_per_instance and the engine’s own limit (AML_MAX_NUM_SEQS), and call /v1/chat/completions rather than /chat/completions, which blocks its worker.';
  return `The server answers one request at a time: ${evidence.join(', and ')}; ${cause}`;
}
