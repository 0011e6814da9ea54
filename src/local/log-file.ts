/** A log file of bounded size: when it is full it becomes `<file>.1`, and the one before is dropped. */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

/** Enough for days of a local host's lines; with its predecessor at most 40 MB stay on disk. */
const MAX_BYTES = 20 * 1024 * 1024;

/** A longer line is cut: it would be a body, not a message. */
const MAX_LINE_CHARACTERS = 8_000;

export interface LogFile {
  /** Writes one line with its time, at once, so that a crash loses nothing. */
  write(text: string): void;
  close(): void;
}

export function openLogFile(path: string, maxBytes = MAX_BYTES): LogFile {
  let descriptor = openSync(path, 'a');
  let bytes = fstatSync(descriptor).size;
  return {
    write(text) {
      if (bytes >= maxBytes) {
        closeSync(descriptor);
        renameSync(path, `${path}.1`);
        descriptor = openSync(path, 'a');
        bytes = 0;
      }
      const line = text.slice(0, MAX_LINE_CHARACTERS).replace(/\r?\n/g, '\\n');
      bytes += writeSync(descriptor, `${new Date().toISOString()} ${line}\n`);
    },
    close: () => closeSync(descriptor),
  };
}

/** Moves a full log out of the way; for a file that another process will write. */
export function rotateLogFile(path: string, maxBytes = MAX_BYTES): void {
  const descriptor = openSync(path, 'a');
  const { size } = fstatSync(descriptor);
  closeSync(descriptor);
  if (size >= maxBytes) renameSync(path, `${path}.1`);
}
