/** What a row says of the wire: bytes per second, measured and as the plan predicted them, and the front door's words. */
import { DurationHistogram } from '../measuring/histogram.ts';
import type { CellSummary } from '../measuring/summary.ts';
import { lastRateLimit, mergeDelays, type RateLimit } from '../measuring/wire.ts';
import { meanLengths } from '../requests/lengths.ts';
import { predictBytesPerSecond } from '../spec/forecast.ts';
import type { LoadModel } from '../spec/load-model.ts';
import { predictInFlight, predictRequestSeconds } from '../spec/plan.ts';
import type { CellRecord } from './report.ts';

export interface RowWire {
  /** Mean over repeats, each over the span of its rates: HTTP as it is written, without what TLS adds. */
  readonly sentBytesPerSecond: number | null;
  readonly receivedBytesPerSecond: number | null;
  /** Both ways together, from the lengths and the times that the plan predicts; null of a trace, which it does not. */
  readonly predictedBytesPerSecond: number | null;
  /** Good answers whose trailers tell that Azure held them back for bandwidth, and by how much at the median. */
  readonly delayedAnswers: number;
  readonly delayP50Ms: number | null;
  readonly rateLimit: RateLimit;
}

/** Null where no repeat counted it. */
export function rowWire(
  cell: Pick<CellRecord, 'workload' | 'loop' | 'level' | 'provenance'>,
  summaries: readonly CellSummary[],
  load: LoadModel,
): RowWire | null {
  const wires = summaries.map(({ wire }) => wire).filter((wire) => wire !== undefined);
  if (wires.length === 0) return null;
  const mean = (rate: 'sentBytesPerSecond' | 'receivedBytesPerSecond') => {
    const known = wires.map((wire) => wire[rate]).filter((one) => one !== null);
    return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0) / known.length;
  };
  const delays = mergeDelays(wires);
  const histogram = delays === null ? null : DurationHistogram.parse(delays);
  return {
    sentBytesPerSecond: mean('sentBytesPerSecond'),
    receivedBytesPerSecond: mean('receivedBytesPerSecond'),
    predictedBytesPerSecond: predictedBytes(cell, load),
    delayedAnswers: histogram?.count ?? 0,
    delayP50Ms: histogram?.quantileMs(0.5) ?? null,
    rateLimit: lastRateLimit(summaries),
  };
}

function predictedBytes(
  { workload, loop, level, provenance }: Parameters<typeof rowWire>[0],
  load: LoadModel,
): number | null {
  if (loop === 'trace') return null;
  const inFlight = predictInFlight(load, workload, level);
  return predictBytesPerSecond({
    ...meanLengths(workload),
    concurrency: inFlight,
    requestsPerSecond: loop === 'rate' ? level : null,
    predictedSeconds: predictRequestSeconds(workload, inFlight),
    streamed: provenance.streamed,
  });
}
