/**
 * The container of a deployment: the web server with its workers, the check of the payload, and the answer from the
 * GPU's schedule. Every time here is the schedule's, never "now": the time at which a call left is passed on to the
 * next one in line.
 */
import { randomUUID } from 'node:crypto';
import { type Answering, type Emit, openAnswer } from './answer.ts';
import type { Sequence } from './batch.ts';
import { type Completion, chatAnswer, PayloadError, type Prompt, parseJson, scoreAnswer } from './chat.ts';
import { workMs } from './gpu.ts';
import { sendAnswer } from './http-body.ts';
import type { Outlet } from './outlet.ts';
import type { Asked, Job } from './payloads.ts';
import { deriveSeed, drawNormal } from './random.ts';
import type { Call } from './scoring.ts';
import { containerFault } from './scoring-faults.ts';
import { drawSlowness, type Instance, type Serving } from './serving.ts';
import type { ScoringFault } from './serving-settings.ts';
import { spoilAnswer } from './spoiled-answer.ts';

/** Where a model would end by itself: log-normal, half of the answers within 300 tokens. */
const NATURAL_LENGTH_MEDIAN_TOKENS = 300;
const NATURAL_LENGTH_SIGMA = 0.8;

/** A call that an instance has let in. */
export interface Admitted {
  readonly call: Call;
  readonly serving: Serving;
  readonly instance: number;
  readonly bytes: Buffer;
  readonly outlet: Outlet;
  readonly fault: ScoringFault | undefined;
  /** The how-manieth call of its deployment it is. */
  readonly number: number;
  readonly seed: number;
  /** Frees the call's place at the front door, and what `serveCall` gave. */
  readonly end: (atMs: number) => void;
}

/** The answer that an engine gave up on, as the public image has it: under a good status. */
type Refused = { readonly error: PayloadError; readonly isByEngine: boolean };

/** Serves an admitted call on its instance; what it returns takes the call off the instance at that time. */
export function serveCall(admitted: Admitted, startedAtMs: number): (atMs: number) => void {
  const { serving, call } = admitted;
  const instance = serving.instances[admitted.instance];
  if (instance === undefined)
    throw new Error(`Admission chose instance ${admitted.instance}, which does not exist.`);
  if (serving.routes.get(call.route)?.isSerial !== true) {
    const { sequence } = work(admitted, instance, startedAtMs, () => {});
    return () => sequence && instance.engine.remove(sequence);
  }

  // A worker that waits for the engine does not notice that nobody waits for it any more: it works on to the end.
  let leave = (atMs: number) => instance.workers.leave(turn, atMs);
  const turn = {
    onTurn: (turnAtMs: number) => {
      const { abandon } = work(admitted, instance, turnAtMs, (atMs) => instance.workers.leave(turn, atMs));
      leave = abandon;
    },
  };
  instance.workers.enter(turn, startedAtMs);
  return (atMs) => leave(atMs);
}

/** Tokens of the answer: `maxTokens` exactly where the end of text is ignored, else where the model ends, within bounds. */
export function chooseOutputTokens(
  prompt: Pick<Prompt, 'ignoreEos' | 'minTokens' | 'text'>,
  maxTokens: number,
  seed: number,
): number {
  if (prompt.ignoreEos) return maxTokens;
  const sigmas = drawNormal(seed, 'length', deriveSeed(seed, prompt.text));
  const natural = Math.round(NATURAL_LENGTH_MEDIAN_TOKENS * Math.exp(NATURAL_LENGTH_SIGMA * sigmas));
  return Math.min(maxTokens, Math.max(natural, prompt.minTokens, 1));
}

/**
 * Has the engine work on it, and answers from its tokens.
 * @param onDone called when the worker is free: with the answer's end, or the engine's where it was abandoned.
 */
function work(
  admitted: Admitted,
  instance: Instance,
  startedAtMs: number,
  onDone: (atMs: number) => void,
): { sequence?: Sequence; abandon: (atMs: number) => void } {
  const { call, serving, fault, number, seed } = admitted;
  const slowness = drawSlowness(serving.settings.noisePercent, seed, number);
  const end = (atMs: number) => {
    if (sequence !== undefined) instance.engine.remove(sequence);
    onDone(atMs);
    admitted.end(atMs);
  };
  let sequence: Sequence | undefined;
  const planned = plan(admitted, startedAtMs, end);
  if ('error' in planned) {
    // After this call's `onStart` has returned, so that it can be taken out like any other.
    queueMicrotask(() => {
      end(startedAtMs);
      refuse(admitted, planned);
    });
    return { abandon: () => {} };
  }
  const broken = fault && containerFault(fault);
  const emit: Emit =
    broken === undefined
      ? ((fault && spoilAnswer(planned.answering, fault)) ?? openAnswer(planned.answering))
      : (_position, _isLast, atMs) => {
          end(atMs);
          if (broken === 'crashed') crash(admitted);
          else refuse(admitted, { error: broken, isByEngine: true });
        };
  const { outputTokens } = planned.answering.completion;
  let isAbandoned = false;
  let isWritten = false;
  sequence = {
    promptTokens: call.promptTokens,
    outputTokens,
    arrivesAtMs: startedAtMs + serving.times.fixedMs * slowness,
    slowness,
    ...planned.work,
    onToken(scheduledAtMs, position) {
      const isLast = position === outputTokens - 1;
      isWritten = isLast;
      if (isAbandoned) {
        if (isLast) onDone(scheduledAtMs);
        return;
      }
      call.outputTokens = position + 1;
      emit(position, isLast, scheduledAtMs);
    },
  };
  instance.engine.add(sequence);
  return {
    sequence,
    abandon: (atMs) => {
      isAbandoned = true;
      if (isWritten) onDone(atMs);
    },
  };
}

