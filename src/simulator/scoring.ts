/**
 * The data plane's front door: scoring calls from the endpoint's network and the key check through admission to the
 * container, in whose turn `container.ts` answers them.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Ticket } from './admission.ts';
import {
  type ArmResources,
  type Deployment,
  type Endpoint,
  isSameName,
  namesOfDeployment,
  type Served,
  servedAt,
  trafficAt,
} from './arm-resources.ts';
import type { Account, Books } from './books.ts';
import { type Admitted, serveCall } from './container.ts';
import type { Faults } from './faults.ts';
import { GpuMeter } from './gpu-meter.ts';
import { readBody, sendAnswer } from './http-body.ts';
import { Network, sameBounds } from './network.ts';
import { Outlet } from './outlet.ts';
import { drawBetween } from './random.ts';
import {
  type DoorAnswer,
  doorAnswer,
  isKnownFault,
  NOT_READY,
  RATE_LIMITED,
  refusal,
  TOO_MANY_PENDING,
} from './scoring-faults.ts';
import { type Serving, startServing, stopServing } from './serving.ts';
import {
  findDueFault,
  readEndpointBounds,
  readScoringFaults,
  readScoringSentinels,
  readTrafficLateMs,
  type ScoringFault,
} from './serving-settings.ts';

/** The service cuts a client's request id to this. */
const MAX_CLIENT_REQUEST_ID = 40;
/** Deployments whose engines are kept, and endpoints whose network is; each is alive or was a moment ago. */
const MAX_SERVING = 1000;
const MAX_NETWORKS = 1000;

/** One scoring call on its way. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly endpoint: Endpoint;
  readonly account: Account;
  readonly route: string;
  readonly connectionId: number;
  readonly startedAtMs: number;
  promptTokens: number;
  outputTokens: number;
}

/** What a call is answered at the door, where it goes no further. */
type Refused = { readonly refused: DoorAnswer };
type Choice = Refused | { readonly deployment: Deployment; readonly served: Served };
type Routed = Refused | (Pick<Admitted, 'fault' | 'number'> & { readonly serving: Serving });

export class Scoring {
  readonly #resources: ArmResources;
  readonly #books: Books;
  readonly #gpuSpeed: number;
  readonly #seed: number;
  /** The clock of resources, which says what is ready, in traffic and alive. */
  readonly #now: () => number;
  readonly #serving = new Map<string, Serving>();
  readonly #networks = new Map<string, Network>();
  readonly #meters = new Map<string, GpuMeter>();
  readonly #inFlight = new Map<string, number>();
  #draws = 0;

  constructor(options: {
    resources: ArmResources;
    books: Books;
    gpuSpeed: number;
    seed: number;
    now: () => number;
  }) {
    this.#resources = options.resources;
    this.#books = options.books;
    this.#gpuSpeed = options.gpuSpeed;
    this.#seed = options.seed;
    this.#now = options.now;
  }

