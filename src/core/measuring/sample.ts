/**
 * One request's timings and token counts: what the load engine makes of one HTTP exchange. Samples stop inside the
 * activity that measured them; what leaves it is their fold (shard.ts).
 *
 * Stamps are milliseconds on the monotonic clock, taken when bytes arrive and before they are parsed.
 */
import type { RequestFailure } from '../failure.ts';
import type { OutputUnit } from '../requests/payload.ts';

/** Why there is no time to first token: the route does not stream, or something before us held the stream back. */
export type TtftReason = 'not-streamed' | 'buffered' | 'no-output';

/**
 * Where a count of output comes from: the server's `usage`, or an estimate from the text. `units` where the model makes
 * no tokens: then what each request asks for is counted.
 */
export type TokenSource = 'usage' | 'estimate' | 'units';

/** What is odd about a good answer. `echo`: it began with the prompt, which is not counted as output. */
export type SampleFlag = 'echo';

export interface Sample {
  readonly requestId: string;
  /** When the load model wanted to send: in a closed loop, when the worker became free. */
  readonly scheduledMs: number;
  /** When the request was handed to the socket of an open connection. */
  readonly sentMs: number;
  /** First non-empty content minus sent; null with its reason where no true value exists. */
  readonly ttftMs: number | null;
  readonly ttftReason: TtftReason | null;
  /** First text of the answer itself, after any reasoning, minus sent; null where none came or nothing streamed. */
  readonly ttftAnswerMs: number | null;
  /** Last content (or the complete body of an answer that does not stream) minus sent. A usage chunk never extends it. */
  readonly e2eMs: number;
  readonly promptTokens: number | null;
  /** What the request asked for; the workload's own lengths where these are absent. */
  readonly promptTokensAsked?: number;
  readonly outputTokensAsked?: number;
  /** Prompt tokens that the server's prefix cache spared, where its usage tells. */
  readonly cachedPromptTokens: number | null;
  /** 0 for a failure, and where the model puts out something else than tokens. */
  readonly outputTokens: number;
  readonly unit: OutputUnit;
  /** Output in that unit: the output tokens, or what each request makes. 0 for a failure. */
  readonly outputUnits: number;
  readonly tokenSource: TokenSource;
  /** Gaps between content events, one for each content event after the first. Empty where nothing streamed. */
  readonly gapsMs: readonly number[];
  /** HTTP status, null where no answer came. */
  readonly status: number | null;
  readonly failure: RequestFailure | null;
  /** The server's or the system's words on a failure, shortened to 300 characters, without secrets. */
  readonly failureDetail: string | null;
  readonly flags: readonly SampleFlag[];
  /** `x-ratelimit-*` headers without that prefix, as the server wrote them. Empty where it sent none. */
  readonly rateLimit: Readonly<Record<string, string>>;
  /** Of the request as it was written and of what was read for it: heads, framing and events, without what TLS adds. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** How long Azure ML says that it held this request and its answer back for bandwidth; null where it says nothing. */
  readonly bandwidthDelayMs: number | null;
}
