/** The app's HTTP interface as functions. Every call is bounded in time and size, and fails with an `ApiError`. */
import type { ComparisonState } from '../core/comparison/comparison-record.ts';
import type { ComparisonReport } from '../core/comparison/comparison-report.ts';
import type { Fault } from '../core/failure.ts';
import type { Report } from '../core/report/report.ts';
import type { RunState } from '../core/run.ts';
import type { Plan, PlannedCell } from '../core/spec/plan.ts';
import type { ComparisonPlanAnswer } from '../http/comparison-request.ts';
import type { ComparisonLinks, ComparisonSummary, ComparisonView } from '../http/comparison-view.ts';
import type { ModelList } from '../http/contract/model.ts';
import type { SkuList } from '../http/contract/sku.ts';
import type { EndpointList } from '../http/endpoints.ts';
import type { ResultFormat } from '../http/result-format.ts';
import type { RunLinks, RunView } from '../http/run-view.ts';

export interface PlanAnswer {
  readonly plan: Plan;
  readonly cells: readonly PlannedCell[];
}

export interface StartedRun {
  readonly id: string;
  readonly state: RunState;
  readonly links: RunLinks;
}

/** What a list shall hold. */
export interface ListFilter {
  readonly state?: string;
  readonly limit: number;
  /** What the page before gave; absent or null for the first. */
  readonly continuation?: string | null;
}

export interface RunList {
  readonly runs: readonly RunView[];
  readonly continuation: string | null;
}

export interface StartedComparison {
  readonly id: string;
  readonly state: ComparisonState;
  readonly links: ComparisonLinks;
}

export interface ComparisonList {
  readonly comparisons: readonly ComparisonSummary[];
  readonly continuation: string | null;
}

/** A report as it is now. */
export type ComparisonResults = ComparisonReport & { readonly partial: boolean };

export interface DeletedEndpoint {
  readonly name: string;
  readonly gone: boolean;
  /** Why it could not be deleted; null where it is under way or done. */
  readonly error: string | null;
}

/** A call that did not work: the sentence to show, and every fault of the input where the app named them. */
export class ApiError extends Error {
  /** Null where no answer came. */
  readonly status: number | null;
  readonly faults: readonly Fault[];

  constructor(message: string, status: number | null, faults: readonly Fault[] = [], cause?: unknown) {
    super(message, { cause });
    this.name = 'ApiError';
    this.status = status;
    this.faults = faults;
  }
}

/** Reading a price and writing a row take seconds at the most; a minute is a server that hangs. */
const CALL_LIMIT_MS = 60_000;

