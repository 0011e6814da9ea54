/**
 * The warm-up: requests that are not measured. They find the route that answers and wait until traffic has reached the
 * deployment; then how much text a prompt of each workload takes; then they load the endpoint as the cells will, until
 * its times stay the same. Each call goes on for a while and says `waiting` where there is more to do; what was found
 * out stands in the run's row, so that the next call, or one after a crash, goes on from there. Several endpoints are
 * warmed side by side, each for itself: each has its own address, and each must be found to answer and to be warm.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { FAILURE_TRAITS } from '../core/failure.ts';
import { DurationHistogram } from '../core/measuring/histogram.ts';
import type { ShardSummary } from '../core/measuring/shard.ts';
import { nextRound, type WarmUpLimits, type WarmUpRound } from '../core/measuring/warm-up.ts';
import { calibrationOf, promptShapes, worstError } from '../core/requests/calibration.ts';
import { largeLengths, type RequestLengths } from '../core/requests/lengths.ts';
import {
  endpointsOfRun,
  mayMove,
  type RunRecord,
  settingsOfRun,
  type WarmUp,
  warmUpOf,
  withWarmUp,
} from '../core/run.ts';
import { loadModelOf } from '../core/spec/load-model.ts';
import { levelsOf, predictInFlight, predictRequestSeconds } from '../core/spec/plan.ts';
import type { BenchmarkSpec } from '../core/spec/spec.ts';
import type { Workload } from '../core/spec/workload.ts';
import { deriveSeed } from '../core/statistics/seed.ts';
import type { IdleTime } from '../load/drain.ts';
import type { ProbeResult } from '../load/probe.ts';
import type { UnmeasuredLoad } from '../load/unmeasured.ts';
import type { Progress, StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { canceledOrOver, readRun, renewLeases } from './run-step.ts';
import { clientTimeoutMs, readScoringTarget, type ScoringTarget } from './target.ts';

/** Enough output to tell a stream from a buffered one, and little enough to be cheap. */
const PROBE_OUTPUT_TOKENS = 32;

/** What a new endpoint may say for a while; anything else is tried this often and then ends the run. */
const TRIES_OF_A_REFUSAL = 4;

/** After so long a call begins nothing more and leaves the rest to the next one. */
const SLICE_MS = 60_000;
/** Prompts of further lengths are not calibrated after this; theirs is what was found for the nearest. */
const CALIBRATING_SECONDS = 90;
/**
 * All rounds together: what nine cells out of ten take at the least, so that a warm-up never costs more than what it
 * is for; and of the time that the run has, a tenth.
 */
const ROUNDS_SECONDS = 180;
const ROUNDS_SHARE = 0.1;
/** Time per token shows in a part of a long answer as well, and a serial endpoint is found out sooner. */
const ROUND_OUTPUT_TOKENS = 256;
/** A recorded trace does not say how many of its requests are in flight at once. */
const TRACE_IN_FLIGHT = 32;
/** How long a round waits for room beside the shards of other runs, and how often before it is left out. */
const ADMISSION_WAIT_MS = 2_000;
const TRIES_OF_ADMISSION = 5;
/** How soon a cancel is seen. */
const CANCEL_POLL_MS = 2_000;

export function warmUpStep(services: Services): Pick<StepHandlers, 'warmUp'> {
  return { warmUp: ({ runId, attempt }) => warmUp(services, runId, attempt) };
}

async function warmUp(services: Services, runId: string, attempt: number): Promise<Progress> {
  const run = await readRun(services, runId);
  const endpoints = Math.max(1, endpointsOfRun(run).length);
  const steps = await Promise.allSettled(
    Array.from({ length: endpoints }, (_, endpoint) => warmUpOne(services, runId, endpoint, attempt)),
  );
  const results = steps.map((settled) => {
    if (settled.status === 'rejected') throw settled.reason;
    return settled.value;
  });
  const ended = results.find((result) => result.state === 'ended');
  return ended ?? { state: results.every((result) => result.state === 'ready') ? 'ready' : 'waiting' };
}

