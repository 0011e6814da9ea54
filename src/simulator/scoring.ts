/**
 * The data plane: scoring calls, from the key check through the front door's admission to the tokens that the
 * instances emit on schedule.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Admission, type Ticket } from './admission.ts';
import {
  type ArmResources,
  type Endpoint,
  isSameName,
  type Served,
  servedAt,
  trafficAt,
} from './arm-resources.ts';
import type { Sequence } from './batch.ts';
import { type Account, type Books, recordLateness } from './books.ts';
import {
  type Completion,
  chatAnswer,
  chatEvents,
  PayloadError,
  type Prompt,
  parseChatBody,
  parseScoreBody,
  scoreAnswer,
} from './chat.ts';
import { Engine } from './engine.ts';
import { type InstanceTimes, instanceTimes } from './gpu.ts';
import { readBody, sendAnswer } from './http-body.ts';
import { findModel, type Model, parseModelId } from './models.ts';
import { deriveSeed, drawBetween, drawNormal } from './random.ts';
import { findSku } from './skus.ts';
import { answerText, tokenText } from './tokens.ts';

/** Relative spread of deployments of one SKU; each draws one speed for its life. */
const SPEED_FACTOR_SD = 0.02;
/** Draws beyond this many standard deviations are cut: a slow machine, not a broken one. */
const SPEED_FACTOR_MAX_SD = 3;
/** Where a model would end by itself: log-normal, half of the answers within 300 tokens. */
const NATURAL_LENGTH_MEDIAN_TOKENS = 300;
const NATURAL_LENGTH_SIGMA = 0.8;
/** The service cuts a client's request id to this. */
const MAX_CLIENT_REQUEST_ID = 40;
/** Deployments whose engines are kept; each is alive or was a moment ago. */
const MAX_SERVING = 1000;

/** A deployment that serves: its front door and its instances. It lives as long as its settings do. */
interface Serving {
  readonly admission: Admission;
  readonly engines: readonly Engine[];
  readonly times: InstanceTimes;
  readonly model: Model;
  readonly requestTimeoutMs: number;
}

/** One scoring call on its way. */
interface Call {
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

const PARSERS: Readonly<Record<string, (bytes: Buffer) => Prompt>> = {
  '/score': parseScoreBody,
  '/v1/chat/completions': parseChatBody,
};

export class Scoring {
  readonly #resources: ArmResources;
  readonly #books: Books;
  readonly #gpuSpeed: number;
  readonly #seed: number;
  readonly #serving = new Map<string, Serving>();
  readonly #inFlight = new Map<string, number>();
  #draws = 0;

  constructor(options: { resources: ArmResources; books: Books; gpuSpeed: number; seed: number }) {
    this.#resources = options.resources;
    this.#books = options.books;
    this.#gpuSpeed = options.gpuSpeed;
    this.#seed = options.seed;
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
    const bytes = await readBody(request);
    if (response.closed) return; // gone while it was being read: its 'close' was then, and will not come again
    const endpoint = this.#resources.findByRegion(path.region, path.name, Date.now());
    if (endpoint === undefined)
      return refuse(response, 404, `There is no endpoint '${path.name}' in ${path.region}.`);
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

    const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!this.#resources.admits(endpoint, bearer, Date.now())) {
      return refuse(response, 401, 'Unauthorized: the bearer is not a key or token of this endpoint.');
    }
    if (path.route === '/swagger.json' && request.method === 'GET')
      return sendAnswer(response, 200, {}, swagger(endpoint));
    if (bytes === 'too large')
      return refuse(response, 413, 'The request is larger than the front door takes.');

    this.#draws += 1;
    const percent = drawBetween(0, 100, this.#seed, 'traffic', this.#draws);
    const chosen = chooseDeployment(
      endpoint,
      request.headers['azureml-model-deployment'],
      percent,
      Date.now(),
    );
    if ('status' in chosen) return refuse(response, chosen.status, chosen.message);
    response.setHeader('azureml-model-deployment', chosen.name);
    this.#admit(call, this.#servingOf(endpoint, chosen.name, chosen.served), bytes);
  }

