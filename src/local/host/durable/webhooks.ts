/**
 * The durable management API over HTTP, as azure-functions-durable-extension serves it: what a durable client calls,
 * and what the management URLs of a started instance point to.
 */
import type { DurableConfig } from '../host-config.ts';
import { managementUrls } from './binding.ts';
import { refuseUnknown } from './decide.ts';
import type { DurableEngine } from './engine.ts';
import { EVENT, type Message } from './history.ts';
import { createInstance, describeAlive, newExecutionId, refuseInstanceId } from './instances.ts';
import { describeInstance } from './status.ts';
import {
  type HistoryStore,
  type Instance,
  type InstanceFilter,
  isTerminal,
  type PageMark,
  RUNTIME_STATUSES,
  type RuntimeStatus,
} from './store.ts';

export interface WebhookRequest {
  readonly method: string;
  /** Decoded segments after the API's base, e.g. `['instances', 'abc', 'terminate']`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly contentType: string | undefined;
  readonly continuationToken: string | undefined;
  readonly body: Buffer;
  /** The API's base as the caller wrote it, without a slash at its end. */
  readonly base: string;
}

export interface WebhookResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; absent means an empty body. */
  readonly json?: unknown;
}

export interface WebhookContext {
  readonly store: HistoryStore;
  readonly engine: DurableEngine;
  readonly config: DurableConfig;
}

/** Azure's page when `top` is absent, and our bound on it; the client asks for the next page until there is none. */
const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;

/** Instances that one call purges at most; it deletes their histories in one transaction. */
const MAX_PURGED = 10_000;

const NOT_FOUND: WebhookResponse = { status: 404 };

/** Answers a request to the management API; 404 for what it does not have. */
export function answerWebhook(context: WebhookContext, request: WebhookRequest): WebhookResponse {
  const [collection = '', id = '', operation, argument] = request.path;
  const route = `${request.method} ${[collection, ...(id === '' ? [] : ['{id}']), ...(operation === undefined ? [] : [operation])].join('/')}`;
  switch (route.toLowerCase()) {
    case 'get instances':
      return list(context, request);
    case 'delete instances':
      return purgeMany(context, request);
    case 'get instances/{id}':
      return withInstance(context, id, (instance) => show(context, request, instance));
    case 'delete instances/{id}':
      return withInstance(context, id, (instance) => purge(context, instance));
    case 'post instances/{id}/raiseevent':
      return withInstance(context, id, (instance) => raiseEvent(context, request, instance, argument));
    case 'post instances/{id}/terminate':
      return withInstance(context, id, (instance) => terminate(context, request, instance));
    case 'post instances/{id}/suspend':
      return withInstance(context, id, (instance) => setSuspended(context, request, instance, true));
    case 'post instances/{id}/resume':
      return withInstance(context, id, (instance) => setSuspended(context, request, instance, false));
    case 'post instances/{id}/restart':
      return withInstance(context, id, (instance) => restart(context, request, instance));
    case 'post instances/{id}/rewind':
      // The client shows the body as it is.
      return withInstance(context, id, () => ({
        status: 501,
        json: 'The local host does not support rewind; start the orchestration again instead.',
      }));
    default:
      if (request.method === 'POST' && collection.toLowerCase() === 'orchestrators' && id !== '') {
        return start(context, request, id, operation);
      }
      if (collection.toLowerCase() === 'entities') {
        return problem(501, 'The local host does not support entities; run the app on Core Tools.');
      }
      return NOT_FOUND;
  }
}

function withInstance(
  { store }: WebhookContext,
  id: string,
  answer: (instance: Instance) => WebhookResponse,
): WebhookResponse {
  const instance = store.readInstance(id);
  return instance === undefined ? NOT_FOUND : answer(instance);
}

function start(
  context: WebhookContext,
  request: WebhookRequest,
  name: string,
  givenId: string | undefined,
): WebhookResponse {
  const id = givenId ?? newExecutionId();
  if (!context.engine.isOrchestrator(name)) return problem(400, refuseUnknown(name, 'orchestrator'));
  const refusal = refuseInstanceId(id);
  if (refusal !== undefined) return problem(400, refusal);
  const input = readJson(request.body);
  if (input === undefined) return problem(400, 'The body is not JSON.');
  const version = request.query.get('version') ?? context.config.defaultVersion;
  return create(context, request, { id, name, version, input: input.text });
}