/** A report of 1,000 cells is about 3 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

interface Call {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly limitMs?: number;
}

export class ApiClient {
  readonly #base: URL;
  readonly #key: string | null;

  /** Throws a sentence where the address is none, or would carry the key in clear over a network. */
  constructor(url: string, key: string | null) {
    const base = URL.canParse(url) ? new URL(url.endsWith('/') ? url : `${url}/`) : null;
    if (base === null || !['http:', 'https:'].includes(base.protocol)) {
      throw new ApiError(`"${url}" is no address; name one such as http://127.0.0.1:7071 with --url.`, null);
    }
    if (
      key !== null &&
      base.protocol === 'http:' &&
      !['127.0.0.1', '[::1]', 'localhost'].includes(base.hostname)
    ) {
      throw new ApiError(
        `The key would go to ${base.origin} in clear; use https, or unset FOUNDRY_BENCH_KEY.`,
        null,
      );
    }
    this.#base = base;
    this.#key = key;
  }

  get url(): string {
    return this.#base.href.replace(/\/$/, '');
  }

  planRun(spec: unknown): Promise<PlanAnswer> {
    return this.#json('api/plans', 'plan', { method: 'POST', body: spec });
  }

  startRun(spec: unknown, idempotencyKey: string | null): Promise<StartedRun> {
    const headers = idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey };
    return this.#json('api/runs', 'id', { method: 'POST', body: spec, headers });
  }

  listRuns(filter: ListFilter, limitMs?: number): Promise<RunList> {
    return this.#json(`api/runs?${writeFilter(filter)}`, 'runs', limitMs === undefined ? {} : { limitMs });
  }

  readRun(id: string): Promise<RunView> {
    return this.#json(`api/runs/${encodeURIComponent(id)}`, 'state', {});
  }

  readReport(id: string): Promise<Report & { readonly partial: boolean }> {
    return this.#json(`api/runs/${encodeURIComponent(id)}/results?format=json`, 'rows', {});
  }

  readResults(id: string, format: ResultFormat): Promise<string> {
    return this.#text(`api/runs/${encodeURIComponent(id)}/results?format=${format}`, {});
  }

  cancelRun(id: string): Promise<StartedRun> {
    return this.#json(`api/runs/${encodeURIComponent(id)}/cancel`, 'id', { method: 'POST', body: {} });
  }

  planComparison(comparison: unknown): Promise<ComparisonPlanAnswer> {
    return this.#json('api/plans', 'targets', { method: 'POST', body: comparison });
  }

  startComparison(comparison: unknown, idempotencyKey: string | null): Promise<StartedComparison> {
    const headers = idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey };
    return this.#json('api/comparisons', 'id', { method: 'POST', body: comparison, headers });
  }

  listComparisons(filter: ListFilter, limitMs?: number): Promise<ComparisonList> {
    return this.#json(
      `api/comparisons?${writeFilter(filter)}`,
      'comparisons',
      limitMs === undefined ? {} : { limitMs },
    );
  }

  readComparison(id: string): Promise<ComparisonView> {
    return this.#json(`api/comparisons/${encodeURIComponent(id)}`, 'targets', {});
  }

  readComparisonReport(id: string): Promise<ComparisonResults> {
    return this.#json(`api/comparisons/${encodeURIComponent(id)}/results?format=json`, 'headline', {});
  }

  readComparisonResults(id: string, format: ResultFormat): Promise<string> {
    return this.#text(`api/comparisons/${encodeURIComponent(id)}/results?format=${format}`, {});
  }

  cancelComparison(id: string): Promise<StartedComparison> {
    return this.#json(`api/comparisons/${encodeURIComponent(id)}/cancel`, 'id', { method: 'POST', body: {} });
  }

  listModels(filter: { readonly registry?: string; readonly search?: string }): Promise<ModelList> {
    return this.#json(`api/models?${new URLSearchParams({ ...filter })}`, 'models', {});
  }

  listSkus(filter: { readonly region?: string; readonly workspace?: string }): Promise<SkuList> {
    return this.#json(`api/skus?${new URLSearchParams({ ...filter })}`, 'skus', {});
  }

  listEndpoints(): Promise<EndpointList> {
    return this.#json('api/endpoints', 'endpoints', {});
  }

  deleteEndpoint(name: string): Promise<DeletedEndpoint> {
    return this.#json(`api/endpoints/${encodeURIComponent(name)}`, 'gone', { method: 'DELETE' });
  }

  /** The answer as JSON; `expected` is a field that it must have, so that another server's answer is not taken for ours. */
  async #json<T>(path: string, expected: string, call: Call): Promise<T> {
    const text = await this.#text(path, call);
    const answer = parseJson(text);
    if (answer === null || typeof answer !== 'object' || !(expected in answer)) {
      throw new ApiError(`${this.url} answered, but not as foundry-bench does; is --url right?`, 200);
    }
    return answer as T;
  }

  async #text(
    path: string,
    { method = 'GET', body, headers = {}, limitMs = CALL_LIMIT_MS }: Call,
  ): Promise<string> {
    let status: number;
    let text: string;
    try {
      const answer = await fetch(new URL(path, this.#base), {
        method,
        // A redirect could carry the key to another host.
        redirect: 'error',
        headers: {
          accept: 'application/json, text/*',
          ...(this.#key !== null && { 'x-functions-key': this.#key }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(limitMs),
      });
      status = answer.status;
      text = await readBounded(answer);
    } catch (cause) {
      if (cause instanceof ApiError) throw cause;
      throw new ApiError(this.#explainSilence(cause, limitMs), null, [], cause);
    }
    if (status >= 200 && status < 300) return text;
    throw this.#refusal(status, text);
  }

  #explainSilence(cause: unknown, limitMs: number): string {
    const code = innermostCode(cause);
    if ((cause as Error).name === 'TimeoutError')
      return `${this.url} did not answer within ${limitMs / 1000} s.`;
    if (code === 'ECONNREFUSED') {
      return `Nothing answers at ${this.url}; start the local host with \`npx foundry-bench start\`, or name another address with --url.`;
    }
    return `${this.url} cannot be reached (${code ?? (cause as Error).message}); is --url right?`;
  }

  #refusal(status: number, text: string): ApiError {
    const problem = parseJson(text) as { title?: unknown; detail?: unknown; faults?: unknown } | null;
    const faults = Array.isArray(problem?.faults) ? problem.faults.filter(isFault) : [];
    const told = [problem?.detail, problem?.title].find((part) => typeof part === 'string' && part !== '');
    if (typeof told === 'string') return new ApiError(told, status, faults);
    if (status === 401 || status === 403) {
      return new ApiError(
        `${this.url} wants a key (${status}); put the function key into FOUNDRY_BENCH_KEY.`,
        status,
      );
    }
    return new ApiError(`${this.url} answered ${status}: ${text.slice(0, 200) || 'without a word'}`, status);
  }
}

async function readBounded(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES)
      throw new ApiError('The answer is longer than 64 MB; ask for less.', answer.status);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isFault(fault: unknown): fault is Fault {
  const { path, message } = (fault ?? {}) as Record<string, unknown>;
  return typeof path === 'string' && typeof message === 'string';
}

/** The system's own word stands at the bottom of fetch's chain of causes. */
function innermostCode(error: unknown): string | null {
  let code: string | null = null;
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const own = (at as NodeJS.ErrnoException).code;
    if (typeof own === 'string') code = own;
  }
  return code;
}

function writeFilter({ state, limit, continuation }: ListFilter): URLSearchParams {
  return new URLSearchParams({
    limit: String(limit),
    ...(state && { state }),
    ...(continuation && { continuation }),
  });
}
