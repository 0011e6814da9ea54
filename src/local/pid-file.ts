/** Who a running host or cloud is: `host.json` and `cloud.json`. Whether it runs is told by its lock, not by this. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

export interface PidFile {
  readonly pid: number;
  /** The project folder whose code runs. */
  readonly root: string;
  readonly ports: Readonly<Record<string, number>>;
  /** ISO 8601. */
  readonly startedAt: string;
  /** The cloud's: the simulator's factor for token times. */
  readonly gpuSpeed?: number;
}

/** Writes the file so that a reader sees all of it or none of it. */
export function writePidFile(file: string, record: PidFile): void {
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(draft, file);
}

/** What the file says, or null where there is none or it is not one. */
export function readPidFile(file: string): PidFile | null {
  let input: unknown;
  try {
    input = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
  return isPidFile(input) ? input : null;
}

export function removePidFile(file: string): void {
  rmSync(file, { force: true });
}

function isPidFile(input: unknown): input is PidFile {
  if (input === null || typeof input !== 'object') return false;
  const { pid, root, ports, startedAt } = input as Record<string, unknown>;
  return (
    Number.isInteger(pid) &&
    (pid as number) > 0 &&
    typeof root === 'string' &&
    typeof startedAt === 'string' &&
    ports !== null &&
    typeof ports === 'object' &&
    Object.values(ports).every((port) => Number.isInteger(port))
  );
}