async function warmUpOne(
  services: Services,
  runId: string,
  endpoint: number,
  attempt: number,
): Promise<Progress> {
  const untilMs = services.now() + SLICE_MS;
  let { run, over } = await begin(services, runId, endpoint);
  if (over !== null) return over;
  const target = await readScoringTarget(services, run.record, endpoint);
  if (run.warmUp === null) {
    const probe = await findRoute(services, run, target, attempt);
    if (!probe.ok) return progressOfFailure(probe, attempt);
    run = await saveRoute(services, run, probe);
  }
  // Ends: each step adds a calibration or a round, whose numbers are bounded, or is the last.
  while (services.now() < untilMs) {
    const state = await takeStep(services, run, target, attempt);
    if (state !== 'more') return { state };
    ({ run, over } = await begin(services, runId, endpoint));
    if (over !== null) return over;
  }
  return { state: 'waiting' };
}

/** A run, as far as the warm-up of one of its endpoints goes. */
interface Warming {
  readonly record: RunRecord;
  /** Index of the endpoint. */
  readonly endpoint: number;
  /** What was found out of it so far. */
  readonly warmUp: WarmUp | null;
}

function warmingOf(record: RunRecord, endpoint: number): Warming {
  return { record, endpoint, warmUp: warmUpOf(record, endpoint) };
}

/** The run, with a sign of life; `over` says that nothing may be done for it any more. */
async function begin(
  services: Services,
  runId: string,
  endpoint: number,
): Promise<{ readonly run: Warming; readonly over: Progress | null }> {
  const record = await readRun(services, runId);
  const run = warmingOf(record, endpoint);
  const ending = canceledOrOver(record);
  if (ending !== null) return { run, over: { state: 'ended', ending } };
  if (endpoint === 0) await renewLeases(services, record);
  return { run, over: null };
}

async function findRoute(
  services: Services,
  { record: run, endpoint }: Warming,
  target: ScoringTarget,
  attempt: number,
): Promise<ProbeResult> {
  await services.stores.runs.change(run.id, (now) =>
    mayMove(now.state, 'warming') ? { state: 'warming' } : null,
  );
  const result = await services.loadEngine.probeRoute({
    ...target,
    api: run.spec.api,
    template: run.spec.template ?? null,
    outputTokens: PROBE_OUTPUT_TOKENS,
    requestTimeoutMs: clientTimeoutMs(run),
    requestIdPrefix: requestIdPrefix(run.id, `warm-${attempt}${tag(endpoint)}`),
    seed: deriveSeed(run.spec.seed, run.id, 'warm', attempt),
  });
  if (!result.ok) {
    const current = `no answer yet (${result.failure}): ${result.message}`;
    await services.stores.runs.change(run.id, ({ progress }) => ({ progress: { ...progress, current } }));
  }
  return result;
}

async function saveRoute(
  services: Services,
  { record: run, endpoint }: Warming,
  { route, requests, charactersPerToken, templateTokens, calibrated }: ProbeResult & { ok: true },
): Promise<Warming> {
  const record = await services.stores.runs.change(run.id, (now) => ({
    ...withWarmUp(now, endpoint, { route, requests, charactersPerToken, templateTokens, calibrated }),
    endpoint: now.endpoint ?? endpointOfTheUser(services, run.spec.target, route.url),
    progress: { ...now.progress, current: null },
  }));
  return warmingOf(record, endpoint);
}

/** One calibration or one round, or the end. */
async function takeStep(
  services: Services,
  run: Warming,
  target: ScoringTarget,
  attempt: number,
): Promise<'more' | 'waiting' | 'ready'> {
  const { warmUp } = run;
  if (warmUp === null) throw new Error(`Run ${run.record.id} has lost what its warm-up found out.`);
  if (warmUp.stable !== undefined) return 'ready';
  if (await calibrateNext(services, run, warmUp, target)) return 'more';
  const decision = nextRound(limitsOf(run.record), warmUp.rounds ?? []);
  if (decision.kind === 'round') {
    const free = await services.connections.admit(decision.level, ADMISSION_WAIT_MS);
    if (free === null && attempt < TRIES_OF_ADMISSION) return 'waiting';
    if (free !== null) {
      try {
        await sendRound(services, run, warmUp, target, decision.level);
      } finally {
        free();
      }
      return 'more';
    }
  }
  const reason =
    decision.kind === 'round'
      ? `this app's connections were taken by other runs, so that no round at concurrency ${decision.level} could be sent`
      : decision.reason;
  const { idleMs, requests } = await timeIdle(services, run, warmUp, target);
  await addTo(services, run, (now) => ({
    idleMs,
    requests: now.requests + requests,
    stable: reason === null,
    unstableReason: reason,
  }));
  return 'ready';
}

