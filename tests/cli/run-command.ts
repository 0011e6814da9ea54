/** Runs the command in this process with a terminal of the test's. */
import { Readable } from 'node:stream';
import { runCli } from '../../src/cli/program.ts';
import type { FakeApp } from './fake-app.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What `start` was called with, or `demo`. */
  readonly local: string[];
}

export interface RunOptions {
  readonly app?: Pick<FakeApp, 'url'>;
  readonly stdin?: string;
  readonly env?: Record<string, string>;
  /** Makes both streams a terminal of this width. */
  readonly terminalWidth?: number;
}

export async function runCommand(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { app, stdin = '', env = {}, terminalWidth } = options;
  const local: string[] = [];
  const screen = () => {
    let text = '';
    return {
      ...(terminalWidth !== undefined && { isTTY: true, columns: terminalWidth }),
      write: (piece: string) => {
        text += piece;
      },
      text: () => text,
    };
  };
  const [stdout, stderr] = [screen(), screen()];
  const code = await runCli(
    args,
    {
      stdin: Readable.from([stdin]),
      stdout,
      stderr,
      env: { ...(app !== undefined && { FOUNDRY_BENCH_URL: app.url }), ...env },
    },
    {
      start: async (given) => {
        local.push('start', ...given);
        return 0;
      },
      demo: async () => {
        local.push('demo');
        return 0;
      },
    },
  );
  return { code, stdout: stdout.text(), stderr: stderr.text(), local };
}
