/**
 * What holds a row back, said with its evidence. What was seen (a refusal, a delay that Azure tells of, a thread of
 * ours that was late) is `shown`; what only fits the figures is `consistent-with`. Where nothing fits, that is said.
 */
import type { RequestFailure } from '../failure.ts';
import { ENDPOINT_LIMITS } from '../spec/forecast.ts';
import type { PhysicalLimit } from './physical-limit.ts';
import type { ReportRow } from './report.ts';

export interface Bottleneck {
  readonly cause:
    | 'client'
    | 'token-quota'
    | 'request-rate'
    | 'admission'
    | 'connections'
    | 'deadline'
    | 'bandwidth'
    | 'wrapper'
    | 'gpu'
    | 'memory-bandwidth'
    | 'compute'
    | 'unknown';
  readonly certainty: 'shown' | 'consistent-with';
  readonly sentence: string;
}

export interface BottleneckEvidence {
  readonly row: Pick<
    ReportRow,
    | 'cellId'
    | 'loop'
    | 'level'
    | 'attempted'
    | 'failures'
    | 'requestsPerSecond'
    | 'clientValid'
    | 'clientFaults'
    | 'provenance'
    | 'wire'
    | 'gpu'
  >;
  readonly limit: PhysicalLimit | null;
  /** What `explainSerialisation` says of the workload; null where the server is not shown to be serial. */
  readonly serialisation: string | null;
}

/** A limit is felt a little below its figure, since load is never even. */
const NEAR = 0.9;
/** Fewer refusals than one in a hundred do not set a row's throughput. */
const FAILED_SHARE = 0.01;
const BUSY_GPU = 0.9;
/** A GPU that nothing ran on for so much of the time is not what holds anything back. */
const IDLE_GPU = 0.5;
/**
 * Engines reach 43 to 69 % of the data sheet's bandwidth while one stream decodes and nothing else holds them back
 * (Phi-4 on A100 and H100); dense arithmetic reaches 40 to 70 %.
 */
const NEAR_BANDWIDTH = 0.4;
const NEAR_COMPUTE = 0.4;

/** Everything that holds the row back, the surest first; one entry of cause `unknown` where nothing fits. */
export function explainBottleneck(evidence: BottleneckEvidence): Bottleneck[] {
  const found = [
    blameClient(evidence),
    blameTokenQuota(evidence),
    blameRequestRate(evidence),
    blameAdmission(evidence),
    blameConnections(evidence),
    blameDeadline(evidence),
    blameBandwidth(evidence),
    blameWrapper(evidence),
    blameGpu(evidence),
  ].filter((one) => one !== null);
  if (found.length === 0) {
    return [
      {
        cause: 'unknown',
        certainty: 'consistent-with',
        sentence: `${evidence.row.cellId}: nothing that was measured shows what holds it back.`,
      },
    ];
  }
  return found.toSorted(
    (one, other) => Number(other.certainty === 'shown') - Number(one.certainty === 'shown'),
  );
}

function blameClient({ row }: BottleneckEvidence): Bottleneck | null {
  if (row.clientValid !== false) return null;
  return shown('client', `${row.cellId}: our own client was the limit. ${row.clientFaults[0] ?? ''}`.trim());
}

/** A 429 whose headers count tokens is a quota of a serverless deployment and no property of the GPU behind it. */
function blameTokenQuota({ row }: BottleneckEvidence): Bottleneck | null {
  const refused = row.failures['throttle-rate'] ?? 0;
  const limit = rateLimitOf(row, 'limit-tokens');
  const remaining = rateLimitOf(row, 'remaining-tokens');
  if (!isMany(row, 'throttle-rate') || (limit === undefined && remaining === undefined)) return null;
  const figures = [
    limit === undefined ? null : `x-ratelimit-limit-tokens ${limit}`,
    remaining === undefined ? null : `x-ratelimit-remaining-tokens ${remaining}`,
  ].filter((figure) => figure !== null);
  return shown(
    'token-quota',
    `${row.cellId}: a quota of tokens per minute holds it back: ${refused} of ${row.attempted} requests were refused with 429 and ${figures.join(', ')}. More concurrency cannot raise it.`,
  );
}

