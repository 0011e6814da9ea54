/**
 * The way out for an answer: through the endpoint's bandwidth. What the bandwidth has no room for leaves later, in
 * order, and the trailers say by how much, as the service's do.
 */
import type { ServerResponse } from 'node:http';
import { sendAnswer } from './http-body.ts';
import type { Rate } from './rate.ts';

/** What an answer is written to. Times are the monotonic clock's. */
export interface Way {
  /** Sends a whole answer as JSON. */
  answer(status: number, headers: Readonly<Record<string, string>>, body: unknown, nowMs: number): void;
  /** Writes a piece of an answer whose head is written. */
  write(bytes: string | Buffer, nowMs: number): void;
  end(bytes: string | Buffer, nowMs: number): void;
}

/** A piece of an answer that waits for the bandwidth; together they are never more than the answer. */
interface Piece {
  readonly bytes: string | Buffer;
  readonly isLast: boolean;
  readonly atMs: number;
}

export class Outlet implements Way {
  readonly #response: ServerResponse;
  readonly #bandwidth: Rate;
  readonly #requestDelayMs: number;
  #responseDelayMs = 0;
  /** Pieces held back, in order; the timer is that of the first. */
  readonly #held: Piece[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(response: ServerResponse, bandwidth: Rate, requestDelayMs: number) {
    this.#response = response;
    this.#bandwidth = bandwidth;
    this.#requestDelayMs = requestDelayMs;
  }

  answer(status: number, headers: Readonly<Record<string, string>>, body: unknown, nowMs: number): void {
    if (this.#response.destroyed) return;
    const bytes = Buffer.from(JSON.stringify(body));
    const delayMs = this.#bandwidth.take(bytes.length, nowMs);
    if (delayMs === 0 && this.#requestDelayMs === 0) {
      sendAnswer(this.#response, status, headers, body);
      return;
    }
    // In chunks, because an answer with a length has no trailers.
    this.#response.writeHead(status, { ...headers, 'content-type': 'application/json; charset=utf-8' });
    this.#send(bytes, true, delayMs, nowMs);
  }

  write(bytes: string | Buffer, nowMs: number): void {
    if (this.#response.destroyed) return;
    this.#send(bytes, false, this.#bandwidth.take(bytes.length, nowMs), nowMs);
  }

  end(bytes: string | Buffer, nowMs: number): void {
    if (this.#response.destroyed) return;
    this.#send(bytes, true, this.#bandwidth.take(bytes.length, nowMs), nowMs);
  }

  #send(bytes: string | Buffer, isLast: boolean, delayMs: number, nowMs: number): void {
    if (delayMs === 0 && this.#held.length === 0) {
      this.#pass(bytes, isLast);
      return;
    }
    this.#responseDelayMs = Math.max(this.#responseDelayMs, delayMs);
    this.#held.push({ bytes, isLast, atMs: nowMs + delayMs });
    this.#timer ??= setTimeout(() => this.#release(), delayMs);
  }

  #release(): void {
    this.#timer = undefined;
    if (this.#response.destroyed) {
      this.#held.length = 0;
      return;
    }
    const nowMs = performance.now();
    while (this.#held[0] !== undefined && this.#held[0].atMs <= nowMs) {
      const piece = this.#held.shift();
      if (piece !== undefined) this.#pass(piece.bytes, piece.isLast);
    }
    const [next] = this.#held;
    if (next !== undefined) this.#timer = setTimeout(() => this.#release(), Math.ceil(next.atMs - nowMs));
  }

  #pass(bytes: string | Buffer, isLast: boolean): void {
    if (!isLast) {
      this.#response.write(bytes);
      return;
    }
    if (this.#requestDelayMs > 0 || this.#responseDelayMs > 0) {
      this.#response.addTrailers({
        'ms-azureml-bandwidth-request-delay-ms': String(Math.round(this.#requestDelayMs)),
        'ms-azureml-bandwidth-response-delay-ms': String(Math.round(this.#responseDelayMs)),
      });
    }
    this.#response.end(bytes);
  }
}
