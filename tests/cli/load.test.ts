import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { LoadSummary } from '../../src/cli/load-summary.ts';
import { renderLoad } from '../../src/cli/load-text.ts';
import {
  type Answerer,
  answerJson,
  answerStream,
  beginStream,
  done,
  event,
  finish,
  goodStream,
  scoreAnswer,
  tokens,
  usage,
} from '../load/fake-endpoint.ts';
import { openFake } from '../load/open-fake.ts';
import { type RunOptions, runCommand } from './run-command.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'foundry-bench-load-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Streams so many tokens as were asked for, a few milliseconds apart. */
const chat: Answerer = async ({ body }, response) => {
  beginStream(response);
  const count: number = JSON.parse(body).max_tokens;
  for (const token of tokens(count)) {
    response.write(token);
    await wait(2);
  }
  response.end(finish + usage(count) + done);
};

const score: Answerer = (_, response) => answerJson(response, scoreAnswer(8));

/** JSON and text of one load: what must never be in either is checked here. */
async function check(args: readonly string[], options: RunOptions = {}) {
  const { code, stdout } = await runCommand(['load', '--output-tokens', '8', ...args, '--json'], options);
  const summary: LoadSummary = JSON.parse(stdout);
  const text = renderLoad(summary, 100).join('\n');
  expect(stdout + text).not.toMatch(/NaN|Infinity|undefined/);
  expect(text).not.toMatch(/null/);
  expect(summary.succeeded + summary.failed).toBe(summary.requests);
  const failures = Object.values(summary.failures).reduce((sum, count) => sum + count, 0);
  expect(failures).toBe(summary.failed);
  return { text, code, summary };
}