function create(
  { store, engine, config }: WebhookContext,
  { base }: WebhookRequest,
  instance: Pick<Instance, 'id' | 'name' | 'version' | 'input'>,
): WebhookResponse {
  const refused = store.transact(() => createInstance(store, { ...instance, parent: null }, Date.now()));
  if (refused !== undefined) return problem(409, describeAlive(refused.alive));
  engine.wake();
  const urls = managementUrls(base, config.hubName, encodeURIComponent(instance.id));
  return {
    status: 202,
    headers: { location: urls.statusQueryGetUri ?? '', 'retry-after': '10' },
    json: { ...urls, id: instance.id },
  };
}

function restart(context: WebhookContext, request: WebhookRequest, instance: Instance): WebhookResponse {
  const keepsId = request.query.get('restartWithNewInstanceId')?.toLowerCase() === 'false';
  const { name, version, input } = instance;
  return create(context, request, { id: keepsId ? instance.id : newExecutionId(), name, version, input });
}

/** 202 while it runs, 200 when it has ended; a failed one is 500 only for a caller that wants it so. */
function show(
  { store }: WebhookContext,
  { query, base }: WebhookRequest,
  instance: Instance,
): WebhookResponse {
  const json = describeInstance(instance, {
    showInput: flag(query, 'showInput', true),
    showHistoryOutput: flag(query, 'showHistoryOutput', false),
    ...(flag(query, 'showHistory', false) ? { history: store.readHistory(instance.id) } : {}),
  });
  if (!isTerminal(instance.status)) {
    const location = `${base}/instances/${encodeURIComponent(instance.id)}?${query}`;
    return { status: 202, headers: { location, 'retry-after': '5' }, json };
  }
  const isFailure = instance.status === 'Failed' && flag(query, 'returnInternalServerErrorOnFailure', false);
  return { status: isFailure ? 500 : 200, json };
}

function list({ store }: WebhookContext, { query, continuationToken }: WebhookRequest): WebhookResponse {
  const filter = parseFilter(query);
  if (typeof filter === 'string') return problem(400, filter);
  const top = Number(query.get('top') ?? DEFAULT_PAGE);
  if (!Number.isInteger(top) || top < 1) return problem(400, 'top must be a whole number above 0.');
  const after = continuationToken === undefined ? undefined : parseMark(continuationToken);
  if (after === null) return problem(400, 'x-ms-continuation-token was not given by this host.');

  const size = Math.min(top, MAX_PAGE);
  // One more than the page tells whether there is another.
  const instances = store.listInstances(filter, size + 1, after);
  const page = instances.slice(0, size);
  const last = page.at(-1);
  const options = { showInput: flag(query, 'showInput', true), showHistoryOutput: false };
  return {
    status: 200,
    headers:
      last !== undefined && instances.length > size ? { 'x-ms-continuation-token': formatMark(last) } : {},
    json: page.map((instance) => describeInstance(instance, options)),
  };
}

function raiseEvent(
  { store, engine }: WebhookContext,
  { contentType, body }: WebhookRequest,
  instance: Instance,
  name: string | undefined,
): WebhookResponse {
  if (name === undefined || name === '') return NOT_FOUND;
  if (!/^application\/json\b/i.test(contentType ?? ''))
    return problem(400, 'An event needs content-type: application/json.');
  const input = readJson(body);
  if (input === undefined) return problem(400, 'The body is not JSON.');
  return send(store, engine, instance, { EventType: EVENT.EventRaised, Name: name, Input: input.text });
}

function terminate(
  { store, engine }: WebhookContext,
  { query }: WebhookRequest,
  instance: Instance,
): WebhookResponse {
  const Input = query.get('reason') ?? '';
  return send(store, engine, instance, { EventType: EVENT.ExecutionTerminated, Input });
}

function setSuspended(
  { store, engine }: WebhookContext,
  { query }: WebhookRequest,
  instance: Instance,
  suspend: boolean,
): WebhookResponse {
  const waiting = store.lastControlMessage(instance.id);
  const isSuspended =
    waiting === undefined ? instance.status === 'Suspended' : waiting === EVENT.ExecutionSuspended;
  if (isSuspended === suspend && !isTerminal(instance.status)) {
    return problem(500, `Instance ${instance.id} is ${suspend ? 'suspended already' : 'not suspended'}.`);
  }
  const EventType = suspend ? EVENT.ExecutionSuspended : EVENT.ExecutionResumed;
  return send(store, engine, instance, { EventType, Reason: query.get('reason') ?? '' });
}

