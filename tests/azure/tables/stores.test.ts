import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect, isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStores } from '../../../src/azure/tables/stores.ts';
import type { TablesAddress } from '../../../src/config.ts';
import type { Lease } from '../../../src/core/renting/lease.ts';
import type { CellRecord, Report } from '../../../src/core/report/report.ts';
import type { RunRecord } from '../../../src/core/run.ts';
import { InvalidContinuation, type ShardRow, type Stores } from '../../../src/services.ts';
import { AZURITE_ACCOUNT, type Azurite, openAzuriteTable, startAzurite } from '../../support/azurite.ts';

const noCredential = { getToken: async () => null };
let azurite: Azurite;
let stores: Stores;
let names = 0;

beforeAll(async () => {
  azurite = await startAzurite();
  stores = createStores(azurite.address, noCredential);
});
afterAll(() => azurite.close());

describe('runs', () => {
  it('inserts a run once, also when twenty try at the same moment', async () => {
    const run = aRun();
    const results = await Promise.all(Array.from({ length: 20 }, () => stores.runs.insert(run)));
    expect(results.filter((result) => result === 'inserted')).toHaveLength(1);
    expect(await stores.runs.read(run.id)).toEqual(run);
  });

  it('reads null for an id that is not there or cannot be a key', async () => {
    for (const id of [
      'r1',
      '',
      'a/b',
      'a\\b',
      'a#b',
      'a?b',
      '100%',
      '%2F',
      "it's",
      "''",
      ' ',
      '\t',
      '😀',
      '\ud83d',
      '..',
      'x'.repeat(600),
    ]) {
      expect(await stores.runs.read(id), JSON.stringify(id)).toBeNull();
    }
  });

  it('refuses to insert under a key that Table Storage does not allow', async () => {
    await expect(stores.runs.insert({ ...aRun(), id: 'a/b' })).rejects.toThrow(
      /"a\/b" cannot be a key of the table runs/,
    );
  });

  it('loses no change of two writers at the same time', async () => {
    const run = aRun();
    await stores.runs.insert(run);
    const count = async () => {
      for (let n = 0; n < 20; n += 1) {
        await stores.runs.change(run.id, (now) => ({
          progress: { ...now.progress, cellsDone: now.progress.cellsDone + 1 },
        }));
      }
    };
    await Promise.all([count(), count()]);
    expect((await stores.runs.read(run.id))?.progress.cellsDone).toBe(40);
  });

  it('leaves a run alone when the change gives null, and gives it as it is', async () => {
    const run = aRun();
    await stores.runs.insert(run);
    expect(await stores.runs.change(run.id, () => null)).toEqual(run);
    expect(await stores.runs.change(run.id, () => ({ state: 'releasing' }))).toEqual({
      ...run,
      state: 'releasing',
    });
    await expect(stores.runs.change(run.id, () => ({ id: 'other' }))).rejects.toThrow('must not move');
    await expect(stores.runs.change('r0', () => ({}))).rejects.toThrow(
      'There is no row run/r0 of the table runs',
    );
  });

  it('lists newest first, page by page, each run once', async () => {
    const model = uniqueName('listed');
    const runs = Array.from({ length: 7 }, () => aRun({ model }));
    for (const run of [...runs].sort(() => Math.random() - 0.5)) await stores.runs.insert(run);
    const seen: string[] = [];
    let continuation: string | null = null;
    for (let page = 0; page < 10; page += 1) {
      const list = await stores.runs.list({
        model,
        limit: 3,
        ...(continuation !== null && { continuation }),
      });
      expect(list.runs.length).toBeLessThanOrEqual(3);
      seen.push(...list.runs.map((run) => run.id));
      continuation = list.continuation;
      if (continuation === null) break;
    }
    expect(continuation).toBeNull();
    expect(seen).toEqual(runs.map((run) => run.id).sort());
  });

  it('filters by state, model and SKU, and by a state that has changed since', async () => {
    const model = uniqueName('filtered');
    const queued = aRun({ model });
    const other = aRun({ model, sku: 'Standard_NC40ads_H100_v5' });
    await stores.runs.insert(queued);
    await stores.runs.insert(other);
    await stores.runs.change(other.id, () => ({ state: 'failed' }));
    const ids = async (filter: object) =>
      (await stores.runs.list({ model, limit: 10, ...filter })).runs.map((run) => run.id);
    expect(await ids({ state: 'queued' })).toEqual([queued.id]);
    expect(await ids({ state: 'failed' })).toEqual([other.id]);
    expect(await ids({ sku: 'Standard_NC40ads_H100_v5' })).toEqual([other.id]);
    expect(await ids({ state: 'failed', sku: 'Standard_NC24ads_A100_v4' })).toEqual([]);
  });

  it('takes a quote in a filter literally', async () => {
    const run = aRun({ model: "O'Neil" });
    await stores.runs.insert(run);
    for (const model of ["x' or 'a' eq 'a", "' or PartitionKey eq 'run", "''", '']) {
      expect((await stores.runs.list({ model, limit: 10 })).runs, model).toEqual([]);
      expect((await stores.runs.list({ sku: model, limit: 10 })).runs, model).toEqual([]);
    }
    expect((await stores.runs.list({ model: "O'Neil", limit: 10 })).runs).toEqual([run]);
  });

  it.each(['x', '', 'eyJ9', "a' or 'a'", Buffer.from('{"nextPartitionKey":1}').toString('base64')])(
    'refuses the continuation %j',
    async (continuation) => {
      await expect(stores.runs.list({ limit: 2, continuation })).rejects.toBeInstanceOf(InvalidContinuation);
    },
  );

  it('keeps a record far longer than one property', async () => {
    const run = aRun({
      environment: Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`V${n}`, 'é😀漢'.repeat(300)])),
    });
    await stores.runs.insert(run);
    expect(isDeepStrictEqual(await stores.runs.read(run.id), run)).toBe(true);
  });

  it('names table and key of a damaged row', async () => {
    const run = aRun();
    await stores.runs.insert(run);
    const client = rawClient('runs');
    await client.updateEntity({ partitionKey: 'run', rowKey: run.id, record_1: '{"id":' }, 'Merge');
    await expect(stores.runs.read(run.id)).rejects.toThrow(
      `The row run/${run.id} of the table runs is damaged`,
    );
    await client.updateEntity(
      { partitionKey: 'run', rowKey: run.id, record_1: JSON.stringify(aRun()) },
      'Merge',
    );
    await expect(stores.runs.read(run.id)).rejects.toThrow('it holds another record');
    await client.deleteEntity('run', run.id);
  });
});

