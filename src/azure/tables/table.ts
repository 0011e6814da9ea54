/**
 * One table of JSON records with deterministic keys. Every call is bounded in time; the table is created at its first
 * use and again where a local server has lost it. Each write carries a nonce of its own, so that a write whose answer
 * was lost, and which the SDK sent again, is recognised as our own and not taken for another writer's.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { AzureNamedKeyCredential, odata, TableClient, type TableEntityResult } from '@azure/data-tables';
import type { TokenCredential } from '@azure/identity';
import { isLoopbackHttp, type TablesAddress } from '../../config.ts';
import { InvalidContinuation } from '../../services.ts';
import { decodeColumns, encodeColumns } from './columns.ts';

/** A call with its retries: table calls take milliseconds, a throttled partition a few seconds. */
const CALL_MS = 30_000;
/** The SDK's own retries of a call that was throttled or failed with 5xx. */
const RETRIES = { maxRetries: 3, retryDelayInMs: 200, maxRetryDelayInMs: 2_000 } as const;
/** Writers of one row at the same time are a handful (a run's steps, a cancel); ten rounds part them all. */
const CHANGE_ATTEMPTS = 10;
/** Wait before another attempt at a change: up to 20 ms times the attempt, so that writers fall out of step. */
const CHANGE_BACKOFF_MS = 20;
/** A key may have 1 KiB, which is 512 units of UTF-16. */
const KEY_UNITS = 512;
/** Rows of a page when a whole range is read; the service's own most. */
const PAGE_ROWS = 1_000;
/** Pages that one listing reads before it gives what it has: the service may end a page early and even give none. */
const PAGES_LIMIT = 20;

export interface TableDefinition<Row> {
  readonly name: string;
  /** Both keys of a record: the only way to its row, so that a save that runs twice leaves one row. */
  readonly keys: (record: Row) => RowKeys;
  /** Columns beside the record that filters ask for. */
  readonly columns?: (record: Row) => Readonly<Record<string, string | boolean>>;
}

export interface RowKeys {
  readonly partitionKey: string;
  readonly rowKey: string;
}

export interface Page<Row> {
  readonly records: readonly Row[];
  readonly continuation: string | null;
}

export interface Table<Row> {
  insert(record: Row): Promise<'inserted' | 'exists'>;
  save(record: Row): Promise<void>;
  read(keys: RowKeys): Promise<Row | null>;
  /** Deletes the row; one that is not there is deleted already. */
  remove(keys: RowKeys): Promise<void>;
  /** Read, change, write back under the etag, again when another writer was faster. Throws where there is no row. */
  change(keys: RowKeys, change: (record: Row) => Partial<Row> | null): Promise<Row>;
  /** All records that the filter matches, in the order of their keys; throws where there are more than `most`. */
  listAll(filter: string, most: number): Promise<readonly Row[]>;
  /** Up to `limit` records in the order of their keys, from a continuation on. */
  listPage(filter: string, limit: number, continuation: string | null): Promise<Page<Row>>;
}

/** A call that the table service refused or never answered, as a sentence. */
class TableError extends Error {
  /** HTTP status, or null where no answer came. */
  readonly status: number | null;

  constructor(message: string, status: number | null, cause: unknown) {
    super(message, { cause });
    this.name = 'TableError';
    this.status = status;
  }
}

/** The filter of a whole partition; values are escaped, so that a quote in one cannot change the query. */
export function inPartition(partitionKey: string): string {
  return odata`PartitionKey eq ${partitionKey}`;
}