/** Messages are delivered later, as in Azure; 410 says that the instance has ended. */
function send(
  store: HistoryStore,
  engine: DurableEngine,
  instance: Instance,
  message: Message,
): WebhookResponse {
  if (isTerminal(instance.status)) return { status: 410 };
  store.transact(() => store.addMessage(instance.id, null, Date.now(), message));
  engine.wake(instance.id);
  return { status: 202 };
}

function purge({ store }: WebhookContext, instance: Instance): WebhookResponse {
  if (!isTerminal(instance.status)) {
    return problem(
      412,
      `Instance ${instance.id} is ${instance.status}; only one that has ended can be purged.`,
    );
  }
  store.transact(() => store.deleteInstance(instance.id));
  return { status: 200, json: { instancesDeleted: 1 } };
}

function purgeMany({ store }: WebhookContext, { query }: WebhookRequest): WebhookResponse {
  const filter = parseFilter(query);
  if (typeof filter === 'string') return problem(400, filter);
  if (filter.createdFromMs === undefined) return problem(400, 'createdTimeFrom is required.');
  const statuses = (filter.statuses ?? RUNTIME_STATUSES).filter(isTerminal);
  const ended = store.listInstances({ ...filter, statuses }, MAX_PURGED);
  if (ended.length === 0) return NOT_FOUND;
  store.transact(() => {
    for (const { id } of ended) store.deleteInstance(id);
  });
  return { status: 200, json: { instancesDeleted: ended.length } };
}

/** The filter in a query, or a sentence about what is wrong with it. */
function parseFilter(query: URLSearchParams): InstanceFilter | string {
  const from = parseTime(query.get('createdTimeFrom'));
  const to = parseTime(query.get('createdTimeTo'));
  if (Number.isNaN(from) || Number.isNaN(to))
    return 'createdTimeFrom and createdTimeTo must be ISO 8601 times.';
  const names = (query.get('runtimeStatus') ?? '').split(',').filter((name) => name !== '');
  const statuses: RuntimeStatus[] = [];
  for (const name of names) {
    const status = RUNTIME_STATUSES.find((known) => known.toLowerCase() === name.trim().toLowerCase());
    // Statuses that Azure knows and this host never gives match nothing.
    if (status !== undefined) statuses.push(status);
    else if (!/^(canceled|continuedasnew|unknown)$/i.test(name.trim()))
      return `'${name}' is not a runtime status.`;
  }
  const idPrefix = query.get('instanceIdPrefix');
  return {
    ...(from === undefined ? {} : { createdFromMs: from }),
    ...(to === undefined ? {} : { createdToMs: to }),
    ...(names.length === 0 ? {} : { statuses }),
    ...(idPrefix === null ? {} : { idPrefix }),
  };
}

function parseTime(text: string | null): number | undefined {
  return text === null || text === '' ? undefined : Date.parse(text);
}

function formatMark({ createdMs, id }: Instance): string {
  return Buffer.from(JSON.stringify([createdMs, id])).toString('base64url');
}

function parseMark(token: string): PageMark | null {
  try {
    const [createdMs, id] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[];
    return typeof createdMs === 'number' && typeof id === 'string' ? { createdMs, id } : null;
  } catch {
    return null;
  }
}

/** The body as JSON text that is known to parse, null for an empty one; undefined when it is not JSON. */
function readJson(body: Buffer): { readonly text: string | null } | undefined {
  const text = body.toString('utf8').trim();
  if (text === '') return { text: null };
  try {
    JSON.parse(text);
    return { text };
  } catch {
    return undefined;
  }
}

function flag(query: URLSearchParams, name: string, fallback: boolean): boolean {
  const value = query.get(name)?.toLowerCase();
  return value === undefined ? fallback : value === 'true';
}

/** The extension's shape of an error. */
function problem(status: number, message: string): WebhookResponse {
  return { status, json: { Message: message, ExceptionMessage: message } };
}
