/** `--help` of each command: what it does, its options, the global ones, and lines that can be copied. */
import { describe, expect, it } from 'vitest';
import { COMMAND_EXAMPLES } from '../../src/cli/examples.ts';
import { runCommand } from './run-command.ts';

async function commandNames(): Promise<string[]> {
  const { stdout } = await runCommand(['--help']);
  const listed = stdout.slice(stdout.indexOf('Commands:'), stdout.indexOf('Examples:'));
  return [...listed.matchAll(/^ {2}([a-z]+)/gm)]
    .map((match) => match[1] ?? '')
    .filter((name) => name !== 'help');
}

describe('the help', () => {
  it('has examples for every command, and for none that there is not', async () => {
    const names = await commandNames();
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) {
      const { code, stdout } = await runCommand([name, '--help']);
      expect(code, name).toBe(0);
      expect(stdout, name).toContain('Examples:\n  $ ');
      expect(stdout, name).toContain(`npx foundry-bench ${name}`);
      expect(stdout, name).toContain('--json');
    }
    expect(Object.keys(COMMAND_EXAMPLES).filter((name) => !names.includes(name))).toEqual([]);
  });

  it.each(Object.entries(COMMAND_EXAMPLES))(
    'of %s shows only options that it has',
    async (name, examples) => {
      const { stdout } = await runCommand([name, '--help']);
      const [options] = stdout.split('Examples:');
      for (const line of examples.split('\n').filter((one) => one.includes(`foundry-bench ${name}`))) {
        for (const option of line.match(/(?<= )--?[a-z][a-z-]*/g) ?? [])
          expect(`${options}--watch`, `${line}`).toContain(option);
      }
    },
  );
});
