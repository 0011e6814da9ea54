/** What `GET /api/runs/{id}` shows of a run's record. Times are ISO 8601; nothing in it is secret. */
import type { RunFailure } from '../core/failure.ts';
import type { Route } from '../core/measuring/shard.ts';
import type { TriedPlacement } from '../core/renting/placement.ts';
import {
  accruedUsd,
  type RunEndpoint,
  type RunProgress,
  type RunRecord,
  type RunState,
  warmUpOf,
} from '../core/run.ts';
import type { Plan } from '../core/spec/plan.ts';
import type { BenchmarkSpec } from '../core/spec/spec.ts';

export interface RunView {
  readonly id: string;
  readonly state: RunState;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly cancelRequestedAt: string | null;
  readonly spec: BenchmarkSpec;
  readonly plan: Plan;
  readonly progress: Omit<RunProgress, 'measuringFromMs'>;
  readonly endpoint: EndpointView | null;
  /** All of them, the first among them, where the run has several. */
  readonly endpoints?: readonly EndpointView[];
  /** Attempts to deploy that came to nothing, in order. */
  readonly tried: readonly TriedView[];
  /** What a queued run waits for. */
  readonly queuedBecause: string | null;
  readonly cost: CostView;
  readonly failure: RunFailure | null;
  readonly stoppedBy: string | null;
  readonly links: RunLinks;
}

export type TriedView = Omit<TriedPlacement, 'atMs'> & { readonly at: string };

export interface EndpointView {
  readonly name: string;
  readonly workspace: string | null;
  /** Where Azure ML runs something else than was asked for. */
  readonly mismatch: string | null;
  /** Until when it is kept, and billed, after the run. */
  readonly keptUntil: string | null;
  readonly deployment: string | null;
  readonly scoringUri: string | null;
  readonly sku: string | null;
  readonly instances: number | null;
  readonly region: string | null;
  readonly provisioningState: string | null;
  readonly simulated: boolean;
  readonly route: Route['api'] | null;
  /** A command line that asks the endpoint once; the key is for the reader to fill in. */
  readonly sampleCurl: string | null;
}

export interface CostView {
  readonly pricePerHourUsd: number | null;
  readonly priceReason: string | null;
  readonly boundUsd: number | null;
  readonly boundMinutes: number;
  readonly accruedUsd: number | null;
}

export interface RunLinks {
  readonly self: string;
  readonly results: string;
  readonly cancel: string;
  readonly page: string;
}

export function viewRun(run: RunRecord, nowMs: number): RunView {
  const { measuringFromMs: _, ...progress } = run.progress;
  return {
    id: run.id,
    state: run.state,
    createdAt: isoTime(run.createdAtMs),
    startedAt: isoTimeOrNull(run.startedAtMs),
    endedAt: isoTimeOrNull(run.endedAtMs),
    cancelRequestedAt: isoTimeOrNull(run.cancelRequestedAtMs),
    spec: run.spec,
    plan: run.plan,
    progress,
    endpoint: run.endpoint === null ? null : viewEndpoint(run, run.endpoint, 0),
    ...(run.endpoints && {
      endpoints: run.endpoints.map((endpoint, index) => viewEndpoint(run, endpoint, index)),
    }),
    tried: (run.tried ?? []).map(({ atMs, ...tried }) => ({ ...tried, at: isoTime(atMs) })),
    queuedBecause: run.queuedBecause ?? null,
    cost: {
      pricePerHourUsd: run.billing.pricePerHourUsd,
      priceReason: run.billing.priceReason,
      boundUsd: run.plan.boundUsd,
      boundMinutes: run.plan.boundMinutes,
      accruedUsd: accruedUsd(run.billing, nowMs),
    },
    failure: run.failure,
    stoppedBy: run.stoppedBy,
    links: runLinks(run.id),
  };
}

export function runLinks(id: string): RunLinks {
  return {
    self: `/api/runs/${id}`,
    results: `/api/runs/${id}/results`,
    cancel: `/api/runs/${id}/cancel`,
    page: `/#/runs/${id}`,
  };
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

export function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms);
}

function viewEndpoint(run: RunRecord, endpoint: RunEndpoint, index: number): EndpointView {
  const { name, workspace, deployment, scoringUri, sku, instances, region, provisioningState, simulated } =
    endpoint;
  const route = warmUpOf(run, index)?.route ?? null;
  return {
    name,
    workspace,
    mismatch: endpoint.mismatch ?? null,
    keptUntil: isoTimeOrNull(endpoint.keptUntilMs ?? null),
    deployment,
    scoringUri,
    sku,
    instances,
    region,
    provisioningState,
    simulated,
    route: route?.api ?? null,
    sampleCurl: route === null ? null : sampleCurl(route, run.spec),
  };
}

/** Of the two chat forms, whose smallest request fits on a line; null for the others. */
function sampleCurl(route: Route, spec: BenchmarkSpec): string | null {
  if (route.api !== 'score' && route.api !== 'openai-chat') return null;
  const message = { role: 'user', content: 'Say hello.' };
  const body =
    route.api === 'score'
      ? { input_data: { input_string: [message], parameters: { max_new_tokens: 16 } } }
      : { messages: [message], max_tokens: 16 };
  const needsKey = spec.target.kind !== 'existing' || spec.target.auth.kind !== 'none';
  const authorization = needsKey ? " -H 'Authorization: Bearer <key>'" : '';
  return `curl -s ${quoteForShell(route.url)}${authorization} -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;
}

/** One word of a POSIX shell. A URL may hold a quote, and whoever pastes the line has not chosen the URL. */
function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
