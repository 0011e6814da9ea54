/**
 * Ports on 127.0.0.1, and who holds them. A port says nothing about its holder, so each host and cloud leaves a note
 * in the machine's temporary folder: the next one that finds the port taken can name the pid and the folder.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { readPidFile } from './pid-file.ts';
import { isProcessLocked } from './process-lock.ts';

export type Role = 'host' | 'cloud';

/** Where to look for the holder of a port: its pid file and its lock. */
interface PortNote {
  readonly role: Role;
  readonly pidFile: string;
  readonly lockFile: string;
}

/** The port that a setting names; throws a sentence where it is none. */
export function readPort(
  env: Readonly<Record<string, string | undefined>>,
  setting: string,
  otherwise: number,
): number {
  const text = env[setting]?.trim() ?? '';
  if (text === '') return otherwise;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) {
    throw new Error(
      `${setting} must be a port from 0 (any free one) to 65535; it is "${text.slice(0, 20)}".`,
    );
  }
  return port;
}

/** `wanted` where it is free, some free port where it is 0; throws a sentence naming the holder where it is taken. */
export async function choosePort(wanted: number, setting: string): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((listening, failed) => {
      server.once('error', failed);
      server.listen(wanted, '127.0.0.1', listening);
    });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const reason = code === 'EADDRINUSE' ? describeHolder(wanted) : `cannot be used (${code})`;
    throw new Error(`Port ${wanted} ${reason}; name another with ${setting} (0 takes any free one).`, {
      cause,
    });
  }
  const address = server.address();
  await new Promise<void>((closed) => server.close(() => closed()));
  if (address === null || typeof address === 'string')
    throw new Error('A listening server must have a port.');
  return address.port;
}

/** Leaves the note. It outlives the process and is believed only while its lock is held. */
export function noteHolder(port: number, note: PortNote): void {
  try {
    mkdirSync(notesFolder(), { recursive: true, mode: 0o700 });
    writeFileSync(noteFile(port), JSON.stringify(note), { mode: 0o600 });
  } catch {
    // The note only makes a later refusal more telling; a machine without a writable temporary folder works as well.
  }
}

export function removeNote(port: number): void {
  rmSync(noteFile(port), { force: true });
}

function describeHolder(port: number): string {
  const note = readNote(port);
  const record = note === null ? null : readPidFile(note.pidFile);
  const holds =
    note !== null && record !== null && Object.values(record.ports).includes(port) && isHeld(note.lockFile);
  if (!holds) return 'is held by another program';
  return `is held by the local ${note.role} of ${record.root} (pid ${record.pid})`;
}

function readNote(port: number): PortNote | null {
  try {
    const { role, pidFile, lockFile } = JSON.parse(readFileSync(noteFile(port), 'utf8')) as Record<
      string,
      unknown
    >;
    if ((role !== 'host' && role !== 'cloud') || typeof pidFile !== 'string' || typeof lockFile !== 'string')
      return null;
    return { role, pidFile, lockFile };
  } catch {
    return null;
  }
}

function isHeld(lockFile: string): boolean {
  try {
    return isProcessLocked(lockFile);
  } catch {
    return false;
  }
}

function noteFile(port: number): string {
  return join(notesFolder(), `port-${port}.json`);
}

/** One folder per user: another user's notes could not be trusted, nor replaced. */
function notesFolder(): string {
  return join(tmpdir(), `foundry-bench-${userInfo().username.replace(/[^\w-]/g, '_')}`);
}
