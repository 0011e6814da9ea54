/** Small pieces of text that several views show. */
import { isFinal as isFinalState } from '../../core/run.ts';
import type { RunView } from '../../http/run-view.ts';
import { NONE, writeTime } from '../wording.ts';
import type { ApiProblem } from './api.ts';

export function Time({ iso }: { iso: string | null | undefined }) {
  if (iso === null || iso === undefined) return <>{NONE}</>;
  return (
    <time dateTime={iso} title={iso}>
      {writeTime(iso)}
    </time>
  );
}

export function Badge({ name, children }: { name: string; children?: preact.ComponentChildren }) {
  return <span class={`badge ${name}`}>{children ?? name}</span>;
}

export function Loading() {
  return (
    <p class="quiet loading" role="status">
      Loading.
    </p>
  );
}

/** What went wrong with reading or with an action, and the way on. */
export function ProblemBanner({ problem, onRetry }: { problem: ApiProblem | null; onRetry: () => void }) {
  if (problem === null) return null;
  return (
    <div class="banner problem" role="alert">
      <p>{problem.message}</p>
      {problem.faults.length > 1 && (
        <ul>
          {problem.faults.map((fault) => (
            <li key={fault.path}>
              {fault.path} {fault.message}
            </li>
          ))}
        </ul>
      )}
      {problem.needsKey && (
        <button type="button" onClick={onRetry}>
          Enter the key
        </button>
      )}
    </div>
  );
}

/** Targets of a comparison as its name: three of them, and how many more there are. */
export function nameTargets(labels: readonly string[]): string {
  const named = labels.slice(0, NAMED_TARGETS).join(', ');
  const more = labels.length - NAMED_TARGETS;
  return more > 0 ? `${named} and ${more} more` : named;
}

const NAMED_TARGETS = 3;

export function modelOf({ spec }: RunView): string {
  if (spec.model === null) return 'an existing endpoint';
  return spec.model.version ? `${spec.model.name} version ${spec.model.version}` : spec.model.name;
}

/** As read back from ARM where the endpoint is known, otherwise as asked for. */
export function machineOf({ endpoint, spec }: Pick<RunView, 'endpoint' | 'spec'>): string {
  const { target } = spec;
  const asked = target as {
    sku?: string | null;
    instances?: number | null;
    scoringUri?: string;
    name?: string;
  };
  const sku = endpoint?.sku ?? asked.sku ?? null;
  const instances = endpoint?.instances ?? asked.instances ?? null;
  if (sku === null) return asked.scoringUri ?? asked.name ?? 'unknown SKU';
  return instances === null || instances === 1 ? sku : `${instances} x ${sku}`;
}

/** Of a run and of a comparison. */
export function isFinal({ state }: { readonly state: string }): boolean {
  return isFinalState(state);
}
