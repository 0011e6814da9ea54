/**
 * A server whose times are known: it answers as the address asks (schedule.ts) and keeps the monotonic moment at
 * which it read each request and wrote each token, by `x-ms-client-request-id`. A client's times are held against
 * these and not against the schedule, so that the server's own lateness is in nobody's error; it is told beside them.
 *
 * It speaks HTTP by itself on sockets, because Node's server writes when its own callbacks have returned: many
 * streams that are due together would be stamped before any of them is sent.
 *
 * A process of its own: run by `truth-process.ts` and commanded by messages of the parent.
 */
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { buildWrites, parseSchedulePath, type Schedule } from './schedule.ts';

/** Nearer than this to a deadline the server spins (where it has a core of its own): a timer is late by about 1 ms. */
const SPIN_MS = 3;
/** Requests that are remembered between two takings: the longest row of the bench has a tenth of it. */
const MOST_RECORDS = 200_000;

/** What the server knows of one request; moments in milliseconds on the machine's monotonic clock. */
export interface TruthRecord {
  readonly id: string;
  /** Its last byte was read. */
  readonly receivedMs: number;
  /** Each write of tokens began; empty for a plain answer and where the stream has no gaps. */
  readonly wroteMs: readonly number[];
  /** The largest lateness of a write against the schedule. */
  readonly latenessMs: readonly number[];
}

export type ToTruth = { readonly kind: 'take' } | { readonly kind: 'end' };
export type FromTruth =
  | { readonly kind: 'listening'; readonly port: number; readonly tlsPort: number | null }
  | { readonly kind: 'taken'; readonly records: readonly TruthRecord[]; readonly busyShare: number };

/** How the process is started; JSON in its first argument. */
export interface TruthOrder {
  /** Whether it may spin near a deadline: only on a core of its own. */
  readonly spin: boolean;
  readonly tls: { readonly keyFile: string; readonly certificateFile: string } | null;
}

interface Stream {
  readonly socket: Socket;
  readonly writes: readonly Buffer[];
  readonly gapMs: number;
  readonly record: { wroteMs: number[]; latenessMs: number[] };
  next: number;
  dueMs: number;
}

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

class TruthServer {
  readonly #spin: boolean;
  /** By deadline, the nearest first. */
  readonly #due = new DeadlineHeap();
  /** Streams without gaps, written in turn. */
  readonly #flood = new Set<Stream>();
  readonly #plans = new Map<string, { schedule: Schedule; head: Buffer; tokens: readonly Buffer[] }>();
  #records: TruthRecord[] = [];
  #streams = 0;
  #awake = false;
  #timer: NodeJS.Timeout | null = null;
  #tookMs = nowMs();
  #tookCpu = process.cpuUsage();

  constructor(spin: boolean) {
    this.#spin = spin;
  }

  accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    let rest = '';
    let isFirst = true;
    socket.on('data', (chunk: Buffer) => {
      // Clients of the bench send ASCII, one request at a time.
      rest = rest + chunk.toString('latin1');
      const headEnd = rest.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const length = /\r\ncontent-length: *(\d+)/i.exec(rest);
      const end = headEnd + 4 + Number(length?.[1] ?? 0);
      if (rest.length < end) return;
      const head = rest.slice(0, headEnd);
      rest = rest.slice(end);
      this.#answer(socket, head, nowMs(), isFirst);
      isFirst = false;
    });
  }

  take(): { records: readonly TruthRecord[]; busyShare: number } {
    const records = this.#records;
    this.#records = [];
    const elapsedMs = nowMs() - this.#tookMs;
    const cpu = process.cpuUsage(this.#tookCpu);
    this.#tookMs = nowMs();
    this.#tookCpu = process.cpuUsage();
    return { records, busyShare: (cpu.user + cpu.system) / 1000 / elapsedMs };
  }

  #answer(socket: Socket, head: string, receivedMs: number, isFirst: boolean): void {
    const path = head.slice(head.indexOf(' ') + 1, head.indexOf(' ', head.indexOf(' ') + 1));
    const plan = this.#plan(path);
    const id = /\r\nx-ms-client-request-id: *([^\r]+)/i.exec(head)?.[1] ?? '';
    const record = { id, receivedMs, wroteMs: [], latenessMs: [] };
    if (this.#records.length < MOST_RECORDS) this.#records.push(record);
    socket.write(plan.head);
    if (plan.schedule.kind === 'plain') return;
    const { gapMs, ttftMs } = plan.schedule;
    const stream: Stream = {
      socket,
      writes: plan.tokens,
      gapMs,
      record,
      next: 0,
      dueMs: receivedMs + ttftMs,
    };
    // Connections that begin together are spread over the time of an answer, by the golden ratio, which spreads any
    // number evenly: in step, all first tokens of a run would come in a few instants, and its p99 be chance.
    if (isFirst)
      stream.dueMs +=
        (ttftMs + gapMs * (plan.tokens.length - 1)) * ((this.#streams++ * 0.618_033_988_749_895) % 1);
    if (gapMs === 0 && ttftMs === 0) this.#flood.add(stream);
    else this.#due.push(stream);
    this.#wake();
  }

  #plan(path: string) {
    const known = this.#plans.get(path);
    if (known !== undefined) return known;
    const schedule = parseSchedulePath(path);
    const plan = { schedule, ...buildWrites(schedule) };
    this.#plans.set(path, plan);
    return plan;
  }

  #wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    setImmediate(() => this.#turn());
  }

  /** Writes what is due, then sleeps or spins until the next deadline. New requests are read between two turns. */
  #turn(): void {
    this.#awake = false;
    for (const stream of this.#flood) this.#pour(stream);
    for (let first = this.#due.first(); first !== null && first.dueMs <= nowMs(); first = this.#due.first()) {
      this.#due.shift();
      this.#writeNext(first);
      if (first.next < first.writes.length && !first.socket.destroyed) {
        first.dueMs += first.gapMs;
        this.#due.push(first);
      }
    }
    const first = this.#due.first();
    if (this.#flood.size > 0) this.#wake();
    else if (first !== null) this.#waitFor(first.dueMs);
  }

  #waitFor(dueMs: number): void {
    const waitMs = Math.max(0, dueMs - nowMs());
    if (this.#spin && waitMs < SPIN_MS) this.#wake();
    else if (this.#timer === null) {
      this.#timer = setTimeout(() => this.#wake(), this.#spin ? waitMs - SPIN_MS / 2 : waitMs);
    }
  }

  #writeNext(stream: Stream): void {
    const atMs = nowMs();
    stream.socket.write(stream.writes[stream.next] ?? '');
    stream.next += 1;
    stream.record.wroteMs.push(atMs);
    stream.record.latenessMs.push(atMs - stream.dueMs);
  }

  /** One write of a stream without gaps, unless its client has not yet taken the last. */
  #pour(stream: Stream): void {
    if (stream.socket.destroyed || stream.next >= stream.writes.length) this.#flood.delete(stream);
    else if (stream.socket.writableLength === 0) {
      stream.socket.write(stream.writes[stream.next] ?? '');
      stream.next += 1;
    }
  }
}

/** A binary heap of streams by their deadline. */
class DeadlineHeap {
  readonly #streams: Stream[] = [];

  first(): Stream | null {
    return this.#streams[0] ?? null;
  }

  push(stream: Stream): void {
    const heap = this.#streams;
    let at = heap.length;
    heap.push(stream);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as Stream).dueMs <= stream.dueMs) break;
      heap[at] = heap[parent] as Stream;
      at = parent;
    }
    heap[at] = stream;
  }

  shift(): void {
    const heap = this.#streams;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Stream).dueMs < (heap[child] as Stream).dueMs)
        child += 1;
      if ((heap[child] as Stream).dueMs >= last.dueMs) break;
      heap[at] = heap[child] as Stream;
      at = child;
    }
    heap[at] = last;
  }
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    // A burst of 256 connections must not be refused.
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });
}

async function serve(order: TruthOrder): Promise<void> {
  const truth = new TruthServer(order.spin);
  const tell = (message: FromTruth) => process.send?.(message);
  const port = await listen(createServer((socket) => truth.accept(socket)));
  const tlsPort =
    order.tls === null
      ? null
      : await listen(
          createTlsServer(
            { key: readFileSync(order.tls.keyFile), cert: readFileSync(order.tls.certificateFile) },
            (socket) => truth.accept(socket),
          ),
        );
  process.on('message', (message: ToTruth) => {
    if (message.kind === 'end') process.exit(0);
    tell({ kind: 'taken', ...truth.take() });
  });
  // Without its parent nobody would end it.
  process.on('disconnect', () => process.exit(0));
  tell({ kind: 'listening', port, tlsPort });
}

await serve(JSON.parse(process.argv[2] ?? '') as TruthOrder);
