/** `load`: the load engine alone, at any address, without the app and without Azure. */
import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import type {
  Arrivals,
  CountLoad,
  OpenLoad,
  Route,
  ShardOrder,
  ShardSummary,
  SteadyLoad,
} from '../../core/measuring/shard.ts';
import { arrivalMoments } from '../../core/requests/arrivals.ts';
import { type RequestLine, shareOfLines } from '../../core/requests/request-set.ts';
import { settleRequests } from '../../core/spec/settle-requests.ts';
import { deriveSeed } from '../../core/statistics/seed.ts';
import { type ProbeResult, probeRoute } from '../../load/probe.ts';
import { type RunningShard, startShard, type TakeSamples } from '../../load/shard-runner.ts';
import { ApiError } from '../api-client.ts';
import { EXIT } from '../exit-code.ts';
import { onInterrupt } from '../interrupt.ts';
import { LoadDisplay } from '../load-display.ts';
import { API_NAMES, type LoadOptions, type LoadPlan, planLoad } from '../load-plan.ts';
import { type LoadSummary, summarizeLoad } from '../load-summary.ts';
import { renderLoad, renderLoadTitle } from '../load-text.ts';
import { printable } from '../printable.ts';
import { wrapLine } from '../report-text.ts';
import { readRequestsFile } from '../requests-file.ts';
import { isUnicode, widthOf } from '../run-display.ts';
import { SampleFile } from '../sample-file.ts';
import type { Terminal } from '../terminal.ts';

/** One event loop drives this many connections with ease; beyond it each thread takes its part of them. */
const CONNECTIONS_PER_THREAD = 128;
/** A steady window of fewer answers than these, or three a connection, says little. */
const LEAST_WINDOW_REQUESTS = 30;
/** A load by number of requests ends by them; each of them has a timeout. This bounds even that. */
const COUNT_LIMIT_SECONDS = 7 * 86_400;
/** What a server without a word about it makes of English. */
const CHARACTERS_PER_TOKEN = 4;

const EXAMPLES = `
Examples:
  $ npx foundry-bench load --url http://127.0.0.1:8000/v1/chat/completions --concurrency 16 --requests 500
  $ npx foundry-bench load --url https://ENDPOINT.REGION.inference.ml.azure.com/score --key-env KEY --api auto --seconds 30
  $ npx foundry-bench load --url http://127.0.0.1:8000/score --requests 100 --samples samples.ndjson --json
  $ npx foundry-bench load --url http://127.0.0.1:8000/v1/chat/completions --rate 4 --seconds 60 --slo-ttft-ms 500

It sends that many requests and nothing else; connections are opened without a request. --api auto and --warmup
send more, which are told and not counted. Ctrl-C shows what was measured until then.
With --rate requests are sent when their time comes, answered or not, and times are told from then as well.
Exit codes: 0 something succeeded and the objectives are shown to be met, 1 not so, 2 error, 130 interrupted.`;

export function addLoadCommand(
  program: Command,
  terminal: Terminal,
  setExitCode: (code: number) => void,
): void {
  program
    .command('load')
    .description('Load an address with the engine alone: no app, no Azure, no tables.')
    .option('--url <address>', 'the complete address to call; used as it is unless --api auto')
    .option('--key-env <name>', 'environment variable that holds the key, sent as a bearer token')
    .option('--api <name>', `auto, ${API_NAMES.join(', ')} (default: by the address)`)
    .option('-c, --concurrency <count>', 'connections, each with one request in flight (default: 1)')
    .option('-r, --rate <requests>', 'or so many requests a second, answered or not')
    .option('--arrival <kind>', 'with --rate: poisson, as users come, or constant (default: poisson)')
    .option('--max-in-flight <count>', 'with --rate: the most requests in flight at once (default: 256)')
    .option('-n, --requests <count>', 'send exactly so many requests')
    .option('-s, --seconds <seconds>', 'or send for so long')
    .option('-p, --prompt-tokens <count>', 'length of each prompt', '512')
    .option('-o, --output-tokens <count>', 'length of each answer that is asked for', '128')
    .option('--requests-file <file>', 'send requests of your own: one {"prompt"} or {"messages"} a line')
    .option('--stream', 'ask for a stream (default where the API has one)')
    .option('--no-stream', 'ask for complete answers')
    .option('--samples <file>', 'write one line of JSON for each request')
    .option('--warmup <count>', 'requests to send before, which are not measured', '0')
    .option('--seed <number>', 'makes the same prompts again (default: new ones)')
    .option('--timeout <seconds>', 'of each request; longer than the server’s own', '200')
    .option('--slo-ttft-ms <ms>', 'objective: the longest time to the first token')
    .option('--slo-tpot-ms <ms>', 'objective: the longest time per output token after it')
    .option('--slo-e2e-ms <ms>', 'objective: the longest time of a whole answer')
    .option('--attainment <share>', 'of all requests that are to keep them (default: 0.95)')
    .option('--json', 'print JSON instead of text')
    .addHelpText('after', EXAMPLES)
    .action(async (options: LoadOptions) => {
      // The program has a --url and a --json of its own and takes them wherever they stand.
      const own = program.getOptionValueSource('url') === 'cli';
      const { url, json } = program.opts<{ url: string; json?: boolean }>();
      setExitCode(await runLoad(terminal, { ...options, ...(own && { url }) }, json === true));
    });
}

