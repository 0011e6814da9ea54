import { expect, test } from 'vitest';
import type { RequestFailure } from '../../src/core/failure.ts';
import { classifyError, classifyMaskedError, classifyStatus, shortenWords } from '../../src/load/classify.ts';

const inner = (status: string, reason = '') => ({
  'ms-azureml-model-error-statuscode': status,
  'ms-azureml-model-error-reason': reason,
});
const contextWords =
  "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.";

const statuses: readonly (readonly [number, Record<string, string>, string, RequestFailure])[] = [
  [429, {}, 'too many pending requests', 'throttle-queue'],
  [429, {}, '{"error":{"message":"Request rate is too high"}}', 'throttle-rate'],
  [429, { 'x-ratelimit-limit-requests': '500' }, '', 'throttle-rate'],
  [429, {}, '', 'throttle-queue'],
  [429, {}, 'Too many pending requests for the deployment', 'throttle-queue'],
  [429, { 'x-ratelimit-remaining-tokens': '0' }, 'Too Many Requests', 'throttle-rate'],
  [429, {}, 'Requests have exceeded call rate limit of your current pricing tier.', 'throttle-rate'],
  [408, {}, '', 'deadline-server'],
  [424, inner('400', 'bad'), '', 'bad-request'],
  [424, inner('422'), '', 'bad-request'],
  [424, inner('400'), contextWords, 'context-window'],
  [424, inner('429'), 'queue is full', 'throttle-queue'],
  [424, inner('500', 'model_error'), '', 'model-error'],
  [424, inner('502'), '', 'model-error'],
  [424, {}, 'no body', 'model-error'],
  [401, {}, '', 'auth'],
  [403, {}, '', 'auth'],
  [400, {}, '', 'bad-request'],
  [404, {}, '', 'bad-request'],
  [413, {}, '', 'bad-request'],
  [422, {}, '', 'bad-request'],
  [400, {}, JSON.stringify({ error: { message: contextWords } }), 'context-window'],
  [
    400,
    {},
    '{"error":{"code":"content_filter","message":"triggered content management policy"}}',
    'content-filter',
  ],
  [500, {}, '', 'server-error'],
  [502, {}, '{"error":"Downstream unavailable"}', 'gateway'],
  [503, {}, '', 'gateway'],
  [504, {}, '', 'gateway'],
  [502, {}, '<html><head><title>502 Bad Gateway</title></head></html>', 'gateway'],
  [422, {}, '{"detail":[{"loc":["body"],"msg":"field required"}]}', 'bad-request'],
  [302, { location: 'http://elsewhere/?token=x' }, '', 'redirect'],
];

for (const [status, headers, body, failure] of statuses) {
  test(`${status} ${JSON.stringify(headers)} ${body.slice(0, 40)} is ${failure}`, () => {
    expect(classifyStatus(status, headers, body).failure).toBe(failure);
  });
}

test('a model error names the inner status and its reason', () => {
  expect(classifyStatus(424, inner('500', 'CUDA out of memory'), '').words).toBe(
    '424: inner 500: CUDA out of memory',
  );
});

test('the target of a redirect is told without its query', () => {
  expect(classifyStatus(302, { location: 'https://login.example/x?code=abc#d' }, '').words).toBe(
    '302 to https://login.example/x',
  );
});

const errors: readonly (readonly [string, string, boolean, RequestFailure])[] = [
  ['ENOTFOUND', '', false, 'dns'],
  ['EAI_AGAIN', '', false, 'dns'],
  ['ECONNREFUSED', '', false, 'connect'],
  ['UND_ERR_CONNECT_TIMEOUT', '', false, 'connect'],
  [
    'ECONNRESET',
    'Client network socket disconnected before secure TLS connection was established',
    false,
    'tls',
  ],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', '', false, 'tls'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', '', false, 'tls'],
  ['ECONNRESET', '', true, 'reset'],
  ['UND_ERR_SOCKET', 'other side closed', true, 'reset'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', '', true, 'reset'],
  ['HPE_INVALID_EOF_STATE', '', true, 'reset'],
  ['HPE_INVALID_CONSTANT', '', true, 'malformed-answer'],
  ['UND_ERR_RES_EXCEEDED_MAX_SIZE', '', true, 'oversized'],
];

