/** What a spec's request sets turn out to be, once those that exist are known. Pure; the sets are read elsewhere. */
import type { Fault, Parsed } from '../failure.ts';
import type { RequestSetDescription } from '../requests/request-set.ts';
import type { Workload } from './workload.ts';

export interface KnownRequestSet extends RequestSetDescription {
  readonly name: string;
}

/** Names that a fault lists; more would not be read. */
const NAMES_LIMIT = 20;

/**
 * The workloads with what their request sets say of them (median prompt, digest), or the faults: a set that does not
 * exist, one that was replaced since its digest was written down, and under a trace one that has no arrival times.
 */
export function settleRequests(
  workloads: readonly Workload[],
  sets: readonly KnownRequestSet[],
  load: { readonly isTrace: boolean },
): Parsed<readonly Workload[]> {
  const faults: Fault[] = [];
  const settled = workloads.map((workload, index) => {
    const refuse = (field: string, message: string) => {
      faults.push({ path: `workloads[${index}]${field}`, message });
    };
    if (workload.requests === undefined) {
      if (load.isTrace)
        refuse(
          '',
          'is not a trace; "rate.trace" needs a workload such as {"requests":"name"} with arrival times',
        );
      return workload;
    }
    const set = sets.find((one) => one.name === workload.requests);
    if (set === undefined) {
      refuse('.requests', `"${workload.requests}" is not a request set that exists (${nameAll(sets)})`);
      return workload;
    }
    if (workload.requestsDigest !== undefined && workload.requestsDigest !== set.digest) {
      refuse(
        '.requestsDigest',
        `is not that of "${set.name}" any more, which was replaced and has ${set.digest}; leave it out to take the set as it is`,
      );
    }
    if (load.isTrace && set.traceSeconds === null)
      refuse('.requests', `"${set.name}" has no arrival times; give each of its lines an "atSeconds"`);
    return settle(workload, set);
  });
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value: settled };
}

/** A line's own output length goes before the workload's, which is then only what is predicted with. */
function settle(workload: Workload, set: KnownRequestSet): Workload {
  const { outputTokens } = set;
  return {
    ...workload,
    promptTokens: set.estimatedPromptTokens.p50,
    ...(outputTokens !== null && outputTokens.lines === set.requests && { outputTokens: outputTokens.p50 }),
    requestsDigest: set.digest,
  };
}

function nameAll(sets: readonly KnownRequestSet[]): string {
  if (sets.length === 0) return 'there is none yet; store one with PUT /api/request-sets/{name}';
  const names = sets.slice(0, NAMES_LIMIT).map((set) => set.name);
  return `there are ${names.join(', ')}${sets.length > NAMES_LIMIT ? ` and ${sets.length - NAMES_LIMIT} more` : ''}`;
}
