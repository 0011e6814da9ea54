/**
 * A step in the log: which one, of which run, cell and endpoint, how long it took and what came of it. What a step
 * learns on its way (the endpoint's name stands in the run's row) it notes, so that nobody has to read it twice.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type LogFields, writeLogLine } from '../core/log-line.ts';
import { type CellOrder, cellKey } from '../core/measuring/cell.ts';
import { describeError, redactError } from '../core/redact.ts';

/** Where lines go; an InvocationContext of Azure Functions is one. */
export interface EventLog {
  debug(line: string): void;
  info(line: string): void;
  error(line: string): void;
}

const noted = new AsyncLocalStorage<{ endpoint: string | null }>();

/** Says which endpoint the step at hand is about; outside of a step it does nothing. */
export function noteEndpoint(endpoint: string | null): void {
  const store = noted.getStore();
  if (store !== undefined) store.endpoint = endpoint;
}

/** What inputs of steps may say of what they are about. */
interface StepInput {
  readonly runId?: string;
  readonly comparisonId?: string;
  readonly order?: CellOrder;
  readonly cell?: CellOrder;
  readonly shard?: number;
  readonly attempt?: number;
  readonly stage?: string;
}

/**
 * Runs the step and logs it: a line at the level of information, of debugging where it only looked and goes on waiting,
 * of error where it threw. What it threw is thrown on redacted, since the engine writes it into its history.
 */
export async function runStep(
  name: string,
  step: (input: unknown) => Promise<unknown>,
  input: unknown,
  log: EventLog,
): Promise<unknown> {
  const store = { endpoint: null };
  const startedMs = performance.now();
  const fields = (outcome: string): LogFields => ({
    step: name,
    ...idsOf(input),
    endpoint: store.endpoint ?? undefined,
    ms: Math.round(performance.now() - startedMs),
    outcome,
  });
  try {
    const result = await noted.run(store, () => step(input));
    const outcome = outcomeOf(result);
    log[outcome === 'waiting' ? 'debug' : 'info'](writeLogLine('step', fields(outcome)));
    return result;
  } catch (error) {
    log.error(writeLogLine('step', { ...fields('threw'), error: describeError(error) }));
    throw redactError(error);
  }
}

function idsOf(input: unknown): LogFields {
  if (typeof input !== 'object' || input === null) return {};
  const { runId, comparisonId, order, cell, shard, attempt, stage } = input as StepInput;
  const measured = order ?? cell;
  return {
    runId,
    comparisonId,
    cell: measured === undefined ? undefined : cellKey(measured),
    shard,
    attempt: attempt ?? measured?.attempt,
    stage,
  };
}

/** The word in which results say how it went; a step that has none was done. */
function outcomeOf(result: unknown): string {
  const { state, status, gone, saved } = (result ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof state === 'string') return state;
  if (typeof status === 'string') return status;
  if (typeof gone === 'boolean') return gone ? 'gone' : 'waiting';
  if (typeof saved === 'boolean') return saved ? 'saved' : 'not saved';
  return 'done';
}