/** What later tells whether the endpoint is idle again after requests that were given up. */
async function timeIdle(
  services: Services,
  { record: run, endpoint }: Warming,
  warmUp: WarmUp,
  target: ScoringTarget,
): Promise<IdleTime> {
  return services.loadEngine.timeIdleRequest({
    ...target,
    route: warmUp.route,
    template: run.spec.template ?? null,
    requestTimeoutMs: clientTimeoutMs(run),
    charactersPerToken: warmUp.charactersPerToken,
    templateTokens: warmUp.templateTokens,
    requestIdPrefix: requestIdPrefix(run.id, `idle${tag(endpoint)}`),
    seed: deriveSeed(run.spec.seed, run.id, 'idle'),
  });
}

/** Calibrates the prompts of the next length; false where all are, or where the server does not tell. */
async function calibrateNext(
  services: Services,
  warming: Warming,
  warmUp: WarmUp,
  target: ScoringTarget,
): Promise<boolean> {
  const { record: run, endpoint } = warming;
  const done = warmUp.calibrations ?? [];
  const shape = warmUp.calibrated ? promptShapes(run.spec.workloads)[done.length] : undefined;
  if (shape === undefined || (warmUp.rounds ?? []).length > 0) return false;
  if ((warmUp.seconds ?? 0) > CALIBRATING_SECONDS) return false;
  const fromMs = services.now();
  const { route, charactersPerToken, templateTokens } = warmUp;
  const { calibration, requests } = await services.loadEngine.calibratePrompt({
    ...target,
    route,
    template: run.spec.template ?? null,
    requestTimeoutMs: clientTimeoutMs(run),
    requestIdPrefix: requestIdPrefix(run.id, `size-${done.length}${tag(endpoint)}`),
    shape,
    rate: done.at(-1) ?? { charactersPerToken, templateTokens },
    seed: deriveSeed(run.spec.seed, run.id, 'size', done.length),
  });
  const seconds = (services.now() - fromMs) / 1_000;
  await addTo(services, warming, (now) => {
    const calibrations = [...(now.calibrations ?? []), calibration];
    return {
      requests: now.requests + requests,
      seconds: (now.seconds ?? 0) + seconds,
      calibrations,
      promptTokensError: worstError(calibrations),
    };
  });
  return true;
}

function limitsOf(run: RunRecord): WarmUpLimits {
  return {
    topLevel: topInFlight(run),
    budgetSeconds: Math.min(ROUNDS_SECONDS, ROUNDS_SHARE * run.plan.measureMinutes * 60),
    requestSeconds: predictRequestSeconds(roundShape(longestWorkload(run.spec)), 1),
  };
}

/** The workload whose requests take longest, which makes the endpoint compile most. */
function longestWorkload({ workloads }: BenchmarkSpec): Workload {
  const seconds = workloads.map((workload) => predictRequestSeconds(largeLengths(workload), 1));
  const longest = workloads[seconds.indexOf(Math.max(...seconds))];
  if (longest === undefined) throw new Error('A spec has a workload.');
  return longest;
}

/** What a round asks for: long prompts of the workload, made ones also where it has the user's own. */
function roundShape(workload: Workload): RequestLengths {
  const { promptTokens, outputTokens } = largeLengths(workload);
  return { promptTokens, outputTokens: Math.min(outputTokens, ROUND_OUTPUT_TOKENS) };
}

/** What is in flight at the highest level that may be measured, and no more than the deployment works on at once. */
function topInFlight(run: RunRecord): number {
  const load = loadModelOf(run.spec);
  const top = Math.max(...levelsOf(load));
  const inFlight =
    load.loop === 'trace'
      ? TRACE_IN_FLIGHT
      : Math.max(...run.spec.workloads.map((workload) => predictInFlight(load, workload, top)));
  const perInstance = settingsOfRun(run).maxConcurrentRequestsPerInstance;
  const instances = run.spec.target.instances ?? 1;
  return perInstance === null ? inFlight : Math.min(inFlight, perInstance * instances);
}

