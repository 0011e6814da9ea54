/**
 * A payload family as data: what is sent to a model, where text, usage and errors stand in what comes back, and in
 * what unit its output is counted. The families of payload-families.ts and a user's own template have this one form;
 * the load engine reads both alike.
 */
import { z } from 'zod';
import type { Fault, Parsed } from '../failure.ts';

/** Bounds of a user's template. Each keeps a row, a request or a walk through it finite. */
export const TEMPLATE_BOUNDS = {
  /** Of the template as JSON: twice as many bytes, which a row of Table Storage (1 MiB) still holds. */
  characters: 400_000,
  /** No API of the catalog nests deeper than twelve. */
  depth: 32,
  placeholders: 200,
  /** Ways to try in one list of paths, and steps in one way. */
  paths: 16,
  steps: 16,
} as const;

/** Where a value stands in parsed JSON: names of fields and places in lists. */
export type JsonPath = readonly (string | number)[];

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [name: string]: JsonValue };

/** What a model puts out. Units other than tokens are counted from what each request asks for. */
export const OUTPUT_UNITS = ['token', 'image', 'audio-second', 'frame'] as const;
export type OutputUnit = (typeof OUTPUT_UNITS)[number];

export interface PayloadFamily {
  /** The path of the API, perhaps with a query. */
  readonly path: string;
  /** `replace`: it takes the place of the scoring URI's `/score`; `append`: it follows the address that was given. */
  readonly pathRule: 'replace' | 'append';
  /** The request body with PLACEHOLDERS in its texts. */
  readonly body: JsonObject;
  /** Fields added to the body by whether a stream is asked for; null where the API cannot stream. */
  readonly streaming: {
    readonly asked: JsonObject;
    readonly notAsked: JsonObject;
    /** The shape of one event. */
    readonly answer: AnswerShape;
  } | null;
  /** The shape of a complete answer. */
  readonly answer: AnswerShape;
  /** Of each list the first path that leads to a count is taken. */
  readonly usage: {
    readonly promptTokens: readonly JsonPath[];
    readonly outputTokens: readonly JsonPath[];
    /** Prompt tokens that a prefix cache spared. */
    readonly cachedPromptTokens: readonly JsonPath[];
  };
  /** The data of the event that ends a stream; null where none does. */
  readonly endMark: string | null;
  readonly unit: OutputUnit;
  /** Units that each request makes; null for tokens, which the answer tells. */
  readonly unitsPerRequest: number | null;
}

/** Where things stand in an answer or in one event of a stream. Of each list, the first that is there counts. */
export interface AnswerShape {
  /** The output. Several spellings of one text in one event count once. */
  readonly text: readonly JsonPath[];
  /** Reasoning, which is output too and comes before the text. */
  readonly reasoning: readonly JsonPath[];
  readonly finishReason: readonly JsonPath[];
  /** Where an error may stand in an answer of 200; null, false, 0, and empty mean none. */
  readonly errors: readonly JsonPath[];
  /** Whether an empty text is an output too: nobody speaks in some recordings. */
  readonly mayBeEmpty: boolean;
}

/**
 * What may stand in the texts of a body as `{{name}}`. `alone`: it is a value of its own and cannot stand inside a
 * longer text. `{{outputTokens}}` alone becomes a number; a field whose value is `{{model}}` is left out where no
 * model is named.
 */
export const PLACEHOLDERS = {
  prompt: { alone: false, gives: 'the text of the prompt' },
  messages: { alone: true, gives: 'the prompt as a list of chat messages' },
  outputTokens: { alone: false, gives: 'the wanted output tokens' },
  model: { alone: false, gives: 'the name of the model' },
  image: { alone: false, gives: 'a PNG image in base64, different in each request' },
  image2: { alone: false, gives: 'another PNG image in base64' },
  audio: { alone: false, gives: 'a WAV recording of 5 seconds in base64' },
  frames: { alone: true, gives: 'ten frames of a game with their actions' },
} as const satisfies Record<string, { readonly alone: boolean; readonly gives: string }>;

export type PlaceholderName = keyof typeof PLACEHOLDERS;

/** A piece of a text of a body: literal, or the name of what goes there. */
export type TextPiece = { readonly literal: string } | { readonly placeholder: string };

/** A text cut at its placeholders; names that do not exist are given like those that do. */
export function splitPlaceholders(text: string): TextPiece[] {
  return text
    .split(/\{\{(\w+)\}\}/)
    .map((piece, index) => (index % 2 === 0 ? { literal: piece } : { placeholder: piece }))
    .filter((piece) => !('literal' in piece) || piece.literal !== '');
}

/**
 * What a family's requests take from a workload: one without `prompt` and `messages` has no prompt tokens to vary, one
 * without `outputTokens` cannot be asked for a length.
 */
export function placeholdersOf(family: PayloadFamily): ReadonlySet<PlaceholderName> {
  const bodies = [family.body, family.streaming?.asked, family.streaming?.notAsked];
  const names = JSON.stringify(bodies).matchAll(/\{\{(\w+)\}\}/g);
  return new Set(Array.from(names, (match) => match[1] as PlaceholderName));
}

