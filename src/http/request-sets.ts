/** The calls about request sets: the user's own prompts and traces, kept under a name that specs refer to. */

import type { Parsed } from '../core/failure.ts';
import { parseRequestSet, REQUEST_SET_BOUNDS, type RequestSet } from '../core/requests/request-set.ts';
import { REQUEST_SET_NAME, REQUEST_SET_NAME_RULE } from '../core/requests/request-set-name.ts';
import { settleRequests } from '../core/spec/settle-requests.ts';
import type { Workload } from '../core/spec/workload.ts';
import { type Services, type StoredRequestSet, TooManyRequestSets } from '../services.ts';
import { type ApiAnswer, type ApiCall, type ApiRequest, answerJson } from './answer.ts';
import { invalidInput, notFound, Problem } from './problem.ts';
import { isoTime } from './run-view.ts';

/** `PUT /api/request-sets/{name}`: stores NDJSON, whole or not at all, in place of what has that name. */
export async function putRequestSet({ request, services }: ApiCall): Promise<ApiAnswer> {
  const name = readName(request);
  const set = await readSet(request);
  try {
    return answerJson(200, view(await services.stores.requestSets.save(name, set)));
  } catch (error) {
    if (error instanceof TooManyRequestSets) throw new Problem(409, 'Too many request sets', error.message);
    throw error;
  }
}

/** `GET /api/request-sets`: all of them, by name. */
export async function listRequestSets({ services }: ApiCall): Promise<ApiAnswer> {
  return answerJson(200, { requestSets: (await services.stores.requestSets.list()).map(view) });
}

/** `GET /api/request-sets/{name}`: what is known of it, without its text. */
export async function getRequestSet({ request, services }: ApiCall): Promise<ApiAnswer> {
  const stored = await services.stores.requestSets.describe(readName(request));
  if (stored === null) throw notFound('A request set of that name');
  return answerJson(200, view(stored));
}

/** `DELETE /api/request-sets/{name}`: cells of a run that still needs it fail and say so. */
export async function deleteRequestSet({ request, services }: ApiCall): Promise<ApiAnswer> {
  const name = readName(request);
  if (!(await services.stores.requestSets.remove(name))) throw notFound('A request set of that name');
  return answerJson(200, { name, deleted: true });
}

/**
 * The workloads of a spec with what their request sets say of them, or its faults. Sets are looked up only where a
 * workload refers to one.
 */
export async function settleRequestSets(
  services: Services,
  workloads: readonly Workload[],
  load: { readonly isTrace: boolean },
): Promise<Parsed<readonly Workload[]>> {
  const refers = workloads.some((workload) => workload.requests !== undefined);
  return settleRequests(workloads, refers ? await services.stores.requestSets.list() : [], load);
}

function readName(request: ApiRequest): string {
  const { name = '' } = request.params;
  if (REQUEST_SET_NAME.test(name)) return name;
  throw invalidInput([{ path: 'name', message: REQUEST_SET_NAME_RULE }]);
}

async function readSet(request: ApiRequest): Promise<RequestSet> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/(x-ndjson|jsonl)\s*(;|$)/i.test(type)) {
    throw new Problem(
      415,
      'Unsupported media type',
      'Send one JSON object a line, with the header content-type: application/x-ndjson.',
    );
  }
  const tooLarge = new Problem(
    413,
    'Content too large',
    `A request set may have at most ${REQUEST_SET_BOUNDS.bytes} bytes; store it as several sets.`,
  );
  if (Number(request.headers.get('content-length') ?? 0) > REQUEST_SET_BOUNDS.bytes) throw tooLarge;
  const text = await request.text();
  if (Buffer.byteLength(text) > REQUEST_SET_BOUNDS.bytes) throw tooLarge;
  const parsed = parseRequestSet(text);
  if (!parsed.ok) throw invalidInput(parsed.faults);
  return parsed.value;
}

function view({ storedAtMs, ...stored }: StoredRequestSet) {
  return { ...stored, storedAt: isoTime(storedAtMs) };
}
