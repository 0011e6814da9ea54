/**
 * A simulator of Azure ML's managed online endpoints, of their GPUs and of the Retail Prices API: one plain http
 * server on loopback, for any client. README.md says what it answers and where it is not Azure.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type ArmContext, answerArm, type LostCall } from './arm.ts';
import type { ArmError } from './arm-error.ts';
import { ArmResources } from './arm-resources.ts';
import { Books, viewAccount } from './books.ts';
import { refusalOf } from './call-fault.ts';
import { type Chaos, FaultPlan } from './fault-plan.ts';
import { readBody, sendAnswer } from './http-body.ts';
import { Offers } from './offers.ts';
import { answerPrices } from './prices.ts';
import { quotaLimits } from './quota.ts';
import { Scoring } from './scoring.ts';
import { loadState, type State, saveState } from './state-file.ts';
import { Throttle } from './throttle.ts';

/** The counters of scoring calls reach the file this often; changes through ARM are written before they are answered. */
const SAVE_EVERY_MS = 1000;
/** Longer than clients keep idle connections in their pools, so that none is cut while it is being used again. */
const KEEP_ALIVE_MS = 120_000;
/** For the whole of a request to arrive; loopback needs milliseconds, a stalled client must not stay for ever. */
const RECEIVE_MS = 60_000;
/** Above the service's documented 500 connections per endpoint, for several endpoints at once. */
const MAX_CONNECTIONS = 4096;
/** A call that is never answered is cut after this long; the longest wait that a client of Azure has by default is less. */
const HOLD_MS = 300_000;

const MARKS = { server: 'foundry-bench-simulator', 'x-simulated': 'true' };

export interface SimulatorOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Where resources and books persist; without it they live in memory. */
  readonly stateFile?: string | undefined;
  /** Divides the durations of the control plane (default 1: endpoint and deployment take 5 to 13 s together). */
  readonly speed?: number | undefined;
  /** Divides the times of the GPUs (default 1: as on the real machines). */
  readonly gpuSpeed?: number | undefined;
  /** Everything random follows from it, but for keys and ids. */
  readonly seed?: number | undefined;
  /** Cores by family, or by `region/family`, in the place of the default limits; -1 is no limit, null no row. */
  readonly quota?: Readonly<Record<string, number | null>> | undefined;
  /** Lets this share of the calls to ARM and of the scoring calls fail, the same ones for the same seed. */
  readonly chaos?: Chaos | undefined;
  /** Enforces ARM's limits of calls per subscription; without it they are only told in headers. */
  readonly throttled?: boolean | undefined;
  /** The clock of resources and books, in epoch milliseconds (default: the machine's); GPUs take their real time. */
  readonly now?: (() => number) | undefined;
  /** Gets one line for each change through ARM. */
  readonly log?: ((line: string) => void) | undefined;
}

export interface Simulator {
  readonly port: number;
  readonly baseUrl: string;
  /** Saves, and closes every connection. */
  stop(): Promise<void>;
}

