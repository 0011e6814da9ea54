/** The user's own requests on their way to the shards: each sent once before any is sent again, and gone means told. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readRequestShare } from '../../src/activities/request-share.ts';
import { createSteps } from '../../src/activities/steps.ts';
import { parseRequestSet, type RequestSet } from '../../src/core/requests/request-set.ts';
import type { RunRecord } from '../../src/core/run.ts';
import type { Services } from '../../src/services.ts';
import { answerJson, type FakeEndpoint, scoreAnswer, startFake } from '../load/fake-endpoint.ts';
import { aSpec } from '../support/builders.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;
const open: FakeEndpoint[] = [];

beforeAll(async () => {
  real = await openRealServices();
});
afterAll(() => real.close());
afterEach(async () => {
  await Promise.all(open.splice(0).map((fake) => fake.close()));
});

function aSet(requests: number, word: string): RequestSet {
  const lines = Array.from({ length: requests }, (_, index) =>
    JSON.stringify({ prompt: `${word} ${index}`, outputTokens: 3 }),
  );
  const parsed = parseRequestSet(lines.join('\n'));
  if (!parsed.ok) throw new Error('The set of the test is faulty.');
  return parsed.value;
}

/** A run of that set, whose content is what is stored now. */
async function aRunOf(name: string): Promise<RunRecord> {
  const stored = await real.services.stores.requestSets.describe(name);
  const workloads = [{ requests: name, ...(stored && { requestsDigest: stored.digest }) }];
  return real.aStoredRun({ spec: aSpec({ workloads, concurrency: { levels: [4] } }) });
}

const orderOf = (fields: object = {}) => ({
  workload: 0,
  loop: 'closed' as const,
  level: 4,
  repeat: 1,
  attempt: 1,
  shards: 2,
  minRequests: 10,
  maxSeconds: 3,
  contaminated: false,
  ...fields,
});

describe('the share of a shard', () => {
  it('holds, with those of its siblings, every request once, and begins elsewhere in another repeat', async () => {
    await real.services.stores.requestSets.save('shared', aSet(100, 'ask'));
    const run = await aRunOf('shared');
    const read = async (repeat: number) =>
      (
        await Promise.all(
          [0, 1].map((shard) => readRequestShare(real.services, run, orderOf({ repeat }), shard)),
        )
      ).map((share) => (share ?? []).map((line) => line.prompt));
    const [first, second] = [await read(1), await read(2)];
    for (const shares of [first, second]) expect(new Set(shares.flat()).size).toBe(100);
    expect(first[0]?.[0]).not.toBe(second[0]?.[0]);
    expect(await read(1)).toEqual(first);
  });

  it('is none where prompts are made', async () => {
    expect(await readRequestShare(real.services, await real.aStoredRun(), orderOf(), 0)).toBeNull();
  });

  it('is read from the tables once per process', async () => {
    await real.services.stores.requestSets.save('once', aSet(10, 'once'));
    const run = await aRunOf('once');
    let reads = 0;
    const { stores } = real.services;
    const counting: Services = {
      ...real.services,
      stores: {
        ...stores,
        requestSets: {
          ...stores.requestSets,
          read: (name) => {
            reads += 1;
            return stores.requestSets.read(name);
          },
        },
      },
    };
    for (let repeat = 1; repeat <= 5; repeat += 1)
      await readRequestShare(counting, run, orderOf({ repeat }), 0);
    expect(reads).toBe(1);
  });

  it.each([
    [
      'was deleted',
      async () => void (await real.services.stores.requestSets.remove('mine')),
      /"mine" was deleted/,
    ],
    [
      'was replaced',
      async () => void (await real.services.stores.requestSets.save('mine', aSet(3, 'new'))),
      /"mine" was replaced/,
    ],
  ])(
    'of a set that %s since the run was started fails the cell with a sentence',
    async (_, change, message) => {
      await real.services.stores.requestSets.save('mine', aSet(50, 'old'));
      const run = await aRunOf('mine');
      await readRequestShare(real.services, run, orderOf(), 0);
      await change();
      await expect(readRequestShare(real.services, run, orderOf(), 0)).rejects.toThrow(message);
    },
  );

  it('of a set with fewer requests than shards says so', async () => {
    await real.services.stores.requestSets.save('tiny', aSet(1, 'tiny'));
    const run = await aRunOf('tiny');
    await expect(readRequestShare(real.services, run, orderOf(), 1)).rejects.toThrow(
      /has 1 requests, too few/,
    );
  });
});

describe('measuring a cell of a request set', () => {
  async function prepare(name: string) {
    const fake = await startFake(({ body }, response) =>
      answerJson(response, scoreAnswer(JSON.parse(body).input_data.parameters.max_tokens)),
    );
    open.push(fake);
    const run = await aRunOf(name);
    await real.services.stores.runs.change(run.id, () => ({
      state: 'measuring',
      spec: {
        ...run.spec,
        target: {
          ...aSpec().target,
          kind: 'existing',
          scoringUri: `${fake.origin}/score`,
          auth: { kind: 'none' },
          requestTimeoutSeconds: 30,
        },
      } as unknown as RunRecord['spec'],
      warmUp: {
        route: { api: 'score', url: `${fake.origin}/score`, stream: false },
        requests: 2,
        charactersPerToken: 4,
        templateTokens: 0,
        calibrated: true,
      },
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
    return { fake, run, steps: createSteps(services) };
  }

  it('sends each of its requests once before any again, over both shards, with its own length', async () => {
    await real.services.stores.requestSets.save('sent', aSet(40, 'send'));
    const { fake, run, steps } = await prepare('sent');
    const outcomes = await Promise.all(
      [0, 1].map((shard) => steps.measureCell({ runId: run.id, order: orderOf(), shard })),
    );
    expect(outcomes.map((one) => one.message)).toEqual([null, null]);
    const asked = fake.received.map(({ body }) => JSON.parse(body).input_data);
    const counts = new Map<string, number>();
    for (const one of asked) {
      const prompt = one.input_string[0].content;
      expect(prompt).toMatch(/^send \d+$/);
      counts.set(prompt, (counts.get(prompt) ?? 0) + 1);
    }
    expect(asked.length).toBeGreaterThan(40);
    expect(counts.size).toBe(40);
    // Within a shard none is ahead of another by more than a round.
    expect(asked.every((one) => one.parameters.max_tokens === 3)).toBe(true);
  });

  it('tells as its outcome that the set was deleted, and loads nothing', async () => {
    await real.services.stores.requestSets.save('away', aSet(40, 'away'));
    const { fake, run, steps } = await prepare('away');
    await real.services.stores.requestSets.remove('away');
    const outcome = await steps.measureCell({ runId: run.id, order: orderOf(), shard: 0 });
    expect(outcome).toMatchObject({ status: 'failed', message: expect.stringMatching(/"away" was deleted/) });
    expect(fake.received).toEqual([]);
  });
});
