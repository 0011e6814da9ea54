/**
 * Asks Azure Monitor how busy the GPUs were while a run's longer cells were measured. Before the release, since a
 * deployment that is gone may not be asked about; and after the last cell, since nothing is measured meanwhile and
 * the minutes come late. It keeps the answer in the cells' rows, so that a report can be made from them again.
 */
import { type GpuMinute, gpuUseOf, LEAST_GPU_SECONDS, noGpuUse } from '../core/measuring/gpu-use.ts';
import type { CellRecord } from '../core/report/report.ts';
import { endpointsOfRun, type RunEndpoint, type RunRecord } from '../core/run.ts';
import type { Services } from '../services.ts';

/** A day of cells of two minutes is 720 rows, and a GPU is rented meanwhile. */
const SAVED_AT_ONCE = 20;

/** One call for each endpoint, all at once; the rows of cells that were asked about are written. */
export async function addGpuUse(
  services: Pick<Services, 'gpuMetrics' | 'stores'>,
  run: RunRecord,
  cells: readonly CellRecord[],
): Promise<void> {
  // Who cancels wants the endpoint gone.
  if (run.cancelRequestedAtMs !== null) return;
  const asked = cells.filter(isToBeAsked);
  const known = await Promise.all(endpointsOfRun(run).map((endpoint) => askOf(services, endpoint, asked)));
  const told = known.flat();
  for (let from = 0; from < told.length; from += SAVED_AT_ONCE) {
    const some = told.slice(from, from + SAVED_AT_ONCE);
    await Promise.all(some.map((cell) => services.stores.cells.save(cell)));
  }
}

/** What was told already stays. */
function isToBeAsked({ summary, gpu }: CellRecord): boolean {
  if (summary === null || (gpu?.utilisation ?? null) !== null) return false;
  return summary.endedAtMs - summary.startedAtMs >= LEAST_GPU_SECONDS * 1_000;
}

async function askOf(
  { gpuMetrics }: Pick<Services, 'gpuMetrics'>,
  { workspace, name, deployment }: RunEndpoint,
  asked: readonly CellRecord[],
): Promise<CellRecord[]> {
  const own = asked.filter(({ provenance }) => provenance.endpoint === name);
  const spans = own.flatMap(({ summary }) => (summary === null ? [] : [summary]));
  if (spans.length === 0 || workspace === null || deployment === null) return [];
  const { minutes, reason } = await gpuMetrics.readUtilisation(
    { workspace, endpoint: name, deployment },
    {
      fromMs: Math.min(...spans.map(({ startedAtMs }) => startedAtMs)),
      toMs: Math.max(...spans.map(({ endedAtMs }) => endedAtMs)),
    },
  );
  return own.map((cell) => tell(cell, minutes, reason));
}

function tell(cell: CellRecord, minutes: readonly GpuMinute[], reason: string | null): CellRecord {
  if (cell.summary === null) return cell;
  return { ...cell, gpu: reason === null ? gpuUseOf(cell.summary, minutes) : noGpuUse(reason) };
}
