/**
 * How long each request of a workload is: always the same, or drawn from a log-normal distribution through its median
 * and its 95th percentile, which is what the lengths of real prompts and answers look like. A length depends on the
 * seed and the request's index alone, as its prompt does.
 */

import { SPEC_BOUNDS } from '../spec/spec-bounds.ts';
import type { Workload } from '../spec/workload.ts';
import { normalQuantile } from '../statistics/distribution.ts';
import { drawNormal } from './draw.ts';

/** Standard deviations from the median to the 95th percentile of a normal: 1.645. */
const P95_DEVIATIONS = normalQuantile(0.95);
/**
 * Draws further out are set to this: one in a thousand on either side. p50 and p95 stay what they are, and no single
 * request is so long that it decides a cell.
 */
const MOST_DEVIATIONS = normalQuantile(0.999);

/** What one request asks for, in tokens. */
export interface RequestLengths {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** The lengths of request `index` under `seed`. */
export function requestLengths(workload: Workload, seed: number, index: number): RequestLengths {
  const { promptTokens, promptTokensP95, outputTokens, outputTokensP95 } = workload;
  if (promptTokensP95 === undefined && outputTokensP95 === undefined) return workload;
  return {
    promptTokens: drawLength(promptTokens, promptTokensP95, SPEC_BOUNDS.promptTokens, seed, 'prompt', index),
    outputTokens: drawLength(outputTokens, outputTokensP95, SPEC_BOUNDS.outputTokens, seed, 'output', index),
  };
}

/**
 * The mean lengths, for what is predicted of many requests: `p50 x exp(sigma^2 / 2)` of a log-normal, which lies
 * above its median, and never above what a draw can be.
 */
export function meanLengths(workload: Workload): RequestLengths {
  const mean = (p50: number, p95: number | undefined, most: number) =>
    p95 === undefined ? p50 : Math.min(most, p50 * Math.exp(sigmaOf(p50, p95) ** 2 / 2));
  return {
    promptTokens: mean(workload.promptTokens, workload.promptTokensP95, SPEC_BOUNDS.promptTokens),
    outputTokens: mean(workload.outputTokens, workload.outputTokensP95, SPEC_BOUNDS.outputTokens),
  };
}

/** Lengths that nineteen of twenty requests do not exceed, for what is warned of and warmed up. */
export function largeLengths(workload: Workload): RequestLengths {
  return {
    promptTokens: workload.promptTokensP95 ?? workload.promptTokens,
    outputTokens: workload.outputTokensP95 ?? workload.outputTokens,
  };
}

function drawLength(
  p50: number,
  p95: number | undefined,
  most: number,
  seed: number,
  what: string,
  index: number,
): number {
  if (p95 === undefined) return p50;
  const draw = drawNormal(seed, `${what}-length`, index);
  const deviations = Math.max(-MOST_DEVIATIONS, Math.min(MOST_DEVIATIONS, draw));
  return Math.min(most, Math.max(1, Math.round(p50 * Math.exp(sigmaOf(p50, p95) * deviations))));
}

/** ln p95 = ln p50 + 1.645 sigma. */
function sigmaOf(p50: number, p95: number): number {
  return Math.log(p95 / p50) / P95_DEVIATIONS;
}