/** So many requests at once, each with a prompt that no other request of the run has. */
async function sendRound(
  services: Services,
  warming: Warming,
  warmUp: WarmUp,
  target: ScoringTarget,
  level: number,
): Promise<void> {
  const { record: run, endpoint } = warming;
  const round = (warmUp.rounds ?? []).length;
  const longest = longestWorkload(run.spec);
  const running = services.loadEngine.sendUnmeasured({
    route: warmUp.route,
    template: run.spec.template ?? null,
    ...target,
    connections: level,
    workload: roundShape(longest),
    ...calibrationOf(warmUp, longest),
    seed: deriveSeed(run.spec.seed, run.id, 'round', round),
    requestIdPrefix: requestIdPrefix(run.id, `round-${round}${tag(endpoint)}`),
    load: { mode: 'count', requests: level, maxSeconds: ROUNDS_SECONDS },
    requestTimeoutMs: clientTimeoutMs(run),
    startAtMs: null,
  });
  const summary = await watchRound(services, warming, running);
  const seconds = (summary.endedAtMs - summary.startedAtMs) / 1_000;
  const told: WarmUpRound = {
    level,
    failed: summary.attempted - summary.succeeded,
    seconds,
    medianMs: medianOf(summary),
  };
  await addTo(services, warming, (now) => ({
    requests: now.requests + summary.attempted,
    seconds: (now.seconds ?? 0) + seconds,
    rounds: [...(now.rounds ?? []), told],
  }));
}

/** Stops the round where the run is canceled. Ends: each request has a timeout. */
async function watchRound(
  services: Services,
  { record, endpoint }: Warming,
  running: UnmeasuredLoad,
): Promise<ShardSummary> {
  let over = false;
  const ended = running.summary.finally(() => {
    over = true;
  });
  try {
    while (!over) {
      await Promise.race([ended.catch(() => undefined), delay(CANCEL_POLL_MS, undefined, { ref: false })]);
      if (!over && (await begin(services, record.id, endpoint)).over !== null) running.cancel();
    }
    return await ended;
  } finally {
    running.cancel();
  }
}

/** Of the times per output token; without a stream of those with the wait for the first, without tokens of requests. */
function medianOf(summary: ShardSummary): number | null {
  const histograms = [summary.tpot, summary.ntpot, summary.e2e].map((one) => DurationHistogram.parse(one));
  return histograms.find((one) => one.count > 0)?.quantileMs(0.5) ?? null;
}

async function addTo(
  services: Services,
  { record, endpoint }: Warming,
  change: (warmUp: WarmUp) => Partial<WarmUp>,
): Promise<void> {
  await services.stores.runs.change(record.id, (now) => {
    const warmUp = warmUpOf(now, endpoint);
    return warmUp === null ? null : withWarmUp(now, endpoint, { ...warmUp, ...change(warmUp) });
  });
}

/** Requests of different endpoints are told apart in the logs. */
function tag(endpoint: number): string {
  return endpoint === 0 ? '' : `-e${endpoint + 1}`;
}

function progressOfFailure(probe: ProbeResult & { ok: false }, attempt: number): Progress {
  const noTrafficYet = probe.samples.some((sample) => sample.status === 404);
  if (FAILURE_TRAITS[probe.failure].retryable || noTrafficYet || attempt < TRIES_OF_A_REFUSAL)
    return { state: 'waiting' };
  const message = `The endpoint is up and does not answer as the model should (${probe.failure}): ${probe.message}`;
  return {
    state: 'ended',
    ending: { state: 'failed', failure: { code: 'warm-up-failed', message }, stoppedBy: null },
  };
}

function endpointOfTheUser(services: Services, target: BenchmarkSpec['target'], url: string) {
  if (target.kind !== 'existing') return null;
  const { hostname } = new URL(url);
  return {
    name: hostname,
    deployment: null,
    workspace: null,
    scoringUri: target.scoringUri,
    sku: target.sku,
    instances: target.instances,
    region: null,
    provisioningState: null,
    simulated: services.settings.simulatorGpuSpeed !== null && /^(127\.|localhost$|\[::1\])/.test(hostname),
  };
}

/** Azure ML keeps 40 characters of a client's request id: 12 of the run's, what is asked, and the request's number. */
export function requestIdPrefix(runId: string, what: string): string {
  return `${createHash('sha256').update(runId).digest('hex').slice(0, 12)}-${what}`;
}
