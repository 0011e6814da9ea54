/** Says on the host's terminal when a run changes its state, by asking the app as any client would. */
import type { ApiClient } from '../cli/api-client.ts';
import { printable } from '../cli/printable.ts';
import { describeStage } from '../cli/run-text.ts';
import { isFinal, type RunState } from '../core/run.ts';
import type { RunView } from '../http/run-view.ts';

/** Often enough to follow a run by eye; each look reads one page of rows. */
const LOOK_EVERY_MS = 3_000;

/** Only the newest runs change. */
const RUNS_SHOWN = 10;

/** One look must not outlast a stop of the host. */
const LOOK_LIMIT_MS = 2_000;

/** Calls `say` with a line for each change until the returned function is called. */
export function watchRuns(client: ApiClient, say: (line: string) => void): () => void {
  let known = new Map<string, RunState>();
  let first = true;
  let looking = false;
  const timer = setInterval(async () => {
    if (looking) return;
    looking = true;
    try {
      const { runs } = await client.listRuns({ limit: RUNS_SHOWN }, LOOK_LIMIT_MS);
      for (const line of describeChanges(first ? null : known, runs)) say(line);
      known = new Map(runs.map((run) => [run.id, run.state]));
      first = false;
    } catch {
      // The app says itself what is wrong with it; the next look may work.
    } finally {
      looking = false;
    }
  }, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}

/** A line for each run that is new or has another state. At the first look (`known` is null) old runs are not news. */
export function describeChanges(
  known: ReadonlyMap<string, RunState> | null,
  runs: readonly RunView[],
): string[] {
  return runs
    .filter((run) => (known === null ? !isFinal(run.state) : known.get(run.id) !== run.state))
    .map((run) => `run ${printable(run.id)} ${run.state}: ${describeStage(run)}`)
    .reverse();
}