/** Starts the simulator on 127.0.0.1. Throws where the port is taken or the state file cannot be read. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const {
    stateFile,
    speed = 1,
    gpuSpeed = 1,
    seed = 1,
    throttled = false,
    now = Date.now,
    log = () => {},
  } = options;
  for (const [name, value] of Object.entries({ speed, gpuSpeed })) {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new RangeError(`${name} is ${value}; it must be above zero.`);
  }
  const state = loadState(stateFile, now());
  const books = new Books(state.accounts);
  const faults = new FaultPlan(options.chaos, state.faultCounts ?? {});
  const offers = new Offers(state.acceptedOffers ?? []);
  const quota = quotaLimits(options.quota);
  const throttle = new Throttle();
  const resources = new ArmResources({ ...state, books, faults, offers, quota, speed, seed });
  const scoring = new Scoring({ resources, books, gpuSpeed, seed, now });

  const save = () => {
    if (stateFile === undefined) return;
    const { version, startedAtMs, keySalt, accounts } = state;
    const { endpoints, operations } = resources;
    saveState(stateFile, {
      version,
      startedAtMs,
      keySalt,
      accounts,
      endpoints,
      operations,
      faultCounts: faults.counts,
      acceptedOffers: offers.accepted,
    });
  };

  const connectionIds = new WeakMap<Socket, number>();
  let connections = 0;
  let scoredSinceSave = false;
  let baseUrl = '';

  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: RECEIVE_MS,
    headersTimeout: RECEIVE_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', (socket) => {
    connections += 1;
    connectionIds.set(socket, connections);
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    for (const [name, value] of Object.entries(MARKS)) response.setHeader(name, value);
    answer(request, response).catch((error: unknown) => {
      // A client that went away in the middle of its body is no fault of ours.
      if (request.socket.destroyed) return;
      log(`${request.method} ${request.url} failed: ${error instanceof Error ? error.stack : String(error)}`);
      sendAnswer(
        response,
        500,
        {},
        { error: { code: 'InternalServerError', message: 'The simulator has a bug; see its log.' } },
      );
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(`http://simulator${request.url?.startsWith('/') ? request.url : '/'}`);
    const [, region, name, route] = /^\/endpoints\/([^/]+)\/([^/]+)(\/.*)$/.exec(url.pathname) ?? [];
    if (region !== undefined && name !== undefined && route !== undefined) {
      scoredSinceSave = true;
      return scoring.answer(
        request,
        response,
        { region, name, route },
        connectionIds.get(request.socket) ?? 0,
      );
    }
    const isRead = request.method === 'GET';
    // Links point to where the client called, so that one who comes through a proxy stays on it, with TLS where the
    // proxy says that it ends it: clients such as Microsoft's Python SDK send no token over plain http.
    const scheme = request.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
    const calledUrl = /^[\w.-]+(:\d+)?$/.test(request.headers.host ?? '')
      ? `${scheme}://${request.headers.host}`
      : baseUrl;
    if (url.pathname === '/simulator/faults' && !isRead) return answerFaults(request, response);
    if (isRead && url.pathname === '/api/retail/prices') {
      const call = { operation: 'GET prices', resource: 'prices', aliases: [], names: [], exists: true };
      const { fault } = faults.judge(call);
      const refusal = fault && refusalOf(fault);
      if (refusal !== undefined) return sendAnswer(response, refusal.status, {}, viewRefusal(refusal));
      if (fault !== undefined) return loseCall(response, fault === 'arm-timeout' ? 'held' : 'cut');
      const { status, body } = answerPrices(url, calledUrl);
      return sendAnswer(response, status, {}, body);
    }
    if (isRead && url.pathname.startsWith('/simulator/')) {
      const body =
        url.pathname === '/simulator/faults'
          ? { rules: faults.rules }
          : answerBooks(url.pathname, { state, books, speed, gpuSpeed, nowMs: now() });
      return sendAnswer(
        response,
        body === undefined ? 404 : 200,
        {},
        body ?? { error: 'See /simulator/books and /simulator/faults.' },
      );
    }
    return answerControlPlane(request, response, url, {
      resources,
      armUrl: calledUrl,
      scoringUrl: baseUrl,
      speed,
      throttle,
      isThrottled: throttled,
      gpuMeterOf: (endpoint, deployment) => scoring.meterOf(endpoint, deployment),
    });
  }

  /** `PUT` replaces the rules by which calls fail, `DELETE` forgets them and everything counted for faults. */
  async function answerFaults(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await readBody(request);
    if (request.method === 'DELETE') {
      faults.clear();
    } else if (request.method === 'PUT') {
      const refusal = faults.replaceRules(bytes === 'too large' ? undefined : parseJsonOrUndefined(bytes));
      if (refusal !== undefined) return sendAnswer(response, 400, {}, { error: refusal });
    } else {
      return sendAnswer(response, 405, { allow: 'GET, PUT, DELETE' }, { error: 'Use GET, PUT or DELETE.' });
    }
    save();
    sendAnswer(response, 200, {}, { rules: faults.rules });
  }

  async function answerControlPlane(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    context: ArmContext,
  ): Promise<void> {
    const bytes = await readBody(request);
    const body = bytes === 'too large' ? undefined : parseJsonOrUndefined(bytes);
    const method = request.method ?? '';
    const result = answerArm(
      { method, url, authorization: request.headers.authorization, body },
      context,
      now(),
    );
    const isLost = typeof result === 'string';
    if (method !== 'GET') {
      save();
      log(`${method} ${url.pathname} ${isLost ? result : result.status}`);
    }
    if (isLost) return loseCall(response, result);
    sendAnswer(response, result.status, result.headers, result.body);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo; // listening on TCP
  baseUrl = `http://127.0.0.1:${port}`;
  save();
  const saver = setInterval(() => {
    if (scoredSinceSave) save();
    scoredSinceSave = false;
  }, SAVE_EVERY_MS);

  return {
    port,
    baseUrl,
    async stop() {
      clearInterval(saver);
      scoring.stop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      save();
    },
  };
}

/** Leaves a call without an answer: its connection is cut, now or when the client must have given up. */
function loseCall(response: ServerResponse, how: LostCall): void {
  if (how === 'cut') {
    response.destroy();
    return;
  }
  const timer = setTimeout(() => response.destroy(), HOLD_MS).unref();
  response.once('close', () => clearTimeout(timer));
}

function viewRefusal({ code, message }: ArmError) {
  return { error: { code, message } };
}

/** `/simulator/books`, and `/simulator/books/{endpoint}/requests`. */
function answerBooks(
  path: string,
  {
    state,
    books,
    speed,
    gpuSpeed,
    nowMs,
  }: { state: State; books: Books; speed: number; gpuSpeed: number; nowMs: number },
): unknown {
  if (path === '/simulator/books') {
    return {
      simulated: true,
      startedAt: new Date(state.startedAtMs).toISOString(),
      speed,
      gpuSpeed,
      endpoints: books.accounts.map((account) => viewAccount(account, nowMs)),
    };
  }
  const [, name] = /^\/simulator\/books\/([\w-]+)\/requests$/.exec(path) ?? [];
  return name === undefined ? undefined : { endpoint: name, requests: books.requestsOf(name) };
}

function parseJsonOrUndefined(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
