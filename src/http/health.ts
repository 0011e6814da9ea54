/**
 * `GET /api/health`: 200 as soon as calls can be served; what does not work stands in the body. Anybody may ask, so it
 * says what is wrong and no name, address or word of others; the log has those. What it finds is kept for a while:
 * asking often costs Azure nothing.
 */
import { TIMERS, type TimerName } from '../activities/beat.ts';
import { isOurs } from '../core/renting/lease.ts';
import { readExpiryMs } from '../core/renting/reap.ts';
import { type Beat, ControlPlaneError, type Services } from '../services.ts';
import { type ApiAnswer, type ApiCall, answerJson } from './answer.ts';
import { readQuery } from './query.ts';
import { isoTime } from './run-view.ts';

/** A prober gives up after a few seconds; what has not answered by then is told as that. */
const CHECK_MS = 3_000;
/** The tables answer in milliseconds, and whoever waits for a recovery asks every few seconds. */
const TABLES_FRESH_MS = 5_000;
/** ARM counts what one identity asks. */
const ARM_FRESH_MS = 60_000;
/**
 * A timer is late after three of its periods, and never before this: a restart may cost it one pass. From then on one
 * that has never come is told.
 */
const LEAST_LATE_MS = 15 * 60_000;
/** An endpoint so long past its end has been passed over by the reaper and by the watchdog, each several times. */
const OVERDUE_MS = 30 * 60_000;

interface Check {
  readonly ok: boolean;
  /** A sentence where it is not. */
  readonly message: string | null;
}

const FINE: Check = { ok: true, message: null };

export async function getHealth({ request, services }: ApiCall): Promise<ApiAnswer> {
  readQuery(request, []);
  const { appVersion, simulatorGpuSpeed } = services.settings;
  const [tables, arm] = await Promise.all([checkTables(services), checkArm(services)]);
  const timers = TIMERS.map((timer) => viewTimer(services, timer, tables.beats));
  const watchdog = judgeOverdue(services, arm.expiries);
  const degraded = [tables.check, arm.check, ...timers, watchdog].flatMap(({ message }) => message ?? []);
  return answerJson(200, {
    status: degraded.length === 0 ? 'ok' : 'degraded',
    version: appVersion,
    simulated: simulatorGpuSpeed !== null,
    simulatorGpuSpeed,
    degraded,
    checks: { tables: tables.check, arm: arm.check, timers, watchdog },
  });
}

interface TablesFound {
  readonly check: Check;
  /** Null where they could not be read. */
  readonly beats: readonly Beat[] | null;
}

const checkTables = remember<TablesFound>(TABLES_FRESH_MS, {
  ask: async ({ stores }) => {
    try {
      const [beats] = await Promise.all([stores.beats.list(), stores.leases.listOpen()]);
      return { check: FINE, beats };
    } catch {
      return fail('The tables cannot be read; the log of the app says why.');
    }
  },
  late: () => fail(`The tables did not answer within ${CHECK_MS / 1_000} s.`),
});

function fail(message: string): TablesFound {
  return { check: { ok: false, message }, beats: null };
}

interface ArmFound {
  readonly check: Check;
  /** When the endpoints of this installation should have ended, as the reaper reads it. */
  readonly expiries: readonly number[];
}

const checkArm = remember<ArmFound>(ARM_FRESH_MS, {
  ask: async (services) => {
    const { controlPlane, settings } = services;
    const lists = await Promise.allSettled(
      settings.workspaces.map((workspace) => controlPlane.listEndpoints(workspace)),
    );
    const faults = lists.flatMap((list) => (list.status === 'rejected' ? [sayArmFault(list.reason)] : []));
    const expiries = lists
      .flatMap((list) => (list.status === 'fulfilled' ? list.value : []))
      .flatMap((endpoint) => (isOurs(endpoint.tags, settings.owner) ? (readExpiryMs(endpoint) ?? []) : []));
    const [first] = faults;
    const more = faults.length > 1 ? ` (${faults.length} of ${settings.workspaces.length} workspaces)` : '';
    const message = first === undefined ? null : `${first}${more}; the log of the app says why.`;
    return { check: { ok: message === null, message }, expiries };
  },
  late: () => ({
    check: { ok: false, message: `Azure Resource Manager did not answer within ${CHECK_MS / 1_000} s.` },
    expiries: [],
  }),
});

