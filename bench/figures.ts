/** The arithmetic of the bench: what a client saw held against what the server did. Pure. */
import type { ClientResult, ClientStamps, MemoryNote } from './client-order.ts';
import type { TruthRecord } from './truth-server.ts';

/** The value below which the share `quantile` (0 to 1) of the values lies, by nearest rank; NaN of none. */
export function quantileOf(values: readonly number[], quantile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle of repeats; of an even number the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A client's times against the server's; milliseconds, but for the one that is a share. */
export interface LatencyFigures {
  /** Stamp of the first content minus the server's write of it. */
  readonly lagP50Ms: number;
  readonly lagP99Ms: number;
  /** The same of every content. */
  readonly everyLagP95Ms: number;
  readonly everyLagP99Ms: number;
  /** (TTFT by the client) - (first write - request read, by the server); it holds both ways of the network. */
  readonly ttftErrorP50Ms: number;
  readonly ttftErrorP99Ms: number;
  /** The same for the last content. */
  readonly e2eErrorP99Ms: number;
  /** How far the p99 of the client's gaps is from the p99 of the server's: |client / server - 1|. */
  readonly itlP99ErrorShare: number;
  /** How late the server wrote against its own schedule. */
  readonly serverLatenessP99Ms: number;
  /** Answers that both sides know in full. */
  readonly requests: number;
}

/** `tokensPerWrite` contents are in each write of the server. */
export function compareToTruth(
  stamps: readonly ClientStamps[],
  records: readonly TruthRecord[],
  tokensPerWrite: number,
): LatencyFigures {
  const truths = new Map(records.map((record) => [record.id, record]));
  const lags: number[] = [];
  const everyLag: number[] = [];
  const ttftErrors: number[] = [];
  const e2eErrors: number[] = [];
  const gaps: number[] = [];
  const trueGaps: number[] = [];
  const lateness: number[] = [];
  let requests = 0;
  for (const { id, sentMs, contentMs } of stamps) {
    const truth = truths.get(id);
    const [first, last] = [contentMs[0], contentMs.at(-1)];
    const [firstWrite, lastWrite] = [truth?.wroteMs[0], truth?.wroteMs.at(-1)];
    if (truth === undefined || first === undefined || last === undefined) continue;
    if (firstWrite === undefined || lastWrite === undefined) continue;
    requests += 1;
    lags.push(first - firstWrite);
    ttftErrors.push(first - sentMs - (firstWrite - truth.receivedMs));
    e2eErrors.push(last - sentMs - (lastWrite - truth.receivedMs));
    for (const late of truth.latenessMs) lateness.push(late);
    contentMs.forEach((atMs, index) => {
      const wrote = Math.floor(index / tokensPerWrite);
      everyLag.push(atMs - (truth.wroteMs[wrote] ?? Number.NaN));
      if (index === 0) return;
      gaps.push(atMs - (contentMs[index - 1] ?? atMs));
      trueGaps.push(
        (truth.wroteMs[wrote] ?? Number.NaN) -
          (truth.wroteMs[Math.floor((index - 1) / tokensPerWrite)] ?? Number.NaN),
      );
    });
  }
  return {
    lagP50Ms: quantileOf(lags, 0.5),
    lagP99Ms: quantileOf(lags, 0.99),
    everyLagP95Ms: quantileOf(everyLag, 0.95),
    everyLagP99Ms: quantileOf(everyLag, 0.99),
    ttftErrorP50Ms: quantileOf(ttftErrors, 0.5),
    ttftErrorP99Ms: quantileOf(ttftErrors, 0.99),
    e2eErrorP99Ms: quantileOf(e2eErrors, 0.99),
    itlP99ErrorShare: Math.abs(quantileOf(gaps, 0.99) / quantileOf(trueGaps, 0.99) - 1),
    serverLatenessP99Ms: quantileOf(lateness, 0.99),
    requests,
  };
}

export interface RateFigures {
  readonly perSecond: number;
  /** CPU of the client's process for a thousand requests, or for a million events. */
  readonly cpuMsPerUnits: number;
}

/**
 * By the server's clock, from the first request that it read to the last: a client may tell its end late (autocannon
 * does so once a second).
 */
export function requestRate(result: ClientResult, records: readonly TruthRecord[]): RateFigures {
  return {
    perSecond: ((records.length - 1) / startSpreadMs(records)) * 1000,
    cpuMsPerUnits: (result.cpuMs / result.succeeded) * 1000,
  };
}

export function eventRate(result: ClientResult): RateFigures {
  return {
    perSecond: (result.events / result.wallMs) * 1000,
    cpuMsPerUnits: (result.cpuMs / result.events) * 1_000_000,
  };
}

export interface MemoryFigures {
  readonly heldFirstBytes: number;
  readonly heldLastBytes: number;
  /** What each request between the two notes has left behind. */
  readonly heldBytesPerRequest: number;
  readonly rssGrowthBytes: number;
}

/** Between the first note and the last; NaN without both. */
export function memoryGrowth(notes: readonly MemoryNote[]): MemoryFigures {
  const none = { requests: Number.NaN, heldBytes: Number.NaN, rssBytes: Number.NaN };
  const [first, last] = [notes[0] ?? none, notes.at(-1) ?? none];
  return {
    heldFirstBytes: first.heldBytes,
    heldLastBytes: last.heldBytes,
    heldBytesPerRequest: (last.heldBytes - first.heldBytes) / (last.requests - first.requests),
    rssGrowthBytes: last.rssBytes - first.rssBytes,
  };
}

/** From the first to the last of the requests, as the server read them. */
export function startSpreadMs(records: readonly TruthRecord[]): number {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { receivedMs } of records) {
    first = Math.min(first, receivedMs);
    last = Math.max(last, receivedMs);
  }
  return last - first;
}
