/**
 * The prefix cache of a serving engine: prompts that begin as an earlier one did need not be read up to where they
 * part. As in vLLM, whole blocks of 16 tokens are held, and the last token of a prompt is always read.
 */
import { countTokens } from './tokens.ts';

const BLOCK_TOKENS = 16;
/** Prompts that are remembered; a real cache holds what the memory has room for. */
const MAX_PROMPTS = 64;

export class PrefixCache {
  /** The one that was seen last is the last. */
  readonly #texts = new Set<string>();

  /** How many tokens of this prompt are held already; from now on all of it is. */
  take(text: string, promptTokens: number): number {
    let longest = 0;
    for (const other of this.#texts) longest = Math.max(longest, commonLength(text, other));
    this.#texts.delete(text);
    this.#texts.add(text);
    const [oldest] = this.#texts;
    if (this.#texts.size > MAX_PROMPTS && oldest !== undefined) this.#texts.delete(oldest);
    const tokens = Math.min(promptTokens - 1, countTokens(text.slice(0, longest)));
    return Math.max(0, Math.floor(tokens / BLOCK_TOKENS) * BLOCK_TOKENS);
  }
}

function commonLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  for (let at = 0; at < most; at += 1) if (a.charCodeAt(at) !== b.charCodeAt(at)) return at;
  return most;
}
