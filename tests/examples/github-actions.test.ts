/** The workflow that readers copy: it parses, calls only what the command has, and is careful with keys and money. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseComparison } from '../../src/core/comparison/comparison.ts';
import { runCommand } from '../cli/run-command.ts';
import { aSpecBody } from '../support/builders.ts';

interface Step {
  readonly name: string;
  readonly id?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly run?: string;
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly if: string;
        readonly 'timeout-minutes': number;
        readonly env: Readonly<Record<string, string>>;
        readonly steps: readonly Step[];
      }
    >
  >;
}

const text = readFileSync(
  path.join(import.meta.dirname, '..', '..', 'examples', 'github-actions.yml'),
  'utf8',
);
const workflow = parse(text) as Workflow;
const job = workflow.jobs.regression;
if (job === undefined) throw new Error('The workflow has no job called regression.');
const commands = job.steps
  .flatMap(({ run = '' }) => run.replace(/\\\n\s*/g, ' ').split('\n'))
  .filter((line) => line.includes('npx foundry-bench'));

describe('the workflow for pull requests', () => {
  it('may read the repository and nothing else, and ends', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    expect(job['timeout-minutes']).toBeLessThanOrEqual(360);
    expect(job.steps.every((step) => step.name.length > 0)).toBe(true);
  });

  it('hands the key to the environment of the job alone, and never to a fork', () => {
    expect(job.env.FOUNDRY_BENCH_KEY).toBe(expression('secrets.FOUNDRY_BENCH_KEY'));
    expect(text.match(/secrets\./g)).toHaveLength(1);
    expect(job.if).toContain('head.repo.full_name == github.repository');
    expect(Object.keys(workflow.on)).toEqual(['pull_request']);
  });

  it('puts nothing into a shell that the author of a pull request could choose', () => {
    const inserted = job.steps.flatMap(({ run = '' }) => run.match(/\$\{\{[^}]*\}\}/g) ?? []);
    expect(new Set(inserted)).toEqual(new Set([expression('steps.start.outputs.id')]));
  });

  it.each(commands)('calls only what there is: %s', async (line) => {
    const [, name = '', rest = ''] = /npx foundry-bench (\S+)(.*)/.exec(line) ?? [];
    const { code, stdout } = await runCommand([name, '--help']);
    expect(code).toBe(0);
    const [beforeRedirect = ''] = rest.split(/ >+ /);
    for (const option of beforeRedirect.match(/(?<= )--?[a-z][a-z-]*/g) ?? [])
      expect(stdout).toContain(option);
  });

  it('waits, judges against main, cancels what is left of a stopped job, and shows the report in any case', () => {
    const stepWith = (command: string) =>
      job.steps.find(({ run }) => run?.includes(`foundry-bench ${command}`));
    expect(job.steps.find(({ id }) => id === 'start')?.run).toContain('foundry-bench compare');
    expect(stepWith('watch')?.if).toBeUndefined();
    expect(stepWith('results')?.run).toContain('--baseline main');
    expect(stepWith('cancel')?.if).toContain('cancelled()');
    expect(job.steps.at(-1)?.if).toContain('always()');
  });

  it('writes a comparison that the app takes, with the label that it is judged by', () => {
    const filter = /'(\{base:.*\})'/.exec(text)?.[1] ?? '';
    const { target, ...load } = aSpecBody({ slo: { ttftMs: 500 } });
    const written = filter
      .replace('$load[0]', JSON.stringify(load))
      .replace('$main[0]', JSON.stringify(target))
      .replace('$change[0]', JSON.stringify(target))
      // jq lets names of fields go without quotes.
      .replace(/([{,] ?)([a-z]+):/g, '$1"$2":');
    const parsed = parseComparison(JSON.parse(written));
    expect(parsed).toMatchObject({ ok: true, value: { targets: [{ label: 'main' }, { label: 'change' }] } });
  });
});

/** What GitHub puts a value in the place of. */
function expression(name: string): string {
  return `$\{{ ${name} }}`;
}
