/** Calibration against servers that tokenise as vocabularies do: by words and their parts, not by characters. */
import { afterEach, describe, expect, test } from 'vitest';
import type { PromptShape, TextRate } from '../../src/core/requests/calibration.ts';
import { buildPrompt } from '../../src/core/requests/prompt.ts';
import { calibratePrompt } from '../../src/load/calibrate.ts';
import {
  answerJson,
  type FakeEndpoint,
  scoreAnswer,
  scoreRoute,
  startFake,
  targetOrder,
} from './fake-endpoint.ts';

const open: FakeEndpoint[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((fake) => fake.close()));
});

const TEMPLATE = 23;

/** Words of a small vocabulary are one token, others one for each four letters; a digit and a mark is one each. */
const COMMON = new Set(
  'the The near with in by of work rain home time week years river garden letter bridge old'.split(' '),
);
function byVocabulary(text: string): number {
  const parts = text.match(/[A-Za-z]+|[^\sA-Za-z]/g) ?? [];
  return TEMPLATE + parts.reduce((sum, part) => sum + (COMMON.has(part) ? 1 : Math.ceil(part.length / 4)), 0);
}

/** The longer a text, the more of it is merged: tokens grow slower than characters. */
function byMerging(text: string): number {
  return TEMPLATE + Math.round(text.length ** 0.93 / 2.2);
}

function promptOf(body: string): string {
  return JSON.parse(body).input_data.input_string[0].content;
}

async function calibrate(
  count: (text: string) => number,
  shape: PromptShape,
  rate: TextRate = { charactersPerToken: 4, templateTokens: 0 },
  seed = 42,
) {
  const fake = await startFake(({ body }, response) =>
    answerJson(response, scoreAnswer(4, count(promptOf(body)))),
  );
  open.push(fake);
  const { charactersPerToken: _, ...target } = targetOrder(fake.origin, { route: scoreRoute(fake.origin) });
  const calibrated = await calibratePrompt({ ...target, shape, rate, seed });
  expect(fake.received).toHaveLength(calibrated.requests);
  expect(new Set(fake.received.map(({ body }) => promptOf(body))).size).toBe(calibrated.requests);
  return calibrated;
}

/** By how much the prompts that are sent later miss their length, on average. */
function missOf(
  count: (text: string) => number,
  promptTokens: number,
  rate: TextRate,
  sharedPrefixTokens = 0,
) {
  const tokens = Array.from({ length: 40 }, (_, index) =>
    count(buildPrompt({ ...rate, promptTokens, sharedPrefixTokens }, 7, index)),
  );
  return tokens.reduce((sum, one) => sum + one, 0) / tokens.length / promptTokens - 1;
}

describe.each([
  ['by words of a vocabulary', byVocabulary],
  ['by merging more the longer a text is', byMerging],
])('a server that counts %s', (_, count) => {
  test.each([64, 128, 512, 2_048, 8_192, 100_000])(
    'gets prompts of %i tokens within a fiftieth of that',
    async (promptTokens) => {
      const { calibration, requests } = await calibrate(count, { promptTokens });
      expect(Math.abs(calibration.error ?? 1)).toBeLessThanOrEqual(0.02);
      expect(requests).toBeLessThanOrEqual(promptTokens < 1_024 ? 80 : 5);
      expect(Math.abs(missOf(count, promptTokens, calibration))).toBeLessThan(0.02);
    },
  );

  test('is told apart at both ends of a distribution', async () => {
    const { calibration } = await calibrate(count, { promptTokens: 256, promptTokensP95: 4_096 });
    expect(Math.abs(calibration.error ?? 1)).toBeLessThanOrEqual(0.02);
    for (const promptTokens of [256, 4_096])
      expect(Math.abs(missOf(count, promptTokens, calibration))).toBeLessThan(0.04);
  });

  test('gets its length with a shared prefix as well', async () => {
    const { calibration } = await calibrate(count, { promptTokens: 512, sharedPrefixTokens: 384 });
    expect(Math.abs(missOf(count, 512, calibration, 384))).toBeLessThan(0.02);
  });
});

test('short prompts differ much among themselves, so several are looked at: their mean is right whatever the seed', async () => {
  const misses: number[] = [];
  for (let seed = 1; seed <= 20; seed += 1) {
    const { calibration } = await calibrate(byVocabulary, { promptTokens: 64 }, undefined, seed);
    misses.push(Math.abs(missOf(byVocabulary, 64, calibration)));
  }
  expect(Math.max(...misses)).toBeLessThan(0.02);
});

test('a rate that was found for shorter prompts needs one request where it holds', async () => {
  const first = await calibrate(byVocabulary, { promptTokens: 512 });
  const next = await calibrate(byVocabulary, { promptTokens: 1_024 }, first.calibration);
  expect(next.requests).toBeLessThanOrEqual(2);
});

test('a prompt of few tokens is right to two of them, by which such prompts differ among themselves', async () => {
  const { calibration } = await calibrate(byVocabulary, { promptTokens: 40 });
  expect(Math.abs((calibration.error ?? 1) * 40)).toBeLessThanOrEqual(2);
});

test('a length below the template cannot be reached: it is tried, not forever, and its error is told', async () => {
  const { calibration, requests } = await calibrate(byVocabulary, { promptTokens: 10 });
  expect(requests).toBeLessThanOrEqual(5);
  expect(calibration.error).toBeGreaterThan(1);
});

test('a server that never gets it right gives the nearest that was tried', async () => {
  let asked = 0;
  const { calibration, requests } = await calibrate(
    () => [3_600, 2_240, 2_800, 8_000, 12_000][asked++] ?? 1,
    {
      promptTokens: 2_048,
    },
  );
  expect(requests).toBe(5);
  expect(calibration.error).toBeCloseTo(2_240 / 2_048 - 1);
});

test.each([
  ['tells no usage', '{"output":"word"}', 200],
  ['fails', '{"error":"no"}', 500],
])('a server that %s leaves the rate as it was, with an unknown error', async (_, text, status) => {
  const fake = await startFake((_received, response) => answerJson(response, text, status));
  open.push(fake);
  const { charactersPerToken: _c, ...target } = targetOrder(fake.origin, { route: scoreRoute(fake.origin) });
  const rate = { charactersPerToken: 4.4, templateTokens: 5 };
  const { calibration, requests } = await calibratePrompt({
    ...target,
    shape: { promptTokens: 99 },
    rate,
    seed: 1,
  });
  expect(calibration).toEqual({ promptTokens: 99, ...rate, error: null });
  expect(requests).toBe(1);
});
