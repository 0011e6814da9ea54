/** Where a run's requests go and with what credential, whichever kind its target is. */
import { endpointsOfRun, type RunRecord, settingsOfRun } from '../core/run.ts';
import type { ExistingTarget, Target } from '../core/spec/target.ts';
import type { Services } from '../services.ts';

export interface ScoringTarget {
  readonly scoringUri: string;
  /** The address that was checked, and that is connected to whatever the name says by then; null resolves the name. */
  readonly connectAddress: string | null;
  /** The value of the `authorization` header, fetched at each call and kept by nobody. */
  readonly authorization: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** The client waits longer than the endpoint does, so that no abandoned request keeps a GPU busy unseen. */
const CLIENT_TIMEOUT_MARGIN_MS = 15_000;

/** `index` is that of the endpoint, where the run has several. */
export async function readScoringTarget(
  services: Services,
  run: RunRecord,
  index = 0,
): Promise<ScoringTarget> {
  const target: Target = run.spec.target;
  if (target.kind === 'existing') return openExisting(services, target);
  const endpoint = endpointsOfRun(run)[index];
  if (endpoint?.scoringUri == null) throw new Error(`Run ${run.id} has no scoring URI yet.`);
  const auth = endpoint.auth ?? (target.kind === 'managed' ? target.auth : 'key');
  return {
    // ARM is our own word: where it says that a model is scored is trusted, private addresses among it.
    scoringUri: endpoint.scoringUri,
    connectAddress: null,
    authorization: await services.controlPlane.readAuthorization(
      endpoint.workspace ?? target.workspace,
      endpoint.name,
      auth,
    ),
    headers: endpoint.deployment === null ? {} : { 'azureml-model-deployment': endpoint.deployment },
  };
}

/** Checked anew at each call: what a name resolves to may have changed since the plan. */
async function openExisting(services: Services, target: ExistingTarget): Promise<ScoringTarget> {
  const { scoringUri, auth } = target;
  const resolved = await services.scoringAddresses.resolve(scoringUri);
  if (resolved.kind !== 'resolved') throw new Error(resolved.reason);
  return {
    scoringUri,
    connectAddress: resolved.address,
    authorization: await services.scoringAddresses.authorization(auth, scoringUri),
    headers: {},
  };
}

/** `settings` is the index of those that are measured; without it, what the deployment has by now. */
export function clientTimeoutMs(run: RunRecord, settings?: number): number {
  return settingsOfRun(run, settings).requestTimeoutSeconds * 1_000 + CLIENT_TIMEOUT_MARGIN_MS;
}