for (const [code, message, started, failure] of errors) {
  test(`${code} ${started ? 'after' : 'before'} the request was sent is ${failure}`, () => {
    expect(classifyError(Object.assign(new Error(message), { code }), started).failure).toBe(failure);
  });
}

test('an error inside a 200 keeps its words, however they are wrapped', () => {
  expect(classifyMaskedError({ status_code: 500, body: 'engine died' })).toEqual({
    failure: 'masked-error',
    words: 'engine died',
  });
  expect(classifyMaskedError({ error: { message: 'boom' } })).toEqual({
    failure: 'masked-error',
    words: 'boom',
  });
  expect(classifyMaskedError('plain').words).toBe('plain');
  expect(classifyMaskedError({ code: 7 }).words).toBe('{"code":7}');
});

test('words are shortened to 300 characters, on one line, without the secret', () => {
  const secret = 'abcdefghijklmnop';
  const words = `bad key ${secret}\r\n\u0007\u001b[31m and Bearer ${secret} ${'x'.repeat(500)}`;
  const short = shortenWords(words, `Bearer ${secret}`);
  expect(short).toMatch(/^bad key \(authorization\) \[31m and \(authorization\) x+…$/);
  expect(short).toHaveLength(300);
  // A secret that would be cut in two is not told by half.
  expect(shortenWords(`${'x'.repeat(295)}${secret}`, secret)).not.toContain('abc');
});

const contextWordings = [
  "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in the messages, 1000 in the completion). Please reduce the length of the messages or completion.",
  'The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no smaller than the number of text tokens.',
  "You passed 99073 input tokens and requested 32000 output tokens. However, the model's context length is only 131072 tokens, resulting in a maximum input length of 99072 tokens.",
  "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens",
  'max_tokens must be at least 1, got -904.',
  "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
  "Requested token count exceeds the model's maximum context length of 4096 tokens.",
  'Input validation error: `inputs` must have less than 4096 tokens. Given: 5000',
  'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4031 `inputs` tokens and 200 `max_new_tokens`',
  '{"error":{"code":"context_length_exceeded","message":"Too long."}}',
  'Prompt length (5000) exceeds maximum input length (4096).',
  'the request exceeds the available context size (4096 tokens), try increasing it',
];

for (const words of contextWordings) {
  test(`"${words.slice(0, 60)}" is a full context window, as 400, as 424 and inside a 200`, () => {
    expect(classifyStatus(400, {}, words).failure).toBe('context-window');
    expect(classifyStatus(424, inner('422'), words).failure).toBe('context-window');
    expect(classifyMaskedError(words).failure).toBe('context-window');
  });
}

const filterWordings = [
  "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
  '{"error":{"code":"content_filter","message":"blocked","innererror":{"code":"ResponsibleAIPolicyViolation"}}}',
  'The request was blocked by Azure AI Content Safety.',
];

for (const words of filterWordings) {
  test(`"${words.slice(0, 60)}" is a content filter`, () => {
    expect(classifyStatus(400, {}, words).failure).toBe('content-filter');
    expect(classifyMaskedError(words).failure).toBe('content-filter');
  });
}

test('ordinary refusals are neither', () => {
  for (const words of [
    'max_tokens must be at least 1, got 0.',
    'temperature must be non-negative, got -1.0.',
    'The model `gpt` does not exist.',
    'messages is required: a list of at least one message.',
    'Extra inputs are not permitted: context',
  ]) {
    expect(classifyStatus(400, {}, words).failure).toBe('bad-request');
    expect(classifyMaskedError(words).failure).toBe('masked-error');
  }
});

test('an error page is told by its words', () => {
  const page =
    '<!DOCTYPE html>\n<html><head><title>Service Unavailable</title><script>var a = "<b>";</script></head><body><h2>Our services aren&#39;t available right now</h2></body></html>';
  expect(classifyStatus(503, {}, page).words).toBe(
    '503: Service Unavailable Our services aren&#39;t available right now',
  );
  expect(classifyStatus(500, {}, '<Error><Code>Busy</Code></Error>').words).toBe('500: Busy');
  // Never more than a glance at one without an end.
  expect(classifyStatus(500, {}, '<html><script>'.repeat(50_000)).words).toBe('500');
});

test('the sentence is found in a list of faults too', () => {
  expect(classifyStatus(422, {}, '{"detail":[{"loc":["body"],"msg":"field required"}]}').words).toBe(
    '422: field required',
  );
});
