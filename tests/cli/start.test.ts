import { describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.ts';

describe('start', () => {
  it.each([
    [['start'], []],
    [['start', '--azure'], ['--azure']],
    [
      ['start', '--i-will-reap', '--azure'],
      ['--azure', '--i-will-reap'],
    ],
  ])('%j hands its options to the local host, and ends with its exit code', async (args, handed) => {
    const given: (readonly string[])[] = [];
    const parts = {
      start: async (options: readonly string[]) => {
        given.push(options);
        return 2;
      },
      demo: async () => 0,
    };
    expect(await runCli(args, process, parts)).toBe(2);
    expect(given).toEqual([handed]);
  });
});
