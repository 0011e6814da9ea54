/**
 * What a client asks the truth server for, written in the address it calls, and the bytes that come back. Both sides
 * of the bench read it, so that nothing has to be agreed in another way.
 */

/** The longest stream: as many tokens as the longest answer of a model that is measured. */
const MOST_TOKENS = 32_768;

/** One answer as it shall be written. */
export type Schedule =
  | { readonly kind: 'plain' }
  | {
      readonly kind: 'stream';
      readonly tokens: number;
      /** From the request's last byte to the first token. */
      readonly ttftMs: number;
      /** Between two writes of tokens; 0 writes as fast as the socket takes it, streams in turn. */
      readonly gapMs: number;
      /** Tokens, each an event of its own, that leave in one write. */
      readonly tokensPerWrite: number;
    };

/** The path and query that ask for it. */
export function writeSchedulePath(schedule: Schedule): string {
  if (schedule.kind === 'plain') return '/v1/chat/completions?kind=plain';
  const { tokens, ttftMs, gapMs, tokensPerWrite } = schedule;
  return `/v1/chat/completions?kind=stream&tokens=${tokens}&ttftMs=${ttftMs}&gapMs=${gapMs}&tokensPerWrite=${tokensPerWrite}`;
}

/** The inverse; throws a sentence where the address is not one of ours. */
export function parseSchedulePath(path: string): Schedule {
  const query = new URL(path, 'http://truth').searchParams;
  if (query.get('kind') === 'plain') return { kind: 'plain' };
  const read = (name: string, least: number, most: number): number => {
    const value = Number(query.get(name) ?? Number.NaN);
    if (!(value >= least && value <= most))
      throw new Error(`The address asks for ${name}=${query.get(name)}; it must be ${least} to ${most}.`);
    return value;
  };
  return {
    kind: 'stream',
    tokens: read('tokens', 1, MOST_TOKENS),
    ttftMs: read('ttftMs', 0, 60_000),
    gapMs: read('gapMs', 0, 60_000),
    tokensPerWrite: read('tokensPerWrite', 1, MOST_TOKENS),
  };
}

/** The events of a stream as vLLM writes them; `text` is the content. */
function writeEvent(delta: object, finishReason: string | null = null): string {
  return `data: ${JSON.stringify({
    id: 'chatcmpl-5b1c7d0e2f8a4c6d9e3b1a7f',
    object: 'chat.completion.chunk',
    created: 1_764_000_000,
    model: 'truth',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
  })}\n\n`;
}

function writeChunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

/** The writes of one answer, ready to be sent: head (at once), then tokens by the schedule, the last with the end. */
export function buildWrites(schedule: Schedule): {
  readonly head: Buffer;
  readonly tokens: readonly Buffer[];
} {
  if (schedule.kind === 'plain') {
    const body = JSON.stringify({
      id: 'chatcmpl-5b1c7d0e2f8a4c6d9e3b1a7f',
      object: 'chat.completion',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'a few words' }, finish_reason: 'length' },
      ],
      usage: { prompt_tokens: 16, completion_tokens: 4, total_tokens: 20 },
    });
    const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    return { head: Buffer.from(head + body), tokens: [] };
  }
  const { tokens, tokensPerWrite } = schedule;
  const head =
    'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n' +
    writeChunk(writeEvent({ role: 'assistant', content: '' }));
  const token = writeEvent({ content: ' token' });
  const usage = `data: ${JSON.stringify({ id: 'chatcmpl-5b1c7d0e2f8a4c6d9e3b1a7f', choices: [], usage: { prompt_tokens: 16, completion_tokens: tokens, total_tokens: tokens + 16 } })}\n\n`;
  const end = `${writeEvent({ content: '' }, 'length')}${usage}data: [DONE]\n\n`;
  const full = Buffer.from(writeChunk(token.repeat(tokensPerWrite)));
  const count = Math.ceil(tokens / tokensPerWrite);
  const last = Buffer.from(
    `${writeChunk(token.repeat(tokens - (count - 1) * tokensPerWrite) + end)}0\r\n\r\n`,
  );
  return {
    head: Buffer.from(head),
    tokens: Array.from({ length: count }, (_, index) => (index === count - 1 ? last : full)),
  };
}
