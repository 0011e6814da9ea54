/** The public serving image: its own routes one call at a time, what it passes on all at once. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Workers } from '../../src/simulator/workers.ts';
import { type Deployed, openWorkspace, post, scorePayload, type WorkspaceOfTest } from './a-workspace.ts';

/** 873 tokens take 20 s on the real machine, so 400 ms here. */
const GPU_SPEED = 50;
const TOKENS = 873;
const ALONE_MS = (900 + TOKENS * 22) / GPU_SPEED;

let workspace: WorkspaceOfTest;
let serial: Deployed;
beforeAll(async () => {
  workspace = await openWorkspace({ gpuSpeed: GPU_SPEED });
  serial = await workspace.deploy('serial', { maxConcurrent: 10 });
});
afterAll(() => workspace.close());

const length = { max_tokens: TOKENS, ignore_eos: true };
const askScore = ({ scoringUri, key }: Deployed) => post(scoringUri, key, scorePayload('x', length));
const askChat = ({ chatUri, key }: Deployed) =>
  post(chatUri, key, { messages: [{ role: 'user', content: 'x' }], ...length });

/** Wall time of a batch in units of one call alone, at the speed of the fastest machine that may be drawn (0.93). */
async function wallOf(count: number, ask: () => Promise<{ status: number }>): Promise<number> {
  const startedAt = performance.now();
  const answers = await Promise.all(Array.from({ length: count }, ask));
  expect(answers.map(({ status }) => status)).toEqual(new Array(count).fill(200));
  return (performance.now() - startedAt) / ALONE_MS;
}

test('a batch of c on /score takes about c times as long as one, up to the ten that may run', async () => {
  for (const count of [1, 2, 6]) {
    const wall = await wallOf(count, () => askScore(serial));
    expect(wall).toBeGreaterThan(0.93 * count);
    expect(wall).toBeLessThan(2 * count);
  }
});

test('the same batch on the route that is passed on takes far less', async () => {
  expect(await wallOf(6, () => askChat(serial))).toBeLessThan(0.93 * 6 * 0.6);
});

test('calls that are let in but wait for the worker run into the timeout of the deployment', async () => {
  const slow = await workspace.deploy('wrapper-deadline', { maxConcurrent: 4, requestTimeout: 'PT1S' });
  const answers = await Promise.all(Array.from({ length: 4 }, () => askScore(slow)));
  const statuses = answers.map(({ status }) => status);
  expect(statuses[0]).toBe(200);
  expect(statuses[3]).toBe(408);
});

test('WORKER_COUNT lets as many calls of /score run at once, on each instance', async () => {
  const four = await workspace.deploy('workers', { maxConcurrent: 8, environment: { WORKER_COUNT: '4' } });
  const eight = await wallOf(8, () => askScore(four));
  expect(eight).toBeGreaterThan(0.93 * 2);
  expect(eight).toBeLessThan(0.93 * 8 * 0.6);
});

test('two instances serve two calls of /score at once', async () => {
  const two = await workspace.deploy('two-instances', { maxConcurrent: 4, instances: 2 });
  const wall = await wallOf(4, () => askScore(two));
  expect(wall).toBeGreaterThan(0.93 * 2);
  expect(wall).toBeLessThan(0.93 * 4 * 0.9);
});

test('the worker works on for a client that has gone; a call that only waits is dropped', async () => {
  const one = await workspace.deploy('wrapper-leaving', { maxConcurrent: 4 });
  const ask = (tokens: number, leaving?: AbortController) =>
    fetch(one.scoringUri, {
      method: 'POST',
      headers: { authorization: `Bearer ${one.key}` },
      body: JSON.stringify(scorePayload('x', { max_tokens: tokens, ignore_eos: true })),
      signal: leaving?.signal ?? null,
    }).then(
      ({ status }) => status,
      () => 'gone',
    );
  const leaving = new AbortController();
  const startedAt = performance.now();
  const working = ask(TOKENS, leaving);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const waiting = ask(15_000, leaving); // It would take 7 s.
  const next = ask(1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  leaving.abort();
  expect([await working, await waiting, await next]).toEqual(['gone', 'gone', 200]);
  const tookMs = performance.now() - startedAt;
  expect(tookMs).toBeGreaterThan(ALONE_MS * 0.93);
  expect(tookMs).toBeLessThan(ALONE_MS * 8);
});

test('on the route that is passed on, a client that goes away takes its work with it', async () => {
  const one = await workspace.deploy('proxy-leaving', { maxConcurrent: 1 });
  const body = (tokens: number) => ({
    messages: [{ role: 'user', content: 'x' }],
    max_tokens: tokens,
    ignore_eos: true,
  });
  const leaving = new AbortController();
  const gone = fetch(one.chatUri, {
    method: 'POST',
    headers: { authorization: `Bearer ${one.key}` },
    body: JSON.stringify(body(15_000)),
    signal: leaving.signal,
  }).catch(() => 'gone');
  await new Promise((resolve) => setTimeout(resolve, 50));
  leaving.abort();
  expect(await gone).toBe('gone');
  const startedAt = performance.now();
  expect((await post(one.chatUri, one.key, body(1))).status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(3000); // The work that was left would have taken 7 s.
});

test('a worker is free again after a call that was never answered', async () => {
  const one = await workspace.deploy('wrapper-408', {
    maxConcurrent: 2,
    requestTimeout: 'PT0.3S',
    environment: { SIMULATOR_FAULTS: 'fault-score-408.2' },
  });
  const ask = async () => (await post(one.scoringUri, one.key, scorePayload('x', { max_tokens: 1 }))).status;
  const statuses: number[] = [];
  for (let call = 0; call < 4; call += 1) statuses.push(await ask());
  expect(statuses).toEqual([200, 408, 200, 408]);
});

test('workers take turns in order, at the time at which the one before has left', () => {
  const workers = new Workers(2);
  const turns: [string, number][] = [];
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => ({
    onTurn: (atMs: number) => void turns.push([name, atMs]),
  })) as [{ onTurn(atMs: number): void }, ...{ onTurn(atMs: number): void }[]];
  for (const turn of [a, b, c, d]) if (turn) workers.enter(turn, 0);
  if (c) workers.leave(c, 5); // It waited, and goes.
  workers.leave(a, 10);
  workers.leave(a, 11); // Once is enough.
  expect(turns).toEqual([
    ['a', 0],
    ['b', 0],
    ['d', 10],
  ]);
});
