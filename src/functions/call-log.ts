/** A call in the log: which one, what it answered, and what broke where the fault was ours. */
import type { InvocationContext } from '@azure/functions';
import { writeLogLine } from '../core/log-line.ts';
import { describeError } from '../core/redact.ts';
import type { ApiAnswer } from '../http/answer.ts';

/**
 * Calls that change something are told at the level of information. The others come every few seconds from whoever
 * watches a run, and are told for debugging only.
 */
export async function logCall(
  { name, method }: { readonly name: string; readonly method: string },
  context: Pick<InvocationContext, 'debug' | 'info' | 'error'>,
  answer: (logError: (message: string, error: unknown) => void) => Promise<ApiAnswer>,
): Promise<ApiAnswer> {
  const startedMs = performance.now();
  const answered = await answer((message, error) =>
    context.error(writeLogLine('call-failed', { call: name, message, error: describeError(error) })),
  );
  context[method === 'GET' ? 'debug' : 'info'](
    writeLogLine('call', {
      call: name,
      status: answered.status,
      ms: Math.round(performance.now() - startedMs),
      started: answered.status === 202 ? answered.headers.location : undefined,
    }),
  );
  return answered;
}
