/** What a run's state is on a terminal: its stages as lines, its progress as one line. */
import type { RunView } from '../http/run-view.ts';
import { writeDuration, writeUsd } from './figure.ts';
import { printable } from './printable.ts';

/** Wide enough to see a cell of twelve, narrow enough to leave room for the words. */
const BAR_CELLS = 24;

/** `unicode` draws the bar with blocks. */
export interface LineStyle {
  readonly width: number;
  readonly unicode: boolean;
}

/** One sentence for the state that a run has just reached. */
export function describeStage(run: RunView): string {
  const { endpoint, progress, plan } = run;
  switch (run.state) {
    case 'queued':
      return 'waiting to be started';
    case 'provisioning':
      return run.spec.target.kind === 'managed'
        ? `deploying ${modelOf(run)} on ${run.spec.target.instances} x ${run.spec.target.sku}`
        : 'looking at the endpoint';
    case 'warming':
      return run.spec.target.kind === 'managed'
        ? `endpoint ${endpointOf(run)} is ready; finding its route and warming it`
        : 'finding the route of the endpoint and warming it';
    case 'measuring':
      return `${plan.cellsPlanned} measurements${endpoint?.route ? ` over ${endpoint.route}` : ''}`;
    case 'releasing':
      return `${progress.cellsDone} of ${progress.cellsPlanned} measured; deleting endpoint ${endpointOf(run)}`;
    case 'completed':
      return `${progress.cellsDone} of ${progress.cellsPlanned} measured, ${costOf(run)}`;
    case 'canceled':
      return `${progress.cellsDone} of ${progress.cellsPlanned} measured before the cancel, ${costOf(run)}`;
    case 'failed':
      return printable(
        run.failure === null ? 'without a reason' : `${run.failure.code}: ${run.failure.message}`,
      );
  }
}

/** The line that is drawn again and again: bar, cells, what is measured now, what is left, what it cost so far. */
export function renderProgress(run: RunView, { width, unicode }: LineStyle): string {
  const { cellsDone, cellsPlanned, current, etaSeconds } = run.progress;
  const share = cellsPlanned === 0 ? 0 : cellsDone / cellsPlanned;
  const parts = [
    renderBar(share, unicode),
    `${cellsDone}/${cellsPlanned}`,
    ...(current === null ? [] : [printable(current)]),
    ...(etaSeconds === null || run.state !== 'measuring' ? [] : [`${writeDuration(etaSeconds)} left`]),
    ...(run.cost.accruedUsd === null ? [] : [writeUsd(run.cost.accruedUsd)]),
  ];
  // A line that wraps could not be drawn over; the last column stays free, since some terminals wrap on it.
  while (parts.length > 2 && lengthOf(parts) > width - 1) parts.pop();
  const line = parts.join('  ');
  return line.length > width - 1 ? `${cellsDone}/${cellsPlanned}`.slice(0, Math.max(0, width - 1)) : line;
}

export function renderBar(share: number, unicode: boolean): string {
  const filled = Math.round(Math.min(1, share) * BAR_CELLS);
  const [full, empty] = unicode ? ['█', '░'] : ['#', '.'];
  return full.repeat(filled) + empty.repeat(BAR_CELLS - filled);
}

/** The same for a log: no bar. */
export function describeProgress(run: RunView): string {
  const { cellsDone, cellsPlanned, current } = run.progress;
  return `${cellsDone} of ${cellsPlanned} measured${current === null ? '' : `, now ${printable(current)}`}`;
}

/** `$0.0312 of at most $1.47`, or why there is no price. */
export function costOf(run: RunView): string {
  const { accruedUsd, boundUsd, priceReason } = run.cost;
  if (accruedUsd === null) return `cost unknown (${printable(priceReason ?? 'no price')})`;
  return `${writeUsd(accruedUsd)}${boundUsd === null ? '' : ` of at most ${writeUsd(boundUsd)}`}`;
}

export function modelOf(run: RunView): string {
  const { model } = run.spec;
  return model === null
    ? '-'
    : printable(`${model.name}${model.version === undefined ? '' : ` v${model.version}`}`);
}

export function skuOf(run: RunView): string {
  return printable(run.endpoint?.sku ?? run.spec.target.sku ?? '-');
}

function endpointOf(run: RunView): string {
  return printable(run.endpoint?.name ?? '(none)');
}

function lengthOf(parts: readonly string[]): number {
  return parts.join('  ').length;
}
