/** The calls about schedules: put one, look at them and their history, delete one. */
import { isDeepStrictEqual } from 'node:util';
import { DEFAULT_NAME } from '../activities/run-schedules.ts';
import type { Fault, Parsed } from '../core/failure.ts';
import { isFinal } from '../core/run.ts';
import {
  LAST_GOOD,
  parseSchedule,
  refuseCost,
  SCHEDULE_NAME,
  SCHEDULE_NAME_RULE,
  type Schedule,
  type ScheduledWork,
} from '../core/schedule/schedule.ts';
import { scheduleToCsv } from '../core/schedule/schedule-csv.ts';
import { scheduleToMarkdown } from '../core/schedule/schedule-markdown.ts';
import { putSchedule as recordOf, type ScheduleRecord } from '../core/schedule/schedule-record.ts';
import type { Services } from '../services.ts';
import { type ApiAnswer, type ApiCall, type ApiRequest, answerJson, answerText } from './answer.ts';
import { readJsonBody } from './json-body.ts';
import { invalidInput, notFound, Problem } from './problem.ts';
import { readFormat } from './query.ts';
import { SCHEDULE_FORMATS } from './result-format.ts';
import { viewHistory, viewSchedule } from './schedule-view.ts';
import { planScheduledWork } from './scheduled-work.ts';

/** Each is looked at once a minute, and may rent GPUs; who needs more runs a second installation. */
const MOST_SCHEDULES = 50;

/** `PUT /api/schedules/{name}`: creates it or puts it in the place of the one that is there. Starts nothing by itself. */
export async function putSchedule({ request, services }: ApiCall): Promise<ApiAnswer> {
  const { name = '' } = request.params;
  const body = await readJsonBody(request);
  const { parsed, work } = parseSchedule(name, body, services.now());
  const existing = parsed.ok ? await services.stores.schedules.read(name) : null;
  // Whoever pauses one wants it to rent no more; that must not wait for Azure, nor for what can not be planned any more.
  const pauses = parsed.ok && existing !== null && isPauseOf(existing, parsed.value);
  const lookedUp = pauses
    ? []
    : await Promise.all([
        workFaults(services, parsed, work),
        webhookFaults(services, body),
        parsed.ok ? baselineFaults(services, parsed.value) : [],
      ]);
  const faults: Fault[] = [...(parsed.ok ? [] : parsed.faults), ...lookedUp.flat()];
  if (!parsed.ok || faults.length > 0) throw invalidInput(faults);
  if (existing === null && (await services.stores.schedules.list()).length >= MOST_SCHEDULES)
    throw new Problem(
      409,
      'Too many schedules',
      `There are ${MOST_SCHEDULES} schedules already, as many as may be; delete one that is not needed.`,
    );
  const record = await services.stores.schedules.put(name, (now) =>
    recordOf(now, parsed.value, 'api', services.now()),
  );
  const view = viewSchedule(record, services.now());
  return answerJson(existing === null ? 201 : 200, view, { location: view.links.self });
}

/** The same as it was put before, and now it rests. */
function isPauseOf(existing: Schedule, { enabled, ...schedule }: Schedule): boolean {
  const names = Object.keys(schedule) as (keyof typeof schedule)[];
  return !enabled && names.every((name) => isDeepStrictEqual(existing[name], schedule[name]));
}

/** `GET /api/schedules`: all of them, by name. */
export async function listSchedules({ services }: ApiCall): Promise<ApiAnswer> {
  const schedules = await services.stores.schedules.list();
  return answerJson(200, { schedules: schedules.map((record) => viewSchedule(record, services.now())) });
}

/** `GET /api/schedules/{name}`: the schedule and its history, the newest first. */
export async function getSchedule({ request, services }: ApiCall): Promise<ApiAnswer> {
  const record = await readSchedule(services, request);
  const history = await services.stores.schedules.listHistory(record.name);
  return answerJson(200, {
    ...viewSchedule(record, services.now()),
    history: history.map(viewHistory),
  });
}

