/**
 * The engine's half of a payload family: where it is called, the bodies it sends, and how its paths are read. What a
 * family is stands in core/requests/payload.ts, the families of the catalog in core/requests/payload-families.ts.
 */

import type { Route } from '../core/measuring/shard.ts';
import {
  type JsonObject,
  type JsonPath,
  type JsonValue,
  type PayloadFamily,
  type PlaceholderName,
  splitPlaceholders,
} from '../core/requests/payload.ts';
import { PAYLOAD_FAMILIES } from '../core/requests/payload-families.ts';
import type { PromptInput } from '../core/requests/request-set.ts';
import { readAudio, readFrames, writeImage } from './media.ts';

export type { AnswerShape, JsonPath, PayloadFamily } from '../core/requests/payload.ts';
export { PAYLOAD_FAMILIES } from '../core/requests/payload-families.ts';

/** The family that a route asks by: one of ours by name, or the user's own template where the name is `raw`. */
export function findFamily(
  route: Pick<Route, 'api' | 'freeLength'>,
  template: PayloadFamily | null,
): PayloadFamily {
  const family = route.api === 'raw' ? template : PAYLOAD_FAMILIES[route.api];
  if (family === null) throw new Error('The api "raw" was ordered without its template.');
  return route.freeLength ? { ...family, body: withoutLengthControl(family.body) as JsonObject } : family;
}

/** Fields by which vLLM and its kin force an answer to its length; servers that do not know them may refuse them. */
const LENGTH_CONTROL = new Set(['min_tokens', 'ignore_eos']);

/** Whether the family forces answers to the length that is asked for. */
export function forcesLength(family: PayloadFamily): boolean {
  return JSON.stringify(withoutLengthControl(family.body)) !== JSON.stringify(family.body);
}

function withoutLengthControl(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withoutLengthControl);
  if (value === null || typeof value !== 'object') return value;
  const kept = Object.entries(value as JsonObject).filter(([name]) => !LENGTH_CONTROL.has(name));
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutLengthControl(inner)]));
}

/** Ends of a scoring URI that stand for the endpoint and not for a path of the user's own. */
const ENDPOINT_PATHS = ['/score', '/v1/chat/completions', '/v2/models/ensemble/versions/1/infer'];

/**
 * The address of a family at an endpoint: its path in place of the path of any family that the scoring URI ends with,
 * or after an address without a path. Any other path is the user's own and is used as it is, unless the family is one
 * that is appended. The URI's own query stays; the family's is added where the URI does not have its fields.
 */
export function familyUrl(scoringUri: string, family: PayloadFamily): string {
  const url = new URL(scoringUri);
  const [path = '', query = ''] = family.path.split('?', 2);
  const known = ENDPOINT_PATHS.find((end) => url.pathname.endsWith(end));
  const base = url.pathname.replace(/\/$/, '');
  if (known !== undefined) url.pathname = url.pathname.slice(0, -known.length) + path;
  else if (base === '') url.pathname = path;
  else if (family.pathRule === 'append' && !base.endsWith(path)) url.pathname = base + path;
  for (const [name, value] of new URLSearchParams(query)) {
    if (!url.searchParams.has(name)) url.searchParams.set(name, value);
  }
  return url.href;
}

/**
 * Gives the body of a request for a prompt. What does not depend on the prompt is written once; a body is then its
 * pieces with the prompt between them. `model` is for families that name it.
 */
export function buildBodyWriter(
  family: PayloadFamily,
  stream: boolean,
  outputTokens: number,
  model: string | null = null,
): (prompt: PromptInput) => string {
  const template = { ...family.body, ...(stream ? family.streaming?.asked : family.streaming?.notAsked) };
  const pieces = new BodyPieces({ outputTokens, model });
  pieces.addValue(template);
  return pieces.finish();
}

/** The prompt as one text: what an image is marked by, and what an answer might repeat. */
export function promptText(prompt: PromptInput): string {
  return typeof prompt === 'string' ? prompt : prompt.map((message) => message.content).join('\n');
}

/** Enough of a prompt to tell it from others; all of a long one would be read for each image. */
const IMAGE_MARK_CHARACTERS = 256;

/** A piece of a body that is written anew for each prompt. */
type PromptPiece = (prompt: PromptInput) => string;

