/**
 * What a deployment asks of its data plane, beside what ARM knows of: by environment variables, as the public serving
 * image reads them, and by sentinels (`faults.ts`) in the names of endpoint, deployment and model or in the variable
 * `SIMULATOR_FAULTS`. The words are those of the table in README.md.
 */
import { type Faults, readFaults } from './faults.ts';

/** Processes of a web server; each would hold a copy of the wrapper, so nobody has more. */
const MAX_WORKERS = 1000;
const FAULTS_VARIABLE = 'SIMULATOR_FAULTS';

/** What goes wrong with scoring calls. */
export interface ScoringFault {
  /** The word after `score-`, without the number behind it: `reset` of `fault-score-reset-8.3`. */
  readonly what: string;
  /** That number: a token, a status inside, seconds or MB, by the fault. */
  readonly at: number | null;
  /** It hits each call of which the count is a multiple of this. */
  readonly every: number;
}

export interface ServingSettings {
  readonly workers: number;
  /** Whether a stream is kept back and sent whole at its end. */
  readonly bufferedStream: boolean;
  /** Speculative decoding: a chunk holds one to this many tokens. */
  readonly mostTokensPerChunk: number;
  readonly newline: '\n' | '\r\n';
  /** A comment at once and before every so many chunks of a stream; 0 for none. */
  readonly commentEvery: number;
  /** The older image: `/score` answers with the output alone. */
  readonly outputOnly: boolean;
  /** What the container refuses on `/score` is answered with 200. */
  readonly masksErrors: boolean;
  readonly prefixCache: boolean;
  readonly driftPercentPerHour: number;
  readonly noisePercent: number;
  /** How long a deployment answers "not ready" after ARM says that it is. */
  readonly readyLateMs: number;
  readonly faults: readonly ScoringFault[];
}

/** The bounds of an endpoint's network. */
export interface EndpointBounds {
  readonly requestsPerSecond: number;
  readonly newConnectionsPerSecond: number;
  readonly connections: number;
  readonly bytesPerSecond: number;
  readonly bodyBytes: number;
}

/** The service's documented limits of an endpoint; that of a body is not documented. */
export const DOCUMENTED_BOUNDS: EndpointBounds = {
  requestsPerSecond: 500,
  newConnectionsPerSecond: 500,
  connections: 500,
  bytesPerSecond: 5e6,
  bodyBytes: 10 * 1024 * 1024,
};

/** Every fault that the names and the environment of deployments ask for. */
export function readScoringSentinels(
  names: readonly string[],
  environments: readonly Readonly<Record<string, string>>[],
): Faults {
  return readFaults(...names, ...environments.map((environment) => environment[FAULTS_VARIABLE]));
}

export function readServingSettings(
  faults: Faults,
  environment: Readonly<Record<string, string>>,
): ServingSettings {
  const number = (word: string, whenBare: number) =>
    faults.has(word) ? (faults.get(word) ?? whenBare) : undefined;
  return {
    workers: readWorkerCount(environment.WORKER_COUNT),
    bufferedStream: faults.has('buffered-stream'),
    mostTokensPerChunk: Math.max(1, number('tokens-per-chunk', 4) ?? 1),
    newline: faults.has('crlf') ? '\r\n' : '\n',
    commentEvery: number('comments', 1) ?? 0,
    outputOnly: faults.has('output-only'),
    masksErrors: faults.has('masked-errors'),
    prefixCache: faults.has('prefix-cache'),
    driftPercentPerHour: number('drift', 10) ?? 0,
    noisePercent: number('noise', 5) ?? 0,
    readyLateMs: 1000 * (number('ready-late', 3) ?? 0),
    faults: readScoringFaults(faults),
  };
}

/** How long new traffic is not in force after ARM says that it is. */
export function readTrafficLateMs(faults: Faults): number {
  return faults.has('traffic-late') ? 1000 * (faults.get('traffic-late') ?? 3) : 0;
}

/** The documented bounds, or lower ones: requests and connections as they are, bytes in thousands. */
export function readEndpointBounds(faults: Faults): EndpointBounds {
  const at = (word: string, documented: number, unit = 1) => {
    const asked = faults.get(word);
    return asked === undefined || asked === null ? documented : Math.max(1, asked) * unit;
  };
  return {
    requestsPerSecond: at('limit-requests', DOCUMENTED_BOUNDS.requestsPerSecond),
    newConnectionsPerSecond: DOCUMENTED_BOUNDS.newConnectionsPerSecond,
    connections: at('limit-connections', DOCUMENTED_BOUNDS.connections),
    bytesPerSecond: at('limit-bandwidth', DOCUMENTED_BOUNDS.bytesPerSecond, 1000),
    bodyBytes: at('limit-body', DOCUMENTED_BOUNDS.bodyBytes, 1000),
  };
}

/** The fault that hits the call with that count, from 1: the first of those that are due. */
export function findDueFault(faults: readonly ScoringFault[], count: number): ScoringFault | undefined {
  return faults.find((fault) => count % fault.every === 0);
}

/** The faults of scoring calls among all. */
export function readScoringFaults(faults: Faults): ScoringFault[] {
  const found: ScoringFault[] = [];
  for (const [word, every] of faults) {
    const [, what, at] = /^score-(.+?)(?:-(\d+))?$/.exec(word) ?? [];
    if (what === undefined) continue;
    found.push({ what, at: at === undefined ? null : Number(at), every: Math.max(1, every ?? 1) });
  }
  return found;
}

/** The web server's own reading fails on what is no number, and the container with it; here it counts as not set. */
function readWorkerCount(value: string | undefined): number {
  return value !== undefined && /^\d{1,4}$/.test(value)
    ? Math.min(MAX_WORKERS, Math.max(1, Number(value)))
    : 1;
}
