/** Warming up against servers of the test's own, over real sockets, with the run's row on real tables. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createSteps } from '../../src/activities/steps.ts';
import type { RunRecord } from '../../src/core/run.ts';
import { parseSpec } from '../../src/core/spec/spec.ts';
import { createConnectionBudget } from '../../src/load/connection-budget.ts';
import type { Services } from '../../src/services.ts';
import {
  type Answerer,
  answerJson,
  type FakeEndpoint,
  scoreAnswer,
  startFake,
} from '../load/fake-endpoint.ts';
import { eventually, openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;
const open: FakeEndpoint[] = [];

beforeAll(async () => {
  real = await openRealServices();
});
afterAll(() => real.close());
afterEach(async () => {
  await Promise.all(open.splice(0).map((fake) => fake.close()));
});

interface Asked {
  readonly prompt: string;
  readonly outputTokens: number;
}

function readAsked(body: string): Asked {
  const { input_string: messages, parameters } = JSON.parse(body).input_data;
  return { prompt: messages[0].content, outputTokens: parameters.max_tokens };
}

/** Counts a prompt by its words and marks, with 17 tokens of template. */
const countTokens = (text: string) => 17 + (text.match(/[a-z]{1,5}|[^a-z\s]/gi) ?? []).length;

/** Answers after so many milliseconds a token, all at once or one after another. */
function server(msPerToken: number, serial = false): Answerer {
  let before = Promise.resolve();
  return async ({ body }, response) => {
    const { prompt, outputTokens } = readAsked(body);
    const work = () => delay(outputTokens * msPerToken);
    before = serial ? before.then(work) : before;
    await (serial ? before : work());
    answerJson(response, scoreAnswer(outputTokens, countTokens(prompt)));
  };
}

