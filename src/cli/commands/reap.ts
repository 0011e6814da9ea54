/**
 * `reap`: ends what costs money. It asks the app, which cancels runs gracefully and keeps what they measured; where
 * there is no app any more, infra/scripts/predown.mjs does it with nothing but ARM.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { COMPARISON_STATES } from '../../core/comparison/comparison-record.ts';
import { isFinal, RUN_STATES } from '../../core/run.ts';
import type { EndpointList, ListedEndpoint } from '../../http/endpoints.ts';
import { ApiError, type ListFilter } from '../api-client.ts';
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
/** Runs or comparisons of a page, and pages of a state that one round cancels: ten thousand. */
const PAGE_ROWS = 200;
const MOST_PAGES = 50;

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

function cancelComparisons({ client, terminal }: CommandContext, asked: Set<string>): Promise<number> {
  return cancelAlive(terminal, asked, {
    name: 'Comparison',
    states: COMPARISON_STATES.filter((state) => !isFinal(state)),
    list: async (filter) => {
      const { comparisons, continuation } = await client.listComparisons(filter);
      return { found: comparisons, continuation };
    },
    cancel: (id) => client.cancelComparison(id),
    effect: 'it starts no further target',
  });
}

function cancelRuns({ client, terminal }: CommandContext, asked: Set<string>): Promise<number> {
  return cancelAlive(terminal, asked, {
    name: 'Run',
    states: RUN_STATES.filter((state) => !isFinal(state)),
    list: async (filter) => {
      const { runs, continuation } = await client.listRuns(filter);
      return { found: runs, continuation };
    },
    cancel: (id) => client.cancelRun(id),
    effect: 'its endpoint is deleted first',
  });
}

/** What is alive and may be canceled. */
interface Cancelable<State extends string> {
  readonly name: 'Comparison' | 'Run';
  /** Those that are not final. */
  readonly states: readonly State[];
  readonly list: (filter: ListFilter & { readonly state: State }) => Promise<{
    readonly found: readonly { readonly id: string }[];
    readonly continuation: string | null;
  }>;
  readonly cancel: (id: string) => Promise<unknown>;
  /** What a cancel does, for the reader. */
  readonly effect: string;
}

/** Cancels everything that is alive and gives its number; each is asked once. */
async function cancelAlive<State extends string>(
  { stderr }: CommandContext['terminal'],
  asked: Set<string>,
  { name, states, list, cancel, effect }: Cancelable<State>,
): Promise<number> {
  let alive = 0;
  for await (const { id } of listAll(states, list)) {
    alive += 1;
    if (asked.has(id)) continue;
    asked.add(id);
    try {
      await cancel(id);
      stderr.write(`${name} ${printable(id)} will be canceled; ${effect}.\n`);
    } catch (error) {
      // It ended between the list and the call, or will be asked about by its endpoint.
      if (!(error instanceof ApiError)) throw error;
      stderr.write(`${name} ${printable(id)} was not canceled: ${printable(error.message)}\n`);
    }
  }
  return alive;
}

/** Those of each state, page after page. */
async function* listAll<State extends string>(
  states: readonly State[],
  list: Cancelable<State>['list'],
): AsyncGenerator<{ readonly id: string }> {
  for (const state of states) {
    let continuation: string | null = null;
    for (let page = 0; page < MOST_PAGES && (page === 0 || continuation !== null); page += 1) {
      const listed = await list({ state, limit: PAGE_ROWS, continuation });
      yield* listed.found;
      continuation = listed.continuation;
    }
  }
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
