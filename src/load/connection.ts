/**
 * One keep-alive connection to an endpoint, opened before the first request needs it, with one request in flight.
 *
 * It reads the socket itself, into one buffer (`onread`), and not as a stream: between the system's read and the stamp
 * stands nothing but a call. What was read is parsed later (arrival-queue.ts).
 *
 * A connection that the server closed while idle, or that was idle so long that it is about to, is opened anew before
 * the next request is written; that time is before `sentMs`, so it is nobody's latency. Only where the server closes
 * in the very moment of our write is the request lost; it counts as `reset` and is not sent again, since a model may
 * already have begun it.
 */
import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ArrivalQueue, type Arrived, type Recipient } from './arrival-queue.ts';
import { monotonicMs } from './clock.ts';
import { type Fields, HttpAnswerParser } from './http-answer.ts';
import { timeTcpConnect } from './round-trip.ts';

/** As long as a TCP stack tries three times; a connection that takes longer would distort anything measured on it. */
const CONNECT_TIMEOUT_MS = 10_000;
/** The longest answer: 32,768 tokens as events of about 300 bytes come to 10 MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** A connection that was idle this long is not used again: Node's servers close one after 5 s. */
const IDLE_LIMIT_MS = 4_000;
/** A server that names its own limit is believed, less the time of a slow way to it. */
const IDLE_MARGIN_MS = 1_000;
/** Azure's load balancers forget a connection after 4 minutes of silence, which a long prefill may be. */
const TCP_KEEP_ALIVE_MS = 60_000;
/** What one read may bring; libuv reads as much at once. */
const READ_BYTES = 65_536;

/** The sockets of a thread are read one after the other, and what was read is copied out before the next is. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);
const arrivals = new ArrivalQueue();

/** What connections to one origin share. */
export interface Connector {
  readonly timeoutMs: number;
  /** The checked address to connect to, whatever the name resolves to by now; null lets the name be resolved. */
  readonly address: string | null;
  /** The last TLS session, which spares the next connection half of its handshake. */
  session: Buffer | null;
}

export function buildSharedConnector(requestTimeoutMs: number, address: string | null = null): Connector {
  return { timeoutMs: Math.min(CONNECT_TIMEOUT_MS, requestTimeoutMs), address, session: null };
}

/** What is told of an exchange, in this order; after its end or its error nothing more is. */
export interface ExchangeListener {
  /** The connection is open and the request is written next. */
  onStart(): void;
  /** So many bytes of the answer came, framing and all; what they say is told next. */
  onBytes(count: number): void;
  onHead(status: number, fields: Fields): void;
  /** A piece of the body, and when the socket gave it. */
  onBody(piece: Buffer, arrivedMs: number): void;
  onEnd(trailers: Fields): void;
  onError(error: Error): void;
}

export class Connection {
  readonly #url: URL;
  readonly #connector: Connector;
  #wire: Wire | null = null;

  constructor(url: URL, connector: Connector) {
    this.#url = url;
    this.#connector = connector;
  }

