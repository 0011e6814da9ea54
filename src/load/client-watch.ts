/**
 * Watches the load thread from inside: how late its event loop is, what its CPU and garbage collector take, and how
 * long requests wait before they are sent. It costs 200 small timers a second and a histogram entry per request.
 */
import { PerformanceObserver, performance } from 'node:perf_hooks';
import type { ClientHealth } from '../core/measuring/client-health.ts';
import { DurationHistogram } from '../core/measuring/histogram.ts';
import type { Sample } from '../core/measuring/sample.ts';
import { monotonicMs } from './clock.ts';

/** Often enough for a 99th percentile of a second's load, seldom enough to be a thousandth of a CPU. */
const LAG_INTERVAL_MS = 5;
/** A loop that stood still for a minute says all that there is to say; more entries would only take time. */
const LONGEST_LAG_MS = 60_000;

export class ClientWatch {
  readonly #garbage = new PerformanceObserver((list) => this.#noteGarbage(list.getEntries()));
  #lag = new DurationHistogram();
  #sendDelay = new DurationHistogram();
  #timer: NodeJS.Timeout | null = null;
  #beganMs = 0;
  #dueMs = 0;
  #gcPauseMs = 0;
  #gcLongestMs = 0;
  #contentEvents = 0;
  #loopAtBegin = performance.eventLoopUtilization();
  #cpuAtBegin = readThreadCpu();

  constructor() {
    this.#garbage.observe({ entryTypes: ['gc'] });
    this.begin();
  }

  /** Begins, or forgets everything and begins anew: what came before the first request was no measuring. */
  begin(): void {
    this.#beganMs = monotonicMs();
    this.#garbage.takeRecords();
    this.#lag = new DurationHistogram();
    this.#sendDelay = new DurationHistogram();
    this.#gcPauseMs = 0;
    this.#gcLongestMs = 0;
    this.#contentEvents = 0;
    this.#loopAtBegin = performance.eventLoopUtilization();
    this.#cpuAtBegin = readThreadCpu();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#schedule();
  }

  /** `dueMs` is when the client could have sent it: waiting for a connection is the server's delay and not ours. */
  note(sample: Sample, dueMs: number): void {
    this.#sendDelay.record(sample.sentMs - dueMs);
    if (sample.failure === null && sample.ttftMs !== null) this.#contentEvents += sample.gapsMs.length + 1;
  }

  /** Content events of the good answers that were noted and had come as a stream. */
  get contentEvents(): number {
    return this.#contentEvents;
  }

  read(roundTripMs: number | null): ClientHealth {
    const overdueMs = monotonicMs() - this.#dueMs;
    if (overdueMs > 0) this.#noteLag(overdueMs);
    this.#noteGarbage(this.#garbage.takeRecords());
    return {
      watchedSeconds: (monotonicMs() - this.#beganMs) / 1_000,
      loopLagP99Ms: this.#lag.quantileMs(0.99) ?? 0,
      loopLagMaxMs: this.#lag.maxMs ?? 0,
      busyShare: performance.eventLoopUtilization(this.#loopAtBegin).utilization,
      cpuSeconds: secondsSince(this.#cpuAtBegin),
      gcPauseMs: this.#gcPauseMs,
      gcLongestMs: this.#gcLongestMs,
      sendDelayMeanMs: this.#sendDelay.meanMs,
      sendDelayP99Ms: this.#sendDelay.quantileMs(0.99),
      roundTripMs,
    };
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#garbage.disconnect();
  }

  #schedule(): void {
    this.#dueMs = monotonicMs() + LAG_INTERVAL_MS;
    this.#timer = setTimeout(() => {
      this.#noteLag(Math.max(0, monotonicMs() - this.#dueMs));
      this.#schedule();
    }, LAG_INTERVAL_MS);
  }

  /**
   * A loop that stands still for 50 ms runs this timer once, late by 45. Whatever else was due meanwhile waited too:
   * 40, 35, 30 ... So a long stop counts for as long as it was, and not as one event among many.
   */
  #noteLag(lagMs: number): void {
    for (let waitedMs = Math.min(LONGEST_LAG_MS, lagMs); waitedMs >= 0; waitedMs -= LAG_INTERVAL_MS)
      this.#lag.record(waitedMs);
  }

  #noteGarbage(entries: readonly { readonly duration: number }[]): void {
    for (const { duration } of entries) {
      this.#gcPauseMs += duration;
      this.#gcLongestMs = Math.max(this.#gcLongestMs, duration);
    }
  }
}

/** Null before Node 23.9. */
function readThreadCpu(): NodeJS.CpuUsage | null {
  return process.threadCpuUsage?.() ?? null;
}

function secondsSince(begin: NodeJS.CpuUsage | null): number | null {
  if (begin === null) return null;
  const { user, system } = process.threadCpuUsage(begin);
  return (user + system) / 1_000_000;
}
