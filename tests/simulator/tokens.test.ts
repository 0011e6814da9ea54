import { expect, test } from 'vitest';
import { answerText, countChatTokens, countTokens, tokenText } from '../../src/simulator/tokens.ts';

test.each([
  ['', 0],
  ['the cat sat', 3],
  ['tokenization', 2],
  ['2026', 2],
  ['Hello, world!', 4],
  ['a1b2', 4],
  ['  \n\t ', 0],
])('%j has %i tokens', (text, tokens) => {
  expect(countTokens(text)).toBe(tokens);
});

test('an English text has near four characters a token', () => {
  const text =
    'Which machine, how many instances and which settings should I rent for this model and this load? '.repeat(
      20,
    );
  expect(text.length / countTokens(text)).toBeGreaterThan(3);
  expect(text.length / countTokens(text)).toBeLessThan(6);
});

test('a chat adds its template: four a message and three once', () => {
  expect(countChatTokens(['the cat', 'sat'])).toBe(3 + 2 * 4 + 3);
});

test('an answer counts back to the tokens it was written with', () => {
  for (const tokens of [1, 2, 37, 500]) {
    expect(countTokens(answerText(7, tokens))).toBe(tokens);
  }
  expect(answerText(7, 3)).toBe(tokenText(7, 0) + tokenText(7, 1) + tokenText(7, 2));
});
