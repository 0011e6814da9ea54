/**
 * The warm-up: a few requests that are not measured. They find the route that answers, wait until traffic has reached
 * the deployment, and calibrate how much text a prompt token is.
 */
import { createHash } from 'node:crypto';
import { FAILURE_TRAITS } from '../core/failure.ts';
import { mayMove } from '../core/run.ts';
import { deriveSeed } from '../core/seed.ts';
import type { BenchmarkSpec } from '../core/spec.ts';
import type { ProbeResult } from '../load/probe.ts';
import type { Progress, StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { canceledOrOver, readRun, renewLease } from './run-step.ts';
import { clientTimeoutMs, readScoringTarget } from './target.ts';

/** Enough output to tell a stream from a buffered one, and little enough to be cheap. */
const PROBE_OUTPUT_TOKENS = 32;

/** What a new endpoint may say for a while; anything else is tried this often and then ends the run. */
const TRIES_OF_A_REFUSAL = 4;

export function warmUpStep(services: Services): Pick<StepHandlers, 'warmUp'> {
  return { warmUp: ({ runId, attempt }) => warmUp(services, runId, attempt) };
}

async function warmUp(services: Services, runId: string, attempt: number): Promise<Progress> {
  const run = await readRun(services, runId);
  const over = canceledOrOver(run);
  if (over !== null) return { state: 'ended', ending: over };
  await services.stores.runs.change(runId, (now) =>
    mayMove(now.state, 'warming') ? { state: 'warming' } : null,
  );
  if (run.spec.target.kind === 'managed' && run.endpoint !== null)
    await renewLease(services, run.endpoint.name);

  const target = await readScoringTarget(services, run);
  const probe = await services.loadEngine.probeRoute({
    ...target,
    api: run.spec.api,
    template: run.spec.template ?? null,
    outputTokens: PROBE_OUTPUT_TOKENS,
    requestTimeoutMs: clientTimeoutMs(run),
    requestIdPrefix: requestIdPrefix(runId, `warm-${attempt}`),
    seed: deriveSeed(run.spec.seed, runId, 'warm', attempt),
  });
  if (!probe.ok) {
    const current = `no answer yet (${probe.failure}): ${probe.message}`;
    await services.stores.runs.change(runId, ({ progress }) => ({ progress: { ...progress, current } }));
    return progressOfFailure(probe, attempt);
  }
  const { route, requests, charactersPerToken, templateTokens, calibrated } = probe;
  await services.stores.runs.change(runId, (now) => ({
    warmUp: {
      route,
      requests: (now.warmUp?.requests ?? 0) + requests,
      charactersPerToken,
      templateTokens,
      calibrated,
    },
    endpoint: now.endpoint ?? endpointOfTheUser(services, run.spec.target, route.url),
    progress: { ...now.progress, current: null },
  }));
  return { state: 'ready' };
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
