/** How a stream reaches its client: as it is made, replayed at the end, several tokens at once, with comments. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { countTokens } from '../../src/simulator/tokens.ts';
import { type Deployed, openWorkspace, phi4With, post, type WorkspaceOfTest } from './a-workspace.ts';
import { dataOf, wireCall } from './raw-call.ts';

let workspace: WorkspaceOfTest;
let plain: Deployed;
beforeAll(async () => {
  workspace = await openWorkspace();
  plain = await workspace.deploy('plain');
});
afterAll(() => workspace.close());

const stream = (tokens: number, text = 'Hello there') => ({
  messages: [{ role: 'user', content: text }],
  max_tokens: tokens,
  ignore_eos: true,
  stream: true,
  stream_options: { include_usage: true },
});
const contentsOf = (text: string): string[] =>
  dataOf(text)
    .filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data).choices[0]?.delta.content)
    .filter((content: unknown) => typeof content === 'string' && content !== '');
const spreadOf = (arrivedAtMs: readonly number[]) => (arrivedAtMs.at(-1) ?? 0) - (arrivedAtMs[0] ?? 0);

test('by default each token leaves when it is made', async () => {
  const answer = await wireCall(plain.chatUri, plain.key, stream(100));
  expect(contentsOf(answer.text)).toHaveLength(100);
  expect(spreadOf(answer.arrivedAtMs)).toBeGreaterThan(50); // 99 steps of 1.1 ms.
});

test.each([
  ['the name of the model', { model: phi4With('buffered-stream') }],
  ['an environment variable', { environment: { SIMULATOR_FAULTS: 'fault-buffered-stream' } }],
])('a deployment that %s tells to buffer sends the same events, all at its end', async (_case, settings) => {
  const { chatUri, key } = await workspace.deploy(`buffered-${'model' in settings}`, settings);
  const answer = await wireCall(chatUri, key, stream(100));
  expect(contentsOf(answer.text)).toHaveLength(100);
  expect(dataOf(answer.text).at(-1)).toBe('[DONE]');
  expect(answer.arrivedAtMs[0]).toBeGreaterThan((900 + 100 * 22) / 20 / 1.07);
  expect(answer.arrivedAtMs.length).toBeLessThan(20);
});

test('the route that blocks replays its stream too', async () => {
  const answer = await wireCall(plain.chatUri.replace('/v1/', '/'), plain.key, stream(100));
  expect(contentsOf(answer.text)).toHaveLength(100);
  expect(answer.arrivedAtMs[0]).toBeGreaterThan((900 + 100 * 22) / 20 / 1.07);
});

test('with speculative decoding a chunk has up to so many tokens, and no token is lost', async () => {
  const { chatUri, key } = await workspace.deploy('speculative', { model: phi4With('tokens-per-chunk.4') });
  const { text } = await wireCall(chatUri, key, stream(120));
  const sizes = contentsOf(text).map(countTokens);
  expect(sizes[0]).toBe(1);
  expect(new Set(sizes)).toEqual(new Set([1, 2, 3, 4]));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(120);
  expect(text).toContain('"completion_tokens":120');
});

test('lines end in CRLF where that is asked for', async () => {
  const { chatUri, key } = await workspace.deploy('crlf', { model: phi4With('crlf') });
  const { text } = await wireCall(chatUri, key, stream(5));
  expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  expect(contentsOf(text)).toHaveLength(5);
});

test('comments come before the first token and between the others', async () => {
  const { chatUri, key } = await workspace.deploy('comments', { model: phi4With('comments.3') });
  const answer = await wireCall(chatUri, key, stream(9));
  expect(answer.text.startsWith(': keep-alive\n\n')).toBe(true);
  expect(answer.text.match(/^: keep-alive$/gm)).toHaveLength(4); // At once, and before chunks 1, 4 and 7.
  expect(answer.arrivedAtMs[0]).toBeLessThan((answer.arrivedAtMs.at(-1) ?? 0) - 30); // The fixed 0.9 s, at 20.
  expect(contentsOf(answer.text)).toHaveLength(9);
});

test('the older image answers /score with the output alone', async () => {
  const { scoringUri, key } = await workspace.deploy('older', { model: phi4With('output-only') });
  const chat = {
    input_data: { input_string: [{ role: 'user', content: 'x' }], parameters: { max_tokens: 3 } },
  };
  expect(Object.keys((await post(scoringUri, key, chat)).body)).toEqual(['output']);
  const text = (full: boolean) => ({
    input_data: ['Once upon a time'],
    params: { max_new_tokens: 3, ignore_eos: true, return_full_text: full },
  });
  const [plain, echoed] = [false, true].map((full) => post(scoringUri, key, text(full)));
  expect((await echoed)?.body.output[0]).toBe(`Once upon a time ${(await plain)?.body.output[0]}`);
});

test('a prefix cache spares what earlier prompts began with, and says how much', async () => {
  const long = 'word '.repeat(12_000);
  const { chatUri, key } = await workspace.deploy('cache', { model: phi4With('prefix-cache') });
  const ask = async (text: string) => {
    const { arrivedAtMs, text: answer } = await wireCall(chatUri, key, stream(2, text));
    const usage = JSON.parse(dataOf(answer).at(-2) ?? '{}').usage;
    return { firstMs: arrivedAtMs[0] ?? 0, ...usage.prompt_tokens_details, prompt: usage.prompt_tokens };
  };
  const first = await ask(`${long}and then`);
  const others = [await ask(`${long}but now`), await ask(`${long}so far`), await ask(`${long}as yet`)];
  expect(first.cached_tokens).toBe(0);
  for (const other of others) expect(other).toMatchObject({ cached_tokens: 12_000, prompt: first.prompt });
  // 12,000 tokens of Phi-4 take 1.9 s to read on an A100, at 20. A busy machine makes some late, not all.
  expect(Math.min(...others.map(({ firstMs }) => firstMs))).toBeLessThan(first.firstMs - 40);
});

test('without a prefix cache the usage has no details', async () => {
  const { text } = await wireCall(plain.chatUri, plain.key, stream(1));
  expect(text).toContain('"usage"');
  expect(text).not.toContain('prompt_tokens_details');
});
