/**
 * The embedded Functions host: runs an app's compiled code, unmodified, in this process, with a durable history that
 * survives a kill. Nothing but Node is needed, in particular no Core Tools.
 */
import { randomBytes } from 'node:crypto';
import { loadApp, runAppHooks } from './app.ts';
import { clientBinding } from './durable/binding.ts';
import { DurableEngine } from './durable/engine.ts';
import { HistoryStore } from './durable/store.ts';
import { answerWebhook } from './durable/webhooks.ts';
import { readHostConfig } from './host-config.ts';
import { type HttpServer, listen, readHttpFunction } from './http.ts';
import { describeError, type Invoker, type Log } from './invoke.ts';
import { compareRoutes } from './route.ts';
import { readTimer, runTimers } from './timer.ts';

export interface HostOptions {
  /** Where the app's package.json and host.json are. */
  readonly appDirectory: string;
  /** On 127.0.0.1; 0 means any free one. */
  readonly port: number;
  /** The SQLite file of the durable history; its folder is created. One host at a time can have it. */
  readonly historyFile: string;
  /** When set, functions with authLevel `function` or `admin` want it. */
  readonly functionKey?: string;
  /** Names that a Host header may have beside 127.0.0.1, localhost and [::1]. */
  readonly allowedHosts?: readonly string[];
  readonly log: Log;
}

export interface RunningHost {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly baseUrl: string;
  /**
   * Takes no more work, lets what runs finish for a moment, runs the app's appTerminate hooks and closes the history;
   * within 8 s. What did not finish runs again after the next start.
   */
  stop(): Promise<void>;
}

/** Milliseconds for running requests, activities and timers to end after a stop; the two below must stay under 8 s. */
const STOP_GRACE_MS = 4000;

/** Milliseconds for the app's appTerminate hooks. */
const TERMINATE_GRACE_MS = 2000;

/**
 * Loads the app and runs it until `stop`. Throws a sentence when the port is taken, another host has the history, or the
 * app cannot be run here. One app per process; the same one can be started again after a stop.
 */
export async function startHost(options: HostOptions): Promise<RunningHost> {
  const { appDirectory, port, historyFile, functionKey, allowedHosts = [], log } = options;
  const config = readHostConfig(appDirectory);
  const server = await openServer(port, allowedHosts);
  let store: HistoryStore | undefined;
  try {
    store = new HistoryStore(historyFile);
    setEnvironment(server.port);
    const app = await loadApp(appDirectory, (level, category, message) =>
      log({ level, category: `App.${category}`, message }),
    );

    // The address is the credential: whoever does not know its random part gets 404.
    const path = `/runtime/webhooks/${randomBytes(16).toString('hex')}/durabletask/`;
    const webhooks = { path, port: server.port, hubName: config.durable.hubName };
    const invoker: Invoker = {
      app,
      log,
      durableClient: () => clientBinding(webhooks),
      timeoutMs: config.functionTimeoutMs,
    };
    const functions = app.functions
      .filter(({ kind }) => kind === 'http')
      .map((target) => readHttpFunction(target, config.routePrefix));
    refuseTwins(functions);
    const timers = app.functions.filter(({ kind }) => kind === 'timer').map(readTimer);
    const engine = new DurableEngine({ store, invoker, config: config.durable, log });
    const context = { store, engine, config: config.durable };

    await runAppHooks(app, 'appStart');
    server.open({
      functions,
      invoker,
      functionKey,
      webhooks: { path, answer: (request) => answerWebhook(context, request) },
    });
    engine.start();
    const stopTimers = new AbortController();
    const timersEnded = runTimers(timers, store, invoker, stopTimers.signal).catch((error: unknown) => {
      // Only the store can fail here: a function's failure is logged and its timer goes on.
      log({ level: 'critical', category: 'Host.Timer', message: describeError(error).stack });
    });

    const opened = store;
    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      stopTimers.abort();
      await Promise.all([
        server.drain(STOP_GRACE_MS),
        engine.stop(STOP_GRACE_MS),
        within(STOP_GRACE_MS, timersEnded),
      ]);
      await within(TERMINATE_GRACE_MS, runAppHooks(app, 'appTerminate')).catch((error: unknown) => {
        log({
          level: 'error',
          category: 'Host',
          message: `An appTerminate hook failed: ${describeError(error).stack}`,
        });
      });
      await server.close();
      opened.close();
    };
    return {
      port: server.port,
      baseUrl: `http://127.0.0.1:${server.port}`,
      stop: () => {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await server.close();
    store?.close();
    throw error;
  }
}

async function openServer(port: number, allowedHosts: readonly string[]): Promise<HttpServer> {
  try {
    return await listen(port, allowedHosts);
  } catch (cause) {
    throw new Error(`The host cannot listen on 127.0.0.1:${port}; stop what does, or choose another port.`, {
      cause,
    });
  }
}

/**
 * What the app and its libraries expect to find. Without WEBSITE_HOSTNAME, durable-functions sends every URL to
 * localhost:7071; without NO_PROXY, its client would ask a proxy for loopback.
 */
function setEnvironment(port: number): void {
  process.env.WEBSITE_HOSTNAME = `localhost:${port}`;
  process.env.AZURE_FUNCTIONS_ENVIRONMENT ??= 'Development';
  process.env.FUNCTIONS_WORKER_RUNTIME ??= 'node';
  const { NO_PROXY = process.env.no_proxy ?? '' } = process.env;
  const missing = ['127.0.0.1', 'localhost'].filter((name) => !NO_PROXY.split(',').includes(name));
  if (missing.length > 0)
    process.env.NO_PROXY = [NO_PROXY, ...missing].filter((part) => part !== '').join(',');
}

/** Two functions that differ in nothing a request shows: in Azure one of them would never be called. */
function refuseTwins(functions: readonly ReturnType<typeof readHttpFunction>[]): void {
  for (const [index, one] of functions.entries()) {
    for (const other of functions.slice(index + 1)) {
      const sharesMethod = one.methods.some((method) => other.methods.includes(method));
      const isSame = one.route.template.toLowerCase() === other.route.template.toLowerCase();
      if (sharesMethod && isSame && compareRoutes(one.route, other.route) === 0) {
        throw new Error(
          `Functions '${one.target.name}' and '${other.target.name}' have the same route '${one.route.template}' and method.`,
        );
      }
    }
  }
}

async function within(limitMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
