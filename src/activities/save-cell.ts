/** Saving one repeat of a cell: its shards' rows merged into one row that says what was measured and on what. */

import { writeLogLine } from '../core/log-line.ts';
import { cellId, cellKey } from '../core/measuring/cell.ts';
import type { ClientFloor } from '../core/measuring/client-floor.ts';
import { mergeShards } from '../core/measuring/summary.ts';
import { describeError } from '../core/redact.ts';
import type { CellRecord, Provenance } from '../core/report/report.ts';
import { promptSourceOf } from '../core/requests/prompt.ts';
import { endpointsOfRun, type RunProgress, type RunRecord, settingsOfRun, warmUpOf } from '../core/run.ts';
import { settingsLabel } from '../core/spec/settings.ts';
import type { Workload } from '../core/spec/workload.ts';
import { findFamily, forcesLength } from '../load/payload-family.ts';
import type { StepHandlers, UnsavedCell } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { storeReport } from './aggregate.ts';
import { readRun } from './run-step.ts';

export function saveCellStep(services: Services): Pick<StepHandlers, 'saveCell'> {
  return {
    // Told and not thrown: its siblings in `Task.all` are measuring. The shards' rows stay, and it is tried again.
    saveCell: async ({ runId, cell, cellsDone }) => {
      try {
        const run = await readRun(services, runId);
        await services.stores.cells.save(await buildCell(services, run, cell));
        const changed = await services.stores.runs.change(runId, (now) => ({
          progress: progressAfter(now.progress, cellsDone, services.now()),
        }));
        // A measuring that was given up for hung may still save: then the report is already made, without this row.
        if (changed.stoppedBy !== null) await storeReport(services, changed);
        return { saved: true };
      } catch (error) {
        console.warn(
          writeLogLine('save-failed', { runId, cell: cellKey(cell), error: describeError(error) }),
        );
        return { saved: false };
      }
    },
  };
}

async function buildCell(services: Services, run: RunRecord, cell: UnsavedCell): Promise<CellRecord> {
  const workload = run.spec.workloads[cell.workload];
  if (workload === undefined) throw new Error(`The spec of ${run.id} has no workload ${cell.workload}.`);
  const rows = await services.stores.shards.list({
    runId: run.id,
    cellKey: cellKey(cell),
    attempt: cell.attempt,
  });
  const summaries = rows
    .filter((row) => row.status === 'measured')
    .map((row) => row.summary)
    .filter((summary) => summary !== null);
  // A part of the load, told as the whole, would be a wrong figure.
  if (cell.gaveUpReason === null && summaries.length < cell.shards)
    throw new Error(`Of ${cell.shards} shards of ${cellKey(cell)}, ${summaries.length} left a summary.`);
  return {
    runId: run.id,
    cellKey: cellKey(cell),
    cellId: cellId(cell, workload, settingsLabel(run.plan.settings ?? [], cell.settings ?? 0)),
    workload,
    loop: cell.loop,
    level: cell.level,
    repeat: cell.repeat,
    attempt: cell.attempt,
    contaminated: cell.contaminated,
    summary: cell.gaveUpReason === null ? mergeShards(summaries) : null,
    notMeasuredReason: cell.gaveUpReason,
    // Measured before the first cell of this process, so this is a look and not a wait.
    provenance: provenanceOf(services, run, cell, workload, await services.loadEngine.measureClientFloor()),
  };
}

function provenanceOf(
  services: Services,
  run: RunRecord,
  cell: UnsavedCell,
  workload: Workload,
  clientFloor: ClientFloor | null,
): Provenance {
  const { spec } = run;
  const settings = settingsOfRun(run, cell.settings);
  const endpoint = endpointsOfRun(run)[cell.endpoint ?? 0];
  const warmUp = warmUpOf(run, cell.endpoint ?? 0);
  return {
    endpoint: endpoint?.name ?? null,
    deployment: endpoint?.deployment ?? null,
    sku: endpoint?.sku ?? null,
    instances: endpoint?.instances ?? null,
    region: endpoint?.region ?? null,
    model:
      spec.model === null
        ? null
        : { registry: spec.model.registry, name: spec.model.name, version: spec.model.version ?? null },
    route: warmUp?.route.api ?? null,
    streamed: warmUp?.route.stream ?? false,
    lengthForced: warmUp === null ? null : forcesLength(findFamily(warmUp.route, spec.template ?? null)),
    maxConcurrentRequestsPerInstance: settings.maxConcurrentRequestsPerInstance,
    requestTimeoutSeconds: settings.requestTimeoutSeconds,
    promptSource: promptSourceOf(workload, warmUp),
    clientRegion: services.settings.region,
    clientFloor,
    isolation: spec.isolation,
    simulated: endpoint?.simulated ?? false,
    simulatorGpuSpeed: endpoint?.simulated ? services.settings.simulatorGpuSpeed : null,
  };
}

function progressAfter(progress: RunProgress, cellsDone: number, nowMs: number): RunProgress {
  const done = Math.max(progress.cellsDone, cellsDone);
  const seconds = progress.measuringFromMs === null ? null : (nowMs - progress.measuringFromMs) / 1_000;
  const left = Math.max(0, progress.cellsPlanned - done);
  return {
    ...progress,
    cellsDone: done,
    etaSeconds: seconds === null || done === 0 ? null : Math.round((seconds / done) * left),
  };
}
