/** The port `Orchestrations` on a Durable Functions client. */
import * as df from 'durable-functions';
import { BENCHMARK } from '../orchestrations/benchmark.ts';
import { COMPARISON } from '../orchestrations/comparison.ts';
import type { Orchestrations } from '../services.ts';

const ALIVE: ReadonlySet<df.OrchestrationRuntimeStatus> = new Set([
  df.OrchestrationRuntimeStatus.Running,
  df.OrchestrationRuntimeStatus.Pending,
  df.OrchestrationRuntimeStatus.Suspended,
  df.OrchestrationRuntimeStatus.ContinuedAsNew,
]);

export function orchestrationsOf(client: df.DurableClient): Orchestrations {
  return {
    // Never where the id is known: starting over an instance that has ended would replace it and measure again.
    start: async (runId) => {
      if ((await readStatus(client, runId)) === null)
        await client.startNew(BENCHMARK, { instanceId: runId, input: { runId } });
    },
    startComparison: async (comparisonId) => {
      if ((await readStatus(client, comparisonId)) === null)
        await client.startNew(COMPARISON, { instanceId: comparisonId, input: { comparisonId } });
    },
    isRunning: async (runId) => {
      const status = await readStatus(client, runId);
      return status !== null && ALIVE.has(status);
    },
    isKnown: async (runId) => (await readStatus(client, runId)) !== null,
  };
}

/** Null where the engine has no such instance. The client throws then, and its message is all that tells it from trouble. */
async function readStatus(
  client: df.DurableClient,
  runId: string,
): Promise<df.OrchestrationRuntimeStatus | null> {
  try {
    return (await client.getStatus(runId, { showInput: false })).runtimeStatus;
  } catch (error) {
    if (error instanceof Error && /HTTP 404|not found|no instance/i.test(error.message)) return null;
    throw error;
  }
}
