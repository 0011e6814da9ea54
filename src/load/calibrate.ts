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

/** Rates that are tried for one length: a correction takes out nine tenths of an error and more. */
const TRIES = 5;
/** Prompts of 64 tokens differ by some 4 % among themselves, and the less the longer they are: so many tokens are looked at. */
const TOKENS_A_TRY = 1_024;
const MOST_PROMPTS_A_TRY = 16;
/** Further off than this share, or than these tokens, one prompt says enough to correct the rate. */
const FAR_OFF = { share: 0.1, tokens: 8 };
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

/** Tries rates until the mean of their prompts has its length; gives the nearest where none comes near enough. */
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
  let last: TextPoint | null = null;
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const index = firstIndex + nearest.requests;
    const { point, requests } = await tryRate(order, promptTokens, rate, index);
    const sent = nearest.requests + requests;
    nearest = { ...nearest, requests: sent };
    if (point === null) return nearest;
    const error = errorOf(promptTokens, point.tokens);
    if (nearest.error === null || Math.abs(error) < Math.abs(nearest.error))
      nearest = { rate, error, point, requests: sent };
    if (isNearEnough(promptTokens, point.tokens, requests)) return nearest;
    const corrected = (last && lineThrough(last, point)) ?? correctRate(rate, point);
    last = point;
    const [before, after] = [rate, corrected].map((one) =>
      buildPrompt({ promptTokens, sharedPrefixTokens, ...one }, order.seed, index),
    );
    // A prompt that is nothing but its mark becomes no shorter.
    if (before?.length === after?.length) return nearest;
    rate = corrected;
  }
  return nearest;
}

/** What prompts of that rate come to in the mean; null where the server does not tell of one of them. */
async function tryRate(
  order: CalibrateOrder,
  promptTokens: number,
  rate: TextRate,
  firstIndex: number,
): Promise<{ readonly point: TextPoint | null; readonly requests: number }> {
  const { sharedPrefixTokens = 0 } = order.shape;
  const target = { ...order, charactersPerToken: rate.charactersPerToken };
  const prompts = Math.min(MOST_PROMPTS_A_TRY, Math.max(1, Math.round(TOKENS_A_TRY / promptTokens)));
  let [characters, tokens, requests] = [0, 0, 0];
  while (requests < prompts) {
    const index = firstIndex + requests;
    const prompt = buildPrompt({ promptTokens, sharedPrefixTokens, ...rate }, order.seed, index);
    const answer = await sendOnce(target, OUTPUT_TOKENS, prompt, index);
    requests += 1;
    if (answer.failure !== null || answer.promptTokens === null) return { point: null, requests };
    characters += prompt.length;
    tokens += answer.promptTokens;
    if (requests === 1 && isFarOff(promptTokens, tokens)) break;
  }
  return { point: { characters: characters / requests, tokens: tokens / requests }, requests };
}

function isFarOff(wanted: number, tokens: number): boolean {
  return Math.abs(tokens - wanted) > Math.max(FAR_OFF.tokens, FAR_OFF.share * wanted);
}

/** Two lengths tell the template from the text, of which one alone knows nothing; null where they are too near for that. */
function lineThrough(one: TextPoint, other: TextPoint): TextRate | null {
  const [short, long] = one.tokens < other.tokens ? [one, other] : [other, one];
  return isFarOff(short.tokens, long.tokens) ? rateThrough(short, long) : null;
}