/** What the payload asks for: the answer to be written, and the work before it. */
function plan(
  admitted: Admitted,
  startedAtMs: number,
  end: (atMs: number) => void,
): Refused | { answering: Answering; work: Pick<Sequence, 'cachedTokens' | 'workMs'> } {
  const { call, serving, outlet, seed } = admitted;
  let asked: Asked;
  try {
    asked = parsePayload(admitted);
  } catch (error) {
    if (error instanceof PayloadError) return { error, isByEngine: false };
    throw error;
  }
  const shared = {
    response: call.response,
    way: outlet,
    account: call.account,
    route: call.route,
    settings: serving.settings,
    startedAtMs,
    end,
  };
  if ('job' in asked) {
    const { job } = asked;
    call.promptTokens = job.promptTokens;
    return {
      answering: {
        ...shared,
        prompt: JOB_PROMPT,
        completion: complete(serving, job.promptTokens, 1, undefined),
        bodyOf: () => job.answer,
        answerSeed: 0,
      },
      work: workOf(job, serving),
    };
  }
  const { prompt } = asked;
  const contextTokens = Math.min(serving.model.contextTokens, serving.times.kvCapacityTokens);
  const maxTokens = prompt.maxTokens ?? Math.max(1, contextTokens - prompt.promptTokens);
  if (prompt.promptTokens + maxTokens > contextTokens) {
    return { error: tooLong(prompt, maxTokens, contextTokens), isByEngine: true };
  }
  call.promptTokens = prompt.promptTokens;
  const cachedTokens = serving.prefixCache?.take(prompt.text, prompt.promptTokens);
  const outputTokens = chooseOutputTokens(prompt, maxTokens, seed);
  const completion = complete(serving, prompt.promptTokens, outputTokens, cachedTokens);
  const { form } = prompt;
  const { outputOnly } = serving.settings;
  return {
    answering: {
      ...shared,
      prompt,
      completion: outputTokens < maxTokens ? { ...completion, finishReason: 'stop' } : completion,
      bodyOf: call.route.endsWith('/chat/completions')
        ? chatAnswer
        : (done, text) => scoreAnswer(done, form, text, outputOnly),
      answerSeed: deriveSeed(seed, prompt.text),
    },
    work: { cachedTokens: cachedTokens ?? 0 },
  };
}

function parsePayload({ call, serving, bytes }: Admitted): Asked {
  const route = serving.routes.get(call.route);
  if (route === undefined) throw new PayloadError(404, `The container has no route ${call.route}.`);
  if (call.request.method !== 'POST') throw new PayloadError(405, `The route ${call.route} takes POST.`);
  return route.parse(parseJson(bytes));
}

/** What stands for the prompt of a call that generates no text: one token, at once, and whole. */
const JOB_PROMPT: Prompt = {
  form: 'text',
  promptTokens: 0,
  text: '',
  maxTokens: 1,
  minTokens: 1,
  ignoreEos: true,
  stream: false,
  includeUsage: false,
  returnFullText: false,
};

function workOf(job: Job, { sku, factor }: Serving): Pick<Sequence, 'workMs'> {
  return job.a100Ms === null ? {} : { workMs: workMs(sku, job.a100Ms, factor) };
}

function complete(
  serving: Serving,
  promptTokens: number,
  outputTokens: number,
  cachedTokens: number | undefined,
): Completion {
  return {
    id: `chatcmpl-${randomUUID().replaceAll('-', '')}`,
    model: serving.model.name,
    createdSeconds: Math.floor(Date.now() / 1000),
    promptTokens,
    outputTokens,
    cachedTokens,
    finishReason: 'length',
  };
}

/** A prompt that leaves no room for its answer is refused, as the engine does. */
function tooLong(prompt: Prompt, maxTokens: number, contextTokens: number): PayloadError {
  return new PayloadError(
    400,
    `This model's maximum context length is ${contextTokens} tokens. However, you requested ${prompt.promptTokens + maxTokens} tokens (${prompt.promptTokens} in the messages, ${maxTokens} in the completion).`,
  );
}

/** What the container refuses reaches the client as 424, with its own status in a header; or masked, as 200. */
function refuse({ call, serving }: Admitted, { error, isByEngine }: Refused): void {
  const body = errorBody(error);
  if (serving.settings.masksErrors && call.route === '/score') {
    const masked = { output: null, error: { status_code: error.status, body: JSON.stringify(body) } };
    sendAnswer(call.response, 200, {}, isByEngine ? masked : {});
    return;
  }
  const headers = {
    'ms-azureml-model-error-statuscode': String(error.status),
    'ms-azureml-model-error-reason': 'model_error',
  };
  sendAnswer(call.response, 424, headers, body);
}

/** The container is gone in the middle of a call: no status of its own. */
function crash({ call: { response } }: Admitted): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(424, { 'ms-azureml-model-error-reason': 'model_not_ready', 'content-length': 0 });
  response.end();
}

/** The proxy's own words where the engine does not answer it, else the engine's. */
function errorBody({ status, message }: PayloadError) {
  if (status === 502) return { error: message };
  return { object: 'error', message, type: errorType(status), param: null, code: status };
}

function errorType(status: number): string {
  if (status === 404) return 'NotFoundError';
  return status < 500 ? 'BadRequestError' : 'InternalServerError';
}
