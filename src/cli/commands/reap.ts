/**
 * `reap`: ends what costs money. It asks the app, which cancels runs gracefully and keeps what they measured; where
 * there is no app any more, infra/scripts/predown.mjs does it with nothing but ARM.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { COMPARISON_STATES, isComparisonOver } from '../../core/comparison-record.ts';
import { isFinal, RUN_STATES } from '../../core/run.ts';
import { ApiError, type EndpointList, type ListedEndpoint } from '../api-client.ts';
import { EXIT } from '../exit-code.ts';
import { printable } from '../printable.ts';
import { renderEndpoints } from '../report-text.ts';
import { widthOf } from '../run-display.ts';
import type { CommandContext } from './context.ts';
import { printJson, printLines } from './context.ts';
import { describeDeletion } from './endpoints.ts';

/** Stopping the load, and the deletion of an endpoint that is still being created, take a quarter of an hour at the worst. */
const WAIT_MS = 30 * 60_000;
/** Deleting takes a minute or more; asking twelve times a minute is no load. */
const POLL_MS = 5_000;
/** Runs of a state that one call cancels; the next round takes the rest. */
const RUNS_PER_STATE = 200;

export interface ReapOptions {
  readonly all?: boolean;
  readonly wait?: boolean;
}

/** Times in milliseconds; a test gives shorter ones. */
export interface ReapPace {
  readonly waitMs: number;
  readonly pollMs: number;
}

export async function reapEndpoints(
  context: CommandContext,
  options: ReapOptions,
  pace: ReapPace = { waitMs: WAIT_MS, pollMs: POLL_MS },
): Promise<number> {
  const deadlineMs = performance.now() + pace.waitMs;
  const asked = new Set<string>();
  for (;;) {
    // Comparisons first: one that goes on would start its next target.
    const comparisons = options.all === true ? await cancelComparisons(context, asked) : 0;
    const runs = options.all === true ? await cancelRuns(context, asked) : 0;
    const list = await context.client.listEndpoints();
    const left = list.endpoints.filter(({ leaked }) => leaked || options.all === true);
    const refused = await deleteEndpoints(context, left, asked);
    const clean = left.length === 0 && runs + comparisons === 0 && list.troubles.length === 0;
    if (clean || options.wait !== true || performance.now() > deadlineMs) {
      const shown = { endpoints: left, troubles: list.troubles };
      show(context, shown, runs);
      const failed = options.wait === true ? !clean : refused > 0 || list.troubles.length > 0;
      return failed ? EXIT.runFailed : EXIT.good;
    }
    await wait(pace.pollMs);
  }
}

/** Cancels every comparison that goes on and gives their number; each is asked once. */
async function cancelComparisons({ client, terminal }: CommandContext, asked: Set<string>): Promise<number> {
  let alive = 0;
  for (const state of COMPARISON_STATES.filter((one) => !isComparisonOver(one))) {
    const { comparisons } = await client.listComparisons({ state, limit: RUNS_PER_STATE });
    alive += comparisons.length;
    for (const { id } of comparisons.filter((comparison) => !asked.has(comparison.id))) {
      asked.add(id);
      try {
        await client.cancelComparison(id);
        terminal.stderr.write(`Comparison ${printable(id)} will be canceled; it starts no further target.\n`);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        terminal.stderr.write(`Comparison ${printable(id)} was not canceled: ${printable(error.message)}\n`);
      }
    }
  }
  return alive;
}

/** Cancels every run that is alive and gives their number; each is asked once. */
async function cancelRuns({ client, terminal }: CommandContext, asked: Set<string>): Promise<number> {
  let alive = 0;
  for (const state of RUN_STATES.filter((one) => !isFinal(one))) {
    const { runs } = await client.listRuns({ state, limit: RUNS_PER_STATE });
    alive += runs.length;
    for (const { id } of runs.filter((run) => !asked.has(run.id))) {
      asked.add(id);
      try {
        await client.cancelRun(id);
        terminal.stderr.write(`Run ${printable(id)} will be canceled; its endpoint is deleted first.\n`);
      } catch (error) {
        // It ended between the list and the call, or will be asked about by its endpoint.
        if (!(error instanceof ApiError)) throw error;
        terminal.stderr.write(`Run ${printable(id)} was not canceled: ${printable(error.message)}\n`);
      }
    }
  }
  return alive;
}

/** Asks for their deletion; gives how many were refused. */
async function deleteEndpoints(
  { client, terminal }: CommandContext,
  endpoints: readonly ListedEndpoint[],
  asked: Set<string>,
): Promise<number> {
  let refused = 0;
  for (const { name } of endpoints) {
    try {
      const answer = await client.deleteEndpoint(name);
      if (answer.error !== null) refused += 1;
      if (!asked.has(name) || answer.error !== null) terminal.stderr.write(`${describeDeletion(answer)}\n`);
      asked.add(name);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Gone between the list and the call is as good as deleted; one in use goes with its run, which was canceled.
      if (error.status === 404 || error.status === 409) continue;
      refused += 1;
      terminal.stderr.write(`Endpoint ${printable(name)}: ${printable(error.message)}\n`);
    }
  }
  return refused;
}

function show(context: CommandContext, list: EndpointList, runs: number): void {
  if (context.json) {
    printJson(context, { ...list, runsAlive: runs });
    return;
  }
  const lines = renderEndpoints(list, widthOf(context.terminal.stdout));
  printLines(context, runs === 0 ? lines : [...lines, `Runs that are still alive: ${runs}.`]);
}
