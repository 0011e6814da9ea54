/** What must hold whatever happened, held against the simulator's own books and the rows as they are. */
import { isDeepStrictEqual } from 'node:util';
import { AzureNamedKeyCredential, TableClient } from '@azure/data-tables';
import { decodeColumns } from '../../src/azure/tables/columns.ts';
import { findSku } from '../../src/core/renting/sku.ts';
import { buildReport, type Report } from '../../src/core/report/report.ts';
import type { RunRecord } from '../../src/core/run.ts';
import { isCalm } from './scenario.ts';
import { type BookedEndpoint, FOREIGN, type World } from './world.ts';

/** Between a PUT and our stamp before it, and between a 404 and our look at it, on a busy machine. */
const BILLING_SLACK_SECONDS = 2;
const TABLES = ['runs', 'cells', 'shards', 'reports', 'leases', 'keys', 'ledger'];

/** Endpoints of this installation that the books show as alive. */
export async function endpointsAlive(world: World): Promise<readonly BookedEndpoint[]> {
  return (await ownEndpoints(world)).filter(({ deletedAt }) => deletedAt === null);
}

/** Everything that the books have of this installation, gone or not. */
export async function ownEndpoints(world: World): Promise<readonly BookedEndpoint[]> {
  const foreign = FOREIGN.map(({ name }): string => name);
  return (await world.books()).filter(({ name }) => !foreign.includes(name));
}

/** When a run is over: what it made is gone, or kept on purpose, or told as a leak, and in no case forgotten. */
export async function checkEndpoints(world: World, run: RunRecord | null): Promise<readonly string[]> {
  if (run === null) return ['The run has no row.'];
  const alive = await endpointsAlive(world);
  const open = new Set((await world.stores.leases.listOpen()).map(({ endpoint }) => endpoint));
  const violations: string[] = [];
  for (const { name } of alive) {
    // An endpoint that a late duplicate made is found by its tags; one of the run itself has its lease.
    const isOfRun = run.endpoint?.name === name || (run.tried ?? []).some((tried) => tried.endpoint === name);
    if (isOfRun && !open.has(name)) violations.push(`${name} is alive and no open lease covers it.`);
    const isKept = (run.endpoint?.keptUntilMs ?? null) !== null;
    if (isOfRun && !isKept && run.state !== 'failed')
      violations.push(`The run is ${run.state} while its endpoint ${name} is alive.`);
  }
  return violations;
}

/** At the very end of a world. */
export async function checkEnd(world: World, run: RunRecord | null): Promise<readonly string[]> {
  const violations = [
    ...(await checkForeign(world)),
    ...(await checkSecrets(world)),
    ...(run === null ? [] : await checkReport(world, run)),
    ...(run === null ? [] : await checkCost(world, run)),
    ...(await checkStarted(world)),
  ];
  // On a machine that is too busy for two shards to begin together, a cell is given up, and its row says so.
  const cells = run === null ? [] : await world.stores.cells.list(run.id);
  if (isCalm(world.scenario) && cells.every(({ notMeasuredReason }) => notMeasuredReason === null)) {
    if (run?.state !== 'completed') violations.push(`Nothing was to go wrong, and the run is ${run?.state}.`);
    else if (run.progress.cellsDone !== run.plan.cellsPlanned)
      violations.push(`${run.progress.cellsDone} of ${run.plan.cellsPlanned} cells were measured.`);
  }
  return violations;
}

async function checkForeign(world: World): Promise<readonly string[]> {
  const gone = (await world.books()).filter(
    ({ name, deletedAt }) => deletedAt !== null && FOREIGN.some((foreign) => foreign.name === name),
  );
  return gone.map(({ name }) => `${name} is not ours and was deleted.`);
}

/** A key twice is one run. */
async function checkStarted(world: World): Promise<readonly string[]> {
  const { runs } = await world.stores.runs.list({ limit: 10 });
  return runs.length > 1 ? [`One idempotency key has started ${runs.length} runs.`] : [];
}

async function checkReport(world: World, run: RunRecord): Promise<readonly string[]> {
  const stored = await world.stores.reports.read(run.id);
  if (stored === null) return run.state === 'completed' ? ['The run is completed and has no report.'] : [];
  const cells = await world.stores.cells.list(run.id);
  const rebuilt = JSON.parse(JSON.stringify(buildReport(run, cells))) as Report;
  const violations: string[] = [];
  for (const field of Object.keys(rebuilt) as (keyof Report)[]) {
    if (!isDeepStrictEqual(stored[field], rebuilt[field]))
      violations.push(
        `The stored report's ${field} is ${JSON.stringify(stored[field]).slice(0, 200)}, and its rows say ${JSON.stringify(rebuilt[field]).slice(0, 200)}.`,
      );
  }
  const measured = stored.rows.reduce((sum, row) => sum + row.repeats, 0);
  const keys = new Set(cells.map(({ cellKey }) => cellKey));
  if (keys.size !== cells.length) violations.push('A cell stands in two rows.');
  if (measured > cells.length)
    violations.push(`The report has ${measured} repeats and there are ${cells.length} rows.`);
  return violations;
}

/** Seconds of rented instances as the books have them, and as the run was billed for them. */
async function checkCost(world: World, run: RunRecord): Promise<readonly string[]> {
  const nowMs = world.clock.now();
  const booked = (await ownEndpoints(world)).reduce((sum, { sku, gpuSeconds }) => {
    const gpus = sku === null ? undefined : findSku(sku)?.gpus;
    return sum + (gpus === undefined ? 0 : gpuSeconds / gpus);
  }, 0);
  const { billing } = run;
  const billed = [...(billing.earlier ?? []), billing].reduce(
    (sum, { fromMs, untilMs, instances }) =>
      fromMs === null ? sum : sum + (((untilMs ?? nowMs) - fromMs) / 1_000) * instances,
    0,
  );
  if (billed + BILLING_SLACK_SECONDS >= booked) return [];
  return [
    `The books have ${booked.toFixed(1)} seconds of rented instances, and the run was billed for ${billed.toFixed(1)}.`,
  ];
}

/** No key or token in a row, the durable history or a line of the log. */
async function checkSecrets(world: World): Promise<readonly string[]> {
  const places: (readonly [string, string])[] = [
    ['the durable history', world.host?.dump() ?? ''],
    ['the log', world.log.join('\n')],
  ];
  for (const table of TABLES) places.push([`the table ${table}`, await dumpTable(world, table)]);
  const secrets = [...world.secrets, world.tables.direct.account?.key ?? 'no key'];
  return places.flatMap(([place, text]) =>
    secrets.some((secret) => text.includes(secret)) ? [`A secret stands in ${place}.`] : [],
  );
}

async function dumpTable(world: World, name: string): Promise<string> {
  const { endpoint, account } = world.tables.direct;
  if (account === null) throw new Error('A local table server has an account.');
  const client = new TableClient(endpoint, name, new AzureNamedKeyCredential(account.name, account.key), {
    allowInsecureConnection: true,
  });
  const rows: unknown[] = [];
  try {
    for await (const row of client.listEntities<Record<string, unknown>>())
      rows.push([row.partitionKey, row.rowKey, decodeColumns(row)]);
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode !== 404) throw error;
  }
  return JSON.stringify(rows);
}