function readLines(file: string) {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('load', () => {
  it('sends exactly the requests asked for and nothing else, over as many connections as asked for', async () => {
    const { origin, received, connections } = await openFake(chat);
    const { code, stdout } = await runCommand([
      'load',
      ...['--url', `${origin}/v1/chat/completions`, '--api', 'openai-chat', '--concurrency', '3'],
      ...['--requests', '20', '--prompt-tokens', '50', '--output-tokens', '8', '--json'],
    ]);
    expect(code).toBe(0);
    expect(received).toHaveLength(20);
    expect(connections()).toBe(3);
    expect(new Set(received.map(({ body }) => body)).size).toBe(20);
    for (const { body, path: asked } of received) {
      expect(asked).toBe('/v1/chat/completions');
      expect(JSON.parse(body)).toMatchObject({ stream: true, max_tokens: 8 });
      expect(JSON.parse(body).messages[0].content).toHaveLength(200);
    }
    const summary: LoadSummary = JSON.parse(stdout);
    expect(summary).toMatchObject({
      requests: 20,
      succeeded: 20,
      failed: 0,
      failures: {},
      contentEvents: 160,
      outputTokens: 160,
      promptTokens: 800,
      tokenSource: 'usage',
      threads: 1,
      ttftReason: null,
      interrupted: false,
      probe: null,
      warmUp: null,
    });
    // Each token came two milliseconds after the one before.
    expect(summary.percentiles.ttftMs).toMatchObject({ count: 20, p95: null, p99: null });
    expect(summary.percentiles.gapMs).toMatchObject({ count: 140, p99: null });
    expect(summary.percentiles.gapMs.p50).toBeGreaterThan(1);
    expect(summary.percentiles.gapMs.p95).not.toBeNull();
    expect(summary.percentiles.e2eMs.p50).toBeGreaterThan(14);
    expect(summary.rates.requestsPerSecond).toBeCloseTo(20 / summary.seconds, 6);
    expect(summary.rates.outputTokensPerSecond).toBeCloseTo(160 / summary.seconds, 6);
    expect(summary.clientHealth?.roundTripMs).toBeGreaterThan(0);
    expect(summary.clientHealth?.sendDelayP99Ms).toBeGreaterThan(0);
  });

  it('writes a line for each request, with every gap and no secret', async () => {
    const secret = 's3cret-of-a-test';
    let asked = 0;
    const { origin, received } = await openFake((one, response) => {
      asked += 1;
      if (asked === 3) answerJson(response, `{"error":{"message":"${one.headers.authorization}?"}}`, 500);
      else void chat(one, response);
    });
    const file = path.join(folder, 'samples.ndjson');
    const ran = await runCommand(
      [
        ...['load', '--url', `${origin}/v1/chat/completions`, '--concurrency', '2', '--requests', '6'],
        ...['--output-tokens', '8', '--key-env', 'TEST_KEY', '--samples', file],
      ],
      { env: { TEST_KEY: secret } },
    );
    expect(ran.code).toBe(0);
    expect(received.every(({ headers }) => headers.authorization === `Bearer ${secret}`)).toBe(true);
    expect(ran.stdout + ran.stderr + readFileSync(file, 'utf8')).not.toContain(secret);
    const lines = readLines(file);
    expect(lines.map((line) => line.requestId).sort()).toEqual(
      received.map(({ headers }) => headers['x-ms-client-request-id']).sort(),
    );
    const [good, failed] = [
      lines.filter((line) => line.failure === null),
      lines.filter((line) => line.failure),
    ];
    expect(good).toHaveLength(5);
    for (const line of good) {
      expect(line.gapsMs).toHaveLength(7);
      expect(line.ttftMs + line.gapsMs.reduce((sum: number, gap: number) => sum + gap, 0)).toBeCloseTo(
        line.e2eMs,
        1,
      );
      expect(JSON.stringify(line)).not.toMatch(/"\w+Ms":\d+\.\d{4}/);
      // On this machine's monotonic clock.
      expect(Math.abs(line.sentMs - Number(process.hrtime.bigint()) / 1e6)).toBeLessThan(60_000);
      expect(line.sentMs).toBeGreaterThanOrEqual(line.scheduledMs);
      expect(line).toMatchObject({ outputTokens: 8, promptTokens: 40, tokenSource: 'usage', status: 200 });
    }
    expect(failed).toMatchObject([
      { failure: 'server-error', status: 500, ttftMs: null, ttftReason: 'no-output', gapsMs: [] },
    ]);
  });

  it('calls the address as it is, whatever its path, where the API is named', async () => {
    const { origin, received } = await openFake(score);
    const { code } = await runCommand([
      'load',
      '--url',
      `${origin}/my/own?v=1`,
      '--api',
      'score',
      '--requests',
      '2',
    ]);
    expect(code).toBe(0);
    expect(received.map((one) => one.path)).toEqual(['/my/own?v=1', '/my/own?v=1']);
  });

  it('finds out how to ask with --api auto, and says how many requests that took', async () => {
    const { origin, received } = await openFake((one, response) =>
      one.path === '/score' ? score(one, response) : answerJson(response, '{}', 404),
    );
    const ran = await runCommand(['load', '--url', `${origin}/score`, '--api', 'auto', '--requests', '3']);
    expect(ran.code).toBe(0);
    const counted = received.filter(
      ({ headers }) => !String(headers['x-ms-client-request-id']).includes('probe'),
    );
    expect(counted).toHaveLength(3);
    expect(ran.stdout).toMatch(/^score; /m);
    expect(ran.stdout).toContain(`Not counted: ${received.length - 3} requests that found out how to ask.`);
  });

  it('ends with 1 and a sentence where no way to ask was found', async () => {
    const { origin } = await openFake((_, response) => answerJson(response, 'no', 404));
    const ran = await runCommand(['load', '--url', origin, '--api', 'auto', '--requests', '3', '--json']);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('no usable answer');
    expect(JSON.parse(ran.stdout)).toMatchObject({ requests: 0, probe: { failure: 'bad-request' } });
  });

  it('does not count the requests of a warm-up', async () => {
    const { origin, received } = await openFake(score);
    const ran = await runCommand([
      ...[
        'load',
        '--url',
        `${origin}/score`,
        '--warmup',
        '5',
        '--requests',
        '4',
        '--concurrency',
        '2',
        '--json',
      ],
    ]);
    expect(received).toHaveLength(9);
    expect(JSON.parse(ran.stdout)).toMatchObject({ requests: 4, warmUp: { requests: 5, failed: 0 } });
  });

  it('loads for a time, and tells the rate of the steady window', async () => {
    const { origin } = await openFake((one, response) => void setTimeout(() => score(one, response), 50));
    const { code, stdout } = await runCommand([
      ...['load', '--url', `${origin}/score`, '--seconds', '3', '--concurrency', '2', '--output-tokens', '8'],
      '--json',
    ]);
    expect(code).toBe(0);
    const summary: LoadSummary = JSON.parse(stdout);
    // On a busy machine a gate may fail, and then the reason is told and the whole counts.
    expect(summary.rates.span === 'steady-window').toBe(summary.rates.reason === null);
    expect(summary.rates.requestsPerSecond).toBeLessThan(2 / 0.05);
    expect(summary.seconds).toBeGreaterThan(1);
    // Little's law is about a state, so that a load which had none is not held against it.
    if (summary.rates.span !== 'steady-window') expect(summary.littleRatio).toBeNull();
    else expect(Math.abs((summary.littleRatio ?? 0) - 1)).toBeLessThan(0.2);
  });

  it('spreads more than 128 connections over threads, and still sends exactly what was asked for', async () => {
    const { origin, received, connections } = await openFake(score);
    const { stdout } = await runCommand([
      ...['load', '--url', `${origin}/score`, '--concurrency', '130', '--requests', '301', '--json'],
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ requests: 301, succeeded: 301, threads: 2 });
    expect(received).toHaveLength(301);
    expect(connections()).toBe(130);
    expect(new Set(received.map(({ headers }) => headers['x-ms-client-request-id'])).size).toBe(301);
  });
});

describe('load at a rate', () => {
  const rated = (origin: string, ...args: string[]) => [
    ...['load', '--url', `${origin}/score`, '--output-tokens', '8', '--rate', '50', ...args],
  ];

  it('sends exactly the requests asked for when their time comes, and tells times from then as well', async () => {
    const { origin, received } = await openFake(
      (one, response) => void setTimeout(() => score(one, response), 100),
    );
    const { code, stdout } = await runCommand(
      rated(origin, '--arrival', 'constant', '--requests', '20', '--json'),
    );
    expect(code).toBe(0);
    expect(received).toHaveLength(20);
    const summary: LoadSummary = JSON.parse(stdout);
    expect(summary).toMatchObject({
      requests: 20,
      succeeded: 20,
      dropped: 0,
      rateAsked: { requestsPerSecond: 50, arrival: 'constant' },
      concurrency: 20,
      slo: null,
      percentiles: { responseMs: { count: 20 } },
    });
    // Twenty milliseconds apart although each answer takes a hundred.
    const [first, last] = [received[0]?.atMs ?? 0, received.at(-1)?.atMs ?? 0];
    expect(last - first).toBeGreaterThan(350);
    expect(summary.maxInFlight).toBeGreaterThan(2);
  });

  it('shows what came, what waited for the server and what was never sent', async () => {
    let last = Promise.resolve();
    const { origin, received } = await openFake((one, response) => {
      last = last.then(() => wait(60)).then(() => score(one, response));
    });
    const { text, code, summary } = await check([
      ...['--url', `${origin}/score`, '--rate', '200', '--requests', '60', '--max-in-flight', '1'],
    ]);
    expect(code).toBe(0);
    expect(summary.requests + summary.dropped).toBe(60);
    expect(summary.dropped).toBeGreaterThan(20);
    expect(received).toHaveLength(summary.requests);
    expect(summary.percentiles.responseMs.max).toBeGreaterThan(3 * (summary.percentiles.e2eMs.p50 ?? 0));
    expect(text).toMatch(
      /^Arrivals +200 requests\/s \(Poisson\); 60 came, \d+ of them were sent; \d+ of all were never sent$/m,
    );
    expect(text).toMatch(/^E2E as waited for +\d+ /m);
  });

  it('loads for a time over several threads', async () => {
    const { origin, received } = await openFake(score);
    const { code, stdout } = await runCommand(rated(origin, '--seconds', '1.5', '--json'));
    expect(code).toBe(0);
    const summary: LoadSummary = JSON.parse(stdout);
    expect(summary).toMatchObject({ threads: 2, concurrency: 256, failed: 0 });
    expect(received).toHaveLength(summary.requests);
    // Poisson: 75 expected, give or take four deviations.
    expect(summary.requests).toBeGreaterThan(40);
    expect(summary.requests).toBeLessThan(110);
  });
});

describe('load held against objectives', () => {
  it('that are met on their bound says so, with the goodput, and ends with 0', async () => {
    const { origin } = await openFake(chat);
    const { text, code, summary } = await check([
      ...['--url', `${origin}/v1/chat/completions`, '--requests', '60', '--concurrency', '6'],
      ...['--slo-ttft-ms', '60000', '--slo-tpot-ms', '60000', '--slo-e2e-ms', '60000'],
    ]);
    expect(code).toBe(0);
    expect(summary.slo).toMatchObject({
      verdict: 'met',
      met: 60,
      attempted: 60,
      asked: { attainment: 0.95, ttftMs: 60_000, tpotMs: 60_000, e2eMs: 60_000 },
    });
    expect(summary.slo?.lower).toBeGreaterThan(0.95);
    expect(summary.rates.goodputRequestsPerSecond).toBeCloseTo(summary.rates.requestsPerSecond ?? 0, 6);
    expect(summary.rates.goodputTokensPerSecond).toBeCloseTo(summary.rates.outputTokensPerSecond ?? 0, 6);
    expect(text).toMatch(
      /^Objectives +met: TTFT of 60000 ms and .* by 95\.0 % of requests; 60\s+of 60 kept them/m,
    );
    expect(text).toMatch(/^Goodput +[\d.,]+ output tok\/s, [\d.]+ requests\/s/m);
  });

  it.each([
    ['missed', ['--requests', '20', '--slo-e2e-ms', '0.01'], /MISSED/],
    ['not-shown', ['--requests', '20', '--slo-e2e-ms', '60000'], /NOT SHOWN, more requests would tell/],
    ['not-evaluable', ['--requests', '70', '--no-stream', '--slo-ttft-ms', '60000'], /NOT EVALUABLE/],
  ] as const)('that are %s ends with 1', async (verdict, args, words) => {
    const { origin } = await openFake((_, response) =>
      answerJson(
        response,
        '{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"completion_tokens":8,"prompt_tokens":3}}',
      ),
    );
    const { text, code, summary } = await check(['--url', `${origin}/v1/chat/completions`, ...args]);
    expect({ code, verdict: summary.slo?.verdict }).toEqual({ code: 1, verdict });
    expect(text).toMatch(words);
  });

  it('shows the first token of the answer where it is another than the first', async () => {
    const { origin } = await openFake((_, response) =>
      answerStream(
        response,
        event({ reasoning: 'hm' }) + event({ content: ' word' }) + finish + usage(2) + done,
      ),
    );
    const thinking = await check(['--url', `${origin}/v1/chat/completions`, '--requests', '3']);
    expect(thinking.summary.percentiles.ttftAnswerMs.count).toBe(3);
    const plain = await openFake(chat);
    const direct = await check(['--url', `${plain.origin}/v1/chat/completions`, '--requests', '3']);
    expect(direct.summary.percentiles.ttftAnswerMs).toEqual(direct.summary.percentiles.ttftMs);
    expect(direct.text).not.toContain('TTFT of the answer');
    const silent = await openFake((_, response) =>
      answerStream(response, event({ reasoning: 'hm' }) + finish + usage(1) + done),
    );
    const never = await check(['--url', `${silent.origin}/v1/chat/completions`, '--requests', '3']);
    expect(never.text).toMatch(/^TTFT of the answer +0 +- /m);
  });

  it('says where a TTFT may be the time of a whole answer that something held back', async () => {
    const held = await openFake((_, response) => answerStream(response, goodStream(8)));
    const atOnce = await check(['--url', `${held.origin}/v1/chat/completions`, '--requests', '3']);
    expect(atOnce.summary).toMatchObject({ ttftReason: null, mayBeBuffered: true });
    expect(atOnce.text).toContain('TTFT may be the time of the whole');
    const { origin } = await openFake(async (_, response) => {
      beginStream(response);
      for (const token of tokens(8)) {
        response.write(token);
        await wait(5);
      }
      response.end(finish + usage(8) + done);
    });
    const apart = await check(['--url', `${origin}/v1/chat/completions`, '--requests', '3']);
    expect(apart.summary.mayBeBuffered).toBe(false);
    expect(apart.text).not.toContain('whole answer');
  });
});

describe('load of what fails', () => {
  it.each([
    ['connect', () => 'http://127.0.0.1:1/score', null],
    ['auth', (origin: string) => `${origin}/score`, 401],
    ['server-error', (origin: string) => `${origin}/score`, 500],
  ] as const)(
    'only: %s is told, nothing is a figure, and the exit code is 1',
    async (failure, url, status) => {
      const { origin } = await openFake((_, response) =>
        answerJson(response, '{"error":"words of it"}', status ?? 200),
      );
      const { text, code, summary } = await check(['--url', url(origin), '--requests', '3']);
      expect(code).toBe(1);
      expect(summary).toMatchObject({ requests: 3, succeeded: 0, failed: 3, failures: { [failure]: 3 } });
      expect(summary.rates).toMatchObject({
        requestsPerSecond: null,
        outputTokensPerSecond: null,
        promptTokensPerSecond: null,
      });
      const { leastCount: _, ...figures } = summary.percentiles;
      for (const figure of Object.values(figures))
        expect(figure).toMatchObject({ count: 0, mean: null, p50: null, p95: null, p99: null, max: null });
      expect(summary.outputLengthFidelity).toBeNull();
      expect(text).toMatch(/^Requests +0 of 3 succeeded/m);
      expect(text).toMatch(new RegExp(`^Failures +3 ${failure}: .*${status ?? 'ECONNREFUSED'}`, 'm'));
      expect(text).toMatch(/^Throughput +-$/m);
      expect(text).toMatch(/^E2E +0 +- +- +- +- +-$/m);
    },
  );

  it('one request is a load: its figures are there, and percentiles that need more are not', async () => {
    const { origin } = await openFake(chat);
    const { text, code, summary } = await check([
      '--url',
      `${origin}/v1/chat/completions`,
      '--requests',
      '1',
    ]);
    expect(code).toBe(0);
    expect(summary.rates.requestsPerSecond).toBeCloseTo(1 / summary.seconds, 6);
    expect(summary.percentiles.e2eMs).toMatchObject({ count: 1, p95: null, p99: null });
    expect(text).toContain('n is too small; p95 needs 59 values and p99 needs 299');
  });

  it('one of two: the good one is the figure, the other is told', async () => {
    let asked = 0;
    const { origin } = await openFake((one, response) => {
      asked += 1;
      if (asked % 2 === 0) answerJson(response, 'Too many pending requests', 429);
      else void score(one, response);
    });
    const { code, summary } = await check(['--url', `${origin}/score`, '--requests', '2']);
    expect(code).toBe(0);
    expect(summary).toMatchObject({ succeeded: 1, failed: 1, failures: { 'throttle-queue': 1 } });
    expect(summary.percentiles.e2eMs.count).toBe(1);
  });

  it('three of equal timing have finite figures', async () => {
    const { origin } = await openFake(score);
    const { summary } = await check(['--url', `${origin}/score`, '--requests', '3']);
    expect(summary.percentiles.e2eMs.count).toBe(3);
    expect(summary.percentiles.ttftMs.count).toBe(0);
    expect(summary.ttftReason).toBe('not-streamed');
  });

  it('a stream that says 200 and then an error is a failure and in no figure', async () => {
    const broken = [
      `data: {"error":{"message":"before any"}}\n\n`,
      `${tokens(8).join('')}data: {"error":{"message":"after eight"}}\n\n${done}`,
      `${tokens(2).join('')}event: error\ndata: plain words\n\n`,
      `${tokens(2).join('')}data: {"choices":[{"index":0,"delta":{},"finish_reason":"error","error":"text"}]}\n\n${done}`,
    ];
    let asked = 0;
    const { origin } = await openFake((_, response) => {
      asked += 1;
      const bad = asked <= 8 ? broken[asked % broken.length] : undefined;
      answerStream(response, bad ?? event({ content: 'x' }, { error: null }) + goodStream(31));
    });
    const file = path.join(folder, 'broken.ndjson');
    const { code, stdout } = await runCommand([
      ...['load', '--url', `${origin}/v1/chat/completions`, '--concurrency', '4', '--requests', '20'],
      ...['--output-tokens', '32', '--samples', file, '--json'],
    ]);
    const summary: LoadSummary = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(summary).toMatchObject({ succeeded: 12, failed: 8, failures: { 'masked-error': 8 } });
    expect(summary.contentEvents).toBe(12 * 32);
    expect(summary.percentiles.e2eMs.count).toBe(12);
    const failed = readLines(file).filter((line) => line.failure !== null);
    expect(failed).toHaveLength(8);
    for (const line of failed) {
      expect(line).toMatchObject({ failure: 'masked-error', outputTokens: 0, ttftMs: null });
      expect(line.failureDetail).toMatch(/before any|after eight|plain words|text/);
    }
  });
});

const ONE = ['--url', 'http://127.0.0.1:1/score', '--requests', '1'];

describe('the command line of load', () => {
  it('names every fault at once, sends nothing, and ends with 2', async () => {
    const { code, stderr } = await runCommand([
      ...[
        'load',
        '--url',
        'http://user:word@127.0.0.1:1/x',
        '--requests',
        '0',
        '--seconds',
        '3',
        '--timeout',
        '-',
      ],
      ...['--concurrency', '99999', '--key-env', 'NOT_SET'],
    ]);
    expect(code).toBe(2);
    for (const option of [
      '--url',
      '--requests',
      '--seconds',
      '--timeout',
      '--concurrency',
      '--key-env',
      '--api',
    ])
      expect(stderr).toMatch(new RegExp(`^  ${option}: `, 'm'));
    expect(stderr).not.toContain('word@');
  });

  it.each([
    [['--requests', '1'], '--url: is missing'],
    [['--url', 'http://127.0.0.1:1/score'], '--requests: is missing'],
    [['--url', 'http://127.0.0.1:1/score', '--requests', '1', '--stream'], 'cannot stream'],
    [['--url', 'http://127.0.0.1:1/', '--requests', '1', '--api', 'other'], '--api: must be one of auto, '],
    [['--url', 'http://127.0.0.1:1/score', '--requests', '1', '--samples', '/no/such/folder/f'], 'ENOENT'],
    [[...ONE, '--rate', '0'], '--rate: must be a number of requests per second above 0'],
    [[...ONE, '--rate', '5', '--concurrency', '3'], '--concurrency: does not go with --rate'],
    [[...ONE, '--max-in-flight', '3'], '--max-in-flight: goes with --rate only'],
    [[...ONE, '--rate', '5', '--arrival', 'bursty'], '--arrival: must be poisson or constant'],
    [[...ONE, '--slo-e2e-ms', '-1'], '--slo-e2e-ms: must be a number of milliseconds'],
    [[...ONE, '--attainment', '0.9'], '--attainment: needs what is to be attained'],
    [[...ONE, '--slo-e2e-ms', '9', '--attainment', '95'], '--attainment: must be a share of requests'],
  ])('refuses %j', async (args, words) => {
    const { code, stderr, stdout } = await runCommand(['load', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(words);
  });

  it('takes no address of the app for the one to load', async () => {
    const { code, stderr } = await runCommand(['load', '--requests', '1'], {
      app: { url: 'http://127.0.0.1:1' },
    });
    expect(code).toBe(2);
    expect(stderr).toContain('--url: is missing');
  });

  it('asks for a complete answer with --no-stream', async () => {
    const { origin, received } = await openFake((_, response) =>
      answerJson(
        response,
        '{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"completion_tokens":1,"prompt_tokens":3}}',
      ),
    );
    const args = ['--url', `${origin}/v1/chat/completions`, '--no-stream', '--requests', '1', '--json'];
    const { stdout } = await runCommand(['load', ...args]);
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ stream: false });
    expect(JSON.parse(stdout)).toMatchObject({ succeeded: 1, ttftReason: 'not-streamed', contentEvents: 0 });
  });

  it('keeps to a narrow terminal and shows no control characters of a server', async () => {
    const { origin } = await openFake((_, response) => answerJson(response, 'no \u001b[2J\u0007 way', 500));
    const { stdout } = await runCommand(['load', '--url', `${origin}/score`, '--requests', '1'], {
      terminalWidth: 50,
    });
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(70);
  });
});

describe('Ctrl-C', () => {
  it('shows what was measured until then and ends with 130', async () => {
    const { origin, received } = await openFake(chat);
    const file = path.join(folder, 'interrupted.ndjson');
    const entry = fileURLToPath(new URL('./entry.ts', import.meta.url));
    const args = [
      'load',
      '--url',
      `${origin}/v1/chat/completions`,
      '--requests',
      '100000',
      '--samples',
      file,
    ];
    const child: ChildProcess = spawn(process.execPath, [entry, ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout?.on('data', (text) => {
      output += text;
    });
    try {
      for (let waited = 0; received.length < 5 && waited < 20_000; waited += 20) await wait(20);
      child.kill('SIGINT');
      const [code] = await once(child, 'exit');
      expect(code).toBe(130);
    } finally {
      child.kill('SIGKILL');
    }
    const summary: LoadSummary = JSON.parse(output);
    expect(summary.interrupted).toBe(true);
    expect(summary.succeeded).toBeGreaterThanOrEqual(3);
    expect(readLines(file)).toHaveLength(summary.requests);
  });
});
