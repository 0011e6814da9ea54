import { expect, test } from 'vitest';
import { buildPrompt } from '../../../src/core/requests/prompt.ts';

const length = { promptTokens: 500, charactersPerToken: 4.25, templateTokens: 11 };

test('a prompt has the characters that its tokens come to, template left out', () => {
  expect(buildPrompt(length, 42, 0)).toHaveLength(Math.round((500 - 11) * 4.25));
});

test('the same seed and index give the same prompt, another of either gives another first word', () => {
  expect(buildPrompt(length, 42, 7)).toBe(buildPrompt(length, 42, 7));
  const firstWords = new Set<string>();
  for (let seed = 0; seed < 20; seed += 1) {
    for (let index = 0; index < 500; index += 1)
      firstWords.add(buildPrompt(length, seed, index).split(' ')[0] ?? '');
  }
  expect(firstWords.size).toBe(10_000);
});

test('the bodies of two prompts differ as well, so that only a few words are ever shared', () => {
  const [one, other] = [buildPrompt(length, 42, 1), buildPrompt(length, 42, 2)].map((text) =>
    text.slice(20, 120),
  );
  expect(one).not.toBe(other);
});

test('a prompt reads as words and sentences', () => {
  const text = buildPrompt({ ...length, promptTokens: 2_000 }, 42, 3);
  expect(text).toMatch(/^[A-Za-z0-9 .:-]+$/);
  const words = text.split(' ');
  expect(words.reduce((sum, word) => sum + word.length, 0) / words.length).toBeLessThan(8);
});

test('a prompt longer than the text behind it still has its length', () => {
  expect(
    buildPrompt({ promptTokens: 1_000_000, charactersPerToken: 4, templateTokens: 0 }, 42, 0),
  ).toHaveLength(4_000_000);
});

test('a prompt too short for its mark is its mark: unique before exact', () => {
  const tiny = { promptTokens: 1, charactersPerToken: 1, templateTokens: 30 };
  expect(buildPrompt(tiny, 42, 5)).toBe('f-bq: ');
});
