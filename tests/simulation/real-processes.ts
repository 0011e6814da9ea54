/**
 * A seed on real processes: a host that is killed with SIGKILL and started again while the cloud goes on. Faults, kills
 * and the user's cancel are keyed by calls and by states of the run, never by time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Installation, openInstallation, type RunJson, smallSpec } from '../support/installation.ts';
import { type ArmFault, Draw } from './scenario.ts';

export interface PlayedProcesses {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly outcome: string;
}

const STATES = ['provisioning', 'warming', 'measuring', 'releasing'] as const;
/** In real seconds; a small run takes about twenty, with its kills a minute. */
const RUN_SECONDS = 180;
/** A reaper that comes every five seconds, and a deletion. */
const GONE_SECONDS = 60;
const FAULTS: readonly ArmFault[] = [
  { operation: 'PUT deployment', nth: 1, fault: 'arm-503' },
  { operation: 'PUT endpoint', nth: 1, fault: 'arm-lost' },
  { operation: 'DELETE endpoint', nth: 1, fault: 'delete-busy' },
  { operation: 'DELETE endpoint', nth: 1, fault: 'delete-slow.5' },
  { operation: 'GET endpoint', nth: 3, fault: 'arm-500' },
  { operation: 'PUT deployment', nth: 1, fault: 'deploy-containercrash' },
  { operation: 'score', nth: 9, fault: 'score-reset-2' },
  { operation: 'score', nth: '12+', fault: 'score-502' },
];

export async function playProcesses(seed: number): Promise<PlayedProcesses> {
  try {
    const settings = { REAP_SCHEDULE: '*/5 * * * * *', SIMULATOR_SEED: String(seed) };
    const installation = await openInstallation(settings);
    try {
      return await playOn(installation, seed);
    } finally {
      await installation.close();
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { seed, violations: [message], outcome: 'broken' };
  }
}

async function playOn(installation: Installation, seed: number): Promise<PlayedProcesses> {
  const draw = new Draw(seed);
  const violations: string[] = [];
  const faults = [draw.pick('fault', FAULTS), draw.pick('other fault', FAULTS)];
  await fetch(`${installation.simulatorUrl}/simulator/faults`, {
    method: 'PUT',
    body: JSON.stringify(faults),
  });
  const spec = smallSpec({ measure: { mode: 'burst', repeats: 1 } });
  const key = { 'idempotency-key': `seed-${seed}` };
  const { id } = (await installation.post('/api/runs', spec, key)).json;
  const kills = new Set([draw.pick('kill', STATES), draw.pick('other kill', STATES)]);
  for (const state of STATES.filter((one) => kills.has(one))) {
    const { run } = await installation.watch(id, (one) => hasReached(one, state), RUN_SECONDS);
    if (isOver(run)) break;
    if (draw.chance(`cancel ${state}`, 0.2)) await installation.post(`/api/runs/${id}/cancel`, {});
    await installation.killHost();
    await delay(draw.whole(`down ${state}`, 0, 2_000));
    await installation.startHost();
    const again = (await installation.post('/api/runs', spec, key)).json;
    if (again.id !== id) violations.push(`The same idempotency key started ${id} and then ${again.id}.`);
  }
  const { run } = await installation.watch(id, isOver, RUN_SECONDS);
  violations.push(...(await checkProcesses(installation, run)));
  const why = run.failure === null ? '' : ` (${run.failure.code})`;
  return { seed, violations, outcome: `${run.state}${why}` };
}

async function checkProcesses(installation: Installation, run: RunJson): Promise<string[]> {
  const violations: string[] = [];
  if (run.state !== 'failed' && (await alive(installation)).length > 0)
    violations.push(`The run is ${run.state} while an endpoint is alive.`);
  for (let seconds = 0; (await alive(installation)).length > 0; seconds += 1) {
    if (seconds >= GONE_SECONDS) {
      violations.push(`Still alive after ${GONE_SECONDS} s: ${(await alive(installation)).join(', ')}.`);
      break;
    }
    await delay(1_000);
  }
  const { rows } = (await installation.get(`/api/runs/${run.id}/results`)).json;
  const cells = rows.map(({ cellId }: { cellId: string }) => cellId);
  if (new Set(cells).size !== cells.length)
    violations.push(`A cell stands in two rows: ${cells.join(', ')}.`);
  return violations;
}

async function alive(installation: Installation): Promise<readonly string[]> {
  const { endpoints } = await installation.books();
  return endpoints.filter(({ deletedAt }) => deletedAt === null).map(({ name }) => name);
}

function hasReached(run: RunJson, state: (typeof STATES)[number]): boolean {
  return isOver(run) || STATES.indexOf(run.state) >= STATES.indexOf(state);
}

function isOver(run: RunJson): boolean {
  return ['completed', 'failed', 'canceled'].includes(run.state);
}
