/**
 * `@azure/functions-core`: the module that the Azure Functions worker supplies to `@azure/functions` and that no
 * package registry has. Installing it before the app is loaded is what lets the app's code run here unmodified.
 *
 * The interface is the one of azure-functions-nodejs-worker 3.9 (`types-core/index.d.ts`), cut down to what
 * `@azure/functions` 4 reads or writes.
 */
import { Module } from 'node:module';

/** A value as it crosses from host to worker; the first defined field wins (`fromRpcTypedData`). */
export interface RpcTypedData {
  readonly string?: string;
  readonly json?: string;
  readonly bytes?: Uint8Array;
  readonly http?: RpcHttp;
  readonly int?: number;
  readonly double?: number;
}

/** An HTTP request on its way in, or a response on its way out. */
export interface RpcHttp {
  readonly url?: string;
  readonly method?: string;
  readonly nullableHeaders?: Readonly<Record<string, { readonly value: string }>>;
  readonly nullableParams?: Readonly<Record<string, { readonly value: string }>>;
  readonly body?: RpcTypedData;
  readonly statusCode?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly RpcCookie[];
}

/** A cookie of a response; absent attributes are absent or null. */
export interface RpcCookie {
  readonly name: string;
  readonly value: string;
  readonly domain?: { readonly value: string } | null;
  readonly path?: { readonly value: string } | null;
  readonly expires?: { readonly value: { readonly seconds: number } } | null;
  readonly secure?: { readonly value: boolean } | null;
  readonly httpOnly?: { readonly value: boolean } | null;
  readonly sameSite?: 'none' | 'lax' | 'strict' | 'explicitNone';
  readonly maxAge?: { readonly value: number } | null;
}

/** One binding of a registered function; every option the app gave is on it. */
export interface Binding {
  readonly type: string;
  readonly direction: 'in' | 'out';
  readonly name: string;
  readonly [option: string]: unknown;
}

/** How often the host repeats a failed timer invocation; -1 attempts mean "for ever". */
export interface RetryPolicy {
  readonly retryStrategy: 'fixedDelay' | 'exponentialBackoff';
  readonly maxRetryCount: number;
  readonly delayInterval?: { readonly seconds: number };
  readonly minimumInterval?: { readonly seconds: number };
  readonly maximumInterval?: { readonly seconds: number };
}

export interface FunctionMetadata {
  readonly name: string;
  readonly functionId?: string;
  readonly bindings: Readonly<Record<string, Binding>>;
  readonly retryOptions?: RetryPolicy;
}

export interface RetryContext {
  readonly retryCount: number;
  readonly maxRetryCount: number;
  readonly exception?: { readonly message: string; readonly stackTrace: string };
}

export interface InvocationRequest {
  readonly invocationId: string;
  readonly functionId: string;
  readonly inputData: readonly { readonly name: string; readonly data: RpcTypedData }[];
  readonly triggerMetadata: Readonly<Record<string, RpcTypedData>>;
  readonly retryContext?: RetryContext;
}

export interface InvocationResponse {
  readonly outputData?: readonly { readonly name: string; readonly data: RpcTypedData }[];
  readonly returnValue?: RpcTypedData | null;
}

export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none';
export type LogCategory = 'user' | 'system' | 'customMetric';
export type LogFunction = (level: LogLevel, category: LogCategory, message: string) => void;

/** What the library is given for one invocation; `state` tells it whether a late log call is a mistake. */
export interface CoreInvocationContext {
  readonly invocationId: string;
  readonly request: InvocationRequest;
  readonly metadata: FunctionMetadata;
  state: 'preInvocationHooks' | 'postInvocationHooks' | 'invocation' | undefined;
  readonly log: LogFunction;
}

export type FunctionCallback = (...inputs: unknown[]) => unknown;

export interface InvocationModel {
  getArguments(): Promise<{ readonly context: unknown; readonly inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<InvocationResponse>;
}

/** `@azure/functions` itself, as it presents itself to the host. */
export interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(context: CoreInvocationContext): InvocationModel | Promise<InvocationModel>;
  getCapabilities?(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

const HOOK_NAMES = ['preInvocation', 'postInvocation', 'appStart', 'appTerminate', 'log'] as const;
export type HookName = (typeof HOOK_NAMES)[number];
export type HookCallback = (context: Record<string, unknown>) => unknown;

/** What an app registered while it was loaded. */
export interface Registrations {
  readonly functions: readonly { readonly metadata: FunctionMetadata; readonly callback: FunctionCallback }[];
  readonly model: ProgrammingModel | undefined;
  hooks(name: HookName): readonly HookCallback[];
  /** From now on registering throws, as in Azure once the app has started. */
  lock(): void;
}

/**
 * Installs `@azure/functions-core` for this process and gives what gets registered through it. The library caches
 * the module for ever at its first use, so this is called once, before anything imports `@azure/functions`.
 * `log` receives what the library says outside of any invocation.
 */
export function installCore(log: LogFunction): Registrations {
  const functions: { metadata: FunctionMetadata; callback: FunctionCallback }[] = [];
  const hooks = new Map<HookName, HookCallback[]>(HOOK_NAMES.map((name) => [name, []]));
  let model: ProgrammingModel | undefined;
  let locked = false;

  const core = {
    version: '3.9.0',
    hostVersion: '4.1037.0',
    Disposable,
    registerFunction(metadata: FunctionMetadata, callback: FunctionCallback): Disposable {
      if (locked)
        throw systemError(
          `Function '${metadata.name}' is registered after the app has started; register it while the app's files load.`,
        );
      const id = identity(metadata);
      if (functions.some((known) => identity(known.metadata) === id)) {
        throw systemError(`Two functions are named '${metadata.name}'; give each its own name.`);
      }
      const entry = { metadata, callback };
      functions.push(entry);
      return new Disposable(() => void functions.splice(functions.indexOf(entry), 1));
    },
    registerHook(name: string, callback: HookCallback): Disposable {
      const list = hooks.get(name as HookName);
      if (list === undefined) throw systemError(`There is no hook named '${name}'.`, RangeError);
      list.push(callback);
      return new Disposable(() => void list.splice(list.indexOf(callback), 1));
    },
    setProgrammingModel(next: ProgrammingModel): void {
      model = next;
    },
    getProgrammingModel: () => model,
    log,
  };

  // The worker's own mechanism (`setupCoreModule.ts`): the library requires the name from a CommonJS bundle, so
  // intercepting `require` before any resolution is enough, for apps in either module format.
  Module.prototype.require = new Proxy(Module.prototype.require, {
    apply: (target, self, args) =>
      args[0] === '@azure/functions-core' ? core : Reflect.apply(target, self, args),
  });

  return {
    functions,
    get model() {
      return model;
    },
    hooks: (name) => hooks.get(name) ?? [],
    lock: () => {
      locked = true;
    },
  };
}

class Disposable {
  #dispose: (() => void) | undefined;

  constructor(dispose: () => void) {
    this.#dispose = dispose;
  }

  static from(...disposables: { dispose(): void }[]): Disposable {
    return new Disposable(() => {
      for (const disposable of disposables) disposable.dispose();
    });
  }

  dispose(): void {
    this.#dispose?.();
    this.#dispose = undefined;
  }
}

function identity(metadata: FunctionMetadata): string {
  return (metadata.functionId ?? metadata.name).toLowerCase();
}

/** The library recognises the host's own errors by this mark and shows them without a user's stack. */
function systemError(message: string, Kind: new (message: string) => Error = Error): Error {
  return Object.assign(new Kind(message), { isAzureFunctionsSystemError: true });
}