describe('cells, shards, reports', () => {
  it('leaves one row of a cell saved twice, and lists cells in order', async () => {
    const runId = aRun().id;
    for (const key of [
      'w001-c0002-r01',
      'w000-c0016-r02',
      'w000-c0016-r01',
      'w000-c0004-r01',
      'w000-c0016-r01',
    ]) {
      await stores.cells.save(aCell(runId, key));
    }
    await stores.cells.save(aCell(aRun().id, 'w000-c0001-r01'));
    const cells = await stores.cells.list(runId);
    expect(cells.map((cell) => cell.cellKey)).toEqual([
      'w000-c0004-r01',
      'w000-c0016-r01',
      'w000-c0016-r02',
      'w001-c0002-r01',
    ]);
    expect(await stores.cells.list('r-none')).toEqual([]);
  });

  it('a shorter record replaces a longer one as a whole', async () => {
    const runId = aRun().id;
    await stores.cells.save({ ...aCell(runId, 'w000-c0001-r01'), notMeasuredReason: 'x'.repeat(100_000) });
    await stores.cells.save(aCell(runId, 'w000-c0001-r01'));
    expect(await stores.cells.list(runId)).toEqual([aCell(runId, 'w000-c0001-r01')]);
    const row = await rawClient('cells').getEntity(runId, 'w000-c0001-r01');
    expect(Object.keys(row).filter((name) => /^record_\d/.test(name))).toEqual(['record_1']);
  });

  it('lists the shards of one attempt only', async () => {
    const group = { runId: aRun().id, cellKey: 'w000-c0016-r01', attempt: 1 };
    for (const shard of [1, 0, 10]) await stores.shards.save(aShard({ ...group, shard }));
    await stores.shards.save(aShard({ ...group, shard: 1, status: 'measured' }));
    for (const other of [
      { attempt: 2 },
      { attempt: 11 },
      { cellKey: 'w000-c0016-r02' },
      { cellKey: 'w000-c0016-r0' },
      { runId: aRun().id },
    ]) {
      await stores.shards.save(aShard({ ...group, shard: 0, ...other }));
    }
    const rows = await stores.shards.list(group);
    expect(rows.map((row) => [row.shard, row.status])).toEqual([
      [0, 'arrived'],
      [1, 'measured'],
      [10, 'arrived'],
    ]);
    expect(await stores.shards.list({ ...group, attempt: 3 })).toEqual([]);
  });

  it('keeps the row of a shard that was measured, whoever saves it again', async () => {
    const row = aShard({ runId: aRun().id, cellKey: 'w000-c0016-r01', attempt: 1, shard: 0 });
    expect(await stores.shards.save(row)).toEqual(row);
    expect(await stores.shards.save({ ...row, status: 'late' })).toMatchObject({ status: 'late' });
    const measured = { ...row, satisfiedAtMs: 7, status: 'measured' } as const;
    expect(await stores.shards.save(measured)).toEqual(measured);
    for (const status of ['arrived', 'late', 'canceled', 'measured'] as const)
      expect(await stores.shards.save({ ...row, arrivedAtMs: 9, status })).toEqual(measured);
    expect(await stores.shards.list(row)).toEqual([measured]);
  });

  it('keeps a report of a thousand rows', async () => {
    const report = aReport(aRun().id, 1_000);
    expect(JSON.stringify(report).length).toBeGreaterThan(1_500_000);
    await stores.reports.save(report);
    await stores.reports.save(report);
    expect(isDeepStrictEqual(await stores.reports.read(report.runId), report)).toBe(true);
    expect(await stores.reports.read('r-none')).toBeNull();
  });
});