function blameRequestRate({ row }: BottleneckEvidence): Bottleneck | null {
  const refused = row.failures['throttle-rate'] ?? 0;
  const requestLimit = rateLimitOf(row, 'limit-requests');
  const tokens = rateLimitOf(row, 'limit-tokens') ?? rateLimitOf(row, 'remaining-tokens');
  if (isMany(row, 'throttle-rate') && (requestLimit !== undefined || tokens === undefined)) {
    const what = requestLimit === undefined ? '' : ` (x-ratelimit-limit-requests ${requestLimit})`;
    return shown(
      'request-rate',
      `${row.cellId}: a limit of requests per second or minute holds it back: ${refused} of ${row.attempted} requests were refused with 429${what}.`,
    );
  }
  if ((row.requestsPerSecond ?? 0) < NEAR * ENDPOINT_LIMITS.requestsPerSecond) return null;
  return fits(
    'request-rate',
    `${row.cellId}: consistent with the endpoint's limit of ${ENDPOINT_LIMITS.requestsPerSecond} requests a second: ${Math.round(row.requestsPerSecond ?? 0)} were answered.`,
  );
}

/** Azure ML runs `max concurrent` requests on each instance, lets as many wait, and refuses the rest. */
function blameAdmission({ row }: BottleneckEvidence): Bottleneck | null {
  const { maxConcurrentRequestsPerInstance: most, instances } = row.provenance;
  const runs = most === null || instances === null ? null : most * instances;
  if (isMany(row, 'throttle-queue')) {
    const admits =
      runs === null ? '' : ` It admits ${2 * runs} at once (2 x ${most} x ${instances} instances).`;
    return shown(
      'admission',
      `${row.cellId}: the endpoint's admission limit holds it back: ${row.failures['throttle-queue']} of ${row.attempted} requests were refused with 429.${admits} Raise maxConcurrentRequestsPerInstance.`,
    );
  }
  if (runs === null || row.loop !== 'closed' || row.level <= runs) return null;
  return fits(
    'admission',
    `${row.cellId}: consistent with the admission limit: ${runs} requests run at once (${most} x ${instances} instances), so ${row.level - runs} of ${row.level} wait before the model. Raise maxConcurrentRequestsPerInstance.`,
  );
}

function blameConnections({ row }: BottleneckEvidence): Bottleneck | null {
  if (row.loop !== 'closed' || row.level < NEAR * ENDPOINT_LIMITS.connections) return null;
  const refused = (row.failures.connect ?? 0) + (row.failures.reset ?? 0);
  const text = `the endpoint's ${ENDPOINT_LIMITS.connections} connections: ${row.level} were wanted`;
  return refused >= Math.max(1, FAILED_SHARE * row.attempted)
    ? shown('connections', `${row.cellId}: held back by ${text}, and ${refused} requests found none.`)
    : fits('connections', `${row.cellId}: consistent with ${text}.`);
}

function blameDeadline({ row }: BottleneckEvidence): Bottleneck | null {
  const late = row.failures['deadline-server'] ?? 0;
  if (!isMany(row, 'deadline-server')) return null;
  return shown(
    'deadline',
    `${row.cellId}: ${late} of ${row.attempted} answers took longer than the endpoint's ${row.provenance.requestTimeoutSeconds} s and were given up with 408.`,
  );
}

