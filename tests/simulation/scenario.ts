/**
 * One seed's bad day: spec, faults, user actions and crashes, all drawn from the seed. Nothing is keyed by time but by
 * resource or step and the how-manieth call, so that a seed replays them however fast the machine is.
 */
import { deriveSeed } from '../../src/core/statistics/seed.ts';
import type { StepName } from '../../src/orchestrations/steps.ts';
import type { TableFault, TableRestart } from './faulty-tables.ts';

/** A rule of the simulator's `PUT /simulator/faults`. */
export interface ArmFault {
  readonly operation: string;
  readonly nth: number | string;
  readonly fault: string;
}

export interface Happening {
  /** Before this step is called for the n-th time. */
  readonly step: StepName;
  readonly nth: number;
  readonly what: 'cancel' | 'start-again' | 'delete-endpoint' | 'reap' | 'watch' | 'duplicate' | 'clock-jump';
  /** Of a clock jump, in minutes. */
  readonly minutes: number;
  /** Of a duplicate: the step whose latest call is repeated, late. */
  readonly of: StepName;
}

export interface Crash {
  /** At this commit of the durable history, counted over all hosts. */
  readonly commit: number;
  readonly when: 'before' | 'after';
  /** Whether activities that were in flight go on, as on a machine that has only lost touch. */
  readonly lingers: boolean;
  /** Until the next host comes; null where none ever does. */
  readonly downMinutes: number | null;
  /** The next host finds nothing of the history. */
  readonly purged: boolean;
}

export interface Scenario {
  readonly seed: number;
  readonly spec: Readonly<Record<string, unknown>>;
  /** Of the simulator's control plane: 0.05 deploys in two to four minutes. */
  readonly speed: number;
  readonly armFaults: readonly ArmFault[];
  readonly tableFaults: readonly TableFault[];
  readonly tableRestarts: readonly TableRestart[];
  /** Whether it runs as on Azure, with repeats in a row, or as on one machine. */
  readonly scalesOut: boolean;
  readonly happenings: readonly Happening[];
  readonly crashes: readonly Crash[];
  /** Steps whose latest call is repeated once the run is over. */
  readonly lateDuplicates: readonly StepName[];
}

/** One in ten has a host that never comes back or loses its history. */
const RARE = 0.1;
const STEPS: readonly StepName[] = [
  'admitRun',
  'startRun',
  'deployEndpoint',
  'deployModel',
  'deployTraffic',
  'deployProgress',
  'warmUp',
  'planMeasuring',
  'measureCell',
  'saveCell',
  'aggregate',
  'keepEndpoint',
  'releaseEndpoint',
  'releaseProgress',
  'finishRun',
];
const SKUS = [
  'Standard_NC24ads_A100_v4',
  'Standard_NC48ads_A100_v4',
  'Standard_NC40ads_H100_v5',
  'Standard_NC80adis_H100_v5',
];

const REFUSALS = ['arm-429', 'arm-500', 'arm-503', 'arm-504', 'arm-reset', 'arm-lost', 'arm-409', 'arm-401'];
const ARM_OPERATIONS = [
  'PUT endpoint',
  'PUT deployment',
  'DELETE endpoint',
  'GET endpoint',
  'GET deployment',
  'LIST endpoints',
  'POST listKeys',
  'GET operation',
  'GET usages',
  'GET prices',
];
const DEPLOYMENT_FAULTS = [
  'deploy-outofquota',
  'deploy-outofcapacity',
  'deploy-outofmemory',
  'deploy-imagepull',
  'deploy-containercrash',
  'deploy-resourcenotready',
  'deploy-operationcanceled',
  'deploy-internalservererror',
  'deploy-stuck',
  'deploy-slow.900',
  'endpoint-fail',
  'sku-other',
  'instances-other',
  'keys-rotate.60',
];
const DELETE_FAULTS = ['delete-busy', 'delete-slow.90', 'delete-slow.900', 'delete-fail', 'arm-403'];
const SCORING_FAULTS = [
  'score-429',
  'score-424-503',
  'score-424',
  'score-502',
  'score-503',
  'score-500',
  'score-reset',
  'score-reset-2',
  'score-stall-1',
  'score-408',
  'score-masked',
  'score-masked-empty',
  'score-truncated-1',
  'score-empty',
  'score-401',
];
/** What a client waits out for a second and more, by the machine's clock, must not hit every call. */
const SLOW_SCORING = /stall|408|429/;
const TABLES = ['runs', 'leases', 'shards', 'cells', 'reports', 'ledger', 'keys'];

