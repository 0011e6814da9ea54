/** The `foundry-bench` command: what it understands. What each command does stands in `commands/`. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { RUN_STATES } from '../core/run.ts';
import { ApiClient, ApiError, type ResultFormat } from './api-client.ts';
import { deleteEndpoint, showEndpoints } from './commands/endpoints.ts';
import { addLoadCommand } from './commands/load.ts';
import { showPlan } from './commands/plan.ts';
import { showResults } from './commands/results.ts';
import { cancelRun, showRuns, startRun, watchRun } from './commands/runs.ts';
import { EXIT } from './exit-code.ts';
import { printable } from './printable.ts';
import type { Terminal } from './terminal.ts';

/** What the launcher adds: the parts that live beside the product and that the command may start. */
export interface LocalParts {
  readonly start: (args: readonly string[]) => Promise<number>;
  readonly demo: () => Promise<number>;
}

const DEFAULT_URL = 'http://127.0.0.1:7071';

const EXAMPLES = `
Examples:
  $ npx foundry-bench demo                            see it work, without an Azure subscription
  $ npx foundry-bench start                           the local host with its page, until Ctrl-C
  $ npx foundry-bench plan -f spec.json               what a run would measure, take and cost at the most
  $ npx foundry-bench run -f spec.json --watch        start a run, follow it, show its results
  $ npx foundry-bench results ID --format csv -o results.csv
  $ npx foundry-bench endpoints                       what is alive and costs money now
  $ npx foundry-bench load --url URL -c 16 -n 500     the load engine alone, at any address

A spec:
  {"model":{"name":"Phi-4","version":"7"},
   "target":{"kind":"managed","sku":"Standard_NC24ads_A100_v4"},
   "workloads":[{"promptTokens":512,"outputTokens":128}],
   "concurrency":{"levels":[1,2,4,8]}}

Environment:
  FOUNDRY_BENCH_URL   the app's address (default ${DEFAULT_URL})
  FOUNDRY_BENCH_KEY   its function key, where it wants one

Exit codes: 0 good, 1 the run failed or was canceled, 2 error, 130 interrupted.`;

interface GlobalOptions {
  readonly url: string;
  readonly json?: boolean;
}

/** Runs one command line (without `node` and the script) and gives its exit code. Never throws. */
export async function runCli(
  args: readonly string[],
  terminal: Terminal,
  local: LocalParts,
): Promise<number> {
  let exitCode: number = EXIT.good;
  const program = buildProgram(terminal, local, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // commander has said its word already; help and version are no errors.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.good : EXIT.error;
    for (const line of explainError(error)) terminal.stderr.write(`${line}\n`);
    return EXIT.error;
  }
}

function buildProgram(terminal: Terminal, local: LocalParts, setExitCode: (code: number) => void): Command {
  const program = new Command('foundry-bench');
  program
    .description(
      'Which GPU VM SKU, how many instances and which settings to rent on Azure for a model and a load.',
    )
    .option('--url <address>', 'address of the app', terminal.env.FOUNDRY_BENCH_URL || DEFAULT_URL)
    .option('--json', 'print JSON instead of text')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      getOutHelpWidth: () => terminal.stdout.columns ?? 100,
      getErrHelpWidth: () => terminal.stderr.columns ?? 100,
    });

  /** What every command gets: the app, the terminal and `--json`. */
  const context = () => {
    const { url, json } = program.opts<GlobalOptions>();
    const key = terminal.env.FOUNDRY_BENCH_KEY?.trim() || null;
    return { client: new ApiClient(url, key), terminal, json: json === true };
  };
  const specOption = () =>
    new Option('-f, --file <path>', 'the spec as JSON; - reads standard input').makeOptionMandatory();

  program
    .command('plan')
    .description('Work out a spec without creating anything: its cells, time and cost at the most, warnings.')
    .addOption(specOption())
    .action(async ({ file }: { file: string }) => setExitCode(await showPlan(context(), file)));

  program
    .command('run')
    .description('Start a run.')
    .addOption(specOption())
    .option('-w, --watch', 'follow it and show its results; Ctrl-C cancels it gracefully')
    .option('--idempotency-key <key>', 'the same key and spec never start a second run')
    .action(async (options: { file: string; watch?: boolean; idempotencyKey?: string }) =>
      setExitCode(await startRun(context(), options)),
    );

  program
    .command('watch')
    .description('Follow a run to its end; Ctrl-C leaves it running.')
    .argument('<id>', 'the run')
    .action(async (id: string) => setExitCode(await watchRun(context(), id)));

  program
    .command('cancel')
    .description('Cancel a run: its load stops, its endpoint is deleted, what was measured stays.')
    .argument('<id>', 'the run')
    .action(async (id: string) => setExitCode(await cancelRun(context(), id)));

  program
    .command('results')
    .description("Show a run's results, partial ones while it measures.")
    .argument('<id>', 'the run')
    .addOption(new Option('--format <format>', 'instead of a table').choices(['csv', 'md', 'json']))
    .option('-o, --output <file>', 'write to a file; its ending tells the format where --format does not')
    .action(async (id: string, options: { format?: ResultFormat; output?: string }) =>
      setExitCode(await showResults(context(), id, options)),
    );

  program
    .command('runs')
    .description('List runs, newest first.')
    .addOption(new Option('--state <state>', 'only those in a state').choices(RUN_STATES))
    .option('--limit <count>', 'how many, 1 to 200', parseLimit, 20)
    .action(async (options: { state?: string; limit: number }) =>
      setExitCode(await showRuns(context(), options)),
    );

  const endpoints = program
    .command('endpoints')
    .description('List the endpoints of this installation that are alive, with their leases and costs.')
    .action(async () => setExitCode(await showEndpoints(context())));
  endpoints
    .command('delete')
    .description('Delete an endpoint of this installation.')
    .argument('<name>', 'the endpoint')
    .action(async (name: string) => setExitCode(await deleteEndpoint(context(), name)));

  addLoadCommand(program, terminal, setExitCode);

  program
    .command('start')
    .description('Run the app on this machine with a simulated Azure ML, until Ctrl-C.')
    .option('--azure', 'against real Azure ML (refused: not supported yet)')
    .action(async ({ azure }: { azure?: boolean }) =>
      setExitCode(await local.start(azure === true ? ['--azure'] : [])),
    );

  program
    .command('demo')
    .description('See it work: deploy, measure, aggregate and delete on a simulated Azure ML, in a minute.')
    .action(async () => setExitCode(await local.demo()));

  return program;
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > 200)
    throw new InvalidArgumentError('It must be from 1 to 200.');
  return limit;
}

function explainError(error: unknown): string[] {
  const message = error instanceof Error ? error.message : String(error);
  const faults = error instanceof ApiError ? error.faults : [];
  return [
    printable(message),
    ...faults.map(({ path, message: told }) => `  ${printable(path)}: ${printable(told)}`),
  ];
}