async function runLoad(terminal: Terminal, options: LoadOptions, json: boolean): Promise<number> {
  const parsed = planLoad(options, terminal.env);
  if (!parsed.ok) throw new ApiError('This load cannot be run.', null, parsed.faults);
  const { plan, lines } = await withRequests(parsed.value);
  const file = plan.samplesFile === null ? null : await SampleFile.open(plan.samplesFile);
  const interrupt = new Interrupt();
  try {
    return await loadAndTell(terminal, plan, lines, file, interrupt, json);
  } finally {
    interrupt.close();
    await file?.close();
  }
}

/** The user's own requests, null where prompts are made; a load of them asks for what they ask for. */
async function withRequests(
  plan: LoadPlan,
): Promise<{ readonly plan: LoadPlan; readonly lines: readonly RequestLine[] | null }> {
  if (plan.requestsFile === null) return { plan, lines: null };
  const { lines, description } = await readRequestsFile(plan.requestsFile);
  const set = { name: 'file', ...description };
  const settled = settleRequests([{ ...plan.workload, requests: set.name }], [set], { isTrace: false });
  const workload = settled.ok ? settled.value[0] : undefined;
  return { plan: { ...plan, workload: workload ?? plan.workload }, lines };
}

async function loadAndTell(
  terminal: Terminal,
  plan: LoadPlan,
  lines: readonly RequestLine[] | null,
  file: SampleFile | null,
  interrupt: Interrupt,
  json: boolean,
): Promise<number> {
  const tell = (lines: readonly string[]) => {
    if (!json) terminal.stdout.write(`${lines.join('\n')}\n`);
  };
  const width = widthOf(terminal.stdout);
  const id = randomBytes(4).toString('hex');
  const way = await findWay(plan, id, interrupt);
  if (way === 'interrupted') {
    terminal.stderr.write('Interrupted before anything was measured.\n');
    return EXIT.interrupted;
  }
  if ('message' in way) {
    if (json) writeJson(terminal, { requests: 0, succeeded: 0, failed: 0, probe: way });
    for (const line of wrapLine(printable(way.message), widthOf(terminal.stderr)))
      terminal.stderr.write(`${line}\n`);
    return EXIT.runFailed;
  }
  const { route, probe } = way;
  const threads = Math.ceil(plan.connections / CONNECTIONS_PER_THREAD);
  const { promptTokens: promptTokensAsked, outputTokens: outputTokensAsked } = plan.workload;
  const { connections: concurrency, rate: rateAsked } = plan;
  const title = { ...route, streamAsked: route.stream, concurrency, rateAsked, threads };
  tell(renderLoadTitle({ ...title, seed: plan.seed, promptTokensAsked, outputTokensAsked }, width));

  const show = (label: string, shards: Shards) =>
    new LoadDisplay(terminal.stderr, isUnicode(terminal.env), label, () => shards.progress());
  const orders = { plan, lines, way, id, threads };
  const warmUp = plan.warmUpRequests === 0 ? null : await runWarmUp(orders, interrupt, show);
  const shards = new Shards(
    shardOrders({ ...orders, what: '', amount: plan.amount }),
    plan.amount,
    // A file that cannot be written is told at the end; the load goes on for its summary.
    file === null ? null : (samples) => file.write(samples),
  );
  const summaries = await shards.run(interrupt, (running) => show('loading', running));
  const summary = summarizeLoad(plan, {
    route,
    shards: summaries,
    interrupted: interrupt.pressed,
    probe,
    warmUp: warmUp === null ? null : { requests: attemptedOf(warmUp), failed: failedOf(warmUp) },
  });
  if (json) writeJson(terminal, summary);
  else tell(renderLoad(summary, width));
  if (file !== null && file.failure !== null) terminal.stderr.write(`${printable(file.failure)}\n`);
  return exitCodeOf(summary, file);
}

