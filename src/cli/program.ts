/** The `foundry-bench` command: what it understands. What each command does stands in `commands/`. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../core/failure.ts';
import { RUN_STATES } from '../core/run.ts';
import { RESULT_FORMATS } from '../http/result-format.ts';
import { ApiClient, ApiError } from './api-client.ts';
import { showModels, showSkus } from './commands/catalog.ts';
import { startComparison } from './commands/compare.ts';
import { deleteEndpoint, showEndpoints } from './commands/endpoints.ts';
import { addLoadCommand } from './commands/load.ts';
import { showPlan } from './commands/plan.ts';
import { reapEndpoints } from './commands/reap.ts';
import { type ResultOptions, showResults } from './commands/results.ts';
import { cancelRun, showRuns, startRun, watchRun } from './commands/runs.ts';
import { COMMAND_EXAMPLES } from './examples.ts';
import { EXIT } from './exit-code.ts';
import { printable } from './printable.ts';
import type { Terminal } from './terminal.ts';

/** What the launcher adds: the parts that live beside the product and that the command may start. */
export interface LocalParts {
  readonly start: (args: readonly string[]) => Promise<number>;
  readonly demo: (what: 'run' | 'comparison') => Promise<number>;
}

const DEFAULT_URL = 'http://127.0.0.1:7071';

const EXAMPLES = `
Examples:
  $ npx foundry-bench demo                            see it work, without an Azure subscription
  $ npx foundry-bench start                           the local host with its page, until Ctrl-C
  $ npx foundry-bench plan -f spec.json               what a run would measure, take and cost at the most
  $ npx foundry-bench run -f spec.json --watch        start a run, follow it, show its results
  $ npx foundry-bench compare comparison.json --watch several targets side by side, and what may be concluded
  $ npx foundry-bench results ID --format csv -o results.csv
  $ npx foundry-bench models phi                      what can be deployed; skus tells on what
  $ npx foundry-bench endpoints                       what is alive and costs money now
  $ npx foundry-bench reap --all --wait               end everything, and fail if anything is left
  $ npx foundry-bench load --url URL -c 16 -n 500     the load engine alone, at any address

A spec:
  {"model":{"name":"Phi-4","version":"7"},
   "target":{"kind":"managed","sku":"Standard_NC24ads_A100_v4"},
   "workloads":[{"promptTokens":512,"outputTokens":128}],
   "concurrency":{"levels":[1,2,4,8]}}

Environment:
  FOUNDRY_BENCH_URL   the app's address (default ${DEFAULT_URL})
  FOUNDRY_BENCH_KEY   its function key, where it wants one

Exit codes: 0 good, 1 the run failed or was canceled, objectives are missed, a target is worse than its baseline, or
an endpoint is left, 2 error, 130 interrupted. Each command has a --help with examples.`;

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
    .command('compare')
    .description('Start a comparison of several targets.')
    .argument('<file>', 'the comparison as JSON; - reads standard input')
    .option('-w, --watch', 'follow it and show what may be concluded; Ctrl-C cancels it gracefully')
    .option('--idempotency-key <key>', 'the same key and comparison never start a second one')
    .action(async (file: string, options: { watch?: boolean; idempotencyKey?: string }) =>
      setExitCode(await startComparison(context(), file, options)),
    );

  program
    .command('watch')
    .description('Follow a run or a comparison to its end; Ctrl-C leaves it running.')
    .argument('<id>', 'the run or the comparison')
    .action(async (id: string) => setExitCode(await watchRun(context(), id)));

  program
    .command('cancel')
    .description(
      'Cancel a run or a comparison: its load stops, its endpoints are deleted, what was measured stays.',
    )
    .argument('<id>', 'the run or the comparison')
    .action(async (id: string) => setExitCode(await cancelRun(context(), id)));

  program
    .command('results')
    .description("Show a run's or a comparison's results, partial ones while it measures.")
    .argument('<id>', 'the run or the comparison')
    .addOption(new Option('--format <format>', 'instead of a table').choices(RESULT_FORMATS))
    .option('-o, --output <file>', 'write to a file; its ending tells the format where --format does not')
    .option(
      '--baseline <label>',
      'of a comparison: fail where another target is shown to be worse than this one',
    )
    .action(async (id: string, options: ResultOptions) =>
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

  program
    .command('models')
    .description('Search the catalog: versions, context, and the SKUs that a model is meant for.')
    .argument('[words]', 'that the name holds')
    .option('--registry <name>', 'another than AzureML')
    .action(async (words: string | undefined, options: { registry?: string }) =>
      setExitCode(await showModels(context(), words, options)),
    );

  program
    .command('skus')
    .description('List the GPU sizes with their quota and price in a region.')
    .option('--region <name>', 'another than that of the workspace')
    .option('--workspace <name>', 'a workspace of the settings, whose subscription has the quota')
    .action(async (options: { region?: string; workspace?: string }) =>
      setExitCode(await showSkus(context(), options)),
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

  program
    .command('reap')
    .description('Delete the endpoints that were left behind; with --all every one, after canceling its run.')
    .option('--all', 'cancel every run that is alive too')
    .option('--wait', 'until Azure ML says that they are gone; fails where one is left')
    .action(async (options: { all?: boolean; wait?: boolean }) =>
      setExitCode(await reapEndpoints(context(), options)),
    );

  addLoadCommand(program, terminal, setExitCode);

  program
    .command('start')
    .description(
      'Run the app on this machine, with a simulated Azure ML unless told otherwise, until Ctrl-C.',
    )
    .option('--azure', 'against real Azure ML, as whoever `az login` says: endpoints are billed')
    .option(
      '--i-will-reap',
      'with --azure: without a watchdog app, you delete what this machine leaves behind',
    )
    .action(async ({ azure, iWillReap }: { azure?: boolean; iWillReap?: boolean }) =>
      setExitCode(
        await local.start([...(azure ? ['--azure'] : []), ...(iWillReap ? ['--i-will-reap'] : [])]),
      ),
    );

  program
    .command('demo')
    .description('See it work: deploy, measure, aggregate and delete on a simulated Azure ML, in a minute.')
    .option('--compare', 'four targets side by side, and what may be concluded, in three minutes')
    .action(async ({ compare }: { compare?: boolean }) =>
      setExitCode(await local.demo(compare === true ? 'comparison' : 'run')),
    );

  for (const command of program.commands) {
    const examples = COMMAND_EXAMPLES[command.name()];
    if (examples !== undefined) command.addHelpText('after', examples);
    command.configureHelp({ showGlobalOptions: true });
  }
  return program;
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > 200)
    throw new InvalidArgumentError('It must be from 1 to 200.');
  return limit;
}

function explainError(error: unknown): string[] {
  const message = messageOf(error);
  const faults = error instanceof ApiError ? error.faults : [];
  return [
    printable(message),
    ...faults.map(({ path, message: told }) => `  ${printable(path)}: ${printable(told)}`),
  ];
}
