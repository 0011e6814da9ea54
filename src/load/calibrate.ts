/** Finding out how long a text must be for a prompt of a wanted length, by asking the endpoint itself. */
import {
  correctRate,
  errorOf,
  isNearEnough,
  type PromptCalibration,
  type PromptShape,
  rateThrough,
  type TextPoint,
  type TextRate,
} from '../core/requests/calibration.ts';
import { buildPrompt } from '../core/requests/prompt.ts';
import { sendOnce } from './probe.ts';
import type { TargetOrder } from './request.ts';

/** Prompts of one length that are tried: a correction takes out nine tenths of an error and more. */
const TRIES = 5;
/** Only the prompt is of interest; an answer of one token may be empty. */
const OUTPUT_TOKENS = 4;

export interface CalibrateOrder extends Omit<TargetOrder, 'charactersPerToken'> {
  readonly shape: PromptShape;
  /** Where to begin: what is known of shorter prompts. */
  readonly rate: TextRate;
  readonly seed: number;
}

export interface Calibrated {
  readonly calibration: PromptCalibration;
  /** Requests that were sent. */
  readonly requests: number;
}

/**
 * Calibrates the prompts of one shape: of a distribution its median and its 95th percentile, and then the line
 * through both. A server that tells no usage, or fails, leaves the rate as it was, with an unknown error.
 */
export async function calibratePrompt(order: CalibrateOrder): Promise<Calibrated> {
  const { shape } = order;
  const median = await findRate(order, shape.promptTokens, order.rate, 0);
  const known = (rate: TextRate, error: number | null, requests: number): Calibrated => ({
    calibration: { ...shape, ...rate, error },
    requests,
  });
  if (shape.promptTokensP95 === undefined || median.point === null)
    return known(median.rate, median.error, median.requests);
  const long = await findRate(order, shape.promptTokensP95, median.rate, median.requests);
  const requests = median.requests + long.requests;
  const through = long.point === null ? null : rateThrough(median.point, long.point);
  const worst = Math.abs(long.error ?? 0) > Math.abs(median.error ?? 0) ? long.error : median.error;
  return known(through ?? median.rate, worst, requests);
}

interface Found {
  readonly rate: TextRate;
  readonly error: number | null;
  readonly point: TextPoint | null;
  readonly requests: number;
}

/** Tries prompts until one has its length; gives the nearest where none comes near enough. */
async function findRate(
  order: CalibrateOrder,
  promptTokens: number,
  from: TextRate,
  firstIndex: number,
): Promise<Found> {
  const { sharedPrefixTokens = 0 } = order.shape;
  // No more of it than the rate: what is known of shorter prompts comes with their length.
  const { charactersPerToken, templateTokens } = from;
  let rate: TextRate = { charactersPerToken, templateTokens };
  let nearest: Found = { rate, error: null, point: null, requests: 0 };
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const index = firstIndex + tries - 1;
    const prompt = buildPrompt({ promptTokens, sharedPrefixTokens, ...rate }, order.seed, index);
    const target = { ...order, charactersPerToken: rate.charactersPerToken };
    const { failure, promptTokens: tokens } = await sendOnce(target, OUTPUT_TOKENS, prompt, index);
    nearest = { ...nearest, requests: tries };
    if (failure !== null || tokens === null) return nearest;
    const point = { characters: prompt.length, tokens };
    const error = errorOf(promptTokens, tokens);
    if (nearest.error === null || Math.abs(error) < Math.abs(nearest.error))
      nearest = { rate, error, point, requests: tries };
    if (isNearEnough(promptTokens, tokens)) return nearest;
    const corrected = correctRate(rate, point);
    const text = buildPrompt({ promptTokens, sharedPrefixTokens, ...corrected }, order.seed, index);
    // A prompt that is nothing but its mark becomes no shorter.
    if (text.length === prompt.length) return nearest;
    rate = corrected;
  }
  return nearest;
}
