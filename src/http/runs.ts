/** The calls about runs: plan one, start one, look at them, read the results, cancel. */
import { randomBytes } from 'node:crypto';
import { buildReport, type Report } from '../core/report/report.ts';
import { reportToCsv } from '../core/report/report-csv.ts';
import { reportToMarkdown } from '../core/report/report-markdown.ts';
import { reportToVllm } from '../core/report/report-vllm.ts';
import { isFinal, newRunId, queuedRun, RUN_ID_PATTERN, RUN_STATES, type RunRecord } from '../core/run.ts';
import { reportToHtml } from '../dashboard/report-file.ts';
import type { Services } from '../services.ts';
import { type ApiAnswer, type ApiCall, answerJson, answerText } from './answer.ts';
import { answerComparisonPlan, isComparisonBody } from './comparison-request.ts';
import { claimKey, readIdempotencyKey } from './idempotency.ts';
import { readJsonBody } from './json-body.ts';
import { NDJSON } from './operation.ts';
import { fetchPage, readPage } from './paging.ts';
import { planRequest } from './plan-request.ts';
import { notFound, Problem } from './problem.ts';
import { readFormat } from './query.ts';
import { RESULT_FORMATS } from './result-format.ts';
import { isoTime, runLinks, viewRun } from './run-view.ts';
import { refuseTooLong } from './too-long.ts';

/** `POST /api/plans`: what a run or a comparison would do and cost at the most; creates nothing. */
export async function createPlan({ request, services }: ApiCall): Promise<ApiAnswer> {
  const body = await readJsonBody(request);
  if (isComparisonBody(body)) return answerJson(200, await answerComparisonPlan(services, body));
  const { spec, plan, cells } = await planRequest(services, body);
  return answerJson(200, { spec, plan, cells });
}

/** `POST /api/runs`: starts a run, or finds the one that the same idempotency key has started. */
export async function createRun({ request, services, orchestrations }: ApiCall): Promise<ApiAnswer> {
  const key = readIdempotencyKey(request);
  const { spec, plan } = await planRequest(services, await readJsonBody(request));
  const nowMs = services.now();
  const run = queuedRun(newRunId(nowMs, randomBytes(4).toString('hex')), { spec, plan }, nowMs);
  refuseTooLong(services, run);
  const id = key === null ? run.id : await claimKey(services, key, run.id, spec);
  // Who writes the row starts the orchestration; where that is cut off in between, the reaper's timer does it.
  if ((await services.stores.runs.insert({ ...run, id })) === 'inserted') await orchestrations.start(id);
  const started = await readRun(services, id);
  const links = runLinks(id);
  return answerJson(202, { id, state: started.state, links }, { location: links.self, 'retry-after': '5' });
}

/** `GET /api/runs`: newest first. */
export async function listRuns({ request, services }: ApiCall): Promise<ApiAnswer> {
  const asked = readPage(request, RUN_STATES, ['model', 'sku']);
  const { runs, continuation } = await fetchPage(() => services.stores.runs.list(asked));
  return answerJson(200, { runs: runs.map((run) => viewRun(run, services.now())), continuation });
}

/** `GET /api/runs/{id}` */
export async function getRun({ request, services }: ApiCall): Promise<ApiAnswer> {
  const run = await readRun(services, request.params.id);
  return answerJson(200, viewRun(run, services.now()), isFinal(run.state) ? {} : { 'retry-after': '5' });
}

/** `GET /api/runs/{id}/results`: the stored report, or while the run lasts one of the rows so far. */
export async function getResults({ request, services }: ApiCall): Promise<ApiAnswer> {
  const format = readFormat(request, RESULT_FORMATS);
  const run = await readRun(services, request.params.id);
  const stored = await services.stores.reports.read(run.id);
  const cells = stored === null || format === 'vllm' ? await services.stores.cells.list(run.id) : [];
  const report: Report = stored ?? buildReport(run, cells);
  const file = (extension: string) => ({
    'content-disposition': `attachment; filename="${run.id}.${extension}"`,
  });
  if (format === 'html')
    return answerText('text/html; charset=utf-8', reportToHtml(report, stored === null), file('html'));
  if (format === 'vllm') {
    const lines = reportToVllm(report, cells, run.spec);
    return answerText(NDJSON, lines, file('vllm.jsonl'));
  }
  if (format === 'csv') return answerText('text/csv; charset=utf-8', reportToCsv(report), file('csv'));
  if (format === 'md')
    return answerText('text/markdown; charset=utf-8', reportToMarkdown(report, stored === null), file('md'));
  return answerJson(200, { ...report, partial: stored === null });
}

/** `POST /api/runs/{id}/cancel`: asks the run to stop, release its endpoint and keep what was measured. */
export async function cancelRun({ request, services }: ApiCall): Promise<ApiAnswer> {
  const { id } = await readRun(services, request.params.id);
  const run = await services.stores.runs.change(id, (now) =>
    isFinal(now.state) || now.cancelRequestedAtMs !== null ? null : { cancelRequestedAtMs: services.now() },
  );
  if (run.cancelRequestedAtMs === null) {
    throw new Problem(409, 'Already over', `The run is ${run.state}; there is nothing to cancel.`);
  }
  return answerJson(202, {
    id,
    state: run.state,
    cancelRequestedAt: isoTime(run.cancelRequestedAtMs),
    links: runLinks(id),
  });
}

export async function readRun(services: Services, id: string | undefined): Promise<RunRecord> {
  const run = id !== undefined && RUN_ID_PATTERN.test(id) ? await services.stores.runs.read(id) : null;
  if (run === null) throw notFound('A run of that id');
  return run;
}
