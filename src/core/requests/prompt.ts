/**
 * Prompts of a wanted length: natural English that no prefix cache has seen. Every prompt begins with a mark of its
 * own, so that the first block of tokens already differs and the server has to read the whole of it; the rest is a
 * slice of one text, so that a prompt of 4,000 tokens costs microseconds. Only where a shared prefix is asked for does
 * that come first, the same in all prompts.
 */

import type { Workload } from '../spec/workload.ts';
import { deriveSeed } from '../statistics/seed.ts';
import { drawShare } from './draw.ts';

/** Where prompts come from and how sure their length is; each row says which. */
export type PromptSource = 'synthetic-calibrated' | 'synthetic-estimated' | 'request-set';

/** `calibrated`: the server's own `usage` has told how much text a token is. */
export function promptSourceOf(
  workload: Pick<Workload, 'requests'>,
  warmUp: { readonly calibrated: boolean } | null,
): PromptSource {
  if (workload.requests !== undefined) return 'request-set';
  return warmUp?.calibrated === true ? 'synthetic-calibrated' : 'synthetic-estimated';
}

/** Long enough that two slices of a usual prompt rarely overlap; small enough to be made in milliseconds. */
const CORPUS_CHARACTERS = 262_144;

/** How long a prompt shall be, and how this server's tokens relate to characters. */
export interface PromptLength {
  readonly promptTokens: number;
  /** As calibrated in warm-up; 4 is usual for English. */
  readonly charactersPerToken: number;
  /** Tokens that the chat template adds; they are part of `promptTokens`. */
  readonly templateTokens: number;
  /** First tokens that are the same in all prompts; absent or 0 for none. */
  readonly sharedPrefixTokens?: number;
}

/**
 * The text of request `index` under `seed`: the same two give the same text, any other index another first word.
 * Its length in characters is `(promptTokens - templateTokens) x charactersPerToken`, but never shorter than its
 * mark, since a prompt that repeats would measure the cache.
 */
export function buildPrompt(length: PromptLength, seed: number, index: number): string {
  const mark = `${writeLetters(index)}-${writeLetters(seed)}: `;
  const characters = Math.round((length.promptTokens - length.templateTokens) * length.charactersPerToken);
  const own = Math.max(0, characters - mark.length);
  const shared = Math.min(own, Math.round((length.sharedPrefixTokens ?? 0) * length.charactersPerToken));
  const place = Math.floor(drawShare(seed, 'prompt', index) * CORPUS_CHARACTERS);
  return (shared === 0 ? '' : sliceCorpus(0, shared)) + mark + sliceCorpus(place, own - shared);
}

/**
 * A whole number from 0 on in letters alone. Where letters and digits alternate, tokenizers cut at each change, and how
 * often that is would differ by tokens from one seed to the next.
 */
function writeLetters(value: number): string {
  return value.toString(26).replace(/./g, (digit) => String.fromCharCode(97 + Number.parseInt(digit, 26)));
}

/** That many characters of the text, from the first word after the place; it begins again where the text ends. */
function sliceCorpus(place: number, characters: number): string {
  const text = readCorpus();
  const from = text.indexOf(' ', place % text.length) + 1;
  let slice = text.slice(from, from + characters);
  while (slice.length < characters) slice += text.slice(0, characters - slice.length);
  return slice;
}

let corpus: string | null = null;

function readCorpus(): string {
  corpus ??= writeCorpus();
  return corpus;
}

const OPENINGS = 'The|This|Every|Another|Their|Our|One|That|Each'.split('|');
const QUALITIES =
  'quiet|narrow|early|patient|careful|heavy|distant|familiar|open|simple|bright|steady|hidden|modern|old|public|warm|rapid|broken|common|rural|final|honest|useful|strange'.split(
    '|',
  );
const THINGS =
  'river|teacher|market|garden|engine|letter|window|village|doctor|bridge|harbor|report|music|forest|station|captain|museum|answer|journey|meeting|kitchen|winter|system|author|road|theory|factory|neighbor|library|storm'.split(
    '|',
  );
const ACTIONS =
  'carried|followed|described|changed|opened|crossed|remembered|measured|repaired|found|left|watched|improved|explained|supported|reached|built|questioned|held|surprised'.split(
    '|',
  );
const LINKS = 'near|behind|without|beyond|beside|under|before|after|through|toward|inside|against'.split('|');
const CLOSINGS =
  'in the evening|for many years|at the end of the week|as everyone had hoped|before the rain began|with great care|on the way home|when the work was done|despite the noise|for the first time'.split(
    '|',
  );

/** Plain sentences from a fixed seed: the same text in every process. */
function writeCorpus(): string {
  let sentence = 0;
  let text = '';
  while (text.length < CORPUS_CHARACTERS) {
    const pick = (words: readonly string[], place: number) =>
      words[deriveSeed(place, 'corpus', sentence) % words.length] ?? '';
    text += `${pick(OPENINGS, 1)} ${pick(QUALITIES, 2)} ${pick(THINGS, 3)} ${pick(ACTIONS, 4)} the ${pick(THINGS, 5)} ${pick(LINKS, 6)} the ${pick(QUALITIES, 7)} ${pick(THINGS, 8)} ${pick(CLOSINGS, 9)}. `;
    sentence += 1;
  }
  return text;
}
