/**
 * The simulated tokenizer. It is no model's tokenizer: it is a rule that anyone can recompute, near four
 * characters a token in English, and the words it writes count back to exactly as many tokens as were written.
 */
import { deriveSeed } from './random.ts';

/** Letters that one token holds: an English word of up to six letters is one token. */
const LETTERS_PER_TOKEN = 6;
/** Digits that one token holds, as in the tokenizers of the GPT-4 family. */
const DIGITS_PER_TOKEN = 3;
/** What a chat template adds around each message (role and separators). */
const TOKENS_PER_MESSAGE = 4;
/** What it adds once, to open the answer. */
const TOKENS_PER_ANSWER = 3;

/**
 * Tokens of a text: a run of n ASCII letters is ceil(n / 6), a run of n digits is ceil(n / 3), any other character
 * that is not white space is 1 (a surrogate pair is 2), white space is 0.
 */
export function countTokens(text: string): number {
  let tokens = 0;
  let letters = 0;
  let digits = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const isLetter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
    const isDigit = code >= 48 && code <= 57;
    letters = isLetter ? letters + 1 : 0;
    digits = isDigit ? digits + 1 : 0;
    if (isLetter) tokens += letters % LETTERS_PER_TOKEN === 1 ? 1 : 0;
    else if (isDigit) tokens += digits % DIGITS_PER_TOKEN === 1 ? 1 : 0;
    else if (!isWhiteSpace(code)) tokens += 1;
  }
  return tokens;
}

/** Tokens of a chat prompt: its texts, 4 for each message and 3 for the answer's opening. */
export function countChatTokens(contents: readonly string[]): number {
  return contents.reduce((sum, text) => sum + countTokens(text) + TOKENS_PER_MESSAGE, TOKENS_PER_ANSWER);
}

// Each is at most six letters, so that each is one token by the rule above.
const WORDS =
  `the model reads a prompt and then it writes one token after the other until the answer is done while the next
  client waits in line so that each stream moves on in step with all who share the same card and its memory time
  is spent on weight not on words yet more users make good use of every read that comes from there`.split(
    /\s+/,
  );

/** The token at that position of an answer: a word, with a space before it unless it is the first. */
export function tokenText(answerSeed: number, position: number): string {
  const word = WORDS[deriveSeed(answerSeed, position) % WORDS.length] ?? 'the';
  return position === 0 ? word : ` ${word}`;
}

/** The whole text of an answer of that many tokens; the concatenation of its `tokenText`s. */
export function answerText(answerSeed: number, tokens: number): string {
  return Array.from({ length: tokens }, (_, position) => tokenText(answerSeed, position)).join('');
}

function isWhiteSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13) || code === 0xa0 || code === 0x2028 || code === 0x3000;
}
