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
  >;
  readonly limit: PhysicalLimit | null;
  /** What `explainSerialisation` says of the workload; null where the server is not shown to be serial. */
  readonly serialisation: string | null;
  /** Null where it was not counted. */
  readonly wire: WireEvidence | null;
  /** `x-ratelimit-*` without that prefix, of a request that was refused. Empty where the server sends none. */
  readonly rateLimit: Readonly<Record<string, string>>;
  /** Mean of the deployment over the cell, 0 to 1, as Azure Monitor tells it; null where it was not read. */
  readonly gpuUtilisation: number | null;
}

export interface WireEvidence {
  readonly predictedBytesPerSecond: number | null;
  readonly measuredBytesPerSecond: number | null;
  /** Answers whose trailers tell that Azure held them back, and by how much at the median. */
  readonly delayedAnswers: number;
  readonly delayP50Ms: number | null;
}

/** A limit is felt a little below its figure, since load is never even. */
const NEAR = 0.9;
/** Fewer refusals than one in a hundred do not set a row's throughput. */
const FAILED_SHARE = 0.01;
const BUSY_GPU = 0.9;
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
function blameTokenQuota({ row, rateLimit }: BottleneckEvidence): Bottleneck | null {
  const refused = row.failures['throttle-rate'] ?? 0;
  const limit = rateLimit['limit-tokens'];
  const remaining = rateLimit['remaining-tokens'];
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

function blameRequestRate({ row, rateLimit }: BottleneckEvidence): Bottleneck | null {
  const refused = row.failures['throttle-rate'] ?? 0;
  const requestLimit = rateLimit['limit-requests'];
  const tokens = rateLimit['limit-tokens'] ?? rateLimit['remaining-tokens'];
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

function blameBandwidth({ row, wire }: BottleneckEvidence): Bottleneck | null {
  if (wire === null) return null;
  const rates = [
    wire.predictedBytesPerSecond === null
      ? null
      : `${megabytes(wire.predictedBytesPerSecond)} a second predicted`,
    wire.measuredBytesPerSecond === null ? null : `${megabytes(wire.measuredBytesPerSecond)} measured`,
  ].filter((rate) => rate !== null);
  const against = `${rates.length === 0 ? '' : `${rates.join(', ')}; `}an endpoint carries ${megabytes(ENDPOINT_LIMITS.bytesPerSecond)} a second`;
  if (wire.delayedAnswers >= Math.max(1, FAILED_SHARE * row.attempted)) {
    const by = wire.delayP50Ms === null ? '' : `, by ${Math.round(wire.delayP50Ms)} ms at the median`;
    return shown(
      'bandwidth',
      `${row.cellId}: the endpoint's bandwidth holds it back: Azure tells of ${wire.delayedAnswers} answers that it delayed${by} (${against}).`,
    );
  }
  const most = Math.max(wire.predictedBytesPerSecond ?? 0, wire.measuredBytesPerSecond ?? 0);
  if (most < NEAR * ENDPOINT_LIMITS.bytesPerSecond) return null;
  return fits('bandwidth', `${row.cellId}: consistent with the endpoint's bandwidth: ${against}.`);
}

function blameWrapper({ serialisation }: BottleneckEvidence): Bottleneck | null {
  return serialisation === null ? null : fits('wrapper', serialisation);
}

/** A server that works on one request at a time leaves its GPU idle, however near that one is to a limit. */
function blameGpu({ row, limit, serialisation, gpuUtilisation }: BottleneckEvidence): Bottleneck | null {
  if (gpuUtilisation !== null && gpuUtilisation >= BUSY_GPU) {
    return shown(
      'gpu',
      `${row.cellId}: the GPU holds it back: Azure Monitor tells ${percent(gpuUtilisation)} utilisation over the cell.`,
    );
  }
  if (limit === null || serialisation !== null) return null;
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
