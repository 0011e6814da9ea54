/**
 * The stores on Table Storage. What is kept under which keys stands here and nowhere else: keys are
 * deterministic, so that a step that runs twice leaves one row.
 */
import { odata } from '@azure/data-tables';
import type { TokenCredential } from '@azure/identity';
import type { TablesAddress } from '../../config.ts';
import type { ComparisonRecord } from '../../core/comparison/comparison-record.ts';
import type { ComparisonReport } from '../../core/comparison/comparison-report.ts';
import type { Lease } from '../../core/renting/lease.ts';
import type { CellRecord, Report } from '../../core/report/report.ts';
import type { RunRecord } from '../../core/run.ts';
import type { HistoryEntry, ScheduleRecord } from '../../core/schedule/schedule-record.ts';
import type {
  Beat,
  BeatStore,
  CellStore,
  ComparisonReportStore,
  ComparisonStore,
  IdempotencyClaim,
  IdempotencyStore,
  LeaseStore,
  ReportStore,
  RunFilter,
  RunStore,
  ScheduleStore,
  ShardGroup,
  ShardKey,
  ShardRow,
  ShardStore,
  Stores,
} from '../../services.ts';
import { createRequestSetStore } from '../request-sets.ts';
import { createSampleStore } from '../sample-store.ts';
import { explainTooLong } from './columns.ts';
import { inPartition, openTable, type RowKeys, type Table, type TableDefinition } from './table.ts';

/** A run has at most 1,000 cells times repeats (the spec's bound). */
const CELLS_LIMIT = 1_000;
/** A level has at most 512 connections, and a shard at least one of them. */
const SHARDS_LIMIT = 512;
/** Azure ML: 100 endpoints in a region; a hundred workspaces' worth of them is not one installation any more. */
const OPEN_LEASES_LIMIT = 10_000;

export function createStores(address: TablesAddress, credential: TokenCredential): Stores {
  const open = <Row extends object>(definition: TableDefinition<Row>) =>
    openTable(address, credential, definition);
  return {
    runs: createRunStore(open(runsTable)),
    cells: createCellStore(open(cellsTable)),
    shards: createShardStore(open(shardsTable)),
    reports: createReportStore(open(reportsTable)),
    leases: createLeaseStore(open(leasesTable)),
    keys: createIdempotencyStore(open(keysTable)),
    requestSets: createRequestSetStore(address, credential),
    samples: createSampleStore(address, credential),
    comparisons: createComparisonStore(open(comparisonsTable)),
    beats: createBeatStore(open(beatsTable)),
    tooLong: explainTooLong,
    comparisonReports: createComparisonReportStore(open(comparisonReportsTable)),
    schedules: createScheduleStore(open(schedulesTable), open(scheduleHistoryTable)),
  };
}

const RUN = 'run';
/** One partition, whose row keys are run ids: they count down, so the newest run comes first. */
const runsTable: TableDefinition<RunRecord> = {
  name: 'runs',
  keys: (run) => ({ partitionKey: RUN, rowKey: run.id }),
  columns: (run) => ({ state: run.state, model: run.spec.model?.name ?? '', sku: run.spec.target.sku ?? '' }),
};

function createRunStore(table: Table<RunRecord>): RunStore {
  const keys = (id: string) => ({ partitionKey: RUN, rowKey: id });
  return {
    insert: (run) => table.insert(run),
    read: (id) => table.read(keys(id)),
    change: (id, change) => table.change(keys(id), change),
    async list(filter) {
      const page = await table.listPage(runFilter(filter), filter.limit, filter.continuation ?? null);
      return { runs: page.records, continuation: page.continuation };
    },
  };
}

function runFilter(filter: RunFilter): string {
  const clauses = [inPartition(RUN)];
  if (filter.state !== undefined) clauses.push(odata`state eq ${filter.state}`);
  if (filter.model !== undefined) clauses.push(odata`model eq ${filter.model}`);
  if (filter.sku !== undefined) clauses.push(odata`sku eq ${filter.sku}`);
  return clauses.join(' and ');
}

