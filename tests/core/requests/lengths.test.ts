import { expect, test } from 'vitest';
import { askOf } from '../../../src/core/requests/ask.ts';
import { drawNormal, drawShare } from '../../../src/core/requests/draw.ts';
import { largeLengths, meanLengths, requestLengths } from '../../../src/core/requests/lengths.ts';

const FIXED = { promptTokens: 512, outputTokens: 128 };
const DRAWN = { promptTokens: 512, promptTokensP95: 2048, outputTokens: 128, outputTokensP95: 300 };
const COUNT = 20_000;

const draws = (seed: number) =>
  Array.from({ length: COUNT }, (_, index) => requestLengths(DRAWN, seed, index));
const at = (values: readonly number[], share: number) =>
  values.toSorted((one, other) => one - other)[Math.floor(share * values.length)] ?? 0;

test('fixed lengths are the same in every request', () => {
  expect(requestLengths(FIXED, 1, 0)).toMatchObject(FIXED);
  expect(requestLengths(FIXED, 2, 99)).toMatchObject(FIXED);
});

test('a seed and an index always draw the same lengths, and other ones others', () => {
  expect(requestLengths(DRAWN, 42, 7)).toEqual(requestLengths(DRAWN, 42, 7));
  const hundred = new Set(
    draws(42)
      .slice(0, 100)
      .map((one) => one.promptTokens),
  );
  expect(hundred.size).toBeGreaterThan(80);
  expect(requestLengths(DRAWN, 43, 7)).not.toEqual(requestLengths(DRAWN, 42, 7));
});

// Standard errors over 20,000 draws: 1 % of a median of this spread, 2.5 % of its 95th percentile. Four of them here.
test('the drawn lengths have the median, the 95th percentile and the mean that were asked for', () => {
  for (const seed of [1, 42, 99]) {
    const prompts = draws(seed).map((one) => one.promptTokens);
    expect(Math.abs(at(prompts, 0.5) / 512 - 1)).toBeLessThan(0.04);
    expect(Math.abs(at(prompts, 0.95) / 2048 - 1)).toBeLessThan(0.1);
    const mean = prompts.reduce((sum, one) => sum + one, 0) / COUNT;
    expect(Math.abs(mean / meanLengths(DRAWN).promptTokens - 1)).toBeLessThan(0.05);
    const outputs = draws(seed).map((one) => one.outputTokens);
    expect(Math.abs(at(outputs, 0.5) / 128 - 1)).toBeLessThan(0.03);
    expect(Math.abs(at(outputs, 0.95) / 300 - 1)).toBeLessThan(0.06);
  }
});

test('no draw lies beyond one in a thousand, and none is below one token or above the bounds', () => {
  const prompts = draws(5).map((one) => one.promptTokens);
  // ln(2048/512) / 1.645 = 0.843 a deviation; 3.09 of them.
  expect(Math.max(...prompts)).toBeLessThanOrEqual(Math.ceil(512 * Math.exp(0.8428 * 3.0903)));
  expect(Math.min(...prompts)).toBeGreaterThanOrEqual(Math.floor(512 / Math.exp(0.8428 * 3.0903)));
  const wild = { promptTokens: 1, promptTokensP95: 1_048_576, outputTokens: 2, outputTokensP95: 32_768 };
  for (let index = 0; index < 2_000; index += 1) {
    const { promptTokens, outputTokens } = requestLengths(wild, 1, index);
    expect(promptTokens).toBeGreaterThanOrEqual(1);
    expect(promptTokens).toBeLessThanOrEqual(1_048_576);
    expect(outputTokens).toBeLessThanOrEqual(32_768);
  }
});

test('lengths of prompts and of answers are drawn apart', () => {
  const both = draws(3).map((one) => [Math.log(one.promptTokens), Math.log(one.outputTokens)] as const);
  const mean = (side: 0 | 1) => both.reduce((sum, one) => sum + one[side], 0) / COUNT;
  const [x, y] = [mean(0), mean(1)];
  const sum = (value: (one: readonly [number, number]) => number) =>
    both.reduce((total, one) => total + value(one), 0);
  const correlation =
    sum((one) => (one[0] - x) * (one[1] - y)) /
    Math.sqrt(sum((one) => (one[0] - x) ** 2) * sum((one) => (one[1] - y) ** 2));
  expect(Math.abs(correlation)).toBeLessThan(0.03);
});

test('what is predicted with lies above the median where lengths are drawn', () => {
  expect(meanLengths(FIXED)).toEqual(FIXED);
  expect(meanLengths(DRAWN).promptTokens).toBeCloseTo(512 * Math.exp(0.8428 ** 2 / 2), 0);
  expect(largeLengths(DRAWN)).toEqual({ promptTokens: 2048, outputTokens: 300 });
});

test('shares of neighbouring indexes are spread evenly and have nothing to do with each other', () => {
  const shares = Array.from({ length: 1_000 }, (_, index) => drawShare(42, 'x', index));
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const inside = shares.filter((share) => Math.floor(share * 10) === tenth).length;
    expect(Math.abs(inside - 100)).toBeLessThan(50);
  }
  const steps = shares.slice(1).map((share, index) => Math.abs(share - (shares[index] ?? 0)));
  // Two independent shares lie a third apart on average.
  expect(Math.abs(steps.reduce((sum, step) => sum + step, 0) / steps.length - 1 / 3)).toBeLessThan(0.03);
  const normals = Array.from({ length: 5_000 }, (_, index) => drawNormal(1, index));
  const variance = normals.reduce((sum, one) => sum + one ** 2, 0) / normals.length;
  expect(Math.abs(variance - 1)).toBeLessThan(0.08);
});

const ORDER = { workload: FIXED, charactersPerToken: 4, templateTokens: 10, seed: 42 };

test('a request asks for the lengths of its index, and its prompt has them', () => {
  const { prompt, promptTokens, outputTokens } = askOf({ ...ORDER, workload: DRAWN }, 3);
  expect({ promptTokens, outputTokens }).toEqual(requestLengths(DRAWN, 42, 3));
  expect(prompt).toHaveLength((promptTokens - 10) * 4);
});

test('requests of the user are sent as they are, in their order, and again after the last', () => {
  const messages = [{ role: 'user', content: 'x'.repeat(40) }];
  const prompts = [{ prompt: 'one', outputTokens: 5 }, { prompt: messages }];
  const asks = [0, 1, 2].map((index) => askOf({ ...ORDER, prompts }, index));
  expect(asks).toEqual([
    { prompt: 'one', promptTokens: 11, outputTokens: 5 },
    { prompt: messages, promptTokens: 20, outputTokens: 128 },
    { prompt: 'one', promptTokens: 11, outputTokens: 5 },
  ]);
});
