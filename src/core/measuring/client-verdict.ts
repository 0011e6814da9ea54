/** Whether a repeat measured the server or the client, from its summary; the rules stand in client-health.ts. */
import type { Loop } from './cell.ts';
import { type ClientVerdict, judgeClient } from './client-health.ts';
import { DurationHistogram } from './histogram.ts';
import type { CellSummary } from './summary.ts';

export function judgeSummary(summary: CellSummary, loop: Loop): ClientVerdict {
  const e2e = DurationHistogram.parse(summary.histograms.e2e);
  const ttft = DurationHistogram.parse(summary.histograms.ttft);
  const steady = summary.rates.span === 'steady-window';
  return judgeClient({
    client: summary.client,
    closedLoop: loop === 'closed' && steady,
    connections: summary.connections,
    meanInFlight: summary.meanInFlight,
    steadySeconds: steady ? summary.rates.seconds : null,
    failed: summary.failed,
    ttftP50Ms: ttft.quantileMs(0.5),
    e2eP50Ms: e2e.quantileMs(0.5),
    e2eMeanMs: e2e.meanMs,
  });
}
