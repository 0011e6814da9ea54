/** `run`, `watch`, `cancel` and `runs`; an id tells whether it is a comparison's. Progress goes to the error stream, so that results can be piped. */
import { COMPARISON_ID_PATTERN } from '../../core/comparison/comparison-record.ts';
import type { RunView } from '../../http/run-view.ts';
import { EXIT } from '../exit-code.ts';
import { followRun } from '../follow-run.ts';
import { printable } from '../printable.ts';
import { renderReport, renderRuns } from '../report-text.ts';
import { isUnicode, RunDisplay, widthOf } from '../run-display.ts';
import { costOf } from '../run-text.ts';
import { readSpec } from '../spec-file.ts';
import { judgeReport } from '../verdict.ts';
import { watchComparison } from './compare.ts';
import { type CommandContext, paintOf, printJson, printLines, tellVerdict } from './context.ts';

export async function startRun(
  context: CommandContext,
  {
    file,
    watch,
    idempotencyKey,
  }: { readonly file: string; readonly watch?: boolean; readonly idempotencyKey?: string },
): Promise<number> {
  const { client, terminal } = context;
  const started = await client.startRun(await readSpec(file, terminal.stdin), idempotencyKey ?? null);
  const id = printable(started.id);
  if (watch === true) {
    terminal.stderr.write(`Run ${id}\n`);
    return follow(context, started.id, 'cancel');
  }
  if (context.json) printJson(context, started);
  else {
    printLines(context, [
      `Run ${id} is ${started.state}.`,
      `  npx foundry-bench watch ${id}`,
      `  ${client.url}${printable(started.links.page)}`,
    ]);
  }
  return EXIT.good;
}

export function watchRun(context: CommandContext, id: string): Promise<number> {
  return COMPARISON_ID_PATTERN.test(id)
    ? watchComparison(context, id, 'leave')
    : follow(context, id, 'leave');
}

export async function cancelRun(context: CommandContext, id: string): Promise<number> {
  const isComparison = COMPARISON_ID_PATTERN.test(id);
  const answer = await (isComparison ? context.client.cancelComparison(id) : context.client.cancelRun(id));
  const told = isComparison
    ? `Comparison ${printable(answer.id)} will be canceled; its endpoints are deleted first.`
    : `Run ${printable(answer.id)} will be canceled; its endpoint is deleted first.`;
  if (context.json) printJson(context, answer);
  else printLines(context, [told]);
  return EXIT.good;
}

export async function showRuns(
  context: CommandContext,
  filter: { readonly state?: string; readonly limit: number },
): Promise<number> {
  const list = await context.client.listRuns(filter);
  if (context.json) {
    printJson(context, list);
    return EXIT.good;
  }
  printLines(context, renderRuns(list.runs, widthOf(context.terminal.stdout)));
  if (list.continuation !== null)
    context.terminal.stderr.write('There are more; raise --limit or filter by --state.\n');
  return EXIT.good;
}

async function follow(
  context: CommandContext,
  runId: string,
  interrupt: 'cancel' | 'leave',
): Promise<number> {
  const { client, terminal } = context;
  const display = new RunDisplay(terminal.stderr, isUnicode(terminal.env));
  const followed = await followRun({
    client,
    runId,
    interrupt,
    onView: (run) => display.show(run),
    onNote: (text) => display.note(text),
  }).finally(() => display.clear());
  if (followed.kind === 'left') {
    terminal.stderr.write(`${explainLeft(followed.view, runId, interrupt)}\n`);
    return EXIT.interrupted;
  }
  const { view: run, canceledByUs } = followed;
  const report = await client.readReport(runId);
  if (context.json) printJson(context, { run, report });
  else if (run.progress.cellsDone > 0) {
    printLines(context, [
      '',
      ...renderReport(report, widthOf(terminal.stdout), paintOf(context)),
      `Cost: ${costOf(run)}.`,
    ]);
  }
  if (canceledByUs) return EXIT.interrupted;
  return run.state === 'completed' ? tellVerdict(context, judgeReport(report)) : EXIT.runFailed;
}

/** What goes on without us. */
function explainLeft(run: RunView | null, runId: string, interrupt: 'cancel' | 'leave'): string {
  const id = printable(runId);
  if (interrupt === 'leave') return `Run ${id} goes on; cancel it with \`npx foundry-bench cancel ${id}\`.`;
  const endpoint = run?.endpoint?.name;
  return `Run ${id} was asked to cancel and has not confirmed it${endpoint === undefined ? '' : `; endpoint ${printable(endpoint)} may still be alive and billed`}. Look with \`npx foundry-bench watch ${id}\`.`;
}
