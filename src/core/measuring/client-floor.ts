/** What a client can tell apart at the best: a latency near its floor is the client's and not the endpoint's. */
export interface ClientFloor {
  readonly connections: number;
  /** Streamed events that were compared. */
  readonly events: number;
  /** From the server's write of an event to the client's stamp of it. Milliseconds. */
  readonly readLagP50Ms: number;
  readonly readLagP99Ms: number;
  /** Requests without a stream that were carried in a second, with the server on the same machine. */
  readonly requestsPerSecond: number;
  /** Median E2E of those: no answer of any server can seem quicker on so many connections. */
  readonly requestP50Ms: number;
  readonly loopLagP99Ms: number;
}
