/** Text from elsewhere (a server, a model, a file) made safe to print on a terminal. */
import { stripVTControlCharacters } from 'node:util';

/** Control characters, and the marks that turn the reading direction and could hide what a line says. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A message longer than this is a body that went astray. */
const MAX_CHARACTERS = 2_000;

/** One line without control characters. */
export function printable(text: string): string {
  const line = stripVTControlCharacters(text).replace(/\s+/g, ' ').replace(UNPRINTABLE, '');
  return line.length > MAX_CHARACTERS ? `${line.slice(0, MAX_CHARACTERS)}…` : line;
}

/** A document whose lines and tabs stay. */
export function printableDocument(text: string): string {
  return stripVTControlCharacters(text).replace(UNPRINTABLE, (character) =>
    '\n\t'.includes(character) ? character : '',
  );
}