function blameBandwidth({ row }: BottleneckEvidence): Bottleneck | null {
  const { wire } = row;
  if (wire === undefined || wire === null) return null;
  const { sentBytesPerSecond: sent, receivedBytesPerSecond: received } = wire;
  const measured = sent === null || received === null ? null : sent + received;
  const rates = [
    wire.predictedBytesPerSecond === null
      ? null
      : `${megabytes(wire.predictedBytesPerSecond)} a second predicted`,
    measured === null ? null : `${megabytes(measured)} measured`,
  ].filter((rate) => rate !== null);
  const against = `${rates.length === 0 ? '' : `${rates.join(', ')}; `}an endpoint carries ${megabytes(ENDPOINT_LIMITS.bytesPerSecond)} a second`;
  if (wire.delayedAnswers >= Math.max(1, FAILED_SHARE * row.attempted)) {
    const by = wire.delayP50Ms === null ? '' : `, by ${Math.round(wire.delayP50Ms)} ms at the median`;
    return shown(
      'bandwidth',
      `${row.cellId}: the endpoint's bandwidth holds it back: Azure tells of ${wire.delayedAnswers} answers that it delayed${by} (${against}).`,
    );
  }
  const most = Math.max(wire.predictedBytesPerSecond ?? 0, measured ?? 0);
  if (most < NEAR * ENDPOINT_LIMITS.bytesPerSecond) return null;
  return fits('bandwidth', `${row.cellId}: consistent with the endpoint's bandwidth: ${against}.`);
}

function blameWrapper({ row, serialisation }: BottleneckEvidence): Bottleneck | null {
  if (serialisation === null) return null;
  const utilisation = row.gpu?.utilisation ?? null;
  return fits(
    'wrapper',
    utilisation === null
      ? serialisation
      : `${serialisation} Azure Monitor tells ${percent(utilisation)} GPU utilisation over the cell, which one request at a time may bring about.`,
  );
}

/**
 * A server that works on one request at a time leaves most of its GPU idle, however near that one is to a limit. And
 * what Azure Monitor tells is the time in which anything ran, which does not show that the GPU was full.
 */
function blameGpu({ row, limit, serialisation }: BottleneckEvidence): Bottleneck | null {
  const utilisation = row.gpu?.utilisation ?? null;
  if (serialisation !== null || (utilisation !== null && utilisation < IDLE_GPU)) return null;
  if (utilisation !== null && utilisation >= BUSY_GPU) {
    return fits(
      'gpu',
      `${row.cellId}: consistent with the GPU: Azure Monitor tells ${percent(utilisation)} utilisation over the cell, the time in which anything ran on it.`,
    );
  }
  if (limit === null) return null;
  const { computeShare, prefillComputeShare, decodeBandwidthShare } = limit;
  const compute = Math.max(computeShare ?? 0, prefillComputeShare ?? 0);
  if (compute >= NEAR_COMPUTE) {
    return fits(
      'compute',
      `${row.cellId}: consistent with the GPU's arithmetic: ${percent(compute)} of what the data sheet allows, where engines reach 40 to 70 % (${limit.basis}).`,
    );
  }
  if (decodeBandwidthShare !== null && decodeBandwidthShare >= NEAR_BANDWIDTH) {
    return fits(
      'memory-bandwidth',
      `${row.cellId}: consistent with the GPU's memory bandwidth: ${percent(decodeBandwidthShare)} of what the data sheet allows for each output token, where engines reach 43 to 69 % (${limit.basis}).`,
    );
  }
  return null;
}

/** What the server wrote, where it is a number or a duration: nothing else of its words gets into a sentence. */
function rateLimitOf({ wire }: BottleneckEvidence['row'], name: string): string | undefined {
  const value = wire?.rateLimit[name];
  return value !== undefined && /^[\d.,:hms]+$/.test(value) ? value : undefined;
}

function isMany({ failures, attempted }: BottleneckEvidence['row'], failure: RequestFailure): boolean {
  return (failures[failure] ?? 0) >= Math.max(1, FAILED_SHARE * attempted);
}

function shown(cause: Bottleneck['cause'], sentence: string): Bottleneck {
  return { cause, certainty: 'shown', sentence };
}

function fits(cause: Bottleneck['cause'], sentence: string): Bottleneck {
  return { cause, certainty: 'consistent-with', sentence };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