export function drawScenario(seed: number): Scenario {
  const draw = new Draw(seed);
  const calm = draw.chance('calm', 0.1);
  const times = (what: string, most: number) => (calm ? 0 : draw.whole(what, 0, most));
  return {
    seed,
    spec: drawSpec(draw),
    speed: draw.pick('speed', [0.05, 0.2, 1, 4]),
    armFaults: [
      ...list(times('arm faults', 3), (index) => drawRefusal(draw, index)),
      ...(draw.chance('deployment fault', calm ? 0 : 0.3) ? [drawDeploymentFault(draw)] : []),
      ...(draw.chance('delete fault', calm ? 0 : 0.3) ? [drawDeleteFault(draw)] : []),
      ...list(times('scoring faults', 2), (index) => drawScoringFault(draw, index)),
    ],
    tableFaults: list(times('table faults', 2), (index) => drawTableFault(draw, index)),
    tableRestarts: !calm && draw.chance('table restart', 0.2) ? [drawTableRestart(draw)] : [],
    scalesOut: draw.chance('scales out', 0.5),
    happenings: list(times('happenings', 3), (index) => drawHappening(draw, index)),
    crashes: list(times('crashes', 2), (index) => drawCrash(draw, index)),
    lateDuplicates: calm ? [] : list(2, (index) => draw.pick(`late ${index}`, STEPS)),
  };
}

/** Nothing was to go wrong, so nothing may have. */
export function isCalm(scenario: Scenario): boolean {
  const { armFaults, tableFaults, tableRestarts, happenings, crashes, lateDuplicates } = scenario;
  return [armFaults, tableFaults, tableRestarts, happenings, crashes, lateDuplicates].every(
    (some) => some.length === 0,
  );
}

/** A spec of a few requests: what is simulated here is what happens around them. */
function drawSpec(draw: Draw): Record<string, unknown> {
  const sku = draw.pick('sku', SKUS);
  const placed = draw.chance('placements', 0.2);
  const steady = draw.chance('steady', 0.15);
  return {
    model: { name: 'Phi-4', version: draw.pick('version', ['7', '8', 'latest']) },
    target: {
      kind: 'managed',
      sku,
      ...(placed && { placements: ['default', 'west'].map((workspace) => ({ workspace, sku })) }),
      instances: draw.whole('instances', 1, 2),
      keepMinutes: draw.chance('keep', 0.1) ? 20 : 0,
      waitForCapacityMinutes: draw.chance('wait', 0.2) ? 20 : 0,
      requestSettings: { requestTimeoutSeconds: 1 },
    },
    workloads: list(draw.whole('workloads', 1, 2), (index) => ({
      promptTokens: draw.whole(`prompt ${index}`, 16, 96) + index,
      outputTokens: draw.whole(`output ${index}`, 4, 12),
    })),
    concurrency: { levels: draw.pick('levels', [[1], [1], [1, 2], [2], [1, 3]]) },
    measure: steady
      ? { mode: 'steady', repeats: 1, minRequests: 3, maxSeconds: 1 }
      : { mode: 'burst', repeats: draw.whole('repeats', 1, 2) },
    limits: { maxMinutes: draw.pick('minutes', [60, 120, 240]), maxUsd: 400 },
    seed: draw.whole('spec seed', 1, 1_000_000),
  };
}

function drawRefusal(draw: Draw, index: number): ArmFault {
  const operation = draw.pick(`arm operation ${index}`, ARM_OPERATIONS);
  return { operation, nth: draw.whole(`arm nth ${index}`, 1, 6), fault: draw.pick(`arm ${index}`, REFUSALS) };
}

