/**
 * Every fault that the simulator knows, each by a whole run through the HTTP interface: all of them at once on one
 * installation. A run ends in the right state with the right sentence, a row tells its failures by class, nothing is
 * left in the simulator's books, and no run has cost more than its plan said.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation, type RunJson, smallSpec } from '../../support/installation.ts';

interface Case {
  /** The words of the simulator's README that it covers, as they stand there, without numbers. */
  readonly words: readonly string[];
  /** What is changed of the spec that all have. */
  readonly model?: string;
  readonly target?: object;
  readonly spec?: object;
  /** Of the deployment; a calm machine answers in a tenth of a second, a busy one in some. */
  readonly timeoutSeconds?: number;
  readonly ends: Ending;
  /** Of its one row: what was not measured is not looked at. */
  readonly row?: object;
  /** What the run says of what is rented in the place of what was asked for. */
  readonly mismatch?: RegExp;
  /** Each failed request's class with the words of one of them: these classes and no others. */
  readonly failures?: Readonly<Record<string, RegExp>>;
  /** What is done while it runs. */
  readonly meanwhile?: (id: string) => Promise<void>;
}

interface Ending {
  readonly state: 'completed' | 'failed' | 'canceled';
  readonly code?: string;
  readonly message?: RegExp;
}

const COMPLETED: Ending = { state: 'completed' };
const failed = (code: string, message: RegExp): Ending => ({ state: 'failed', code, message });
const notDeployed = (message: RegExp) => failed('deploy-failed', message);

const ZERO = '00000000-0000-0000-0000-000000000000';
/** Each has a quota of its own: no run waits for another. */
const REGIONS = [
  'eastus',
  'westus3',
  'southcentralus',
  'westeurope',
  'northeurope',
  'swedencentral',
  'uksouth',
];
const workspace = (name: string, resourceGroup = 'local') => ({
  subscriptionId: ZERO,
  resourceGroup,
  workspace: name,
});
const WORKSPACES = {
  ...Object.fromEntries(REGIONS.map((region) => [region, workspace(`ws-${region}`)])),
  japaneast: workspace('ws-japaneast'),
  lost: workspace('ws-fault-workspace-missing'),
  homeless: workspace('ws', 'rg-fault-group-missing'),
  barren: workspace('ws-fault-endpoint-fail'),
  unfindable: workspace('ws-fault-arm-404'),
  throttled: workspace('ws-fault-arm-429'),
};

/** The deployment is accepted and fails by that word. */
const refused = (word: string, message: RegExp): Case => ({
  words: [word],
  model: `Phi-4-fault-${word}`,
  ends: notDeployed(message),
});
/** By the name of the model: its deployment and its endpoint have the fault, and what is read of them. */
const byModel = (fault: string, rest: Partial<Case> = {}): Case => ({
  words: [wordOf(fault)],
  model: `Phi-4-fault-${fault}`,
  ends: COMPLETED,
  ...rest,
});
const inWorkspace = (name: keyof typeof WORKSPACES, words: string[], ends: Ending): Case => ({
  words,
  target: { workspace: name },
  ends,
});
/** By the environment of the deployment, several at once: the classes of their failures tell them apart. */
const serving = (faults: readonly string[], rest: Partial<Case> = {}): Case => ({
  words: faults.map(wordOf),
  target: { environmentVariables: { SIMULATOR_FAULTS: faults.map((fault) => `fault-${fault}`).join(' ') } },
  ends: COMPLETED,
  ...rest,
});
/**
 * Scoring calls that fail by the faults named, each at a rate of its own: a prime, so that they seldom meet, and few
 * enough that no level is stopped for them. Enough requests for each of them to strike.
 */
const scoring = (
  struck: Readonly<Record<string, readonly [failure: string, words: RegExp]>>,
  rest: Partial<Case> = {},
): Case => {
  const primes = [11, 13, 17, 19, 23];
  const faults = Object.keys(struck).map((fault, index) => `score-${fault}.${primes[index]}`);
  return serving(faults, {
    spec: { measure: { mode: 'steady', repeats: 1, minRequests: 40, maxSeconds: 25 } },
    failures: Object.fromEntries(Object.values(struck)),
    ...rest,
  });
};
const LONG_PROMPTS = { workloads: [{ promptTokens: 512, outputTokens: 16 }] };

