/** Runs the rows of a plan: the truth server and one client at a time, repeats interleaved, medians of each figure. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { runClient, startTruth, type TruthProcess, watchCore } from './child.ts';
import { type ClientName, type ClientResult, MEASURED_ID_PREFIX } from './client-order.ts';
import type { CoreJitter } from './core-jitter.ts';
import { compareToTruth, eventRate, medianOf, memoryGrowth, requestRate, startSpreadMs } from './figures.ts';
import { type BenchPlan, type Row, requestsOf } from './rows.ts';
import { writeSchedulePath } from './schedule.ts';
import type { TruthOrder, TruthRecord } from './truth-server.ts';

const SERVER_CORE = 0;
const CLIENT_CORE = Math.min(1, availableParallelism() - 1);
/** Half of the time of the process's main thread: orchestrations, tables and HTTP of a run at work. */
const BUSY_SHARE = 0.5;

/** What one client measured in a row: each figure as the median of the repeats. */
export interface RowResult {
  readonly client: ClientName;
  readonly succeeded: number;
  readonly failed: number;
  readonly figures: Readonly<Record<string, number>>;
}

export interface MeasuredRow {
  readonly row: Row;
  readonly results: readonly RowResult[];
}

/** A row over TLS is left out, and told by `onSkip`, where there is no openssl to make a certificate with. */
export async function measurePlan(
  plan: BenchPlan,
  onRow: (row: Row) => void,
  onSkip: (row: Row, why: string) => void,
): Promise<MeasuredRow[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'foundry-bench-'));
  const measured: MeasuredRow[] = [];
  try {
    const tls = makeCertificate(folder);
    for (const row of plan.rows) {
      if (row.tls && tls === null) {
        onSkip(row, 'openssl is not installed, and Node cannot make a certificate.');
        continue;
      }
      onRow(row);
      measured.push({ row, results: await measureRow(row, plan.repeats, tls) });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return measured;
}

/** What other work takes from the client's core while the server's is as busy as in a row. */
export async function watchClientCore(forMs: number): Promise<CoreJitter> {
  const [client] = await Promise.all([watchCore(CLIENT_CORE, forMs), watchCore(SERVER_CORE, forMs)]);
  return client;
}

async function measureRow(row: Row, repeats: number, tls: TruthOrder['tls']): Promise<RowResult[]> {
  const runs = new Map<ClientName, { result: ClientResult; figures: Record<string, number> }[]>();
  // On a core that it shares, a server that spins would take the client's time.
  const truth = await startTruth({ spin: row.place !== 'one-core', tls: row.tls ? tls : null }, SERVER_CORE);
  try {
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      for (const client of row.clients) {
        const list = runs.get(client) ?? [];
        runs.set(client, list);
        list.push(await measureOnce(row, client, truth, tls?.certificateFile ?? null));
      }
    }
  } finally {
    await truth.end();
  }
  return row.clients.map((client) => {
    const list = runs.get(client) ?? [];
    const names = Object.keys(list[0]?.figures ?? {});
    return {
      client,
      succeeded: list.reduce((sum, { result }) => sum + result.succeeded, 0),
      failed: list.reduce((sum, { result }) => sum + result.failed, 0),
      figures: Object.fromEntries(
        names.map((name) => [name, medianOf(list.map(({ figures }) => figures[name] ?? Number.NaN))]),
      ),
    };
  });
}

async function measureOnce(
  row: Row,
  client: ClientName,
  truth: TruthProcess,
  certificateFile: string | null,
): Promise<{ result: ClientResult; figures: Record<string, number> }> {
  const origin = row.tls ? (truth.tlsOrigin ?? '') : truth.origin;
  const result = await runClient(
    {
      client,
      url: origin + writeSchedulePath(row.schedule),
      connections: row.connections,
      warmUpRequests: row.warmUpRequests,
      requests: requestsOf(row, client),
      tokens: row.schedule.kind === 'plain' ? 0 : row.schedule.tokens,
      burst: row.kind === 'burst',
      stamps: row.kind === 'latency',
      memoryOf: row.kind === 'memory' ? [row.requests / 10] : [],
      hostBusyShare: row.place === 'own' ? 0 : BUSY_SHARE,
    },
    row.place === 'one-core' ? SERVER_CORE : CLIENT_CORE,
    row.tls ? certificateFile : null,
  );
  const { records, busyShare } = await truth.take();
  const measured = records.filter((record) => record.id.startsWith(MEASURED_ID_PREFIX));
  return { result, figures: { ...figuresOf(row, result, measured), serverBusyShare: busyShare } };
}

function figuresOf(row: Row, result: ClientResult, records: readonly TruthRecord[]): Record<string, number> {
  switch (row.kind) {
    case 'latency':
      return {
        ...compareToTruth(
          result.stamps,
          records,
          row.schedule.kind === 'stream' ? row.schedule.tokensPerWrite : 1,
        ),
      };
    case 'requests':
      return { ...requestRate(result, records), peakRssBytes: result.peakRssBytes };
    case 'events':
      return { ...eventRate(result), peakRssBytes: result.peakRssBytes };
    case 'memory':
      return { ...memoryGrowth(result.memory) };
    case 'burst':
      return { startSpreadMs: startSpreadMs(records) };
  }
}

/** A certificate for 127.0.0.1 that lives as long as the bench; null without openssl. */
function makeCertificate(folder: string): TruthOrder['tls'] {
  const [keyFile, certificateFile] = [path.join(folder, 'key.pem'), path.join(folder, 'certificate.pem')];
  const args =
    '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1';
  const made = spawnSync('openssl', ['req', ...args.split(' '), '-keyout', keyFile, '-out', certificateFile]);
  return made.status === 0 ? { keyFile, certificateFile } : null;
}
