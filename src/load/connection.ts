/**
 * One keep-alive connection to an endpoint, opened before the first request needs it.
 *
 * undici opens a connection only when a request asks for one. Its public way around that is the `connect` option: we
 * open the socket with undici's own connector and hand it over when the client asks for its first connection. So no
 * HTTP request is sent that nobody asked for, and the first measured request meets a warm connection.
 *
 * A client of our own for each connection (and not a pool) keeps request and connection together: a worker's request
 * never waits behind another's, and a connection that the server closed while idle is opened anew by the client
 * before the next request is written; that time is before `sentMs`, so it is nobody's latency. Only where the server
 * closes in the very moment of our write is the request lost; it counts as `reset` and is not sent again, since a
 * model may already have begun it.
 */
import type { Socket } from 'node:net';
import { buildConnector, Client, type Dispatcher } from 'undici';

/** As long as a TCP stack tries three times; a connection that takes longer would distort anything measured on it. */
const CONNECT_TIMEOUT_MS = 10_000;
/** The longest answer: 32,768 tokens as events of about 300 bytes come to 10 MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** A client closes what was idle this long, before the server does (Node's servers wait 5 s). */
const IDLE_TIMEOUT_MS = 4_000;

/** Opens sockets to one origin; connections share it, and with it the cache of TLS sessions. */
export type Connector = buildConnector.connector;

export function buildSharedConnector(requestTimeoutMs: number): Connector {
  return buildConnector({ allowH2: false, timeout: Math.min(CONNECT_TIMEOUT_MS, requestTimeoutMs) });
}

export class Connection {
  readonly #client: Client;
  readonly #url: URL;
  readonly #connector: Connector;
  #spare: Socket | null = null;
  #closed = false;

  constructor(url: URL, connector: Connector) {
    this.#url = url;
    this.#connector = connector;
    this.#client = new Client(url.origin, {
      connect: (options, callback) => this.#connect(options, callback),
      pipelining: 1,
      allowH2: false,
      // The whole exchange has one timeout, kept in request.ts.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      maxResponseSize: MAX_ANSWER_BYTES,
    });
  }

  /**
   * Opens the connection without a request. Ends when it is open or cannot be opened; the latter is told by the
   * first request, which tries again. Bounded by the connector's timeout.
   */
  open(): Promise<void> {
    return new Promise((resolve) => {
      const { hostname, host, protocol, port } = this.#url;
      this.#connector(
        { hostname: hostname.replace(/^\[|\]$/g, ''), host, protocol, port },
        (error, socket) => {
          if (error === null && this.#closed) socket.destroy();
          else if (error === null) this.#spare = socket;
          resolve();
        },
      );
    });
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#client.dispatch(options, handler);
  }

  /** Cuts the connection and whatever is in flight on it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#spare?.destroy();
    this.#spare = null;
    await this.#client.destroy();
  }

  #connect(options: buildConnector.Options, callback: buildConnector.Callback): void {
    const spare = this.#spare;
    this.#spare = null;
    // The server may have closed it while it waited.
    if (spare === null || spare.destroyed || !spare.readable || !spare.writable)
      this.#connector(options, callback);
    // The client does not go on when it is called back before its own call has returned.
    else queueMicrotask(() => callback(null, spare));
  }
}
