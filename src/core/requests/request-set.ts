/**
 * The user's own requests: NDJSON with one request a line, perhaps with the moments at which they once came. What a
 * set is, how its text is read with every faulty line named, and how its lines are dealt out to shards. Pure.
 */
import { createHash } from 'node:crypto';
import type { Fault, Parsed } from '../failure.ts';
import { SPEC_BOUNDS } from '../spec/spec-bounds.ts';

/** Bounds of a set. Each activity that measures holds all of it, and the table that keeps it gives it in a second. */
export const REQUEST_SET_BOUNDS = {
  /** Of the text in UTF-8: 20,000 requests of 500 characters. */
  bytes: 10_000_000,
  /** More than a cell ever sends in its 25 minutes, but for the shortest requests. */
  lines: 20_000,
  /** Messages of one conversation. */
  messages: 200,
  /** Of a recorded load: a day. */
  atSeconds: 86_400,
} as const;

/** Faulty lines that are named; whoever has more has one fault in all of them. */
const FAULTS_LIMIT = 50;

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** What a request asks: a text, or a conversation of the user's own. */
export type PromptInput = string | readonly ChatMessage[];

/** One request of a set. */
export interface RequestLine {
  readonly prompt: PromptInput;
  /** Absent, the workload's `outputTokens` are asked for. */
  readonly outputTokens?: number;
  /** When it came, in seconds from the first of the set; on all lines of a set or on none. */
  readonly atSeconds?: number;
}

export interface RequestSet {
  readonly lines: readonly RequestLine[];
  readonly description: RequestSetDescription;
}

/** What is told of a set without its text. */
export interface RequestSetDescription {
  /** 16 hexadecimal digits that stand for the content, whatever its white space. */
  readonly digest: string;
  readonly requests: number;
  /** Of all prompts together. */
  readonly characters: number;
  /** At four characters a token, which is usual for English. */
  readonly estimatedPromptTokens: Spread;
  /** Of the lines that say so; null where none does. */
  readonly outputTokens: (Spread & { readonly lines: number }) | null;
  /** Seconds from the first arrival to the last; null for a set that is no trace. */
  readonly traceSeconds: number | null;
}

export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly most: number;
}

const CHARACTERS_PER_TOKEN = 4;

/** The set that a text holds, or its faulty lines, each with its number and what to do. */
export function parseRequestSet(text: string): Parsed<RequestSet> {
  if (Buffer.byteLength(text) > REQUEST_SET_BOUNDS.bytes)
    return refuse(`must have at most ${REQUEST_SET_BOUNDS.bytes} bytes; store it as several sets`);
  const written = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const lines: RequestLine[] = [];
  const faults: Fault[] = [];
  let faulty = 0;
  for (const [index, one] of written.entries()) {
    if (one.trim() === '') continue;
    const message = lines.length >= REQUEST_SET_BOUNDS.lines ? tooMany() : readLine(one, lines);
    if (message === null) continue;
    faulty += 1;
    if (faults.length < FAULTS_LIMIT) faults.push({ path: `line ${index + 1}`, message });
    if (lines.length >= REQUEST_SET_BOUNDS.lines) break;
  }
  if (faulty > faults.length)
    faults.push({
      path: '(body)',
      message: `has ${faulty - faults.length} more faulty lines; the first ${FAULTS_LIMIT} are named`,
    });
  if (faults.length > 0) return { ok: false, faults };
  if (lines.length === 0)
    return refuse('must hold at least one request, such as {"prompt":"Hello"} on a line of its own');
  const set = fromTheStart(lines);
  return { ok: true, value: { lines: set, description: describeRequests(set) } };
}

/** Times count from the first arrival, whenever that was. To a microsecond, which is what a difference of them is good for. */
function fromTheStart(lines: readonly RequestLine[]): readonly RequestLine[] {
  const first = lines[0]?.atSeconds ?? 0;
  if (first === 0) return lines;
  return lines.map((line) => ({
    ...line,
    atSeconds: Number(((line.atSeconds ?? first) - first).toFixed(6)),
  }));
}

function refuse(message: string): { readonly ok: false; readonly faults: readonly Fault[] } {
  return { ok: false, faults: [{ path: '(body)', message }] };
}

function tooMany(): string {
  return `is one too many: a set may have ${REQUEST_SET_BOUNDS.lines} requests; store the rest as another`;
}

/** The set as text again, the same for every spelling of it; what is stored and what the digest is of. */
export function writeRequestSet(lines: readonly RequestLine[]): string {
  return lines
    .map(({ prompt, ...others }) =>
      JSON.stringify({ ...(typeof prompt === 'string' ? { prompt } : { messages: prompt }), ...others }),
    )
    .join('\n');
}

const FIELDS = ['prompt', 'messages', 'outputTokens', 'atSeconds'];

