/** What to do about a host or cloud that may run already: decided here, without looking at the machine. */
import type { PidFile } from './pid-file.ts';

/** What is known of the process that may run in a state folder. */
export interface Sighting {
  /** Whether a living process holds the folder's lock. */
  readonly locked: boolean;
  /** What its pid file says; left behind where the lock is free, absent while it starts or stops. */
  readonly record: PidFile | null;
  /** The project folder that asks. */
  readonly root: string;
}

export type CloudDecision =
  | { readonly kind: 'start' }
  /** It is starting or stopping: look again in a moment. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'adopt'; readonly record: PidFile }
  | { readonly kind: 'refuse'; readonly reason: string };

/** A pid file without a held lock is what a killed process left behind: it counts for nothing, whoever has that pid now. */
export function decideCloud({ locked, record, root }: Sighting): CloudDecision {
  if (!locked) return { kind: 'start' };
  if (record === null) return { kind: 'wait' };
  if (record.root === root) return { kind: 'adopt', record };
  return {
    kind: 'refuse',
    reason: `The local cloud in this state folder belongs to ${record.root} (pid ${record.pid}); end it with \`kill ${record.pid}\`, or name another state folder with FOUNDRY_BENCH_STATE.`,
  };
}

/** The sentence that refuses a second host in one state folder. */
export function explainSecondHost(record: PidFile | null, statePath: string): string {
  if (record === null)
    return `A local host is starting or stopping in ${statePath}; wait a moment and try again.`;
  const address = record.ports.http === undefined ? '' : ` at http://127.0.0.1:${record.ports.http}`;
  return `The local host of ${record.root} runs already${address} (pid ${record.pid}); use that one, or stop it with Ctrl-C or \`kill ${record.pid}\`.`;
}