export function openTable<Row extends object>(
  address: TablesAddress,
  credential: TokenCredential,
  definition: TableDefinition<Row>,
): Table<Row> {
  const client = createClient(address, credential, definition.name);
  const where = (keys: RowKeys) => `${keys.partitionKey}/${keys.rowKey} of the table ${definition.name}`;
  let created: Promise<void> | null = null;

  /** Runs one call against the table, which is created before it; once more where the server has lost the table. */
  async function call<Result>(
    what: string,
    run: (abortSignal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    try {
      await ensureTable();
      try {
        return await run(AbortSignal.timeout(CALL_MS));
      } catch (error) {
        if (codeOf(error) !== 'TableNotFound') throw error;
        created = null;
        await ensureTable();
        return await run(AbortSignal.timeout(CALL_MS));
      }
    } catch (error) {
      throw new TableError(`Could not ${what}: ${reasonOf(error)}.`, statusOf(error), error);
    }
  }

  async function ensureTable(): Promise<void> {
    created ??= client.createTable({ abortSignal: AbortSignal.timeout(CALL_MS) });
    try {
      await created;
    } catch (error) {
      created = null;
      throw error;
    }
  }

  function toRow(record: Row, writer: string) {
    const keys = definition.keys(record);
    for (const key of [keys.partitionKey, keys.rowKey]) {
      if (!isKey(key))
        throw new Error(
          `${JSON.stringify(key.slice(0, 80))} cannot be a key of the table ${definition.name}.`,
        );
    }
    return { ...keys, ...definition.columns?.(record), writer, ...encodeColumns(record) };
  }

  function fromRow(row: TableEntityResult<Record<string, unknown>>): Row {
    const keys = { partitionKey: String(row.partitionKey), rowKey: String(row.rowKey) };
    try {
      const record = decodeColumns(row) as Row;
      const own = definition.keys(record);
      if (own.partitionKey !== keys.partitionKey || own.rowKey !== keys.rowKey)
        throw new Error('it holds another record');
      return record;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : 'it cannot be read';
      throw new Error(`The row ${where(keys)} is damaged: ${reason}. Delete the row to go on without it.`, {
        cause,
      });
    }
  }

  async function readRow(keys: RowKeys) {
    // No row can have such a key, and some of them would break the address that asks for it.
    if (!isKey(keys.partitionKey) || !isKey(keys.rowKey)) return null;
    try {
      return await call(`read ${where(keys)}`, (abortSignal) =>
        client.getEntity<Record<string, unknown>>(keys.partitionKey, keys.rowKey, { abortSignal }),
      );
    } catch (error) {
      if (isAnswer(error, 404)) return null;
      throw error;
    }
  }

  return {
    async insert(record) {
      const row = toRow(record, randomUUID());
      try {
        await call(`insert ${where(row)}`, (abortSignal) => client.createEntity(row, { abortSignal }));
        return 'inserted';
      } catch (error) {
        if (!isAnswer(error, 409)) throw error;
        const existing = await readRow(row);
        return existing?.writer === row.writer ? 'inserted' : 'exists';
      }
    },

    async save(record) {
      const row = toRow(record, randomUUID());
      await call(`save ${where(row)}`, (abortSignal) => client.upsertEntity(row, 'Replace', { abortSignal }));
    },

    async read(keys) {
      const row = await readRow(keys);
      return row === null ? null : fromRow(row);
    },

    async remove(keys) {
      if (!isKey(keys.partitionKey) || !isKey(keys.rowKey)) return;
      try {
        await call(`delete ${where(keys)}`, (abortSignal) =>
          client.deleteEntity(keys.partitionKey, keys.rowKey, { abortSignal }),
        );
      } catch (error) {
        if (!isAnswer(error, 404)) throw error;
      }
    },

    async change(keys, change) {
      let writer: string | null = null;
      for (let attempt = 1; attempt <= CHANGE_ATTEMPTS; attempt += 1) {
        const row = await readRow(keys);
        if (row === null) throw new Error(`There is no row ${where(keys)}, so it cannot be changed.`);
        const record = fromRow(row);
        if (writer !== null && row.writer === writer) return record;
        const fields = change(record);
        if (fields === null) return record;
        const changed = { ...record, ...fields };
        writer = randomUUID();
        const changedRow = toRow(changed, writer);
        if (changedRow.partitionKey !== keys.partitionKey || changedRow.rowKey !== keys.rowKey) {
          throw new Error(`A change must not move ${where(keys)} to another key.`);
        }
        try {
          await call(`change ${where(keys)}`, (abortSignal) =>
            client.updateEntity(changedRow, 'Replace', { etag: row.etag, abortSignal }),
          );
          return changed;
        } catch (error) {
          if (!isAnswer(error, 412)) throw error;
          await delay(Math.random() * CHANGE_BACKOFF_MS * attempt);
        }
      }
      throw new Error(
        `Could not change ${where(keys)}: other writers were faster ${CHANGE_ATTEMPTS} times in a row; try again.`,
      );
    },

    async listAll(filter, most) {
      const records: Row[] = [];
      for (let page = 0, continuation: string | undefined; page < PAGES_LIMIT; page += 1) {
        const rows = await readPage(filter, PAGE_ROWS, continuation);
        for (const row of rows.entities) records.push(fromRow(row));
        if (records.length > most) break;
        if (rows.continuation === undefined) return records;
        continuation = rows.continuation;
      }
      throw new Error(
        `The table ${definition.name} has more than ${most} rows where ${filter}; only ${most} were expected.`,
      );
    },

    async listPage(filter, limit, continuation) {
      const records: Row[] = [];
      let next = continuation === null ? undefined : openContinuation(continuation);
      for (let page = 0; page < PAGES_LIMIT; page += 1) {
        const rows = await readPage(filter, limit - records.length, next);
        for (const row of rows.entities) records.push(fromRow(row));
        next = rows.continuation;
        if (next === undefined || records.length >= limit) break;
      }
      return { records, continuation: next ?? null };
    },
  };

  async function readPage(filter: string, maxPageSize: number, continuationToken: string | undefined) {
    const pages = (abortSignal: AbortSignal) =>
      client
        .listEntities<Record<string, unknown>>({ queryOptions: { filter }, abortSignal })
        .byPage({ maxPageSize, ...(continuationToken !== undefined && { continuationToken }) });
    const page = await call(`list the table ${definition.name}`, async (abortSignal) => {
      const first = await pages(abortSignal).next();
      return first.done ? null : first.value;
    }).catch((error: unknown) => {
      throw continuationToken !== undefined && isAnswer(error, 400) ? new InvalidContinuation() : error;
    });
    return { entities: page ?? [], continuation: page?.continuationToken };
  }
}

function createClient(address: TablesAddress, credential: TokenCredential, name: string): TableClient {
  const options = { retryOptions: RETRIES, allowInsecureConnection: isLoopbackHttp(address.endpoint) };
  return address.account === null
    ? new TableClient(address.endpoint, name, credential, options)
    : new TableClient(
        address.endpoint,
        name,
        new AzureNamedKeyCredential(address.account.name, address.account.key),
        options,
      );
}

/** Table Storage's rule for keys: no slash, backslash, hash, question mark, control character or half a character. */
function isKey(key: string): boolean {
  return key.length <= KEY_UNITS && !/[/\\#?\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u.test(key);
}

/** The SDK's own token is JSON in base64 that names where the next page begins; anything else is not from a list. */
function openContinuation(continuation: string): string {
  try {
    const token: unknown = JSON.parse(Buffer.from(continuation, 'base64').toString('utf8'));
    const { nextPartitionKey, nextRowKey } = token as Record<string, unknown>;
    if (typeof nextPartitionKey !== 'string' || typeof nextRowKey !== 'string')
      throw new InvalidContinuation();
    return continuation;
  } catch {
    throw new InvalidContinuation();
  }
}

function isAnswer(error: unknown, status: number): boolean {
  return error instanceof TableError && error.status === status;
}

function statusOf(error: unknown): number | null {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : null;
}

function codeOf(error: unknown): string | null {
  const details = (error as { details?: { odataError?: { code?: unknown } } } | null)?.details;
  const code = details?.odataError?.code ?? (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : null;
}

/** The first words of an error, without the lines of identifiers that the service adds. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'an unknown error';
  if (error.name === 'AbortError') return `no answer came within ${CALL_MS / 1000} seconds`;
  const code = codeOf(error);
  const firstLine = error.message.split('\n')[0]?.slice(0, 300).replace(/\.$/, '') ?? '';
  return code === null ? firstLine : `${code}: ${firstLine}`;
}
