/** What a client of the bench is told and what it tells, the same for all of them. Plain data: it crosses processes. */

export const CLIENTS = ['ours', 'undici', 'fetch', 'autocannon', 'origin'] as const;
export type ClientName = (typeof CLIENTS)[number];

export interface ClientOrder {
  readonly client: ClientName;
  /** Complete address, schedule included (schedule.ts). */
  readonly url: string;
  /** Connections, each with at most one request in flight. */
  readonly connections: number;
  /** Requests that make the client's code hot; they are not measured. */
  readonly warmUpRequests: number;
  readonly requests: number;
  /** Output tokens of one answer, as the schedule has them; 0 where it is plain. */
  readonly tokens: number;
  /** All requests at the same moment, one a connection, instead of a closed loop. */
  readonly burst: boolean;
  /** Whether the moments of each content are wanted; without, counts only. */
  readonly stamps: boolean;
  /** Sizes of further loads before the measured one; where there are any, memory is noted after each. Of ours only. */
  readonly memoryOf: readonly number[];
  /** How much of each 10 ms the client's main thread spends with other work, as a busy host does; 0 to 1. */
  readonly hostBusyShare: number;
}

/** One good answer as the client saw it; milliseconds on the machine's monotonic clock. */
export interface ClientStamps {
  readonly id: string;
  readonly sentMs: number;
  /** Each content event. */
  readonly contentMs: readonly number[];
}

/** What a client's thread holds after its garbage was collected. */
export interface MemoryNote {
  readonly requests: number;
  /** JavaScript objects and the buffers outside of the heap that they hold, of the load's thread. */
  readonly heldBytes: number;
  /** Of the whole process. */
  readonly rssBytes: number;
}

export interface ClientResult {
  readonly succeeded: number;
  readonly failed: number;
  /** Content events that were seen. */
  readonly events: number;
  /** From the first send to the last answer. */
  readonly wallMs: number;
  /** User and system time of the whole process in that span. */
  readonly cpuMs: number;
  readonly peakRssBytes: number;
  readonly stamps: readonly ClientStamps[];
  readonly memory: readonly MemoryNote[];
}

/** Begins the ids of the measured requests; those of the warm-up begin otherwise. */
export const MEASURED_ID_PREFIX = 'm';
export const WARM_UP_ID_PREFIX = 'w';

/** The body that clients other than ours send: the length of a prompt of 64 tokens. */
export function writeRequestBody(tokens: number): string {
  return JSON.stringify({
    messages: [{ role: 'user', content: 'word '.repeat(51) }],
    max_tokens: tokens,
    min_tokens: tokens,
    ignore_eos: true,
    temperature: 0,
    stream: tokens > 0,
  });
}