/**
 * A user's own template with every default filled in, or all its faults at once. `at` is where it stands in the
 * input that it is a part of, for the faults' paths.
 */
export function parsePayloadTemplate(input: unknown, at = 'template'): Parsed<PayloadFamily> {
  const survey = surveyJson(input);
  const parsed = payloadTemplate.safeParse(input, { reportInput: true });
  const issues = parsed.success
    ? survey.length > 0
      ? survey
      : contradictionsOf(parsed.data)
    : [...survey, ...parsed.error.issues.flatMap(explainIssue)];
  if (parsed.success && issues.length === 0) return { ok: true, value: parsed.data as PayloadFamily };
  return { ok: false, faults: issues.map(([path, message]) => ({ path: writePath(at, path), message })) };
}

type Issue = readonly [path: readonly PropertyKey[], message: string];

const STEP_RULE = 'must be the name of a field or a place in a list, such as "output" or 0';
const step = z.union(
  [
    z.string().min(1, STEP_RULE).max(256, 'must have at most 256 characters'),
    z.int().min(0, STEP_RULE).max(10_000, 'must be at most 10000'),
  ],
  { error: STEP_RULE },
);
const path = z
  .array(step, { error: 'must be a path as a list of names and places, such as ["choices",0,"text"]' })
  .min(1, 'must have at least one step')
  .max(TEMPLATE_BOUNDS.steps, `must have at most ${TEMPLATE_BOUNDS.steps} steps`);
const paths = z
  .array(path, { error: 'must be a list of paths to try in turn, such as [["output"],[0,"text"]]' })
  .max(TEMPLATE_BOUNDS.paths, `must have at most ${TEMPLATE_BOUNDS.paths} paths`);
const body = z.record(z.string(), z.unknown(), {
  error: 'must be the request body as a JSON object, such as {"input":"{{prompt}}"}',
});
const flag = z.boolean({ error: 'must be true or false' });

const answer = z.strictObject(
  {
    text: paths.min(1, 'must name at least one path'),
    reasoning: paths.default([]),
    finishReason: paths.default([]),
    errors: paths.default([['error']]),
    mayBeEmpty: flag.default(false),
  },
  { error: onlyForType('must be an object such as {"text":[["output"]]}') },
);

/** A user's own template; what its fields say together is checked by `parsePayloadTemplate`. */
export const payloadTemplate = z.strictObject(
  {
    path: z
      .string({ error: 'must be a path such as "/score"' })
      .max(2_048, 'must have at most 2048 characters')
      .regex(/^\/(?!\/)[^\s\\#\p{Cc}]*$/u, 'must begin with one "/" and hold no space, "\\" or "#"')
      .refine((value) => !/(^|\/)\.\.?(\/|\?|$)/.test(value), 'must not hold "." or ".." as a part')
      .default('/score'),
    pathRule: z
      .enum(['replace', 'append'], {
        error: 'must be "replace" (in place of /score) or "append" (after the address that was given)',
      })
      .default('replace'),
    body,
    streaming: z
      .strictObject(
        { asked: body.default({}), notAsked: body.default({}), answer },
        { error: onlyForType('must be null or an object such as {"asked":{"stream":true},"answer":{...}}') },
      )
      .nullable()
      .default(null),
    answer,
    usage: z
      .strictObject(
        {
          promptTokens: paths.default([]),
          outputTokens: paths.default([]),
          cachedPromptTokens: paths.default([]),
        },
        { error: onlyForType('must be an object such as {"outputTokens":[["usage","completion_tokens"]]}') },
      )
      .prefault({}),
    endMark: z
      .string({ error: 'must be the data of the last event, such as "[DONE]", or null' })
      .min(1, 'must not be empty; null stands for none')
      .max(100, 'must have at most 100 characters')
      .nullable()
      .default('[DONE]'),
    unit: z
      .enum(OUTPUT_UNITS, { error: `must be one of ${OUTPUT_UNITS.map((unit) => `"${unit}"`).join(', ')}` })
      .default('token'),
    unitsPerRequest: z
      .number({ error: 'must be a number from 0.001 to 1000000, or null for tokens' })
      .min(0.001, 'must be from 0.001 to 1000000')
      .max(1_000_000, 'must be from 0.001 to 1000000')
      .nullable()
      .default(null),
  },
  {
    error: onlyForType(
      'must be an object such as {"body":{"input":"{{prompt}}"},"answer":{"text":[["output"]]}}',
    ),
  },
);

/** zod's own word stays for unknown fields. */
function onlyForType(message: string) {
  return (issue: z.core.$ZodRawIssue) => (issue.code === 'invalid_type' ? message : undefined);
}

function explainIssue(issue: z.core.$ZodIssue): Issue[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => [[...issue.path, key], 'is not a field of a template; remove it']);
  }
  const missing = issue.code === 'invalid_type' && issue.input === undefined;
  return [[issue.path, missing ? `is missing; it ${issue.message}` : issue.message]];
}