function exitCodeOf(summary: LoadSummary, file: SampleFile | null): number {
  if (summary.interrupted) return EXIT.interrupted;
  if (summary.succeeded === 0) return EXIT.runFailed;
  if (file !== null && file.failure !== null) return EXIT.error;
  return summary.slo === null || summary.slo.verdict === 'met' ? EXIT.good : EXIT.runFailed;
}

/** How the endpoint is asked, and how long a token of its is. */
interface Way {
  readonly route: Route;
  readonly charactersPerToken: number;
  readonly templateTokens: number;
  readonly probe: LoadSummary['probe'];
}

/** Asks only where it was told to find out. */
async function findWay(
  plan: LoadPlan,
  id: string,
  interrupt: Interrupt,
): Promise<
  Way | 'interrupted' | { readonly requests: number; readonly failure: string; readonly message: string }
> {
  if (plan.api !== 'auto') {
    const route: Route = { api: plan.api, url: plan.url, stream: plan.stream === true };
    return { route, charactersPerToken: CHARACTERS_PER_TOKEN, templateTokens: 0, probe: null };
  }
  const probing: Promise<ProbeResult> = probeRoute({
    scoringUri: plan.url,
    authorization: plan.authorization,
    headers: {},
    api: 'auto',
    outputTokens: plan.workload.outputTokens,
    requestTimeoutMs: plan.timeoutMs,
    requestIdPrefix: `load-${id}-probe`,
    seed: deriveSeed(plan.seed, 'probe'),
  });
  const probed = await Promise.race([probing, interrupt.first]);
  if (probed === undefined) return 'interrupted';
  if (!probed.ok)
    return { requests: probed.samples.length, failure: probed.failure, message: probed.message };
  const { route, charactersPerToken, templateTokens, requests, calibrated } = probed;
  return { route, charactersPerToken, templateTokens, probe: { requests, calibrated } };
}

interface Orders {
  readonly plan: LoadPlan;
  readonly lines: readonly RequestLine[] | null;
  readonly way: Way;
  readonly id: string;
  readonly threads: number;
}

function runWarmUp(
  { plan, ...orders }: Orders,
  interrupt: Interrupt,
  show: (label: string, shards: Shards) => LoadDisplay,
): Promise<readonly ShardSummary[]> {
  const amount = { requests: plan.warmUpRequests };
  // A rate says nothing about how many requests may come at once: then one after the other.
  const connections = plan.rate === null ? Math.min(plan.connections, amount.requests) : 1;
  const threads = Math.min(orders.threads, connections);
  const warmUp = { ...plan, connections, rate: null, slo: null };
  const shards = new Shards(
    // The user's own requests are kept for what is measured: a cache would know them from here.
    shardOrders({ ...orders, plan: warmUp, lines: null, threads, what: '-warm', amount }),
    amount,
    null,
  );
  return shards.run(interrupt, (running) => show('warming up', running));
}

/** The load dealt out over threads: connections as evenly as can be, requests as connections. */
function shardOrders({
  plan,
  lines,
  way,
  id,
  threads,
  what,
  amount,
}: Orders & { readonly what: string; readonly amount: LoadPlan['amount'] }): ShardOrder[] {
  const part = (total: number, shard: number) =>
    Math.floor((total * (shard + 1)) / threads) - Math.floor((total * shard) / threads);
  const loads =
    plan.rate === null
      ? Array.from({ length: threads }, (_, shard) =>
          closedLoad(amount, threads, part(plan.connections, shard), (total) => part(total, shard)),
        )
      : openLoads(plan.rate, amount, threads, plan.seed);
  return loads.map((load, shard) => {
    const { route, charactersPerToken, templateTokens } = way;
    return {
      route,
      authorization: plan.authorization,
      headers: {},
      connections: part(plan.connections, shard),
      workload: plan.workload,
      ...(lines !== null && { prompts: shareOfThread(lines, shard, threads) }),
      charactersPerToken,
      templateTokens,
      seed: deriveSeed(plan.seed, `load${what}`, shard),
      requestIdPrefix: `load-${id}${what}-${shard}`,
      load,
      slo: plan.slo,
      requestTimeoutMs: plan.timeoutMs,
      startAtMs: 'when-told',
    };
  });
}