/** `GET /api/schedules/{name}/results`: its history as a file, the newest first. */
export async function getScheduleResults({ request, services }: ApiCall): Promise<ApiAnswer> {
  const format = readFormat(request, SCHEDULE_FORMATS);
  const record = await readSchedule(services, request);
  const { name } = record;
  const history = await services.stores.schedules.listHistory(name);
  const file = { 'content-disposition': `attachment; filename="${name}.${format}"` };
  if (format === 'csv') return answerText('text/csv; charset=utf-8', scheduleToCsv(history), file);
  if (format === 'md')
    return answerText('text/markdown; charset=utf-8', scheduleToMarkdown(record, history), file);
  return answerJson(200, { name, history: history.map(viewHistory) });
}

/** `DELETE /api/schedules/{name}`: with its history. What it has started goes on to its end. */
export async function deleteSchedule({ request, services }: ApiCall): Promise<ApiAnswer> {
  const name = readName(request);
  const record = await services.stores.schedules.read(name);
  // Before the timer's first call it has no row yet, and would get one.
  const isOfSettings = record === null || record.origin === 'settings';
  if (name === DEFAULT_NAME && isOfSettings && services.settings.defaultSchedule !== null)
    throw new Problem(
      409,
      'Defined by the settings',
      `The schedule ${name} comes from the settings and would come back; set COMPARISON_SCHEDULE to off, or put it with "enabled": false.`,
    );
  if (record === null) throw notFound('A schedule of that name');
  await services.stores.schedules.remove(name);
  return answerJson(200, { name, deleted: true, stillRunning: record.running?.id ?? null });
}

function readName({ params }: ApiRequest): string {
  const { name = '' } = params;
  if (!SCHEDULE_NAME.test(name)) throw invalidInput([{ path: 'name', message: SCHEDULE_NAME_RULE }]);
  return name;
}

async function readSchedule(services: Services, request: ApiRequest): Promise<ScheduleRecord> {
  const record = await services.stores.schedules.read(readName(request));
  if (record === null) throw notFound('A schedule of that name');
  return record;
}

/** The comparison or run is planned whatever else is wrong, so that all faults are told at once. */
async function workFaults(
  services: Services,
  parsed: Parsed<Schedule>,
  work: ScheduledWork | null,
): Promise<readonly Fault[]> {
  if (work === null) return [];
  const planned = await planScheduledWork(services, work);
  if (!planned.ok) return planned.faults;
  if (!parsed.ok) return [];
  const { boundUsd } = planned.value.plan;
  const refusal = refuseCost({ maxUsdPerMonth: parsed.value.maxUsdPerMonth, spentUsd: 0, boundUsd });
  return refusal === null
    ? []
    : [{ path: 'maxUsdPerMonth', message: `would never let it start: ${refusal}` }];
}

/** Looked at even where other parts are wrong. */
async function webhookFaults(services: Services, body: unknown): Promise<readonly Fault[]> {
  const { url, secretSetting } = webhookOf(body);
  const faults: Fault[] = [];
  if (typeof url === 'string') {
    const resolved = await services.webhooks.resolve(url);
    if (resolved.kind !== 'resolved') faults.push({ path: 'webhook.url', message: resolved.reason });
  }
  if (typeof secretSetting === 'string') {
    const refusal = services.webhooks.refuseSecret(secretSetting);
    if (refusal !== null) faults.push({ path: 'webhook.secretSetting', message: refusal });
  }
  return faults;
}

function webhookOf(body: unknown): { readonly url?: unknown; readonly secretSetting?: unknown } {
  const webhook = (body as { readonly webhook?: unknown } | null)?.webhook;
  return typeof webhook === 'object' && webhook !== null ? webhook : {};
}

async function baselineFaults(services: Services, { baseline, work }: Schedule): Promise<readonly Fault[]> {
  if (baseline === LAST_GOOD) return [];
  const isOver =
    work.kind === 'run'
      ? await services.stores.runs.read(baseline).then((run) => run && isFinal(run.state))
      : await services.stores.comparisons.read(baseline).then((one) => one && isFinal(one.state));
  if (isOver === null) return [{ path: 'baseline', message: `is no ${work.kind} that there is` }];
  return isOver ? [] : [{ path: 'baseline', message: `is a ${work.kind} that is not over yet` }];
}
