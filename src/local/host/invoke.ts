/** One invocation of a registered function, in the order of the worker's `InvocationHandler`. */
import { randomUUID } from 'node:crypto';
import type { App, AppFunction } from './app.ts';
import type {
  CoreInvocationContext,
  InvocationResponse,
  LogCategory,
  LogLevel,
  RetryContext,
  RpcTypedData,
} from './core-shim.ts';

/** One line of the host's log. `category` is `Function.<name>` for what the app says, `Host.<part>` for our own. */
export interface LogLine {
  readonly level: LogLevel;
  readonly category: string;
  readonly message: string;
}
export type Log = (line: LogLine) => void;

/** What every invocation of an app needs. */
export interface Invoker {
  readonly app: App;
  readonly log: Log;
  /** The value of a durable client binding, as JSON text. */
  readonly durableClient: () => string;
  readonly timeoutMs: number | undefined;
}

export interface Invocation {
  readonly data: RpcTypedData;
  readonly triggerMetadata?: Readonly<Record<string, RpcTypedData>>;
  readonly retryContext?: RetryContext;
}

/**
 * Runs `target` once, with its hooks, and gives the response. Rejects with what the function or a hook threw, and
 * with a sentence when `functionTimeout` passes; the function itself cannot be stopped and runs on, unheard.
 */
export async function invoke(
  invoker: Invoker,
  target: AppFunction,
  invocation: Invocation,
): Promise<InvocationResponse> {
  const running = runInvocation(invoker, target, invocation);
  const { timeoutMs } = invoker;
  if (timeoutMs === undefined) return running;

  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new Error(
          `Function '${target.name}' took longer than the ${timeoutMs / 1000} s of functionTimeout in host.json.`,
        ),
      );
    }, timeoutMs);
  });
  try {
    return await Promise.race([running, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

async function runInvocation(
  { app, log, durableClient }: Invoker,
  target: AppFunction,
  { data, triggerMetadata = {}, retryContext }: Invocation,
): Promise<InvocationResponse> {
  const invocationId = randomUUID();
  let invocationContext: unknown;

  const core: CoreInvocationContext = {
    invocationId,
    request: {
      invocationId,
      functionId: target.metadata.functionId ?? target.name,
      inputData: [
        { name: target.trigger.name, data },
        ...target.clientBindings.map(({ name }) => ({ name, data: { string: durableClient() } })),
      ],
      triggerMetadata,
      ...(retryContext === undefined ? {} : { retryContext }),
    },
    metadata: target.metadata,
    state: undefined,
    log: (level: LogLevel, category: LogCategory, message: string) => {
      const line: Record<string, unknown> = { level, category, message, invocationContext };
      for (const hook of app.hooks('log')) hook(line);
      log({
        level: line.level as LogLevel,
        category: `Function.${target.name}`,
        message: String(line.message),
      });
    },
  };

  const model = await app.model.getInvocationModel(core);
  const { context, inputs } = await model.getArguments();
  invocationContext = context;

  // The hooks may replace the function and its inputs, so both are read back from what they were given.
  const shared = { hookData: {}, appHookData: app.appHookData, invocationContext: context };
  const before = { ...shared, functionCallback: target.callback, inputs };
  core.state = 'preInvocationHooks';
  for (const hook of app.hooks('preInvocation')) await hook(before);

  const after: Record<string, unknown> = { ...shared, inputs: before.inputs, result: null, error: null };
  core.state = 'invocation';
  try {
    after.result = await model.invokeFunction(context, before.inputs, before.functionCallback);
  } catch (error) {
    after.error = error ?? new Error(`Function '${target.name}' threw ${String(error)}.`);
  }
  core.state = 'postInvocationHooks';
  for (const hook of app.hooks('postInvocation')) await hook(after);
  core.state = undefined;

  if (after.error !== null && after.error !== undefined) throw after.error;
  return model.getResponse(context, after.result);
}

/** A function's return value as JSON text; `null` when it returned nothing. Bytes become base64, as on Azure. */
export function returnedJson({ returnValue }: InvocationResponse): string | null {
  if (returnValue === undefined || returnValue === null) return null;
  if (returnValue.json !== undefined) return returnValue.json;
  if (returnValue.bytes !== undefined)
    return JSON.stringify(Buffer.from(returnValue.bytes).toString('base64'));
  return JSON.stringify(returnValue.string ?? returnValue.int ?? returnValue.double ?? null);
}

/** What was thrown, as a message and a stack; anything may be thrown. */
export function describeError(error: unknown): { readonly message: string; readonly stack: string } {
  if (error instanceof Error) return { message: error.message, stack: error.stack ?? error.message };
  return { message: String(error), stack: String(error) };
}