  /** Answers one call to `/endpoints/{region}/{name}{route}`. */
  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    path: { region: string; name: string; route: string },
    connectionId: number,
  ): Promise<void> {
    response.setHeader('x-request-id', randomUUID());
    const clientRequestId = clientRequestIdOf(request);
    if (clientRequestId !== null) response.setHeader('x-ms-client-request-id', clientRequestId);

    const startedAtMs = performance.timeOrigin + performance.now();
    const found = this.#resources.findByRegion(path.region, path.name, this.#now());
    if (found !== undefined && !this.#networkOf(found).admitConnection(request.socket, performance.now())) {
      request.socket.destroy();
      return;
    }
    const bytes = await readBody(request);
    if (response.closed) return; // gone while it was being read: its 'close' was then, and will not come again
    // Looked up anew: the body may have taken longer than the endpoint lived.
    const endpoint = this.#resources.findByRegion(path.region, path.name, this.#now());
    if (endpoint === undefined)
      return sendDoor(response, refusal(404, `There is no endpoint '${path.name}' in ${path.region}.`));
    const call: Call = {
      request,
      response,
      endpoint,
      account: this.#resources.accountOf(endpoint),
      route: path.route,
      connectionId,
      startedAtMs,
      promptTokens: 0,
      outputTokens: 0,
    };
    response.once('close', () => this.#record(call));

    const network = this.#networkOf(endpoint);
    if (!network.admitRequest(performance.now())) return sendDoor(response, RATE_LIMITED);
    if (bytes === 'too large' || bytes.length > network.bounds.bodyBytes)
      return sendDoor(response, refusal(413, 'The request is larger than the front door takes.'));
    const requestDelayMs = network.bandwidth.take(bytes.length, performance.now());
    if (requestDelayMs > 0 && !(await waited(response, requestDelayMs))) return;
    const routed = this.#route(call);
    if ('refused' in routed) return sendDoor(response, routed.refused);
    const outlet = new Outlet(response, network.bandwidth, requestDelayMs);
    this.#admit(call, routed.serving, { bytes, outlet, fault: routed.fault, number: routed.number });
  }

  stop(): void {
    for (const serving of this.#serving.values()) stopServing(serving);
  }

  /** How busy the deployment's GPUs were; undefined where it was never called. */
  meterOf({ uid }: Endpoint, deployment: string): GpuMeter | undefined {
    return this.#meters.get(`${uid}/${deployment.toLowerCase()}`);
  }

  /** Checks the key, finds the deployment, and says where the call goes; or what it is answered at the door. */
  #route(call: Call): Routed {
    const { request, response, endpoint } = call;
    const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!this.#resources.admits(endpoint, bearer, this.#now()))
      return { refused: refusal(401, 'Unauthorized: the bearer is not a key or token of this endpoint.') };
    if (call.route === '/swagger.json' && request.method === 'GET')
      return { refused: { status: 200, headers: {}, body: swagger(endpoint) } };
    const choice = this.#choose(endpoint, request.headers['azureml-model-deployment']);
    if ('refused' in choice) return choice;
    const { deployment } = choice;
    response.setHeader('azureml-model-deployment', deployment.name);
    const serving = this.#servingOf(endpoint, deployment, choice.served);
    if (isLate(deployment, serving.settings.readyLateMs, this.#now())) return { refused: NOT_READY };

    serving.calls += 1;
    const fault = this.#faultOf(endpoint, serving);
    const refused = fault && (isKnownFault(fault) ? doorAnswer(fault, Date.now()) : unknownFault(fault));
    return refused === undefined ? { serving, fault, number: serving.calls } : { refused };
  }

  /** Takes the call through the front door and has it served when its turn comes. */
  #admit(
    call: Call,
    serving: Serving,
    arrived: Pick<Admitted, 'bytes' | 'outlet' | 'fault' | 'number'>,
  ): void {
    const { response, account } = call;
    const nowMs = performance.now();
    let leaveInstance = (_atMs: number) => {};
    const ticket: Ticket = {
      onStart: (instance, atMs) => {
        leaveInstance = serveCall({ ...arrived, call, serving, instance, seed: this.#seed, end }, atMs);
      },
    };
    // Runs once, whichever comes first: the answer's end, the timeout, the client going away.
    let isOver = false;
    const end = (atMs: number) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      this.#countInFlight(call, -1);
      leaveInstance(atMs);
      serving.admission.leave(ticket, atMs);
    };
    const timer = setTimeout(() => {
      end(performance.now());
      if (response.headersSent) response.destroy();
      else
        sendDoor(
          response,
          refusal(
            408,
            `The request took longer than the deployment's timeout of ${serving.requestTimeoutMs} ms.`,
          ),
        );
    }, serving.requestTimeoutMs);
    response.once('close', () => end(performance.now()));

    this.#countInFlight(call, 1);
    if (serving.admission.enter(ticket, nowMs)) {
      account.requestsAdmitted += 1;
      account.maxInFlight = Math.max(account.maxInFlight, this.#inFlight.get(call.endpoint.uid) ?? 0);
      return;
    }
    end(nowMs);
    account.requestsRejected += 1;
    sendDoor(response, TOO_MANY_PENDING);
  }

  /** The deployment a call goes to: the one its header pins, else one drawn by the traffic's shares. */
  #choose(endpoint: Endpoint, pinned: string | string[] | undefined): Choice {
    const nowMs = this.#now();
    this.#draws += 1;
    const percent = drawBetween(0, 100, this.#seed, 'traffic', this.#draws);
    // Late traffic is what was in force that long ago.
    const traffic = trafficAt(endpoint, nowMs - readTrafficLateMs(sentinelsOf(endpoint)));
    const name = typeof pinned === 'string' ? pinned : findShare(traffic, percent);
    if (name === undefined)
      return { refused: refusal(404, `Endpoint '${endpoint.name}' has no deployment with traffic.`) };
    const deployment = endpoint.deployments.find((entry) => isSameName(entry.name, name));
    if (deployment === undefined)
      return { refused: refusal(404, `Endpoint '${endpoint.name}' has no deployment '${name}'.`) };
    const served = servedAt(deployment, nowMs);
    return served === null ? { refused: NOT_READY } : { deployment, served };
  }

  /** What is to go wrong with a call: as a rule or chance has it, else as the names do. */
  #faultOf(endpoint: Endpoint, serving: Serving): ScoringFault | undefined {
    const judged = this.#resources.faults.judgeScoring(endpoint.name);
    const [ruled] = readScoringFaults(readScoringSentinels([judged === null ? '' : `fault-${judged}`], []));
    return ruled ?? findDueFault(serving.settings.faults, serving.calls);
  }

  #networkOf(endpoint: Endpoint): Network {
    const before = this.#networks.get(endpoint.uid);
    const bounds = readEndpointBounds(sentinelsOf(endpoint));
    if (before !== undefined && sameBounds(before.bounds, bounds)) return before;
    const network = new Network(bounds, Math.max(1, this.#gpuSpeed), before);
    keep(this.#networks, endpoint.uid, network, MAX_NETWORKS);
    return network;
  }

  #servingOf(endpoint: Endpoint, deployment: Deployment, served: Served): Serving {
    const existing = this.#serving.get(served.revision);
    if (existing !== undefined) return existing;
    const environment = environmentOf(deployment);
    // A deployment whose settings change keeps its meter.
    const meter = this.meterOf(endpoint, deployment.name) ?? new GpuMeter();
    keep(this.#meters, `${endpoint.uid}/${deployment.name.toLowerCase()}`, meter, MAX_SERVING);
    const serving = startServing({
      endpointName: endpoint.name,
      deploymentName: deployment.name,
      served,
      faults: readScoringSentinels(namesOfDeployment(endpoint, deployment), [environment]),
      environment,
      gpuSpeed: this.#gpuSpeed,
      seed: this.#seed,
      onWork: (beginMs, endMs) => {
        const toEpochMs = this.#now() - performance.now();
        meter.note(beginMs + toEpochMs, endMs + toEpochMs);
      },
    });
    // An engine that is forgotten still ends what it has; only its timer refers to it then.
    keep(this.#serving, served.revision, serving, MAX_SERVING);
    return serving;
  }

  #countInFlight(call: Call, change: 1 | -1): void {
    const { uid } = call.endpoint;
    const count = (this.#inFlight.get(uid) ?? 0) + change;
    if (count === 0) this.#inFlight.delete(uid);
    else this.#inFlight.set(uid, count);
  }

  #record(call: Call): void {
    const { request, response, endpoint, route, connectionId, startedAtMs, promptTokens, outputTokens } =
      call;
    this.#books.record(endpoint.name, {
      clientRequestId: clientRequestIdOf(request),
      connectionId,
      route,
      // 499, as nginx has it: nobody was there to hear the answer's end.
      status: response.writableFinished ? response.statusCode : 499,
      startedAtMs,
      endedAtMs: performance.timeOrigin + performance.now(),
      promptTokens,
      outputTokens,
    });
  }
}

/** Whether a new deployment does not answer yet, though ARM says that it is ready. */
function isLate({ operation }: Deployment, readyLateMs: number, nowMs: number): boolean {
  return operation.kind === 'create-deployment' && nowMs < operation.endsAtMs + readyLateMs;
}

function unknownFault({ what }: ScoringFault): DoorAnswer {
  return refusal(400, `fault-score-${what} is no fault of this simulator; its README lists them.`);
}

/** The sentinels of an endpoint: its own and those of all its deployments. */
function sentinelsOf(endpoint: Endpoint): Faults {
  const { deployments } = endpoint;
  return readScoringSentinels(
    [endpoint.name, ...deployments.flatMap((deployment) => namesOfDeployment(endpoint, deployment))],
    deployments.map(environmentOf),
  );
}

/** The deployment's environment variables, which ARM has checked to be texts. */
function environmentOf({ body }: Deployment): Readonly<Record<string, string>> {
  return (body.properties.environmentVariables ?? {}) as Readonly<Record<string, string>>;
}

/** The deployment whose share of the traffic holds that percent, or undefined beyond all shares. */
function findShare(traffic: Readonly<Record<string, number>>, percent: number): string | undefined {
  let upTo = 0;
  for (const [name, share] of Object.entries(traffic)) {
    upTo += share;
    if (percent < upTo) return name;
  }
  return undefined;
}

/** Keeps one more, and forgets the oldest where they become too many. */
function keep<T>(entries: Map<string, T>, name: string, entry: T, most: number): void {
  entries.set(name, entry);
  const [oldest] = entries.keys();
  if (entries.size > most && oldest !== undefined) entries.delete(oldest);
}

function sendDoor(response: ServerResponse, { status, headers, body }: DoorAnswer): void {
  if (typeof body !== 'string') {
    sendAnswer(response, status, headers, body);
    return;
  }
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    'content-type': 'text/plain',
    ...headers,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** Waits; false where the client goes away meanwhile. */
function waited(response: ServerResponse, delayMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      response.off('close', gone);
      resolve(true);
    }, delayMs);
    response.once('close', gone);
  });
}

function clientRequestIdOf(request: IncomingMessage): string | null {
  const header = request.headers['x-ms-client-request-id'];
  return typeof header === 'string' ? header.slice(0, MAX_CLIENT_REQUEST_ID) : null;
}

function swagger(endpoint: Endpoint) {
  const post = { post: { responses: { 200: { description: 'The answer.' } } } };
  return {
    openapi: '3.0.3',
    info: { title: `${endpoint.name} (simulated)`, version: '1' },
    paths: { '/score': post, '/v1/chat/completions': post },
  };
}
