/** Keeps a second host away from a history file, for exactly as long as this process lives. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/**
 * Takes the lock on `historyFile` and gives the function that releases it. Throws a sentence naming the holder's pid
 * when another host has it.
 *
 * The lock is SQLite's own on a file beside the history: the operating system drops it with the process, so that
 * neither a kill nor a pid used again can leave it behind. The pid file is for the sentence only.
 */
export function lockHistory(historyFile: string): () => void {
  const pidFile = `${historyFile}.pid`;
  const lock = new DatabaseSync(`${historyFile}.lock`);
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch (cause) {
    lock.close();
    throw new Error(
      `${historyFile} is in use by another host${holder(pidFile)}; stop that one first, or use another state folder.`,
      { cause },
    );
  }
  writeFileSync(pidFile, `${process.pid}\n`);
  return () => {
    rmSync(pidFile, { force: true });
    lock.close();
  };
}

function holder(pidFile: string): string {
  try {
    return ` with pid ${readFileSync(pidFile, 'utf8').trim()}`;
  } catch {
    return '';
  }
}
