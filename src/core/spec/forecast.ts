/**
 * What will go wrong with a cell, told before anything is rented. Each warning is a first-order sum that shows its
 * figures; what is not known is left out, never guessed.
 */

/** Azure ML's limits of one managed online endpoint (learn.microsoft.com, "Manage and increase quotas"). */
export const ENDPOINT_LIMITS = {
  connections: 500,
  requestsPerSecond: 500,
  bytesPerSecond: 5_000_000,
} as const;

/** English text in the tokens of common models; a prompt of 32k tokens is about 128 kB. */
const BYTES_PER_TOKEN = 4;
/** One streamed chunk of an OpenAI-style answer, which carries one token: its id, model and delta around it. */
const BYTES_PER_STREAMED_TOKEN = 250;
/** Azure names its GPUs' memory in GB and means 2^30 bytes or more (an "80 GB" A100 shows 81,920 MiB). */
const BYTES_PER_GB = 2 ** 30;
/** What vLLM takes of a GPU's memory for weights and KV cache unless told otherwise (`--gpu-memory-utilization`). */
const USABLE_MEMORY = 0.9;

export interface ForecastInput {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Requests in flight at once; for a rate, null. */
  readonly concurrency: number | null;
  /** Requests per second where they are sent at a rate; otherwise null. */
  readonly requestsPerSecond: number | null;
  readonly instances: number;
  /** Null where it is not known, as with an endpoint of somebody else. */
  readonly maxConcurrentRequestsPerInstance: number | null;
  /** The endpoint's own deadline. */
  readonly requestTimeoutSeconds: number;
  /** What one request is predicted to take at that load. */
  readonly predictedSeconds: number;
  /** Whether answers are streamed, which makes them longer on the wire. */
  readonly streamed: boolean;
  /** Memory of all the GPUs of one instance; null where the SKU is unknown. */
  readonly gpuMemoryGb: number | null;
  readonly model: ModelSizes | null;
}

/** What the catalog tells of a model's size; null where it does not. */
export interface ModelSizes {
  readonly contextTokens: number | null;
  readonly weightBytes: number | null;
  readonly kvBytesPerToken: number | null;
}

export interface CellWarning {
  readonly code:
    | 'admission'
    | 'deadline'
    | 'context-window'
    | 'gpu-memory'
    | 'bandwidth'
    | 'connections'
    | 'request-rate';
  readonly message: string;
}

/** Every warning about one cell, in the order in which a request would meet the trouble. */
export function forecastCell(input: ForecastInput): CellWarning[] {
  return [
    warnOfConnections(input),
    warnOfRequestRate(input),
    warnOfBandwidth(input),
    warnOfAdmission(input),
    warnOfContextWindow(input),
    warnOfMemory(input),
    warnOfDeadline(input),
  ].filter((warning) => warning !== null);
}

/**
 * The sentence that says that a model's weights alone do not fit the GPUs of an instance, or null. Then no cell can
 * be measured at all, and the deployment would fail after it was paid for.
 */
export function explainTooLargeModel(weightBytes: number | null, gpuMemoryGb: number | null): string | null {
  if (weightBytes === null || gpuMemoryGb === null) return null;
  if (weightBytes <= gpuMemoryGb * BYTES_PER_GB) return null;
  return `The model's weights take ${gigabytes(weightBytes)} and the GPUs of one instance hold ${gpuMemoryGb} GB; take a SKU with more GPU memory.`;
}

function warnOfConnections(input: ForecastInput): CellWarning | null {
  const connections = requestsInFlight(input);
  if (connections <= ENDPOINT_LIMITS.connections) return null;
  return {
    code: 'connections',
    message: `${Math.ceil(connections)} connections are wanted and an endpoint accepts ${ENDPOINT_LIMITS.connections}; the rest cannot connect. Spread the load over more endpoints.`,
  };
}

function warnOfRequestRate(input: ForecastInput): CellWarning | null {
  const rate = requestsPerSecond(input);
  if (rate <= ENDPOINT_LIMITS.requestsPerSecond) return null;
  return {
    code: 'request-rate',
    message: `About ${Math.round(rate)} requests a second are predicted and an endpoint accepts ${ENDPOINT_LIMITS.requestsPerSecond}; the rest get 429.`,
  };
}

/**
 * What a load is predicted to move over the wire: requests per second x the bytes of a prompt and its answer, which
 * are longer where they stream.
 */
export function predictBytesPerSecond(
  input: Pick<
    ForecastInput,
    'promptTokens' | 'outputTokens' | 'concurrency' | 'requestsPerSecond' | 'predictedSeconds' | 'streamed'
  >,
): number {
  const promptBytes = input.promptTokens * BYTES_PER_TOKEN;
  const answerBytes = input.outputTokens * (input.streamed ? BYTES_PER_STREAMED_TOKEN : BYTES_PER_TOKEN);
  return requestsPerSecond(input) * (promptBytes + answerBytes);
}

