/**
 * The durable state in one SQLite file: instances, their histories, the messages and timers that wait for them, the
 * activities that are to run, and when each timer trigger is due.
 *
 * The rows are the truth: nothing has to be restored at a start. The engine writes each episode in one transaction, with
 * WAL and synchronous=FULL, so that a kill at any moment leaves the state before the episode or after it.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { TimerStatus } from '../schedule.ts';
import type { Waiting } from './decide.ts';
import { EVENT, type HistoryEvent, type JsonText, type Message, type Parent } from './history.ts';
import { lockHistory } from './lock.ts';

export const RUNTIME_STATUSES = [
  'Pending',
  'Running',
  'Suspended',
  'Completed',
  'Failed',
  'Terminated',
] as const;
export type RuntimeStatus = (typeof RUNTIME_STATUSES)[number];

export function isTerminal(status: RuntimeStatus): boolean {
  return status === 'Completed' || status === 'Failed' || status === 'Terminated';
}

export interface Instance {
  readonly id: string;
  /** Changes with continueAsNew; answers to an older execution are dropped. */
  readonly executionId: string;
  readonly name: string;
  readonly version: string;
  readonly status: RuntimeStatus;
  readonly input: JsonText;
  readonly output: JsonText;
  readonly customStatus: JsonText;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly parent: Parent | null;
}

/** An activity that is to run, or is running. */
export interface ActivityTask {
  readonly seq: number;
  readonly instanceId: string;
  readonly executionId: string;
  readonly taskId: number;
  readonly name: string;
  readonly input: JsonText;
}

export interface InstanceFilter {
  readonly createdFromMs?: number;
  readonly createdToMs?: number;
  readonly statuses?: readonly RuntimeStatus[];
  readonly idPrefix?: string;
}

/** Where a page of instances ended. */
export interface PageMark {
  readonly createdMs: number;
  readonly id: string;
}

/** Messages that one episode takes at most: a flood of events must not become one endless replay. */
const MAX_MESSAGES_PER_EPISODE = 1000;