describe('leases', () => {
  it('opens a lease once and lists it until it is closed', async () => {
    const lease = aLease();
    expect(await stores.leases.open(lease)).toBe('opened');
    expect(await stores.leases.open({ ...lease, runId: 'another' })).toBe('exists');
    expect(await stores.leases.read(lease.endpoint)).toEqual(lease);
    expect(await openNames()).toContain(lease.endpoint);
    await stores.leases.change(lease.endpoint, () => ({ heartbeatAtMs: 9, releaseError: 'busy' }));
    expect(await openNames()).toContain(lease.endpoint);
    await stores.leases.change(lease.endpoint, () => ({ closedAtMs: 10, releaseError: null }));
    expect(await openNames()).not.toContain(lease.endpoint);
    expect((await stores.leases.read(lease.endpoint))?.closedAtMs).toBe(10);
  });

  const openNames = async () => (await stores.leases.listOpen()).map((lease) => lease.endpoint);
});

describe('idempotency keys', () => {
  it('has one winner of twenty claims at the same moment, and everybody is told who', async () => {
    const hash = uniqueName('hash');
    const claims = Array.from({ length: 20 }, (_, n) => ({ runId: `run-${n}`, bodyHash: `body-${n}` }));
    const standing = await Promise.all(claims.map((claim) => stores.keys.claim(hash, claim)));
    expect(new Set(standing.map((claim) => JSON.stringify(claim))).size).toBe(1);
    expect(claims).toContainEqual(standing[0]);
    expect(await stores.keys.claim(hash, { runId: 'late', bodyHash: 'late' })).toEqual(standing[0]);
  });
});

describe('behind a table service that fails', () => {
  it('gives up a change after a bounded number of conflicts', async () => {
    const run = aRun();
    await stores.runs.insert(run);
    let writes = 0;
    await withRelay(
      (method, answer) => {
        if (method !== 'PUT') return 'pass';
        writes += 1;
        answerError(answer, 412, 'UpdateConditionNotSatisfied');
        return 'answered';
      },
      async (relayed) => {
        await expect(relayed.runs.change(run.id, () => ({ state: 'failed' }))).rejects.toThrow(
          /other writers were faster 10 times/,
        );
      },
    );
    expect(writes).toBe(10);
    expect(await stores.runs.read(run.id)).toEqual(run);
  });

  it('knows its own insert and its own change when the answer was lost and the request sent again', async () => {
    const run = aRun();
    const lost: string[] = [];
    await withRelay(
      (method, _answer, path) => {
        if (!path.includes('/runs') || !['POST', 'PUT'].includes(method) || lost.includes(method))
          return 'pass';
        lost.push(method);
        return 'lose the answer';
      },
      async (relayed) => {
        expect(await relayed.runs.insert(run)).toBe('inserted');
        await relayed.runs.change(run.id, (now) => ({
          progress: { ...now.progress, cellsDone: now.progress.cellsDone + 1 },
        }));
      },
    );
    expect(lost).toEqual(['POST', 'PUT']);
    expect((await stores.runs.read(run.id))?.progress.cellsDone).toBe(1);
  });

  it('goes on after an empty page, and keeps to the limit', async () => {
    const model = uniqueName('paged');
    const runs = Array.from({ length: 4 }, () => aRun({ model }));
    for (const run of runs) await stores.runs.insert(run);
    let pages = 0;
    await withRelay(
      (method, answer) => {
        if (method !== 'GET') return 'pass';
        pages += 1;
        if (pages > 1) return 'pass';
        answer.writeHead(200, {
          'content-type': 'application/json',
          'x-ms-continuation-nextpartitionkey': 'cnVu',
          'x-ms-continuation-nextrowkey': Buffer.from(runs[0]?.id ?? '').toString('base64'),
        });
        answer.end('{"value":[]}');
        return 'answered';
      },
      async (relayed) => {
        const list = await relayed.runs.list({ model, limit: 3 });
        expect(list.runs).toEqual(runs.slice(0, 3));
        expect(list.continuation).not.toBeNull();
      },
    );
    expect(pages).toBe(2);
  });

  it('creates a table again that the service has lost', async () => {
    const own = await startAzurite();
    try {
      const fresh = createStores(own.address, noCredential);
      await fresh.leases.open(aLease());
      await rawClient('leases', own).deleteTable();
      expect(await fresh.leases.listOpen()).toEqual([]);
      const lease = aLease();
      expect(await fresh.leases.open(lease)).toBe('opened');
      expect(await fresh.leases.listOpen()).toEqual([lease]);
    } finally {
      await own.close();
    }
  });

  it('says what it tried and why it failed, without the account key', async () => {
    const address: TablesAddress = {
      endpoint: azurite.address.endpoint,
      account: { ...AZURITE_ACCOUNT, key: 'd3Jvbmcta2V5LXNlY3JldA==' },
    };
    const error = await createStores(address, noCredential)
      .runs.read('r1')
      .catch((caught: unknown) => caught);
    expect(String(error)).toContain('Could not read run/r1 of the table runs');
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('d3Jvbmcta2V5LXNlY3JldA');
  });
});