const CASES: readonly Case[] = [
  refused('deploy-outofquota', /OutOfQuota \(.*ask for more/),
  refused('deploy-outofcapacity', /OutOfCapacity, told as OutOfQuota.*no free machines/),
  refused('deploy-outofdisk', /larger disk/),
  refused('deploy-outofmemory', /memory of this SKU/),
  refused('deploy-outofroles', /role assignments/),
  refused('deploy-imagebuildfailure', /build log/),
  refused('deploy-imagepull', /AcrPull/),
  refused('deploy-badargument', /its own words/),
  refused('deploy-containercrash', /container's log: .*CUDA out of memory/s),
  refused('deploy-resourcenotready', /Readiness probe on port 5001 failed/),
  refused('deploy-resourcenotfound', /registry, name and version/),
  refused('deploy-networknotready', /provision-network/),
  refused('deploy-secretsinjectionerror', /identity access/),
  refused('deploy-operationcanceled', /OperationCanceled.*3 times/),
  refused('deploy-internalservererror', /InternalServerError.*3 times/),
  byModel('deploy-slow.3'),
  byModel('deploy-stuck', {
    ends: { state: 'canceled' },
    meanwhile: async (id) => {
      await installation.watch(id, (run) => /^deployment/.test(run.endpoint?.provisioningState ?? ''), 180);
      await installation.post(`/api/runs/${id}/cancel`);
    },
  }),
  inWorkspace(
    'barren',
    ['endpoint-fail'],
    notDeployed(/endpoint could not be created; delete it and try again\).*3 times/),
  ),
  inWorkspace('lost', ['workspace-missing'], notDeployed(/workspace ws-fault-.*404.*setting WORKSPACES/)),
  inWorkspace('homeless', ['group-missing'], notDeployed(/ResourceGroupNotFound.*setting WORKSPACES/)),
  // They rent more cores than were asked for.
  byModel('sku-other', { target: { workspace: 'uksouth' }, mismatch: /Azure ML runs 1 x/ }),
  byModel('instances-other.3', { target: { workspace: 'uksouth' }, mismatch: /Azure ML runs 3 x/ }),
  byModel('put-updating.2'),
  byModel('delete-busy.2'),
  byModel('delete-slow.3'),
  byModel('delete-fail.1'),
  byModel('keys-rotate.1'),
  byModel('keys-die.0', { ends: failed('warm-up-failed', /refused the credential/) }),
  byModel('arm-401'),
  byModel('arm-403', { ends: notDeployed(/403 AuthorizationFailed.*AzureML Data Scientist/) }),
  inWorkspace('unfindable', ['arm-404'], notDeployed(/Could not create the endpoint.*404 ResourceNotFound/)),
  byModel('arm-409'),
  inWorkspace('throttled', ['arm-429'], COMPLETED),
  byModel('arm-500'),
  byModel('arm-503'),
  byModel('arm-504'),
  byModel('arm-reset'),
  byModel('arm-lost'),
  {
    // Not a run that meets it in deploying, but one whose endpoint ARM denies while it stands: once, when it is to go.
    words: ['arm-404'],
    target: { workspace: 'uksouth' },
    ends: COMPLETED,
    meanwhile: async (id) => {
      const { run } = await installation.watch(id, ({ state }) => state === 'measuring', 180);
      await rulesMatched();
      const resource = run.endpoint.name;
      await setRules([{ operation: 'GET endpoint', resource, nth: 1, fault: 'arm-404' }]);
    },
  },
  // Where it asks for quota, which is given up after 15 s: the plan then says that it is not known.
  inWorkspace('japaneast', ['arm-timeout'], COMPLETED),

  serving(['crlf', 'comments.2', 'tokens-per-chunk', 'prefix-cache', 'drift', 'noise'], {
    failures: {},
    row: { ttftReason: null, tokenSource: 'usage', provenance: { route: 'openai-chat', streamed: true } },
  }),
  serving(['buffered-stream'], {
    spec: { workloads: [{ promptTokens: 64, outputTokens: 64 }] },
    row: { ttftReason: 'buffered' },
  }),
  serving(['output-only'], { spec: { api: 'score' }, failures: {}, row: { ttftReason: 'not-streamed' } }),
  serving(['masked-errors', 'score-424-500.5'], {
    spec: { api: 'score' },
    failures: { 'masked-error': /CUDA error/ },
  }),
  serving(['traffic-late.2'], { failures: {} }),
  serving(['ready-late.2'], { failures: {} }),
  serving(['limit-requests.1'], {
    spec: { concurrency: { levels: [64] }, measure: { mode: 'burst' } },
    row: { retries: expect.toSatisfy((retries: number) => retries > 0), succeeded: 64 },
  }),
  serving(['limit-connections.1'], {
    spec: { concurrency: { levels: [4] } },
    failures: { reset: /closed the connection/ },
    row: { ttftReason: null },
  }),
  serving(['limit-bandwidth.1'], { failures: {} }),
  serving(['limit-body.1'], {
    spec: LONG_PROMPTS,
    ends: failed('nothing-succeeded', /rows tell the failures/),
    failures: { 'bad-request': /^413: / },
  }),
  scoring({
    '401': ['auth', /^401: Unauthorized/],
    '404': ['bad-request', /^404: .*no deployment with traffic/],
    '500': ['server-error', /^500: Internal Server Error/],
    '502': ['gateway', /^502: .*Bad Gateway/],
    '429': ['throttle-queue', /^429/],
  }),
  scoring({
    '403': ['auth', /^403: Access is denied/],
    '413': ['bad-request', /^413: /],
    '429-rate': ['throttle-rate', /no more requests per second/],
    '503': ['gateway', /^503: upstream connect error/],
    '424-500': ['model-error', /inner 500.*CUDA error/],
  }),
  scoring({
    '504': ['gateway', /^504: upstream request timeout/],
    '429-after-1': ['throttle-queue', /^429/],
    '429-tokens-1': ['throttle-rate', /token rate limit/],
    '424': ['model-error', /no inner status: model_not_ready/],
    redirect: ['redirect', /^307 to http:\/\/169\.254\.169\.254/],
  }),
  scoring({
    '429-date-1': ['throttle-queue', /^429/],
    context: ['context-window', /maximum context length/],
    filter: ['content-filter', /content management policy/],
    masked: ['masked-error', /EngineDeadError/],
    empty: ['empty-output', /no output/],
  }),
  scoring({
    'error-4': ['masked-error', /EngineDeadError/],
    'masked-empty': ['empty-output', /no output/],
    'truncated-4': ['truncated-stream', /without its end mark/],
    'huge-40': ['oversized', /longer than/],
    'bomb-40': ['malformed-answer', /compressed/],
  }),
  // What is cut by the deployment's timeout.
  scoring(
    {
      'error-event-4': ['masked-error', /EngineDeadError/],
      'reset-4': ['reset', /ECONNRESET/],
      'length-less': ['malformed-answer', /not JSON/],
      '408': ['deadline-server', /^408: /],
    },
    { timeoutSeconds: 2 },
  ),
  scoring(
    { 'finish-error': ['masked-error', /EngineDeadError/], 'stall-4': ['reset', /closed/] },
    { timeoutSeconds: 2 },
  ),
  scoring({ endless: ['reset', /closed/] }, { timeoutSeconds: 2 }),
  serving(['score-utf8.2', 'score-length-more.3', 'score-dribble.5'], { failures: {} }),
  serving(['score-echo.2'], { spec: { api: 'score' }, failures: {} }),
];

let installation: Installation;
const over = new Map<Case, { readonly run: RunJson; readonly rows: readonly RunJson[] }>();

beforeAll(async () => {
  installation = await openInstallation({
    SIMULATOR_SPEED: '100',
    SIMULATOR_GPU_SPEED: '20',
    WORKSPACES: JSON.stringify(WORKSPACES),
    MAX_GPUS_ALIVE: '1000',
    MAX_USD_PER_DAY: '100000',
    // What a run leaves behind shall be seen, and not be deleted by the next pass.
    REAP_SCHEDULE: '0 0 0 1 1 *',
    AzureFunctionsJobHost__extensions__durableTask__maxConcurrentActivityFunctions: '40',
    AzureFunctionsJobHost__extensions__durableTask__maxConcurrentOrchestratorFunctions: '40',
  });
  await setRules([{ operation: 'GET usages', resource: 'japaneast', nth: 1, fault: 'arm-timeout' }]);
  const ids = new Map<string, Case>();
  await Promise.all(
    CASES.map(async (one, index) => {
      const { status, text, json } = await installation.post('/api/runs', specOf(one, index));
      if (status !== 202) throw new Error(`${one.words.join(', ')}: ${status} ${text}`);
      ids.set(json.id, one);
      await one.meanwhile?.(json.id);
    }),
  );
  await untilOver(ids.size);
  for (const [id, one] of ids) {
    const { json: run } = await installation.get(`/api/runs/${id}`);
    const { json: report } = await installation.get(`/api/runs/${id}/results`);
    over.set(one, { run, rows: report.rows ?? [] });
  }
}, 300_000);

afterAll(async () => {
  await installation.close();
});

describe('a run that meets', () => {
  it.each(CASES.map((one) => [one.words.join(', '), one] as const))('%s', (_, one) => {
    const { run, rows } = over.get(one) ?? { run: null, rows: [] };
    const { state, code, message } = one.ends;
    expect(run).toMatchObject({ state, failure: code === undefined ? null : { code } });
    if (message !== undefined) expect(run.failure.message).toMatch(message);
    if (one.mismatch !== undefined) expect(run.endpoint.mismatch).toMatch(one.mismatch);
    if (one.row !== undefined) expect(rows).toMatchObject([one.row]);
    if (one.failures !== undefined) {
      const [{ failures, failureExamples }] = rows as [RunJson];
      expect(Object.keys(failures).sort()).toEqual(Object.keys(one.failures).sort());
      for (const [failure, words] of Object.entries(one.failures))
        expect(failureExamples[failure]).toMatch(words);
    }
    if (state === 'completed') expect(rows[0].succeeded).toBeGreaterThan(0);
  });
});

describe('all of them together', () => {
  it('are every fault that the simulator has', () => {
    const covered = CASES.flatMap(({ words }) => words);
    expect(new Set(covered)).toEqual(new Set(wordsOfReadme()));
  });

  it('have cost no more, up to their release, than their plans said', () => {
    const costs = [...over.values()].map(({ run }) => run.cost);
    for (const { accruedUsd, boundUsd } of costs) expect(accruedUsd ?? 0).toBeLessThanOrEqual(boundUsd ?? 0);
    expect(costs.filter(({ accruedUsd }) => accruedUsd > 0).length).toBeGreaterThan(CASES.length - 5);
  });

  it('leave nothing', async () => {
    const { endpoints } = await installation.books();
    expect(endpoints.length).toBeGreaterThan(CASES.length - 5);
    expect(endpoints.filter(({ deletedAt }) => deletedAt === null)).toEqual([]);
    expect((await installation.get('/api/endpoints')).json.endpoints).toEqual([]);
  });
});

async function setRules(rules: readonly object[]): Promise<void> {
  const answer = await fetch(`${installation.simulatorUrl}/simulator/faults`, {
    method: 'PUT',
    body: JSON.stringify(rules),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

/** Until each rule has met its call: setting others puts them in the place of those. */
async function rulesMatched(): Promise<void> {
  for (let looks = 0; looks < 100; looks += 1) {
    const { json } = await installation.get(`${installation.simulatorUrl}/simulator/faults`);
    if (json.rules.every(({ matched }: RunJson) => matched > 0)) return;
    await delay(100);
  }
  throw new Error('A rule has met no call.');
}

function specOf(
  { model = 'Phi-4', target = {}, spec = {}, timeoutSeconds = 20 }: Case,
  index: number,
): object {
  return smallSpec({
    model: { name: model, version: '7' },
    target: {
      kind: 'managed',
      // Eight of the one and five of the other are what a region's quota holds.
      sku: index % 13 < 8 ? 'Standard_NC24ads_A100_v4' : 'Standard_NC40ads_H100_v5',
      workspace: REGIONS[Math.floor(index / 13)],
      requestSettings: { requestTimeoutSeconds: timeoutSeconds },
      ...target,
    },
    workloads: [{ promptTokens: 16, outputTokens: 16 }],
    concurrency: { levels: [1] },
    measure: { mode: 'steady', repeats: 1, minRequests: 10, maxSeconds: 5 },
    ...spec,
  });
}

/** One look at all of them, again and again: each for itself would be a load of its own. */
async function untilOver(count: number): Promise<void> {
  for (let looks = 0; looks < 400; looks += 1) {
    const { json } = await installation.get('/api/runs?limit=200');
    const ended = json.runs.filter(({ state }: RunJson) =>
      ['completed', 'failed', 'canceled'].includes(state),
    );
    if (ended.length >= count) return;
    await delay(500);
  }
  throw new Error(`Not every run has ended:\n${installation.output().slice(-4_000)}`);
}

/** `score-error-4.11` is the word `score-error`, and `score-408.2` is `score-408`. */
function wordOf(fault: string): string {
  const word = fault.replace(/\.\d+$/, '');
  return word.replace(/^(score-.+)-\d+$/, '$1');
}

/** The first columns of the tables under "Faults" in the simulator's README. */
function wordsOfReadme(): string[] {
  const readme = readFileSync(new URL('../../../src/simulator/README.md', import.meta.url), 'utf8');
  const section = readme.slice(readme.indexOf('## Faults'), readme.indexOf('\n## Tokens'));
  const [names = '', calls = ''] = section.split('**Scoring calls that fail**');
  const inTable = (text: string) =>
    [...text.matchAll(/^\| ([^|]+)\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) =>
        word.replace(/\.N$|-K$/, '').replace(/^fault-/, ''),
      ),
    );
  const limits = ['-connections', '-bandwidth', '-body'];
  return [
    ...inTable(names).map((word) => (limits.includes(word) ? `limit${word}` : word)),
    ...inTable(calls).map((word) => `score-${word}`),
  ];
}