/** Milliseconds to wait for a reader from outside, such as somebody's sqlite3 shell. */
const BUSY_TIMEOUT_MS = 5000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS instances (
    id TEXT PRIMARY KEY, execution_id TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, status TEXT NOT NULL,
    input TEXT, output TEXT, custom_status TEXT, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
    parent TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS instances_by_time ON instances (created_ms, id);
  CREATE TABLE IF NOT EXISTS history (
    instance_id TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (instance_id, seq)
  ) STRICT, WITHOUT ROWID;
  -- execution_id is null for what any execution may take; timer_id is set for timers, so that they can be canceled.
  CREATE TABLE IF NOT EXISTS inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, execution_id TEXT, due_ms INTEGER NOT NULL,
    event_type INTEGER NOT NULL, timer_id INTEGER, message TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS inbox_by_time ON inbox (due_ms, seq);
  CREATE INDEX IF NOT EXISTS inbox_by_instance ON inbox (instance_id, due_ms, seq);
  CREATE TABLE IF NOT EXISTS tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, execution_id TEXT NOT NULL,
    task_id INTEGER NOT NULL, name TEXT NOT NULL, input TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS tasks_by_instance ON tasks (instance_id);
  CREATE TABLE IF NOT EXISTS timers (
    name TEXT PRIMARY KEY, expression TEXT NOT NULL, last_ms INTEGER, next_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
  ) STRICT;
`;

const CONTROL = `(${EVENT.ExecutionTerminated}, ${EVENT.ExecutionSuspended}, ${EVENT.ExecutionResumed})`;

/** Messages that an episode could take now or later: those of a suspended instance wait, unless they control it. */
const DELIVERABLE = `FROM inbox JOIN instances ON instances.id = inbox.instance_id
  WHERE (instances.status <> 'Suspended' OR inbox.event_type IN ${CONTROL})`;

const INSTANCE_COLUMNS = `id, execution_id AS executionId, name, version, status, input, output,
  custom_status AS customStatus, created_ms AS createdMs, updated_ms AS updatedMs, parent`;

/** The history file, opened and locked; one per process. */
export class HistoryStore {
  readonly #database: DatabaseSync;
  readonly #unlock: () => void;
  readonly #statements = new Map<string, StatementSync>();

  /** Opens `file`, creating it and its folder; throws a sentence when another host has it. */
  constructor(file: string) {
    mkdirSync(dirname(file), { recursive: true });
    this.#unlock = lockHistory(file);
    try {
      this.#database = new DatabaseSync(file);
      this.#database.exec(
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS};`,
      );
      this.#database.exec(SCHEMA);
    } catch (cause) {
      this.#unlock();
      throw new Error(`${file} cannot be opened as a durable history; move it away to start afresh.`, {
        cause,
      });
    }
  }

  close(): void {
    this.#database.close();
    this.#unlock();
  }

  /** Runs `write` in one transaction: all of it is kept, or none. */
  transact<T>(write: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = write();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  // --- instances

  readInstance(id: string): Instance | undefined {
    const row = this.#row(`SELECT ${INSTANCE_COLUMNS} FROM instances WHERE id = ?`, id);
    return row === undefined ? undefined : toInstance(row);
  }

  /** Writes an instance as it is now, replacing what was known of this id. */
  saveInstance(instance: Instance): void {
    this.#run(
      `INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      instance.id,
      instance.executionId,
      instance.name,
      instance.version,
      instance.status,
      instance.input,
      instance.output,
      instance.customStatus,
      instance.createdMs,
      instance.updatedMs,
      instance.parent === null ? null : JSON.stringify(instance.parent),
    );
  }

  /** Deletes an instance with everything that belongs to it. */
  deleteInstance(id: string): void {
    this.deleteHistory(id);
    this.deleteWork(id);
    this.#run('DELETE FROM instances WHERE id = ?', id);
  }

  /** At most `limit` instances in the order of their creation, starting after `after`. */
  listInstances(filter: InstanceFilter, limit: number, after?: PageMark): readonly Instance[] {
    const statuses = filter.statuses ?? RUNTIME_STATUSES;
    const { createdMs, id } = after ?? { createdMs: -1, id: '' };
    const prefix = filter.idPrefix ?? '';
    const rows = this.#rows(
      `SELECT ${INSTANCE_COLUMNS} FROM instances
        WHERE created_ms >= ? AND created_ms <= ? AND (created_ms, id) > (?, ?) AND substr(id, 1, ?) = ?
          AND status IN (SELECT value FROM json_each(?))
        ORDER BY created_ms, id LIMIT ?`,
      filter.createdFromMs ?? 0,
      filter.createdToMs ?? Number.MAX_SAFE_INTEGER,
      createdMs,
      id,
      // SQLite counts code points where JavaScript counts UTF-16 units.
      [...prefix].length,
      prefix,
      JSON.stringify(statuses),
      limit,
    );
    return rows.map(toInstance);
  }

  // --- histories

  readHistory(id: string): readonly HistoryEvent[] {
    const rows = this.#rows('SELECT event FROM history WHERE instance_id = ? ORDER BY seq', id);
    return rows.map((row) => JSON.parse(String(row.event)) as HistoryEvent);
  }

  /** Appends events; they are stored as played, which is what they are when they are next read. */
  appendHistory(id: string, events: readonly HistoryEvent[]): void {
    const last = this.#row('SELECT max(seq) AS seq FROM history WHERE instance_id = ?', id);
    let seq = Number(last?.seq ?? 0);
    for (const event of events) {
      seq += 1;
      this.#run(
        'INSERT INTO history VALUES (?, ?, ?)',
        id,
        seq,
        JSON.stringify({ ...event, IsPlayed: true }),
      );
    }
  }

  deleteHistory(id: string): void {
    this.#run('DELETE FROM history WHERE instance_id = ?', id);
  }

  // --- messages and timers

  /** Puts a message into an instance's inbox, to be delivered from `dueMs` on. */
  addMessage(instanceId: string, executionId: string | null, dueMs: number, message: Message): void {
    this.#run(
      `INSERT INTO inbox (instance_id, execution_id, due_ms, event_type, timer_id, message) VALUES (?, ?, ?, ?, ?, ?)`,
      instanceId,
      executionId,
      dueMs,
      message.EventType,
      message.EventType === EVENT.TimerFired ? message.TimerId : null,
      JSON.stringify(message),
    );
  }

  /**
   * The due messages of an instance in the order of their arrival. A start comes before events that overtook it, and
   * then what controls the instance, so that a resume is seen behind any number of events that wait for it.
   */
  readMessages(id: string, nowMs: number): readonly (Waiting & { readonly executionId: string | null })[] {
    const rows = this.#rows(
      `SELECT seq, execution_id AS executionId, message FROM inbox WHERE instance_id = ? AND due_ms <= ?
        ORDER BY event_type <> ${EVENT.ExecutionStarted}, event_type NOT IN ${CONTROL}, due_ms, seq
        LIMIT ${MAX_MESSAGES_PER_EPISODE}`,
      id,
      nowMs,
    );
    return rows.map((row) => ({
      seq: Number(row.seq),
      executionId: row.executionId as string | null,
      message: JSON.parse(String(row.message)) as Message,
    }));
  }

  deleteMessages(seqs: readonly number[]): void {
    for (const seq of seqs) this.#run('DELETE FROM inbox WHERE seq = ?', seq);
  }

  deleteTimers(instanceId: string, timerIds: readonly number[]): void {
    for (const id of timerIds)
      this.#run('DELETE FROM inbox WHERE instance_id = ? AND timer_id = ?', instanceId, id);
  }

  /** The type of the last suspend or resume that waits to be delivered. */
  lastControlMessage(instanceId: string): number | undefined {
    const row = this.#row(
      `SELECT event_type AS type FROM inbox WHERE instance_id = ?
        AND event_type IN (${EVENT.ExecutionSuspended}, ${EVENT.ExecutionResumed}) ORDER BY seq DESC LIMIT 1`,
      instanceId,
    );
    return row === undefined ? undefined : Number(row.type);
  }

  /** Ids of at most `limit` instances that have a message to take, those that wait longest first. */
  readyInstances(nowMs: number, limit: number): readonly string[] {
    const rows = this.#rows(
      `SELECT inbox.instance_id AS id, min(inbox.due_ms) AS due ${DELIVERABLE} AND inbox.due_ms <= ?
        GROUP BY inbox.instance_id ORDER BY due LIMIT ?`,
      nowMs,
      limit,
    );
    return rows.map((row) => String(row.id));
  }

  /** When the next message becomes due after `nowMs`, undefined when none waits. */
  nextDueMs(nowMs: number): number | undefined {
    const row = this.#row(
      `SELECT inbox.due_ms AS due ${DELIVERABLE} AND inbox.due_ms > ? ORDER BY inbox.due_ms LIMIT 1`,
      nowMs,
    );
    return row === undefined ? undefined : Number(row.due);
  }

  // --- activities

  addTask(task: Omit<ActivityTask, 'seq'>): void {
    const { instanceId, executionId, taskId, name, input } = task;
    this.#run(
      'INSERT INTO tasks (instance_id, execution_id, task_id, name, input) VALUES (?, ?, ?, ?, ?)',
      instanceId,
      executionId,
      taskId,
      name,
      input,
    );
  }

  /** The first `limit` tasks, whether they run already or not. */
  readTasks(limit: number): readonly ActivityTask[] {
    const rows = this.#rows(
      `SELECT seq, instance_id AS instanceId, execution_id AS executionId, task_id AS taskId, name, input
        FROM tasks ORDER BY seq LIMIT ?`,
      limit,
    );
    return rows.map((row) => row as unknown as ActivityTask);
  }

  /** Whether the task was still there: it is not when its instance has ended meanwhile. */
  deleteTask(seq: number): boolean {
    return this.#run('DELETE FROM tasks WHERE seq = ?', seq) > 0;
  }

  /** Deletes what waits for an instance, or only what waits for one execution of it. */
  deleteWork(instanceId: string, executionId?: string): void {
    if (executionId === undefined) {
      this.#run('DELETE FROM inbox WHERE instance_id = ?', instanceId);
      this.#run('DELETE FROM tasks WHERE instance_id = ?', instanceId);
    } else {
      this.#run('DELETE FROM inbox WHERE instance_id = ? AND execution_id = ?', instanceId, executionId);
      this.#run('DELETE FROM tasks WHERE instance_id = ? AND execution_id = ?', instanceId, executionId);
    }
  }

  // --- timer triggers

  readTimer(name: string): TimerStatus | undefined {
    const row = this.#row(
      'SELECT expression, last_ms AS lastMs, next_ms AS nextMs, updated_ms AS updatedMs FROM timers WHERE name = ?',
      name,
    );
    return row as TimerStatus | undefined;
  }

  saveTimer(name: string, { expression, lastMs, nextMs, updatedMs }: TimerStatus): void {
    this.#run(
      'INSERT OR REPLACE INTO timers VALUES (?, ?, ?, ?, ?)',
      name,
      expression,
      lastMs,
      nextMs,
      updatedMs,
    );
  }

  #row(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#prepare(sql).get(...values);
  }

  #rows(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#prepare(sql).all(...values);
  }

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function toInstance(row: Record<string, unknown>): Instance {
  const { parent } = row;
  return { ...row, parent: typeof parent === 'string' ? JSON.parse(parent) : null } as unknown as Instance;
}
