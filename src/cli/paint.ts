/** Colour for the words that a reader looks for, on a terminal that shows it and a reader who wants it. */
import type { Screen } from './progress-lines.ts';

export type Tone = 'good' | 'bad' | 'unsure';

/** Gives the text in a tone; the same text where there is no colour. It is never the only sign: the word says it too. */
export type Paint = (tone: Tone, text: string) => string;

export const PLAIN: Paint = (_, text) => text;

/** SGR codes of the sixteen colours, which every theme makes readable. */
const CODES: Readonly<Record<Tone, number>> = { good: 32, bad: 31, unsure: 33 };

/** None in a pipe or a file, with NO_COLOR set to anything (no-color.org), or on a terminal that is called dumb. */
export function paintFor(screen: Screen, env: Readonly<Record<string, string | undefined>>): Paint {
  const plain = screen.isTTY !== true || Boolean(env.NO_COLOR) || env.TERM === 'dumb';
  return plain ? PLAIN : (tone, text) => `\u001b[${CODES[tone]}m${text}\u001b[39m`;
}