async function prepare(answer: Answerer, spec: object = {}) {
  const fake = await startFake(answer);
  open.push(fake);
  const scoringUri = `${fake.origin}/score`;
  const parsed = parseSpec({
    target: { kind: 'existing', scoringUri: 'https://example.com/score', auth: { kind: 'none' } },
    api: 'score',
    workloads: [
      { promptTokens: 128, outputTokens: 16 },
      { promptTokens: 700, outputTokens: 32 },
    ],
    concurrency: { levels: [1, 4] },
    ...spec,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  // A loopback address, which no spec may name here.
  const target = { ...parsed.value.target, scoringUri } as RunRecord['spec']['target'];
  const run = await real.aStoredRun({ spec: { ...parsed.value, target } as RunRecord['spec'] });
  await real.services.stores.runs.change(run.id, ({ plan }) => ({
    plan: { ...plan, measureMinutes: parsed.value.limits.maxMinutes, maxConcurrentRequestsPerInstance: null },
  }));
  const services: Services = {
    ...real.services,
    scoringAddresses: {
      ...real.services.scoringAddresses,
      refuse: () => null,
      resolve: async () => ({ kind: 'resolved', address: '127.0.0.1' }),
      authorization: async () => null,
    },
  };
  const read = async () => {
    const now = await real.services.stores.runs.read(run.id);
    if (now === null) throw new Error('The run is gone.');
    return now;
  };
  return { fake, run, services, read };
}

describe('warming up', () => {
  it('finds the route, calibrates each prompt within 2 %, and loads the top level until it is stable', async () => {
    const { fake, run, services, read } = await prepare(server(4), { concurrency: { levels: [1, 8] } });
    expect(await createSteps(services).warmUp({ runId: run.id, attempt: 1 })).toEqual({ state: 'ready' });
    const { warmUp } = await read();
    expect(warmUp).toMatchObject({ route: { api: 'score', stream: false }, calibrated: true });
    // Whether this machine keeps its times is not this test's; that it is told is.
    expect(warmUp?.stable).toBe(warmUp?.unstableReason === null);
    expect(warmUp?.calibrations?.map((one) => one.promptTokens)).toEqual([128, 700]);
    expect(Math.abs(warmUp?.promptTokensError ?? 1)).toBeLessThanOrEqual(0.02);
    const rounds = warmUp?.rounds ?? [];
    expect(rounds.map((one) => one.level)).toEqual(expect.arrayContaining([4, 8, 8, 8]));
    expect(rounds.every((one) => one.failed === 0 && one.seconds > 0)).toBe(true);
    expect(warmUp?.requests).toBe(fake.received.length);
    expect(warmUp?.seconds).toBeGreaterThan(0);
    expect(fake.maxInFlight()).toBe(8);

    // Distinct prompts, the rounds' as long as the largest workload asks, within 2 % on average.
    const asked = fake.received.map(({ body }) => readAsked(body));
    expect(new Set(asked.map((one) => one.prompt)).size).toBe(asked.length);
    expect(warmUp?.idleMs).toBeGreaterThan(0);
    const ofRounds = asked.slice(-11, -3);
    const mean = ofRounds.reduce((sum, one) => sum + countTokens(one.prompt), 0) / ofRounds.length;
    expect(Math.abs(mean / 700 - 1)).toBeLessThan(0.02);
    expect(ofRounds.every((one) => one.outputTokens === 32)).toBe(true);

    // Once it is over, the step that runs again sends nothing.
    const sent = fake.received.length;
    expect(await createSteps(services).warmUp({ runId: run.id, attempt: 2 })).toEqual({ state: 'ready' });
    expect(fake.received).toHaveLength(sent);
  });

  it('goes on after a crash from what stands in the row', async () => {
    const { fake, run, services, read } = await prepare(server(3));
    await createSteps(services).warmUp({ runId: run.id, attempt: 1 });
    const whole = (await read()).warmUp;
    if (whole === null) throw new Error('There is no warm-up.');
    const { stable: _stable, unstableReason: _reason, ...rest } = whole;
    // As if the process had died after its first round.
    await real.services.stores.runs.change(run.id, () => ({
      warmUp: { ...rest, rounds: rest.rounds?.slice(0, 1) ?? [] },
    }));
    const sent = fake.received.length;
    expect(await createSteps(services).warmUp({ runId: run.id, attempt: 2 })).toEqual({ state: 'ready' });
    const { warmUp } = await read();
    expect(warmUp?.calibrations).toEqual(whole.calibrations);
    expect(warmUp?.rounds?.slice(0, 1)).toEqual(whole.rounds?.slice(0, 1));
    expect(fake.received.length - sent).toBe(
      // And three small ones that tell what an idle endpoint takes.
      (warmUp?.rounds ?? []).slice(1).reduce((sum, one) => sum + one.level, 0) + 3,
    );
  });

  it('leaves a serial endpoint long before its top level would be reached, and says why', async () => {
    // 5 ms a token, 100 tokens, one after another: 4 requests take 2 s, 64 would take 32. A tenth of a minute is there.
    const { fake, run, services, read } = await prepare(server(5, true), {
      workloads: [{ promptTokens: 64, outputTokens: 100 }],
      concurrency: { levels: [64] },
      limits: { maxMinutes: 1 },
    });
    expect(await createSteps(services).warmUp({ runId: run.id, attempt: 1 })).toEqual({ state: 'ready' });
    const { warmUp } = await read();
    expect(warmUp).toMatchObject({
      stable: false,
      unstableReason: expect.stringMatching(/round of 16 requests may take/),
    });
    expect(fake.maxInFlight()).toBeLessThanOrEqual(4);
  });

  it('whose every request fails is over, unstable, and leaves the failure to the cells', async () => {
    let answered = 0;
    const good = server(1);
    const { run, services, read } = await prepare((received, response) => {
      answered += 1;
      if (answered <= 2) return good(received, response);
      answerJson(response, '{"error":"out of memory"}', 500);
    });
    expect(await createSteps(services).warmUp({ runId: run.id, attempt: 1 })).toEqual({ state: 'ready' });
    const { warmUp } = await read();
    expect(warmUp).toMatchObject({ stable: false, promptTokensError: null, rounds: [{ medianMs: null }] });
  });

  it('without a usage calibrates nothing, says that lengths are estimated, and still warms up', async () => {
    const { run, services, read } = await prepare((_, response) =>
      answerJson(response, '{"output":"some words of an answer"}'),
    );
    expect(await createSteps(services).warmUp({ runId: run.id, attempt: 1 })).toEqual({ state: 'ready' });
    const { warmUp } = await read();
    expect(warmUp).toMatchObject({ calibrated: false, charactersPerToken: 4 });
    expect(warmUp?.calibrations).toBeUndefined();
    expect(warmUp?.rounds?.length).toBeGreaterThanOrEqual(3);
  });

  it('is left out where other runs hold the connections for long, and the run goes on', async () => {
    const { run, services, read } = await prepare(server(1));
    const connections = createConnectionBudget(8);
    await connections.admit(8, 0);
    const steps = createSteps({ ...services, connections });
    expect(await steps.warmUp({ runId: run.id, attempt: 1 })).toEqual({ state: 'waiting' });
    expect(await steps.warmUp({ runId: run.id, attempt: 5 })).toEqual({ state: 'ready' });
    expect((await read()).warmUp).toMatchObject({
      stable: false,
      unstableReason: expect.stringMatching(/taken by other runs/),
    });
  });

  it('stops within seconds of a cancel, in the middle of a round', async () => {
    const { fake, run, services } = await prepare(
      async ({ body }, response) => {
        const { prompt, outputTokens } = readAsked(body);
        if (outputTokens === 200) await delay(60_000, undefined, { ref: false });
        answerJson(response, scoreAnswer(outputTokens, countTokens(prompt)));
      },
      { workloads: [{ promptTokens: 64, outputTokens: 200 }] },
    );
    const warming = createSteps(services).warmUp({ runId: run.id, attempt: 1 });
    await eventually(async () => fake.maxInFlight() === 4);
    await real.services.stores.runs.change(run.id, () => ({ cancelRequestedAtMs: real.services.now() }));
    expect(await warming).toMatchObject({ state: 'ended', ending: { state: 'canceled' } });
  });
});
