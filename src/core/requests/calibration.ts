/**
 * How much text makes a prompt of a wanted length: found by asking the server, which tells in `usage` how many tokens
 * a text came to, and trying again nearer. Pure: what is asked next, and when it is near enough.
 */
import type { Workload } from '../spec/workload.ts';

/** What prompts may be off by in the mean. */
const ERROR_SHARE = 0.02;
/** What no vocabulary reaches on English; a usage that says so counts something else. */
export const LEAST_CHARACTERS_PER_TOKEN = 1;
export const MOST_CHARACTERS_PER_TOKEN = 12;

/** `prompt tokens = template tokens + characters / characters per token`, which holds around the length it was found at. */
export interface TextRate {
  readonly charactersPerToken: number;
  /** Tokens that the chat template adds. */
  readonly templateTokens: number;
}

/** The prompts of one workload or several, with what was found for their length. */
export interface PromptCalibration extends TextRate, PromptShape {
  /** (tokens - wanted) / wanted of the last prompt that was tried; null where the server did not tell. */
  readonly error: number | null;
}

/** What prompts depend on: workloads that have it in common need one calibration. */
export interface PromptShape {
  readonly promptTokens: number;
  readonly promptTokensP95?: number;
  readonly sharedPrefixTokens?: number;
}

/** What the server made of a text, or of several in the mean. */
export interface TextPoint {
  readonly characters: number;
  readonly tokens: number;
}

/** The different prompts of the workloads, short ones first. The user's own requests need none: they are sent as they are. */
export function promptShapes(workloads: readonly Workload[]): PromptShape[] {
  const shapes = new Map<string, PromptShape>();
  for (const workload of workloads) {
    if (workload.requests === undefined) shapes.set(shapeKey(workload), shapeOf(workload));
  }
  return [...shapes.values()].sort((one, other) => one.promptTokens - other.promptTokens);
}

function shapeOf({ promptTokens, promptTokensP95, sharedPrefixTokens }: Workload): PromptShape {
  return {
    promptTokens,
    ...(promptTokensP95 !== undefined && { promptTokensP95 }),
    ...(sharedPrefixTokens !== undefined && { sharedPrefixTokens }),
  };
}

function shapeKey({ promptTokens, promptTokensP95 = 0, sharedPrefixTokens = 0 }: PromptShape): string {
  return `${promptTokens}/${promptTokensP95}/${sharedPrefixTokens}`;
}

/** The calibration of a workload's prompts: its own, or where there is none what holds for all. */
export function calibrationOf(
  warmUp: TextRate & { readonly calibrations?: readonly PromptCalibration[] },
  workload: Workload,
): TextRate {
  const own = warmUp.calibrations?.find((one) => shapeKey(one) === shapeKey(workload));
  const { charactersPerToken, templateTokens } = own ?? warmUp;
  return { charactersPerToken, templateTokens };
}

/** The largest error of them all, with its sign; null where none is known. */
export function worstError(calibrations: readonly PromptCalibration[]): number | null {
  const errors = calibrations.map((one) => one.error).filter((error) => error !== null);
  return errors.toSorted((one, other) => Math.abs(other) - Math.abs(one))[0] ?? null;
}

/** (tokens - wanted) / wanted. */
export function errorOf(wanted: number, tokens: number): number {
  return (tokens - wanted) / wanted;
}

/**
 * One prompt within 2 % or one token, since no text has half of one; the mean of several within 1 %, because it is off by
 * about as much itself.
 */
export function isNearEnough(wanted: number, tokens: number, prompts: number): boolean {
  const off = prompts === 1 ? Math.max(1, ERROR_SHARE * wanted) : (ERROR_SHARE / 2) * wanted;
  return Math.abs(tokens - wanted) <= off;
}

/**
 * The rate that makes the point right where the last one was not. The template is kept; near the length that is
 * wanted it makes no difference which of the two takes the error.
 */
export function correctRate(rate: TextRate, { characters, tokens }: TextPoint): TextRate {
  const perToken = characters / Math.max(1, tokens - rate.templateTokens);
  const charactersPerToken = Math.min(
    MOST_CHARACTERS_PER_TOKEN,
    Math.max(LEAST_CHARACTERS_PER_TOKEN, perToken),
  );
  return { ...rate, charactersPerToken };
}

/** The rate through two points of different length, for prompts between them; null where no vocabulary explains them. */
export function rateThrough(short: TextPoint, long: TextPoint): TextRate | null {
  // Of equal counts infinite, of falling ones negative: both are outside of what is believed.
  const charactersPerToken = (long.characters - short.characters) / (long.tokens - short.tokens);
  if (!(charactersPerToken >= LEAST_CHARACTERS_PER_TOKEN && charactersPerToken <= MOST_CHARACTERS_PER_TOKEN))
    return null;
  return {
    charactersPerToken,
    templateTokens: Math.max(0, short.tokens - short.characters / charactersPerToken),
  };
}