/** Prompts and answers together, over the whole of a request's time; and the prompts that all connections send first. */
function warnOfBandwidth(input: ForecastInput): CellWarning | null {
  const limit = ENDPOINT_LIMITS.bytesPerSecond;
  const bytesPerSecond = predictBytesPerSecond(input);
  if (bytesPerSecond > limit) {
    return {
      code: 'bandwidth',
      message: `About ${megabytes(bytesPerSecond)} a second are predicted and an endpoint carries ${megabytes(limit)} a second; Azure delays the rest, and times will show the delay and not the GPU.`,
    };
  }
  const firstBytes = (input.concurrency ?? 0) * input.promptTokens * BYTES_PER_TOKEN;
  if (firstBytes <= limit) return null;
  return {
    code: 'bandwidth',
    message: `The first ${input.concurrency} prompts are ${megabytes(firstBytes)} together and an endpoint carries ${megabytes(limit)} a second; Azure delays them, so the first answers come late.`,
  };
}

/** Azure ML runs `max concurrent` requests on each instance and queues as many again; any more get 429 at once. */
function warnOfAdmission(input: ForecastInput): CellWarning | null {
  const { maxConcurrentRequestsPerInstance: most, instances } = input;
  if (most === null) return null;
  const admitted = 2 * most * instances;
  const inFlight = Math.ceil(requestsInFlight(input));
  if (inFlight <= admitted) return null;
  return {
    code: 'admission',
    message: `The endpoint admits ${admitted} requests at once (2 x ${most} max concurrent x ${instances} instances) and ${inFlight} are in flight; the rest get 429, so this measures the limit and not the GPU. Raise maxConcurrentRequestsPerInstance.`,
  };
}

function warnOfContextWindow({ promptTokens, outputTokens, model }: ForecastInput): CellWarning | null {
  const window = model?.contextTokens ?? null;
  if (window === null || promptTokens + outputTokens <= window) return null;
  return {
    code: 'context-window',
    message: `${promptTokens} prompt tokens and ${outputTokens} output tokens are ${promptTokens + outputTokens} together, and the model's context window holds ${window}; its requests will be refused or cut short.`,
  };
}

/**
 * Weights + running requests x (prompt + output) x KV bytes per token, against what the server may use of the memory
 * of one instance's GPUs. Over it, vLLM lets requests wait or starts them anew.
 */
function warnOfMemory(input: ForecastInput): CellWarning | null {
  const { model, gpuMemoryGb, promptTokens, outputTokens, instances } = input;
  if (gpuMemoryGb === null || model === null || model.weightBytes === null) return null;
  const usable = gpuMemoryGb * BYTES_PER_GB * USABLE_MEMORY;
  const running = Math.min(
    Math.ceil(requestsInFlight(input) / instances),
    input.maxConcurrentRequestsPerInstance ?? Number.POSITIVE_INFINITY,
  );
  const cacheBytes = running * (promptTokens + outputTokens) * (model.kvBytesPerToken ?? 0);
  const neededBytes = model.weightBytes + cacheBytes;
  if (neededBytes <= usable) return null;
  const cache =
    model.kvBytesPerToken === null
      ? ''
      : ` and the KV cache of ${running} requests of ${promptTokens + outputTokens} tokens ${gigabytes(cacheBytes)}`;
  return {
    code: 'gpu-memory',
    message: `The weights take ${gigabytes(model.weightBytes)}${cache}, and about ${gigabytes(usable)} of the ${gpuMemoryGb} GB of an instance's GPUs are there for both; requests will wait for memory, or the model will not start.`,
  };
}

function warnOfDeadline({ predictedSeconds, requestTimeoutSeconds }: ForecastInput): CellWarning | null {
  if (predictedSeconds <= requestTimeoutSeconds) return null;
  return {
    code: 'deadline',
    message: `An answer is predicted to take ${Math.round(predictedSeconds)} s, longer than the endpoint's ${requestTimeoutSeconds} s; expect 408.`,
  };
}

/** Little's law gives what a rate keeps in flight. */
function requestsInFlight({ concurrency, requestsPerSecond: rate, predictedSeconds }: ForecastInput): number {
  return concurrency ?? (rate ?? 0) * predictedSeconds;
}

function requestsPerSecond({
  concurrency,
  requestsPerSecond: rate,
  predictedSeconds,
}: Pick<ForecastInput, 'concurrency' | 'requestsPerSecond' | 'predictedSeconds'>): number {
  return rate ?? (concurrency ?? 0) / predictedSeconds;
}

function gigabytes(bytes: number): string {
  return `${(bytes / BYTES_PER_GB).toFixed(1)} GiB`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
