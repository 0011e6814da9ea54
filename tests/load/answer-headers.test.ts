import { expect, test } from 'vitest';
import { readAnswerHeaders } from '../../src/load/answer-headers.ts';

test('what is left of the rate limits is kept as the server wrote it, and nothing else', () => {
  const headers = {
    'content-type': 'application/json',
    'x-ratelimit-remaining-requests': '58',
    'x-ratelimit-remaining-tokens': ['59,000', '1'],
    'x-ratelimit-reset-tokens': '1.2s',
    'x-request-id': 'x',
  };
  expect(readAnswerHeaders(headers, {})).toEqual({
    rateLimit: { 'remaining-requests': '58', 'remaining-tokens': '59,000', 'reset-tokens': '1.2s' },
    bandwidthDelayMs: null,
  });
});

test('a server that babbles is cut short', () => {
  const headers = Object.fromEntries(
    Array.from({ length: 500 }, (_, index) => [`x-ratelimit-${index}`, 'x'.repeat(5_000)]),
  );
  const { rateLimit } = readAnswerHeaders(headers, {});
  expect(Object.keys(rateLimit)).toHaveLength(12);
  expect(JSON.stringify(rateLimit).length).toBeLessThan(1_000);
});

const delays: readonly (readonly [string, Record<string, string>, Record<string, string>, number | null])[] =
  [
    [
      'both trailers',
      {},
      { 'ms-azureml-bandwidth-request-delay-ms': '40', 'ms-azureml-bandwidth-response-delay-ms': '2.5' },
      42.5,
    ],
    ['one trailer', {}, { 'ms-azureml-bandwidth-response-delay-ms': '0' }, 0],
    ['headers in place of trailers', { 'ms-azureml-bandwidth-request-delay-ms': '7' }, {}, 7],
    ['a trailer that is no number', {}, { 'ms-azureml-bandwidth-request-delay-ms': 'soon' }, null],
    ['a negative one', {}, { 'ms-azureml-bandwidth-request-delay-ms': '-5' }, null],
    ['none', {}, {}, null],
  ];

test.each(delays)(
  '%s: the delay for bandwidth is their sum, or unknown',
  (_, headers, trailers, expected) => {
    expect(readAnswerHeaders(headers, trailers).bandwidthDelayMs).toBe(expected);
  },
);