function drawDeploymentFault(draw: Draw): ArmFault {
  const fault = draw.pick('deploy', DEPLOYMENT_FAULTS);
  const operation = fault === 'endpoint-fail' ? 'PUT endpoint' : 'PUT deployment';
  return { operation, nth: draw.pick('deploy nth', [1, '1+', 2]), fault };
}

function drawDeleteFault(draw: Draw): ArmFault {
  const nth = draw.pick('delete nth', [1, 2, '1+']);
  const fault = draw.pick('delete', DELETE_FAULTS);
  return { operation: 'DELETE endpoint', nth, fault };
}

function drawScoringFault(draw: Draw, index: number): ArmFault {
  const fault = draw.pick(`score ${index}`, SCORING_FAULTS);
  const from = draw.whole(`score nth ${index}`, 1, 30);
  const forGood = draw.chance(`score for good ${index}`, 0.3) && !SLOW_SCORING.test(fault);
  return { operation: 'score', nth: forGood ? `${from}+` : from, fault };
}

function drawTableFault(draw: Draw, index: number): TableFault {
  return {
    method: draw.pick(`table method ${index}`, ['GET', 'PUT', 'POST']),
    table: draw.pick(`table ${index}`, TABLES),
    nth: draw.whole(`table nth ${index}`, 1, 25),
    // Four tries of the SDK are one call of ours, and five calls of ours are a step that has failed for good.
    times: draw.pick(`table times ${index}`, [1, 4, 4, 8, 8, 40]),
    how: draw.pick(`table how ${index}`, ['refused', 'refused', 'lost']),
  };
}

/** A run makes some three hundred calls; what is cut is tried again, by the SDK and then by the step's own retries. */
function drawTableRestart(draw: Draw): TableRestart {
  return {
    nth: draw.whole('restart nth', 1, 250),
    times: draw.pick('restart times', [1, 4, 10, 30]),
  };
}

function drawHappening(draw: Draw, index: number): Happening {
  return {
    step: draw.pick(`happening step ${index}`, STEPS),
    nth: draw.pick(`happening nth ${index}`, [1, 1, 1, 2, 3]),
    what: draw.pick(`happening ${index}`, [
      'cancel',
      'start-again',
      'delete-endpoint',
      'reap',
      'reap',
      'watch',
      'duplicate',
      'duplicate',
      'clock-jump',
    ]),
    minutes: draw.pick(`jump ${index}`, [1, 14, 40, 200]),
    of: draw.pick(`duplicate of ${index}`, STEPS),
  };
}

function drawCrash(draw: Draw, index: number): Crash {
  const rare = draw.number(`rare ${index}`);
  return {
    commit: draw.whole(`commit ${index}`, 1, 70),
    when: draw.pick(`when ${index}`, ['before', 'after']),
    lingers: draw.chance(`lingers ${index}`, 0.3),
    downMinutes: rare < RARE ? null : draw.pick(`down ${index}`, [0, 0, 0, 1, 20, 90, 600]),
    purged: rare >= RARE && rare < 2 * RARE,
  };
}

function list<Item>(count: number, item: (index: number) => Item): Item[] {
  return Array.from({ length: count }, (_, index) => item(index));
}

/** Draws by name, so that a draw more or less changes no other. */
export class Draw {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** From 0 to below 1. */
  number(what: string): number {
    return spread(deriveSeed(this.#seed, 'simulation', what)) / 2 ** 32;
  }

  chance(what: string, probability: number): boolean {
    return this.number(what) < probability;
  }

  whole(what: string, from: number, to: number): number {
    return from + Math.floor(this.number(what) * (to - from + 1));
  }

  pick<Item>(what: string, items: readonly Item[]): Item {
    const item = items[Math.floor(this.number(what) * items.length)];
    if (item === undefined) throw new Error('There is nothing to pick from.');
    return item;
  }
}

/** Murmur's last step: names that differ in one character would otherwise draw nearly the same. */
function spread(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