/** What is wrong with a template whose parts are each right. */
function contradictionsOf(parsed: z.output<typeof payloadTemplate>): Issue[] {
  const issues: Issue[] = [];
  const names = placeholdersOf(parsed as PayloadFamily);
  if (parsed.unit === 'token') {
    if (parsed.unitsPerRequest !== null) {
      issues.push([['unitsPerRequest'], 'must be null for tokens, which the answer tells']);
    }
    if (!names.has('prompt') && !names.has('messages')) {
      issues.push([
        ['body'],
        'holds neither {{prompt}} nor {{messages}}, so that every request would be the same and its prompt tokens unknown',
      ]);
    }
  } else if (parsed.unitsPerRequest === null) {
    issues.push([
      ['unitsPerRequest'],
      `is missing; it must say how many of the unit (${parsed.unit}) a request makes`,
    ]);
  }
  return issues;
}

/** Names that reach past the fields of an object. */
const PROTOTYPE_NAMES = new Set(['__proto__', 'constructor', 'prototype']);

/** The parts of a template whose texts may hold placeholders. */
const BODIES: readonly (readonly string[])[] = [['body'], ['streaming', 'asked'], ['streaming', 'notAsked']];

/** What is wrong with a template as JSON and with its placeholders, whatever its fields mean. */
function surveyJson(input: unknown): Issue[] {
  const issues: Issue[] = [];
  let placeholders = 0;
  // At most the characters of the JSON: each value has one, each text its own. Bounds the walk.
  let characters = 0;

  const visit = (value: unknown, at: readonly PropertyKey[], inBody: boolean): void => {
    characters += 1;
    if (characters > TEMPLATE_BOUNDS.characters) return;
    if (typeof value === 'string') {
      characters += value.length;
      if (inBody && value.includes('{{')) visitText(value, at);
      return;
    }
    // What is missing altogether is told as such.
    if (value === undefined && at.length === 0) return;
    if (value === null || typeof value === 'boolean' || Number.isFinite(value)) return;
    if (typeof value !== 'object') {
      issues.push([at, 'is no JSON value']);
      return;
    }
    if (at.length >= TEMPLATE_BOUNDS.depth) {
      issues.push([at, `is nested deeper than ${TEMPLATE_BOUNDS.depth} levels`]);
      return;
    }
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) visitStep(item, [...at, index], inBody);
      return;
    }
    for (const name of Object.keys(value)) {
      characters += name.length;
      const inside = [...at, name];
      if (PROTOTYPE_NAMES.has(name)) issues.push([inside, 'is a name that no field may have']);
      else if (inBody && name.includes('{{'))
        issues.push([inside, 'is a name, where no placeholder may stand']);
      else visit((value as Record<string, unknown>)[name], inside, inBody || isBody(inside));
    }
  };
  const visitStep = (item: unknown, at: readonly PropertyKey[], inBody: boolean): void => {
    // Outside of the bodies, the texts in lists are the steps of paths.
    if (!inBody && typeof item === 'string' && PROTOTYPE_NAMES.has(item)) {
      issues.push([at, 'is a name that no field may have']);
    }
    visit(item, at, inBody);
  };
  const visitText = (text: string, at: readonly PropertyKey[]): void => {
    for (const piece of splitPlaceholders(text)) {
      if (!('placeholder' in piece)) continue;
      placeholders += 1;
      if (placeholders === TEMPLATE_BOUNDS.placeholders + 1) {
        issues.push([
          at,
          `holds placeholder number ${placeholders}; ${TEMPLATE_BOUNDS.placeholders} are allowed`,
        ]);
      }
      const message = faultOfPlaceholder(piece.placeholder, text);
      if (message !== null && placeholders <= TEMPLATE_BOUNDS.placeholders) issues.push([at, message]);
    }
  };

  visit(input, [], false);
  const tooLong =
    characters > TEMPLATE_BOUNDS.characters ||
    (issues.length === 0 && (JSON.stringify(input) ?? '').length > TEMPLATE_BOUNDS.characters);
  return tooLong
    ? [[[], `must have at most ${TEMPLATE_BOUNDS.characters} characters as JSON`], ...issues]
    : issues;
}

function isBody(path: readonly PropertyKey[]): boolean {
  return BODIES.some((one) => one.length === path.length && one.every((name, index) => name === path[index]));
}

function faultOfPlaceholder(name: string, text: string): string | null {
  if (!Object.hasOwn(PLACEHOLDERS, name)) {
    const known = Object.keys(PLACEHOLDERS).map((one) => `{{${one}}}`);
    return `holds {{${name.slice(0, 50)}}}, which is none of ${known.join(', ')}`;
  }
  const { alone } = PLACEHOLDERS[name as PlaceholderName];
  return alone && text !== `{{${name}}}` ? `must be {{${name}}} alone: it is a value and not a text` : null;
}

/** `template.body.messages[0]`. */
function writePath(at: string, path: readonly PropertyKey[]): Fault['path'] {
  const inside = path.map((part) =>
    typeof part === 'number' ? `[${part}]` : `.${String(part).slice(0, 100)}`,
  );
  return (at + inside.join('')).replace(/^\./, '') || '(body)';
}