/** By its code alone: the words of ARM hold names. */
function sayArmFault(error: unknown): string {
  if (!(error instanceof ControlPlaneError)) return 'Azure Resource Manager could not be asked';
  if (error.code === 'NoCredential') return 'There is no identity to ask Azure Resource Manager with';
  if (error.status === 401 || error.status === 403)
    return `Azure Resource Manager refuses the identity of this app (${error.status})`;
  return `Azure Resource Manager does not list endpoints (${error.status ?? 'no answer'})`;
}

interface TimerView extends Check {
  readonly timer: TimerName;
  readonly lastAt: string | null;
  readonly ageSeconds: number | null;
}

function viewTimer(services: Services, timer: TimerName, beats: readonly Beat[] | null): TimerView {
  if (beats === null) return { timer, lastAt: null, ageSeconds: null, ...FINE };
  const nowMs = services.now();
  const beat = beats.find((one) => one.timer === timer);
  if (beat === undefined) {
    const isDue = performance.now() > LEAST_LATE_MS;
    const message = isDue ? `The timer "${timer}" has never come.` : null;
    return { timer, lastAt: null, ageSeconds: null, ok: !isDue, message };
  }
  const ageMs = Math.max(0, nowMs - beat.atMs);
  const periodMs = beat.previousAtMs === null ? 0 : beat.atMs - beat.previousAtMs;
  const message =
    ageMs > Math.max(LEAST_LATE_MS, 3 * periodMs)
      ? `The timer "${timer}" has not come for ${Math.round(ageMs / 60_000)} minutes.`
      : beat.troubles > 0
        ? `The last pass of the timer "${timer}" met ${beat.troubles} ${beat.troubles === 1 ? 'trouble' : 'troubles'}; the log of the app says which.`
        : null;
  return {
    timer,
    lastAt: isoTime(beat.atMs),
    ageSeconds: Math.round(ageMs / 1_000),
    ok: message === null,
    message,
  };
}

/**
 * The watchdog shares nothing with this app, so its last word cannot be read here; its log has it. What it leaves
 * undone can be seen: an endpoint that is long past its end.
 */
function judgeOverdue(services: Services, expiries: readonly number[]): Check {
  const overdue = expiries.filter((atMs) => services.now() - atMs > OVERDUE_MS).length;
  if (overdue === 0) return FINE;
  const what = overdue === 1 ? 'An endpoint is' : `${overdue} endpoints are`;
  return {
    ok: false,
    message: `${what} alive and billed more than ${OVERDUE_MS / 60_000} minutes past the end of the lease: neither the reaper nor the watchdog has deleted what it should; GET /api/endpoints names it.`,
  };
}

interface Question<Found> {
  readonly ask: (services: Services) => Promise<Found>;
  /** What is told while there is no answer yet. */
  readonly late: () => Found;
}

interface Asked<Found> {
  readonly found: Promise<Found>;
  readonly askedMs: number;
  /** Whether there is an answer; each call of tables and ARM has a bound of its own, so one comes. */
  isAnswered: boolean;
}

/** Asks once at a time, keeps the answer for so long, and never makes anybody wait longer than CHECK_MS. */
function remember<Found>(freshMs: number, { ask, late }: Question<Found>) {
  const known = new WeakMap<Services, Asked<Found>>();
  const askAnew = (services: Services): Asked<Found> => {
    const found = ask(services).finally(() => {
      asked.isAnswered = true;
    });
    const asked: Asked<Found> = { found, askedMs: performance.now(), isAnswered: false };
    known.set(services, asked);
    return asked;
  };
  return async (services: Services): Promise<Found> => {
    const before = known.get(services);
    const isStale =
      before === undefined || (before.isAnswered && performance.now() - before.askedMs >= freshMs);
    const { found } = isStale ? askAnew(services) : before;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<Found>((resolve) => {
      timer = setTimeout(() => resolve(late()), CHECK_MS);
    });
    return Promise.race([found, tooLate]).finally(() => clearTimeout(timer));
  };
}
