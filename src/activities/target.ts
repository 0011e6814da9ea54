/** Where a run's requests go and with what credential, whichever kind its target is. */
import { requestTimeoutSeconds } from '../core/plan.ts';
import type { RunRecord } from '../core/run.ts';
import type { Services } from '../services.ts';

export interface ScoringTarget {
  readonly scoringUri: string;
  /** The value of the `authorization` header, fetched at each call and kept by nobody. */
  readonly authorization: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** The client waits longer than the endpoint does, so that no abandoned request keeps a GPU busy unseen. */
const CLIENT_TIMEOUT_MARGIN_MS = 15_000;

export async function readScoringTarget(services: Services, run: RunRecord): Promise<ScoringTarget> {
  const { target } = run.spec;
  if (target.kind === 'existing') {
    const refusal = services.scoringAddresses.refuse(target.scoringUri);
    if (refusal !== null) throw new Error(refusal);
    return {
      scoringUri: target.scoringUri,
      authorization: await services.scoringAddresses.authorization(target.auth),
      headers: {},
    };
  }
  const { endpoint } = run;
  if (endpoint?.scoringUri == null) throw new Error(`Run ${run.id} has no scoring URI yet.`);
  return {
    scoringUri: endpoint.scoringUri,
    authorization: await services.controlPlane.readAuthorization(
      target.workspace,
      endpoint.name,
      target.auth,
    ),
    headers: endpoint.deployment === null ? {} : { 'azureml-model-deployment': endpoint.deployment },
  };
}

export function clientTimeoutMs(run: RunRecord): number {
  return requestTimeoutSeconds(run.spec) * 1_000 + CLIENT_TIMEOUT_MARGIN_MS;
}