  /**
   * Opens the connection without a request. Ends when it is open or cannot be opened; the latter is told by the
   * first request, which tries again. Bounded by the connector's timeout. Gives the milliseconds that TCP took to
   * connect, null where it did not.
   */
  async open(): Promise<number | null> {
    const wire = new Wire(this.#url, this.#connector);
    this.#wire = wire;
    const connectMs = timeTcpConnect(wire.socket);
    await wire.settled;
    return connectMs();
  }

  /** Opens it anew where it will have been idle for too long at that moment; otherwise nothing happens. */
  refresh(atMs: number): void {
    if (this.#wire?.usableAt(atMs)) return;
    this.#wire?.destroy();
    this.#wire = new Wire(this.#url, this.#connector);
  }

  /** Sends a complete request (head and body as they go over the wire). Gives what abandons it, silently. */
  send(request: Buffer, listener: ExchangeListener): () => void {
    if (this.#wire === null || !this.#wire.usableAt(monotonicMs())) {
      this.#wire?.destroy();
      this.#wire = new Wire(this.#url, this.#connector);
    }
    const wire = this.#wire;
    wire.send(request, listener);
    return () => wire.destroy();
  }

  /** Cuts the connection and whatever is in flight on it. */
  async close(): Promise<void> {
    this.#wire?.destroy();
    await this.#wire?.closed;
  }
}

/** One socket, from opening to closing. */
class Wire implements Recipient {
  readonly socket: Socket;
  /** Resolves when it is open, or is not going to be. */
  readonly settled: Promise<void>;
  readonly closed: Promise<void>;
  #open = false;
  #dead = false;
  #request: Buffer | null = null;
  #listener: ExchangeListener | null = null;
  #parser: HttpAnswerParser | null = null;
  #arrivedMs = 0;
  /** Null before the first request: a server waits longer for that one. */
  #idleUntilMs: number | null = null;
  #idleLimitMs = IDLE_LIMIT_MS;

  constructor(url: URL, connector: Connector) {
    const secure = url.protocol === 'https:';
    this.socket = openSocket(url, connector, (bytes, buffer) => {
      const arrivedMs = monotonicMs();
      arrivals.add(this, Buffer.from(buffer.subarray(0, bytes)), arrivedMs);
      return true;
    });
    const settled = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    this.settled = settled.promise;
    this.closed = closed.promise;
    const timer = setTimeout(
      () => this.socket.destroy(new Error(`The connection was not open after ${connector.timeoutMs} ms.`)),
      connector.timeoutMs,
    );
    this.socket.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      this.#open = true;
      settled.resolve();
      if (this.#listener !== null) this.#write();
    });
    this.socket.on('error', (error) => arrivals.add(this, error, monotonicMs()));
    this.socket.on('end', () => arrivals.add(this, null, monotonicMs()));
    this.socket.on('close', () => {
      clearTimeout(timer);
      arrivals.add(this, null, monotonicMs());
      settled.resolve();
      closed.resolve();
    });
  }

  /** Whether a request may be sent on it then: it is open or opening, idle, and not for so long that the server closes it. */
  usableAt(ms: number): boolean {
    return (
      !this.#dead &&
      this.#listener === null &&
      this.socket.readable &&
      this.socket.writable &&
      (this.#idleUntilMs === null || ms < this.#idleUntilMs)
    );
  }

  send(request: Buffer, listener: ExchangeListener): void {
    this.#request = request;
    this.#listener = listener;
    if (this.#open) this.#write();
  }

  /** Ends it without a word to the listener. */
  destroy(): void {
    this.#dead = true;
    this.#listener = null;
    this.socket.destroy();
  }

  /** From the queue: what the socket gave, in the order in which it gave it. */
  take(arrived: Arrived, arrivedMs: number): void {
    if (this.#dead) return;
    this.#arrivedMs = arrivedMs;
    if (arrived instanceof Error) this.#fail(arrived);
    else if (arrived === null) this.#end();
    else {
      try {
        this.#read(arrived);
      } catch (error) {
        this.#fail(asError(error));
      }
    }
  }

  #read(bytes: Buffer): void {
    if (this.#listener === null) throw new Error('The server sent bytes that nobody had asked for.');
    this.#listener.onBytes(bytes.length);
    this.#parser ??= this.#openParser(this.#listener);
    this.#parser.push(bytes);
  }

  #write(): void {
    const [request, listener] = [this.#request, this.#listener];
    if (request === null || listener === null) return;
    this.#request = null;
    listener.onStart();
    this.socket.write(request);
    this.#parser = null;
  }

  /** Made when an answer begins, and not with its request: the other requests of a burst would wait for it. */
  #openParser(listener: ExchangeListener): HttpAnswerParser {
    return new HttpAnswerParser(
      {
        onHead: (status, fields) => {
          this.#idleLimitMs = readIdleLimitMs(fields);
          listener.onHead(status, fields);
        },
        onBody: (piece) => listener.onBody(piece, this.#arrivedMs),
        onComplete: (trailers, reusable) => this.#complete(listener, trailers, reusable),
      },
      MAX_ANSWER_BYTES,
    );
  }

  #complete(listener: ExchangeListener, trailers: Fields, reusable: boolean): void {
    this.#listener = null;
    this.#idleUntilMs = monotonicMs() + this.#idleLimitMs;
    if (!reusable) this.destroy();
    try {
      listener.onEnd(trailers);
    } catch (error) {
      // An answer that cannot be digested ends its request now, and not with the request's timeout.
      this.destroy();
      listener.onError(asError(error));
    }
  }

  #end(): void {
    if (this.#parser?.end() !== true) this.#fail(new Error('The server closed the connection.'));
    else this.destroy();
  }

  #fail(error: Error): void {
    const listener = this.#listener;
    this.destroy();
    listener?.onError(error);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

type OnRead = (bytes: number, buffer: Uint8Array) => boolean;

function openSocket(url: URL, connector: Connector, callback: OnRead): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const secure = url.protocol === 'https:';
  const options: TcpNetConnectOpts = {
    host: connector.address ?? host,
    port: Number(url.port === '' ? (secure ? 443 : 80) : url.port),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    onread: { buffer: readBuffer, callback },
  };
  if (!secure) return connectTcp(options);
  // tls.connect takes the options of net.connect as well, as its documentation says; its type has not all of them.
  const socket = connectTls({
    ...options,
    ALPNProtocols: ['http/1.1'],
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(connector.session === null ? {} : { session: connector.session }),
  });
  socket.on('session', (session: Buffer) => {
    connector.session = session;
  });
  return socket;
}

/** `Keep-Alive: timeout=5` is the server's own limit in seconds. */
function readIdleLimitMs(fields: Fields): number {
  const named = /timeout=(\d{1,6})/i.exec(String(fields['keep-alive'] ?? ''));
  if (named === null) return IDLE_LIMIT_MS;
  return Math.min(IDLE_LIMIT_MS, Number(named[1]) * 1000 - IDLE_MARGIN_MS);
}
