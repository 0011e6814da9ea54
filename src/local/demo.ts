/** The demo: the whole way of a run, from deploy to delete, in a minute; or with `comparison`, of several side by side. */
import { followRun } from '../cli/follow-run.ts';
import { renderReport } from '../cli/report-text.ts';
import { isUnicode, RunDisplay, widthOf } from '../cli/run-display.ts';
import { costOf } from '../cli/run-text.ts';
import type { Report } from '../core/report/report.ts';
import type { RunView } from '../http/run-view.ts';
import { describeLeft, type SimulatorBooks } from './books.ts';
import { COMPARISON_DEMO } from './demo-comparison.ts';
import { concludeDemo, type Demo, faultsInBooks, type Stage, stageDemo } from './demo-stage.ts';

/** What is measured. Small on purpose: one repeat and few requests show the way, and say little of a SKU. */
const SPEC = {
  model: { registry: 'AzureML', name: 'Phi-4', version: '7' },
  target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4', instances: 1 },
  workloads: [
    { promptTokens: 256, outputTokens: 64 },
    { promptTokens: 1024, outputTokens: 128 },
  ],
  concurrency: { levels: [1, 2, 4, 8, 16, 32] },
  measure: { mode: 'steady', repeats: 1, minRequests: 8, maxSeconds: 20 },
  limits: { maxMinutes: 30, maxUsd: 10 },
} as const;

const CELLS = SPEC.workloads.length * SPEC.concurrency.levels.length;

const RUN_DEMO: Demo = {
  title: [
    `foundry-bench demo: ${SPEC.model.name} v${SPEC.model.version} on ${SPEC.target.instances} x ${SPEC.target.sku}, from deploy to delete`,
  ],
  // Fast enough for twelve cells in half a minute, slow enough that the clients are not what is measured.
  gpuSpeed: 20,
  controlPlaneSpeed: 3,
  seed: 1,
  play: playRun,
};

/** Runs a demo; gives 0 when everything is as it should be, 1 with a reason otherwise, 130 after Ctrl-C. */
export function runDemo(what: 'run' | 'comparison'): Promise<number> {
  return stageDemo(what === 'run' ? RUN_DEMO : COMPARISON_DEMO);
}

async function playRun(stage: Stage): Promise<number> {
  const { client } = stage;
  const display = new RunDisplay(process.stdout, isUnicode(process.env));
  const { id } = await client.startRun(SPEC, null);
  const followed = await followRun({
    client,
    runId: id,
    interrupt: 'cancel',
    onView: (run) => display.show(run),
    onNote: (text) => display.note(text),
  }).finally(() => display.clear());
  return concludeDemo(stage, followed, async (run, books) => {
    const report = await client.readReport(id);
    const csvFile = stage.keepFile('results.csv', await client.readResults(id, 'csv'));
    showResults(run, report, csvFile, books);
    return findFaults(run, report, books);
  });
}

/** Everything that is off; nothing where the demo has shown what it promises. */
export function findFaults(run: RunView, report: Pick<Report, 'rows'>, books: SimulatorBooks): string[] {
  const faults: string[] = [];
  if (run.state !== 'completed') {
    faults.push(`the run ended as ${run.state}${run.failure === null ? '' : ` (${run.failure.message})`}.`);
  }
  const measured = report.rows.filter((row) => row.succeeded > 0).length;
  if (measured < CELLS) faults.push(`${measured} of ${CELLS} cells were measured.`);
  return [...faults, ...faultsInBooks(books, 1)];
}

function showResults(run: RunView, report: Report, csvFile: string, books: SimulatorBooks): void {
  const lines = [
    '',
    ...renderReport(report, widthOf(process.stdout)),
    '',
    `Cost: ${costOf(run)}, at Azure's list price for the time it took here; nothing is billed.`,
    `CSV: ${csvFile}`,
    describeLeft(books),
    '',
    'Next: `npm start` brings up the page, and `npx foundry-bench --help` says how to start runs of your own.',
  ];
  for (const line of lines) console.log(line);
}