function uniqueName(word: string): string {
  names += 1;
  return `${word}-${names}`;
}

type Relay = (
  method: string,
  answer: ServerResponse,
  path: string,
) => 'pass' | 'answered' | 'lose the answer';

/** Stores that reach Azurite through a relay that may answer itself, or let a request through and lose its answer. */
async function withRelay(relay: Relay, use: (stores: Stores) => Promise<void>): Promise<void> {
  const server = createServer((incoming, answer) => {
    const verdict = relay(incoming.method ?? '', answer, incoming.url ?? '');
    if (verdict === 'answered') return;
    const target = new URL(incoming.url ?? '/', azurite.origin);
    const outgoing = request(target, { method: incoming.method, headers: incoming.headers }, (response) => {
      if (verdict === 'lose the answer') {
        response.resume();
        response.on('end', () => answerError(answer, 503, 'ServerBusy'));
        return;
      }
      answer.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(answer);
    });
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await use(
      createStores(
        { ...azurite.address, endpoint: `http://127.0.0.1:${port}/${AZURITE_ACCOUNT.name}` },
        noCredential,
      ),
    );
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function answerError(answer: ServerResponse, status: number, code: string): void {
  answer.writeHead(status, { 'content-type': 'application/json', 'retry-after': '0' });
  answer.end(JSON.stringify({ 'odata.error': { code, message: { lang: 'en', value: code } } }));
}

const rawClient = (table: string, { origin } = azurite) => openAzuriteTable(origin, table);

function aRun(
  options: { model?: string; sku?: string; environment?: Record<string, string> } = {},
): RunRecord {
  names += 1;
  return {
    id: `r${String(names).padStart(15, '0')}-0000abcd`,
    createdAtMs: 1_000,
    state: 'queued',
    spec: {
      model: { registry: 'AzureML', name: options.model ?? 'Phi-4', version: '7' },
      target: {
        kind: 'managed',
        sku: options.sku ?? 'Standard_NC24ads_A100_v4',
        environmentVariables: options.environment ?? {},
      },
    } as unknown as RunRecord['spec'],
    plan: { cellsPlanned: 3 } as unknown as RunRecord['plan'],
    cancelRequestedAtMs: null,
    startedAtMs: null,
    endedAtMs: null,
    endpoint: null,
    warmUp: null,
    progress: { cellsDone: 0, cellsPlanned: 3, current: null, etaSeconds: null, measuringFromMs: null },
    billing: { pricePerHourUsd: null, priceReason: 'none', instances: 1, fromMs: null, untilMs: null },
    failure: null,
    stoppedBy: null,
  };
}

function aCell(runId: string, cellKey: string): CellRecord {
  return { runId, cellKey, cellId: 'c1-p1-o1', notMeasuredReason: null } as unknown as CellRecord;
}

function aShard(
  row: Partial<ShardRow> & Pick<ShardRow, 'runId' | 'cellKey' | 'attempt' | 'shard'>,
): ShardRow {
  return { shards: 2, arrivedAtMs: 5, satisfiedAtMs: null, status: 'arrived', summary: null, ...row };
}

function aReport(runId: string, rows: number): Report {
  const row = (n: number) => ({
    cellId: `c${n}`,
    values: Array.from({ length: 80 }, (_, value) => Math.sin(n * 80 + value)),
  });
  return { runId, rows: Array.from({ length: rows }, (_, n) => row(n)) } as unknown as Report;
}

function aLease(): Lease {
  names += 1;
  return {
    endpoint: `fb-${names}-a1`,
    workspace: 'default',
    runId: 'r1',
    owner: 'test',
    attempt: 1,
    createdAtMs: 1,
    expiresAtMs: 2,
    heartbeatAtMs: 1,
    closedAtMs: null,
    sku: 'Standard_NC24ads_A100_v4',
    instances: 1,
    pricePerHourUsd: 3.67,
    releaseError: null,
  };
}