/** A partition per run; row keys sort by workload, level and repeat. */
const cellsTable: TableDefinition<CellRecord> = {
  name: 'cells',
  keys: (cell) => ({ partitionKey: cell.runId, rowKey: cell.cellKey }),
};

function createCellStore(table: Table<CellRecord>): CellStore {
  return {
    save: (cell) => table.save(cell),
    list: (runId) => table.listAll(inPartition(runId), CELLS_LIMIT),
  };
}

/** A partition per run; row keys `w003-c0016-r01-a1-s000`, so that one attempt's shards lie side by side. */
const shardsTable: TableDefinition<ShardRow> = { name: 'shards', keys: shardKeys };

function shardKeys(key: ShardKey): RowKeys {
  return { partitionKey: key.runId, rowKey: `${groupPrefix(key)}${String(key.shard).padStart(3, '0')}` };
}

function groupPrefix(group: ShardGroup): string {
  return `${group.cellKey}-a${group.attempt}-s`;
}

function createShardStore(table: Table<ShardRow>): ShardStore {
  const change: ShardStore['change'] = (key, fields) =>
    table.change(shardKeys(key), (row) => (row.status === 'measured' ? null : fields(row)));
  return {
    change,
    save: async (row) => ((await table.insert(row)) === 'inserted' ? row : change(row, () => row)),
    list(group) {
      const prefix = groupPrefix(group);
      // Every row key of the group begins with the prefix and goes on with digits, which sort before the letter t.
      const range = odata`RowKey ge ${prefix} and RowKey lt ${`${prefix}t`}`;
      return table.listAll(`${inPartition(group.runId)} and ${range}`, SHARDS_LIMIT);
    },
  };
}

const REPORT = 'report';
const reportsTable: TableDefinition<Report> = {
  name: 'reports',
  keys: (report) => ({ partitionKey: report.runId, rowKey: REPORT }),
};

function createReportStore(table: Table<Report>): ReportStore {
  return {
    save: (report) => table.save(report),
    read: (runId) => table.read({ partitionKey: runId, rowKey: REPORT }),
  };
}

const COMPARISON = 'comparison';
/** As runs: one partition, the newest first. */
const comparisonsTable: TableDefinition<ComparisonRecord> = {
  name: 'comparisons',
  keys: (comparison) => ({ partitionKey: COMPARISON, rowKey: comparison.id }),
  columns: (comparison) => ({ state: comparison.state }),
};

function createComparisonStore(table: Table<ComparisonRecord>): ComparisonStore {
  const keys = (id: string) => ({ partitionKey: COMPARISON, rowKey: id });
  return {
    insert: (comparison) => table.insert(comparison),
    read: (id) => table.read(keys(id)),
    change: (id, change) => table.change(keys(id), change),
    async list({ state, limit, continuation }) {
      const all = inPartition(COMPARISON);
      const filter = state === undefined ? all : `${all} and ${odata`state eq ${state}`}`;
      const page = await table.listPage(filter, limit, continuation ?? null);
      return { comparisons: page.records, continuation: page.continuation };
    },
  };
}

interface ComparisonReportRow {
  readonly comparisonId: string;
  readonly report: ComparisonReport;
}
const comparisonReportsTable: TableDefinition<ComparisonReportRow> = {
  name: 'comparisonreports',
  keys: ({ comparisonId }) => ({ partitionKey: comparisonId, rowKey: REPORT }),
};

function createComparisonReportStore(table: Table<ComparisonReportRow>): ComparisonReportStore {
  return {
    save: (comparisonId, report) => table.save({ comparisonId, report }),
    read: async (id) => (await table.read({ partitionKey: id, rowKey: REPORT }))?.report ?? null,
  };
}

const SCHEDULE = 'schedule';
/** More than the calls let anybody have. */
const SCHEDULES_LIMIT = 200;
/** Twice what a schedule may keep, and what a pass that was cut off left to the next. */
const HISTORY_LIMIT = 1_000;
/** Digits of the due second: histories are read newest first, so row keys count down from the year 2286. */
const LAST_SECOND = 9_999_999_999;