  stop(): void {
    for (const serving of this.#serving.values()) for (const engine of serving.engines) engine.stop();
  }

  /** Takes the call through the front door and has it served when its turn comes. */
  #admit(call: Call, serving: Serving, bytes: Buffer): void {
    const { response, account } = call;
    const nowMs = performance.now();
    let leaveInstance = () => {};
    const ticket: Ticket = {
      onStart: (instance, atMs) => {
        leaveInstance = serveCall(call, serving, instance, bytes, this.#seed, atMs, end);
      },
    };
    // Runs once, whichever comes first: the answer's end, the timeout, the client going away.
    let isOver = false;
    const end = (atMs: number) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      this.#countInFlight(call, -1);
      leaveInstance();
      serving.admission.leave(ticket, atMs);
    };
    const timer = setTimeout(() => {
      end(performance.now());
      if (response.headersSent) response.destroy();
      else
        refuse(
          response,
          408,
          `The request took longer than the deployment's timeout of ${serving.requestTimeoutMs} ms.`,
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
    refuse(
      response,
      429,
      'Too many pending requests: the deployment is at its limit of concurrent requests.',
    );
  }

  #servingOf(endpoint: Endpoint, deploymentName: string, served: Served): Serving {
    const existing = this.#serving.get(served.revision);
    if (existing !== undefined) return existing;
    const serving = this.#startServing(endpoint, deploymentName, served);
    this.#serving.set(served.revision, serving);
    const [oldest] = this.#serving.keys();
    // An engine that is forgotten still ends what it has; only its timer refers to it then.
    if (this.#serving.size > MAX_SERVING && oldest !== undefined) this.#serving.delete(oldest);
    return serving;
  }

  #startServing(endpoint: Endpoint, deploymentName: string, served: Served): Serving {
    const id = parseModelId(served.model);
    const model = id && findModel(id);
    const sku = findSku(served.instanceType);
    if (model === undefined || sku === undefined) {
      throw new Error(`Deployment ${deploymentName} serves, but its model or SKU is not known.`);
    }
    const factor = speedFactor(this.#seed, endpoint.name, deploymentName);
    const times = instanceTimes(sku, model, factor * this.#gpuSpeed, this.#gpuSpeed);
    return {
      admission: new Admission(served.maxConcurrentPerInstance, served.instances),
      engines: Array.from({ length: served.instances }, () => new Engine(times)),
      times,
      model,
      requestTimeoutMs: served.requestTimeoutMs,
    };
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

/** What this deployment's machines are in speed, by the draw that its names have in this simulator's seed. */
export function speedFactor(seed: number, endpointName: string, deploymentName: string): number {
  const draw = drawNormal(seed, 'speed', endpointName.toLowerCase(), deploymentName.toLowerCase());
  return 1 + SPEED_FACTOR_SD * Math.max(-SPEED_FACTOR_MAX_SD, Math.min(SPEED_FACTOR_MAX_SD, draw));
}

/** Tokens of the answer: `maxTokens` exactly where the end of text is ignored, else where the model ends, within bounds. */
export function chooseOutputTokens(prompt: Prompt, maxTokens: number, seed: number): number {
  if (prompt.ignoreEos) return maxTokens;
  const sigmas = drawNormal(seed, 'length', deriveSeed(seed, prompt.text));
  const natural = Math.round(NATURAL_LENGTH_MEDIAN_TOKENS * Math.exp(NATURAL_LENGTH_SIGMA * sigmas));
  return Math.min(maxTokens, Math.max(natural, prompt.minTokens, 1));
}

/** The deployment a call goes to: the one its header pins, else one drawn by the traffic's shares. */
function chooseDeployment(
  endpoint: Endpoint,
  pinned: string | string[] | undefined,
  drawnPercent: number,
  nowMs: number,
): { name: string; served: Served } | { status: 404 | 503; message: string } {
  const name = typeof pinned === 'string' ? pinned : findShare(trafficAt(endpoint, nowMs), drawnPercent);
  if (name === undefined)
    return { status: 404, message: `Endpoint '${endpoint.name}' has no deployment with traffic.` };
  const deployment = endpoint.deployments.find((entry) => isSameName(entry.name, name));
  if (deployment === undefined)
    return { status: 404, message: `Endpoint '${endpoint.name}' has no deployment '${name}'.` };
  const served = servedAt(deployment, nowMs);
  if (served === null) return { status: 503, message: `Deployment '${name}' is not ready.` };
  return { name: deployment.name, served };
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

/**
 * Serves an admitted call on an instance; what it returns takes the call off the instance. Every time here is the
 * schedule's, never "now": the time at which the call left is passed on to the next one in line.
 */
function serveCall(
  call: Call,
  serving: Serving,
  instance: number,
  bytes: Buffer,
  seed: number,
  startedAtMs: number,
  end: (atMs: number) => void,
): () => void {
  const { response } = call;
  const nothingToLeave = () => {};
  let prompt: Prompt;
  let maxTokens: number;
  try {
    prompt = parsePrompt(call, bytes);
    maxTokens = outputLimit(prompt, serving);
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error;
    // After this call's `onStart` has returned, so that it can be taken out like any other.
    queueMicrotask(() => {
      end(startedAtMs);
      refuseByContainer(response, error);
    });
    return nothingToLeave;
  }

  call.promptTokens = prompt.promptTokens;
  const completion: Completion = {
    id: `chatcmpl-${randomUUID().replaceAll('-', '')}`,
    model: serving.model.name,
    createdSeconds: Math.floor(Date.now() / 1000),
    promptTokens: prompt.promptTokens,
    outputTokens: chooseOutputTokens(prompt, maxTokens, seed),
    finishReason: 'length',
  };
  const finished =
    completion.outputTokens < maxTokens ? { ...completion, finishReason: 'stop' as const } : completion;
  const emit = prompt.stream
    ? streamAnswer(call, finished, prompt, seed)
    : collectAnswer(call, finished, prompt, seed);
  const engine = serving.engines[instance];
  if (engine === undefined) throw new Error(`Admission chose instance ${instance}, which does not exist.`);
  const sequence: Sequence = {
    promptTokens: prompt.promptTokens,
    outputTokens: finished.outputTokens,
    arrivesAtMs: startedAtMs + serving.times.fixedMs,
    onToken(scheduledAtMs, position) {
      const isLast = position === finished.outputTokens - 1;
      call.outputTokens = position + 1;
      if (isLast) end(scheduledAtMs);
      emit(position, isLast, scheduledAtMs);
    },
  };
  engine.add(sequence);
  return () => engine.remove(sequence);
}

/** Writes each token as an event of its own, the moment it is emitted. */
function streamAnswer(call: Call, completion: Completion, prompt: Prompt, seed: number) {
  const { response, account } = call;
  const events = chatEvents(completion);
  const answerSeed = deriveSeed(seed, prompt.text);
  return (position: number, isLast: boolean, scheduledAtMs: number) => {
    if (response.destroyed) return;
    let text = events.token(tokenText(answerSeed, position));
    if (position === 0) {
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
      });
      text = events.role() + text;
    }
    response.write(text);
    recordLateness(account.lateness, performance.now() - scheduledAtMs);
    if (isLast) response.end(events.finish() + (prompt.includeUsage ? events.usage() : '') + events.done());
  };
}

/** Answers whole when the last token is there. */
function collectAnswer(call: Call, completion: Completion, prompt: Prompt, seed: number) {
  const { response, account, route } = call;
  return (_position: number, isLast: boolean, scheduledAtMs: number) => {
    if (!isLast) return;
    const text = answerText(deriveSeed(seed, prompt.text), completion.outputTokens);
    sendAnswer(
      response,
      200,
      {},
      route === '/score' ? scoreAnswer(completion, prompt, text) : chatAnswer(completion, text),
    );
    recordLateness(account.lateness, performance.now() - scheduledAtMs);
  };
}

function parsePrompt({ request, route }: Call, bytes: Buffer): Prompt {
  const parse = PARSERS[route];
  if (parse === undefined) throw new PayloadError(404, `The container has no route ${route}.`);
  if (request.method !== 'POST') throw new PayloadError(405, `The route ${route} takes POST.`);
  return parse(bytes);
}

/** The most tokens the answer may have; a prompt that leaves no room for them is refused, as the engine does. */
function outputLimit(prompt: Prompt, { model, times }: Serving): number {
  const contextTokens = Math.min(model.contextTokens, times.kvCapacityTokens);
  const maxTokens = prompt.maxTokens ?? Math.max(1, contextTokens - prompt.promptTokens);
  if (prompt.promptTokens + maxTokens <= contextTokens) return maxTokens;
  throw new PayloadError(
    400,
    `This model's maximum context length is ${contextTokens} tokens. However, you requested ${prompt.promptTokens + maxTokens} tokens (${prompt.promptTokens} in the messages, ${maxTokens} in the completion).`,
  );
}

function clientRequestIdOf(request: IncomingMessage): string | null {
  const header = request.headers['x-ms-client-request-id'];
  return typeof header === 'string' ? header.slice(0, MAX_CLIENT_REQUEST_ID) : null;
}

function refuse(response: ServerResponse, status: number, message: string): void {
  sendAnswer(response, status, {}, { error: { code: String(status), message } });
}

/** What the container refuses reaches the client as 424, with its own status in a header. */
function refuseByContainer(response: ServerResponse, error: PayloadError): void {
  const headers = {
    'ms-azureml-model-error-statuscode': String(error.status),
    'ms-azureml-model-error-reason': 'model_error',
  };
  sendAnswer(response, 424, headers, {
    object: 'error',
    message: error.message,
    type: 'BadRequestError',
    param: null,
    code: error.status,
  });
}

function swagger(endpoint: Endpoint) {
  const post = { post: { responses: { 200: { description: 'The answer.' } } } };
  return {
    openapi: '3.0.3',
    info: { title: `${endpoint.name} (simulated)`, version: '1' },
    paths: { '/score': post, '/v1/chat/completions': post },
  };
}
