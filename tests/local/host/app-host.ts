/** Starts a fixture app in this process, in a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type HostOptions, type RunningHost, startHost } from '../../../src/local/host/host.ts';
import type { LogLine } from '../../../src/local/host/invoke.ts';

export interface FixtureHost extends RunningHost {
  readonly lines: LogLine[];
  /** Stops the host and deletes its folder. */
  remove(): Promise<void>;
}

/** With a `historyFile` of the test's own, only `stop` is needed. */
export async function startFixture(name: string, options: Partial<HostOptions> = {}): Promise<FixtureHost> {
  const folder = options.historyFile === undefined ? mkdtempSync(join(tmpdir(), 'host-')) : undefined;
  const historyFile = options.historyFile ?? join(folder ?? '', 'history.db');
  const lines: LogLine[] = [];
  const host = await startHost({
    appDirectory: fixtureDirectory(name),
    port: 0,
    log: (line) => lines.push(line),
    ...options,
    historyFile,
  });
  return {
    ...host,
    lines,
    remove: async () => {
      await host.stop();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function fixtureDirectory(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

/** Polls until `read` gives something; the test's own timeout is the bound. */
export async function eventually<T>(
  read: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (;;) {
    const value = await read();
    if (value !== undefined && value !== false) return value;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