/** Each request once before any again; where there are fewer of them than threads, some threads have the same. */
function shareOfThread(lines: readonly RequestLine[], shard: number, threads: number): RequestLine[] {
  const shards = Math.min(threads, lines.length);
  return shareOfLines(lines, { shard: shard % shards, shards, startShare: 0 });
}

function closedLoad(
  amount: LoadPlan['amount'],
  threads: number,
  connections: number,
  part: (total: number) => number,
): CountLoad | SteadyLoad {
  if ('requests' in amount)
    return { mode: 'count', requests: part(amount.requests), maxSeconds: COUNT_LIMIT_SECONDS };
  const minRequests = Math.ceil(Math.max(LEAST_WINDOW_REQUESTS / threads, 3 * connections));
  return { mode: 'steady', minRequests, maxSeconds: amount.seconds };
}

/** By time each thread has its share of the rate; a number of requests is drawn as one load and dealt out in turn. */
function openLoads(
  rate: NonNullable<LoadPlan['rate']>,
  amount: LoadPlan['amount'],
  threads: number,
  seed: number,
): OpenLoad[] {
  const { arrival, requestsPerSecond } = rate;
  const minRequests = Math.ceil(LEAST_WINDOW_REQUESTS / threads);
  const byRate = (perSecond: number, offsetSeconds: number): Arrivals =>
    arrival === 'poisson'
      ? { kind: 'poisson', requestsPerSecond: perSecond }
      : { kind: 'constant', requestsPerSecond: perSecond, offsetSeconds };
  if ('seconds' in amount)
    return Array.from({ length: threads }, (_, shard) => ({
      mode: 'open',
      arrivals: byRate(requestsPerSecond / threads, shard / requestsPerSecond),
      minRequests,
      maxSeconds: amount.seconds,
    }));
  const next = arrivalMoments(byRate(requestsPerSecond, 0), deriveSeed(seed, 'arrivals'));
  const moments = Array.from({ length: amount.requests }, () => next() ?? 0);
  return Array.from({ length: threads }, (_, shard) => ({
    mode: 'open',
    arrivals: { kind: 'trace', atSeconds: moments.filter((_moment, index) => index % threads === shard) },
    minRequests,
    maxSeconds: COUNT_LIMIT_SECONDS,
  }));
}

/** The shards of one load: they begin together, and end together where they are interrupted. */
class Shards {
  readonly #running: readonly RunningShard[];
  readonly #amount: LoadPlan['amount'];
  #startedMs: number | null = null;

  constructor(orders: readonly ShardOrder[], amount: LoadPlan['amount'], takeSamples: TakeSamples | null) {
    this.#amount = amount;
    this.#running = orders.map((order) => startShard(order, takeSamples));
  }

  async run(interrupt: Interrupt, show: (shards: Shards) => LoadDisplay): Promise<readonly ShardSummary[]> {
    const cancel = () => {
      for (const shard of this.#running) shard.cancel();
    };
    void interrupt.first.then(cancel);
    const display = show(this);
    try {
      await Promise.all(this.#running.map((shard) => shard.ready));
      const startAtMs = Date.now();
      this.#startedMs = performance.now();
      for (const shard of this.#running) shard.startAt(startAtMs);
      return await Promise.all(this.#running.map((shard) => shard.summary));
    } finally {
      cancel();
      display.close();
    }
  }

  progress() {
    const parts = this.#running.map((shard) => shard.progress());
    const completed = parts.reduce((sum, part) => sum + part.completed, 0);
    const failed = parts.reduce((sum, part) => sum + part.failed, 0);
    const seconds = this.#startedMs === null ? 0 : (performance.now() - this.#startedMs) / 1_000;
    const amount = this.#amount;
    const share =
      'requests' in amount ? (completed + failed) / amount.requests : Math.min(1, seconds / amount.seconds);
    return { share, completed, failed };
  }
}

/** Ctrl-C: the first ends the load. */
class Interrupt {
  readonly first: Promise<undefined>;
  readonly close: () => void;
  #pressed = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.first = promise;
    this.close = onInterrupt(() => {
      this.#pressed = true;
      resolve(undefined);
    });
  }

  get pressed(): boolean {
    return this.#pressed;
  }
}

function attemptedOf(shards: readonly ShardSummary[]): number {
  return shards.reduce((sum, shard) => sum + shard.attempted, 0);
}

function failedOf(shards: readonly ShardSummary[]): number {
  return attemptedOf(shards) - shards.reduce((sum, shard) => sum + shard.succeeded, 0);
}

function writeJson(terminal: Terminal, value: unknown): void {
  terminal.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
