/**
 * A lock that a process holds for as long as it lives. The kernel frees it when the process ends, however it ends, so
 * it is never stale and a reused process id means nothing: "does the host of this folder run?" is answered by the
 * lock, and the pid file only says who it is. SQLite takes it, since Node has no file locks of its own.
 */
import { DatabaseSync } from 'node:sqlite';

/** A probe holds a lock of its own for a moment; taking waits that moment out. */
const TAKE_WAIT_MS = 1_000;

const SQLITE_BUSY = 5;

export interface ProcessLock {
  release(): void;
}

/** Takes the lock in `file`, or gives null where a living process holds it. */
export function takeProcessLock(file: string): ProcessLock | null {
  const database = new DatabaseSync(file, { timeout: TAKE_WAIT_MS });
  try {
    // Nothing is ever written, so that no journal need lie beside the lock.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    if (isBusy(cause)) return null;
    throw new Error(`The lock ${file} cannot be taken; remove the file if it is not a lock.`, { cause });
  }
  return { release: () => database.close() };
}

/** Whether a living process holds the lock in `file`. */
export function isProcessLocked(file: string): boolean {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.prepare('SELECT 1 FROM sqlite_schema').all();
    return false;
  } catch (cause) {
    if (isBusy(cause)) return true;
    throw new Error(`The lock ${file} cannot be read; remove the file if it is not a lock.`, { cause });
  } finally {
    database.close();
  }
}

function isBusy(error: unknown): boolean {
  return (error as { errcode?: unknown } | null)?.errcode === SQLITE_BUSY;
}