const schedulesTable: TableDefinition<ScheduleRecord> = {
  name: 'schedules',
  keys: (schedule) => ({ partitionKey: SCHEDULE, rowKey: schedule.name }),
};

/** In the same table, a partition a schedule; a row for each due second. */
const scheduleHistoryTable: TableDefinition<HistoryEntry> = {
  name: 'schedules',
  keys: ({ schedule, dueMs }) => ({
    partitionKey: historyOf(schedule),
    rowKey: String(LAST_SECOND - Math.floor(dueMs / 1_000)).padStart(10, '0'),
  }),
};

function historyOf(schedule: string): string {
  return `history-${schedule}`;
}

function createScheduleStore(table: Table<ScheduleRecord>, history: Table<HistoryEntry>): ScheduleStore {
  const keys = (name: string) => ({ partitionKey: SCHEDULE, rowKey: name });
  const listHistory = (name: string) => history.listAll(inPartition(historyOf(name)), HISTORY_LIMIT);
  const removeHistory = (entry: HistoryEntry) => history.remove(scheduleHistoryTable.keys(entry));
  return {
    read: (name) => table.read(keys(name)),
    async put(name, make) {
      const first = (await table.read(keys(name))) === null ? make(null) : null;
      if (first !== null && (await table.insert(first)) === 'inserted') return first;
      return table.change(keys(name), make);
    },
    change: (name, change) => table.change(keys(name), change),
    list: () => table.listAll(inPartition(SCHEDULE), SCHEDULES_LIMIT),
    async remove(name) {
      const was = (await table.read(keys(name))) !== null;
      await table.remove(keys(name));
      for (const entry of await listHistory(name)) await removeHistory(entry);
      return was;
    },
    saveHistory: (entry) => history.save(entry),
    listHistory,
    removeHistory,
  };
}

const LEASE = 'lease';
const leasesTable: TableDefinition<Lease> = {
  name: 'leases',
  keys: (lease) => ({ partitionKey: LEASE, rowKey: lease.endpoint }),
  columns: (lease) => ({ open: lease.closedAtMs === null }),
};

function createLeaseStore(table: Table<Lease>): LeaseStore {
  const keys = (endpoint: string) => ({ partitionKey: LEASE, rowKey: endpoint });
  return {
    open: async (lease) => ((await table.insert(lease)) === 'inserted' ? 'opened' : 'exists'),
    read: (endpoint) => table.read(keys(endpoint)),
    change: (endpoint, change) => table.change(keys(endpoint), change),
    listOpen: () => table.listAll(`${inPartition(LEASE)} and open eq true`, OPEN_LEASES_LIMIT),
  };
}

const BEAT = 'beat';
/** There are a handful of timers. */
const BEATS_LIMIT = 100;
const beatsTable: TableDefinition<Beat> = {
  name: 'beats',
  keys: (beat) => ({ partitionKey: BEAT, rowKey: beat.timer }),
};

function createBeatStore(table: Table<Beat>): BeatStore {
  return { save: (beat) => table.save(beat), list: () => table.listAll(inPartition(BEAT), BEATS_LIMIT) };
}

const KEY = 'key';
interface KeyRow extends IdempotencyClaim {
  readonly keyHash: string;
}
const keysTable: TableDefinition<KeyRow> = {
  name: 'keys',
  keys: (row) => ({ partitionKey: KEY, rowKey: row.keyHash }),
};

function createIdempotencyStore(table: Table<KeyRow>): IdempotencyStore {
  return {
    async claim(keyHash, claim) {
      if ((await table.insert({ keyHash, ...claim })) === 'inserted') return claim;
      const standing = await table.read({ partitionKey: KEY, rowKey: keyHash });
      if (standing === null)
        throw new Error('An idempotency key was claimed and its row is gone; send the request again.');
      return { runId: standing.runId, bodyHash: standing.bodyHash };
    },
  };
}
