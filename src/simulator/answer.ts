/** The answer of a model that generates text: its tokens as events, or whole, the moment the schedule has them. */
import type { ServerResponse } from 'node:http';
import { type Account, recordLateness } from './books.ts';
import { type Completion, chatEvents, type Prompt } from './chat.ts';
import type { Way } from './outlet.ts';
import { deriveSeed } from './random.ts';
import type { ServingSettings } from './serving-settings.ts';
import { answerText, tokenText } from './tokens.ts';

/** What an answer is made of and where it goes. */
export interface Answering {
  readonly response: ServerResponse;
  readonly way: Way;
  readonly account: Account;
  readonly route: string;
  readonly settings: ServingSettings;
  readonly prompt: Prompt;
  readonly completion: Completion;
  /** The body of an answer that comes whole, with that text in it. */
  readonly bodyOf: (completion: Completion, text: string) => unknown;
  /** From which its words are drawn. */
  readonly answerSeed: number;
  /** When the container got it, on the monotonic clock. */
  readonly startedAtMs: number;
  /** Frees the call's place, at the schedule's time. */
  readonly end: (atMs: number) => void;
}

/** Takes each token of an answer as it is emitted, with the schedule's time for it. */
export type Emit = (position: number, isLast: boolean, scheduledAtMs: number) => void;

/** How the route that blocks replays a stream, and the proxy: after the last token, from memory. */
export function isReplayed({ route, settings }: Pick<Answering, 'route' | 'settings'>): boolean {
  return settings.bufferedStream || route === '/chat/completions';
}

export function openAnswer(answering: Answering): Emit {
  if (!answering.prompt.stream) return collectAnswer(answering);
  return isReplayed(answering) ? replayAnswer(answering) : streamAnswer(answering);
}

/** The body of the whole answer. */
export function wholeAnswer(answering: Answering): unknown {
  const { bodyOf, completion, answerSeed } = answering;
  return bodyOf(completion, leadOf(answering) + answerText(answerSeed, completion.outputTokens));
}

export function writeStreamHead({ response, startedAtMs }: Answering): void {
  if (response.headersSent) return;
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    ...modelTime(startedAtMs),
  });
}

/** How long the container took until its answer began, as the front door reports it. */
export function modelTime(startedAtMs: number): Record<string, string> {
  return { 'ms-azureml-model-time': String(Math.max(0, Math.round(performance.now() - startedAtMs))) };
}

/** Writes each chunk as an event of its own, the moment its last token is emitted. */
function streamAnswer(answering: Answering): Emit {
  const { response, way, account, end, settings } = answering;
  const write = eventsOf(answering);
  if (settings.commentEvery > 0) {
    writeStreamHead(answering);
    way.write(commentOf(settings), performance.now());
  }
  return (position, isLast, scheduledAtMs) => {
    if (isLast) end(scheduledAtMs);
    if (response.destroyed) return;
    const text = write(position, isLast);
    if (text === '') return;
    if (!response.headersSent) writeStreamHead(answering);
    const nowMs = performance.now();
    if (isLast) way.end(text, nowMs);
    else way.write(text, nowMs);
    recordLateness(account.lateness, nowMs - scheduledAtMs);
  };
}

/** Keeps the events until the last, and writes them all at once. */
function replayAnswer(answering: Answering): Emit {
  const { response, way, account, end } = answering;
  const write = eventsOf(answering);
  const kept: string[] = [];
  return (position, isLast, scheduledAtMs) => {
    kept.push(write(position, isLast));
    if (!isLast) return;
    end(scheduledAtMs);
    if (response.destroyed) return;
    writeStreamHead(answering);
    const nowMs = performance.now();
    way.end(kept.join(''), nowMs);
    recordLateness(account.lateness, nowMs - scheduledAtMs);
  };
}

/** Answers whole when the last token is there. */
function collectAnswer(answering: Answering): Emit {
  const { way, account, end, startedAtMs } = answering;
  return (_position, isLast, scheduledAtMs) => {
    if (!isLast) return;
    end(scheduledAtMs);
    const nowMs = performance.now();
    way.answer(200, modelTime(startedAtMs), wholeAnswer(answering), nowMs);
    recordLateness(account.lateness, nowMs - scheduledAtMs);
  };
}

/** The text before an answer's own words: nothing, or the prompt where it is repeated. */
function leadOf({ prompt }: Answering): string {
  return prompt.returnFullText ? `${prompt.text} ` : '';
}

/** The events that a token adds to a stream: none while its chunk is not full, and what ends a stream with the last. */
export function eventsOf(answering: Answering): (position: number, isLast: boolean) => string {
  const { settings, completion, prompt, answerSeed } = answering;
  const { newline, mostTokensPerChunk, commentEvery } = settings;
  const events = chatEvents(completion, newline);
  const comment = commentOf(settings);
  let words = leadOf(answering);
  let tokens = 0;
  let chunks = 0;
  return (position, isLast) => {
    words += tokenText(answerSeed, position);
    tokens += 1;
    if (!isLast && tokens < chunkTokens(answerSeed, position - tokens + 1, mostTokensPerChunk)) return '';
    let text = events.token(words);
    if (commentEvery > 0 && chunks % commentEvery === 0) text = comment + text;
    if (chunks === 0) text = events.role() + text;
    words = '';
    tokens = 0;
    chunks += 1;
    return isLast
      ? text + events.finish() + (prompt.includeUsage ? events.usage() : '') + events.done()
      : text;
  };
}

function commentOf({ newline }: ServingSettings): string {
  return `: keep-alive${newline}${newline}`;
}

/** Tokens of the chunk that begins at that position; the first comes alone, from the prefill. */
function chunkTokens(answerSeed: number, position: number, most: number): number {
  if (most === 1 || position === 0) return 1;
  return 1 + (deriveSeed(answerSeed, 'chunk', position) % most);
}
