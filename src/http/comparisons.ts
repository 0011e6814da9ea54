/** The calls about comparisons: start one, look at them, read the results, cancel. */
import { randomBytes } from 'node:crypto';
import { cancelRuns, readRuns, reportComparison } from '../activities/compare.ts';
import { comparisonToCsv } from '../core/comparison/comparison-csv.ts';
import { comparisonToMarkdown } from '../core/comparison/comparison-markdown.ts';
import {
  COMPARISON_ID_PATTERN,
  COMPARISON_STATES,
  type ComparisonRecord,
  newComparisonId,
  queuedComparison,
} from '../core/comparison/comparison-record.ts';
import { isFinal } from '../core/run.ts';
import { comparisonToHtml } from '../dashboard/report-file.ts';
import type { Services } from '../services.ts';
import { type ApiAnswer, type ApiCall, answerJson, answerText } from './answer.ts';
import { planComparisonRequest } from './comparison-request.ts';
import { comparisonLinks, summariseComparison, viewComparison } from './comparison-view.ts';
import { claimKey, readIdempotencyKey } from './idempotency.ts';
import { readJsonBody } from './json-body.ts';
import { fetchPage, readPage } from './paging.ts';
import { notFound, Problem } from './problem.ts';
import { readFormat } from './query.ts';
import { COMPARISON_FORMATS } from './result-format.ts';
import { isoTime } from './run-view.ts';
import { refuseTooLong } from './too-long.ts';

/** `POST /api/comparisons`: starts a comparison, or finds the one that the same idempotency key has started. */
export async function createComparison({ request, services, orchestrations }: ApiCall): Promise<ApiAnswer> {
  const key = readIdempotencyKey(request);
  const { asked, comparison, plan } = await planComparisonRequest(services, await readJsonBody(request));
  const nowMs = services.now();
  const fresh = newComparisonId(nowMs, randomBytes(4).toString('hex'));
  refuseTooLong(services, queuedComparison(fresh, comparison, plan, nowMs));
  const id = key === null ? fresh : await claimKey(services, key, fresh, asked);
  const record = queuedComparison(id, comparison, plan, nowMs);
  // Who writes the row starts the orchestration; where that is cut off in between, the reaper's timer does it.
  if ((await services.stores.comparisons.insert(record)) === 'inserted') {
    await orchestrations.startComparison(id);
  }
  const started = await readComparison(services, id);
  const links = comparisonLinks(id);
  const { targets, ...rest } = plan;
  const planned = { ...rest, targets: targets.map((target) => ({ label: target.label, plan: target.plan })) };
  return answerJson(
    202,
    { id, state: started.state, links, plan: planned },
    { location: links.self, 'retry-after': '5' },
  );
}

/** `GET /api/comparisons`: newest first. */
export async function listComparisons({ request, services }: ApiCall): Promise<ApiAnswer> {
  const asked = readPage(request, COMPARISON_STATES);
  const { comparisons, continuation } = await fetchPage(() => services.stores.comparisons.list(asked));
  return answerJson(200, { comparisons: comparisons.map(summariseComparison), continuation });
}

/** `GET /api/comparisons/{id}` */
export async function getComparison({ request, services }: ApiCall): Promise<ApiAnswer> {
  const record = await readComparison(services, request.params.id);
  const view = viewComparison(record, await readRuns(services, record), services.now());
  return answerJson(200, view, isFinal(record.state) ? {} : { 'retry-after': '5' });
}

/** `GET /api/comparisons/{id}/results`: the stored report, or while it lasts one of the rows so far. */
export async function getComparisonResults({ request, services }: ApiCall): Promise<ApiAnswer> {
  const format = readFormat(request, COMPARISON_FORMATS);
  const record = await readComparison(services, request.params.id);
  const { id } = record;
  const stored = await services.stores.comparisonReports.read(id);
  const report = stored ?? (await reportComparison(services, record));
  const file = (extension: string) => ({
    'content-disposition': `attachment; filename="${id}.${extension}"`,
  });
  if (format === 'csv') return answerText('text/csv; charset=utf-8', comparisonToCsv(report), file('csv'));
  if (format === 'md') {
    const text = comparisonToMarkdown(report, stored === null);
    return answerText('text/markdown; charset=utf-8', text, file('md'));
  }
  if (format === 'html') {
    const text = comparisonToHtml(report, record, stored === null);
    return answerText('text/html; charset=utf-8', text, file('html'));
  }
  return answerJson(200, { comparisonId: id, ...report, partial: stored === null });
}

/** `POST /api/comparisons/{id}/cancel`: starts no further target, and asks each run to stop and to release its endpoint. */
export async function cancelComparison({ request, services }: ApiCall): Promise<ApiAnswer> {
  const { id } = await readComparison(services, request.params.id);
  const record = await services.stores.comparisons.change(id, (now) =>
    isFinal(now.state) || now.cancelRequestedAtMs !== null ? null : { cancelRequestedAtMs: services.now() },
  );
  if (record.cancelRequestedAtMs === null) {
    throw new Problem(409, 'Already over', `The comparison is ${record.state}; there is nothing to cancel.`);
  }
  await cancelRuns(services, record);
  return answerJson(202, {
    id,
    state: record.state,
    cancelRequestedAt: isoTime(record.cancelRequestedAtMs),
    links: comparisonLinks(id),
  });
}

async function readComparison(services: Services, id: string | undefined): Promise<ComparisonRecord> {
  const known = id !== undefined && COMPARISON_ID_PATTERN.test(id);
  const record = known ? await services.stores.comparisons.read(id) : null;
  if (record === null) throw notFound('A comparison of that id');
  return record;
}