/** Adds the line to those before it, or gives what is wrong with it. */
function readLine(text: string, lines: RequestLine[]): string | null {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return 'is not JSON; each line must be one request such as {"prompt":"Hello"}';
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line))
    return 'must be an object such as {"prompt":"Hello"} or {"messages":[{"role":"user","content":"Hello"}]}';
  const fields = line as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(fields).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined)
    return `has the field ${JSON.stringify(unknown.slice(0, 50))}, which is none of ${FIELDS.join(', ')}; remove it`;
  const { prompt, messages, outputTokens, atSeconds } = fields;
  const fault =
    faultOfPrompt(prompt, messages) ??
    faultOfNumber('outputTokens', outputTokens, 1, SPEC_BOUNDS.outputTokens, Number.isInteger) ??
    faultOfNumber('atSeconds', atSeconds, 0, REQUEST_SET_BOUNDS.atSeconds, Number.isFinite) ??
    faultOfOrder(atSeconds as number | undefined, lines);
  if (fault !== null) return fault;
  lines.push({
    // Only what is known of a message: the rest was refused.
    prompt: (prompt ?? messages) as PromptInput,
    ...(outputTokens !== undefined && { outputTokens: outputTokens as number }),
    ...(atSeconds !== undefined && { atSeconds: atSeconds as number }),
  });
  return null;
}

function faultOfPrompt(prompt: unknown, messages: unknown): string | null {
  if (prompt !== undefined && messages !== undefined)
    return 'has a "prompt" and "messages"; give one of them';
  if (prompt === undefined && messages === undefined) return 'has neither a "prompt" nor "messages"';
  if (messages === undefined)
    return isText(prompt) ? null : 'has a "prompt" that is no text, or an empty one';
  if (!Array.isArray(messages) || messages.length === 0 || messages.length > REQUEST_SET_BOUNDS.messages)
    return `has "messages" that are no list of 1 to ${REQUEST_SET_BOUNDS.messages}`;
  const wrong = messages.findIndex((message: unknown) => !isMessage(message));
  return wrong < 0
    ? null
    : `has a message (number ${wrong + 1}) that is not {"role":"system|user|assistant","content":"text"}`;
}

function isMessage(message: unknown): message is ChatMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { role, content, ...others } = message as Readonly<Record<string, unknown>>;
  const isRole = role === 'system' || role === 'user' || role === 'assistant';
  return isRole && isText(content) && Object.keys(others).length === 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

function faultOfNumber(
  field: string,
  value: unknown,
  least: number,
  most: number,
  isKind: (value: unknown) => boolean,
): string | null {
  if (value === undefined) return null;
  if (isKind(value) && (value as number) >= least && (value as number) <= most) return null;
  const kind = isKind === Number.isInteger ? 'whole number' : 'number';
  return `has an "${field}" that is no ${kind} from ${least} to ${most}`;
}

/** Arrivals ascend, and are told of all requests or of none. */
function faultOfOrder(atSeconds: number | undefined, before: readonly RequestLine[]): string | null {
  const last = before.at(-1);
  if (last === undefined) return null;
  if ((last.atSeconds === undefined) !== (atSeconds === undefined))
    return 'differs from the lines before it in having an "atSeconds"; give it on all lines or on none';
  return atSeconds !== undefined && last.atSeconds !== undefined && atSeconds < last.atSeconds
    ? `came at ${atSeconds} s, before the line above it (${last.atSeconds} s); sort the lines by "atSeconds"`
    : null;
}

function describeRequests(lines: readonly RequestLine[]): RequestSetDescription {
  const characters = lines.map((line) => promptCharacters(line.prompt));
  const outputs = lines.map((line) => line.outputTokens).filter((tokens) => tokens !== undefined);
  return {
    digest: createHash('sha256').update(writeRequestSet(lines)).digest('hex').slice(0, 16),
    requests: lines.length,
    characters: characters.reduce((sum, one) => sum + one, 0),
    estimatedPromptTokens: spreadOf(
      characters.map((one) => Math.max(1, Math.round(one / CHARACTERS_PER_TOKEN))),
    ),
    outputTokens: outputs.length === 0 ? null : { ...spreadOf(outputs), lines: outputs.length },
    traceSeconds: lines.at(-1)?.atSeconds ?? null,
  };
}

/** Characters of a prompt's texts. */
export function promptCharacters(prompt: PromptInput): number {
  if (typeof prompt === 'string') return prompt.length;
  return prompt.reduce((sum, message) => sum + message.content.length, 0);
}

function spreadOf(values: readonly number[]): Spread {
  const ascending = values.toSorted((one, other) => one - other);
  const at = (share: number) => ascending[Math.ceil(share * ascending.length) - 1] ?? 0;
  return { p50: at(0.5), p95: at(0.95), most: at(1) };
}

/**
 * The lines of one shard (from 0) of a repeat: every so-manieth, so that no request is sent a second time before all
 * were sent once. `startShare`, from 0 to 1, is where in the set the repeat begins; repeats that begin at different
 * places do not send each other's requests, which a prefix cache would know. A trace begins at its beginning.
 */
export function shareOfLines(
  lines: readonly RequestLine[],
  {
    shard,
    shards,
    startShare,
  }: { readonly shard: number; readonly shards: number; readonly startShare: number },
): RequestLine[] {
  const from = lines[0]?.atSeconds === undefined ? Math.floor(startShare * lines.length) : 0;
  const share: RequestLine[] = [];
  for (let place = shard; place < lines.length; place += shards) {
    share.push(lines[(from + place) % lines.length] as RequestLine);
  }
  return share;
}

/** When the requests of a trace, or of a share of one, come at so many times the recorded speed. */
export function arrivalTimes(lines: readonly RequestLine[], speed: number): number[] {
  return lines.map((line) => (line.atSeconds ?? 0) / speed);
}