/** The pieces of a body while its template is walked: JSON that is known, and between it what the prompt decides. */
class BodyPieces {
  readonly #fixed: { readonly outputTokens: number; readonly model: string | null };
  readonly #texts: string[] = [];
  readonly #prompts: PromptPiece[] = [];
  #text = '';

  constructor(fixed: { readonly outputTokens: number; readonly model: string | null }) {
    this.#fixed = fixed;
  }

  addValue(value: JsonValue): void {
    if (typeof value === 'string') this.#addText(value);
    else if (isList(value)) this.#addList(value);
    else if (typeof value === 'object' && value !== null) this.#addObject(value);
    else this.#text += JSON.stringify(value);
  }

  finish(): (prompt: PromptInput) => string {
    const texts = [...this.#texts, this.#text];
    const prompts = this.#prompts;
    const [before = '', after = ''] = texts;
    const [only] = prompts;
    if (prompts.length === 1 && only !== undefined) return (prompt) => before + only(prompt) + after;
    return (prompt) => {
      let body = before;
      for (let index = 0; index < prompts.length; index += 1) {
        body += (prompts[index] as PromptPiece)(prompt) + texts[index + 1];
      }
      return body;
    };
  }

  #addObject(object: JsonObject): void {
    const fields = Object.entries(object).filter(
      ([, value]) => !(value === '{{model}}' && this.#fixed.model === null),
    );
    this.#text += '{';
    for (const [index, [name, value]] of fields.entries()) {
      this.#text += `${index === 0 ? '' : ','}${JSON.stringify(name)}:`;
      this.addValue(value);
    }
    this.#text += '}';
  }

  #addList(list: readonly JsonValue[]): void {
    this.#text += '[';
    for (const [index, item] of list.entries()) {
      if (index > 0) this.#text += ',';
      this.addValue(item);
    }
    this.#text += ']';
  }

  #addText(text: string): void {
    const [piece, ...others] = splitPlaceholders(text);
    if (piece !== undefined && 'placeholder' in piece && others.length === 0) {
      if (this.#addAlone(piece.placeholder as PlaceholderName)) return;
    }
    this.#text += '"';
    for (const part of splitPlaceholders(text)) {
      if ('literal' in part) this.#text += inside(part.literal);
      else this.#addInside(part.placeholder as PlaceholderName);
    }
    this.#text += '"';
  }

  /** A placeholder that is a value of its own; false for one that is written as any text is. */
  #addAlone(name: PlaceholderName): boolean {
    switch (name) {
      case 'outputTokens':
        this.#text += String(this.#fixed.outputTokens);
        return true;
      case 'frames':
        this.#text += JSON.stringify(readFrames());
        return true;
      case 'messages':
        this.#addPrompt((prompt) =>
          typeof prompt === 'string'
            ? `[{"role":"user","content":${JSON.stringify(prompt)}}]`
            : JSON.stringify(prompt),
        );
        return true;
      case 'prompt':
        this.#addPrompt((prompt) => JSON.stringify(promptText(prompt)));
        return true;
      default:
        return false;
    }
  }

  /** A placeholder inside the quotes of a text. Base64 needs no escapes. */
  #addInside(name: PlaceholderName): void {
    switch (name) {
      case 'prompt':
        this.#addPrompt((prompt) => inside(promptText(prompt)));
        return;
      case 'outputTokens':
        this.#text += String(this.#fixed.outputTokens);
        return;
      case 'model':
        this.#text += inside(this.#fixed.model ?? '');
        return;
      case 'image':
        this.#addPrompt((prompt) => writeImage(promptText(prompt).slice(0, IMAGE_MARK_CHARACTERS), 1));
        return;
      case 'image2':
        this.#addPrompt((prompt) => writeImage(promptText(prompt).slice(0, IMAGE_MARK_CHARACTERS), 2));
        return;
      case 'audio':
        this.#text += readAudio();
        return;
      case 'frames':
      case 'messages':
        throw new Error(
          `The placeholder {{${name}}} stands inside a text, which parsePayloadTemplate refuses.`,
        );
    }
  }

  #addPrompt(piece: PromptPiece): void {
    this.#texts.push(this.#text);
    this.#text = '';
    this.#prompts.push(piece);
  }
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** A text as JSON without its quotes. */
function inside(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The value at a path in parsed JSON, or undefined where the path leads nowhere. */
export function readPath(value: unknown, path: JsonPath): unknown {
  let at: unknown = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}
