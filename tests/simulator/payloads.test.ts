/** Each payload family against a model of its task: asked as our client asks, read as our client reads. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PAYLOAD_FAMILIES, PAYLOAD_FAMILY_NAMES } from '../../src/core/requests/payload-families.ts';
import { openReader } from '../../src/load/answer.ts';
import { buildBodyWriter, familyUrl } from '../../src/load/payload-family.ts';
import { type Deployed, openWorkspace, post, type RawAnswer, type WorkspaceOfTest } from './a-workspace.ts';
import { wireCall } from './raw-call.ts';

const NC40 = 'Standard_NC40ads_H100_v5';
const ND96 = 'Standard_ND96asr_v4';
const model = (registry: string, name: string, version: string) =>
  `azureml://registries/${registry}/models/${name}/versions/${version}`;

const MODELS = {
  chat: { model: model('azureml', 'Phi-4', '8') },
  vision: { model: model('azureml', 'Phi-3.5-vision-instruct', '2') },
  text: { model: model('azureml', 'microsoft-Orca-2-7b', '17') },
  triton: { model: model('azureml-nvidia', 'Nemotron-3-8B-Chat-4k-SteerLM', '3') },
  swin: { model: model('azureml', 'microsoft-swinv2-base-patch4-window12-192-22k', '21') },
  whisper: { model: model('azureml', 'openai-whisper-large', '21') },
  refiner: { model: model('azureml', 'stabilityai-stable-diffusion-xl-refiner-1-0', '10') },
  muse: { model: model('azureml', 'Muse', '5') },
  embeddings: { model: model('HuggingFace', 'baai-bge-m3', '4'), sku: NC40 },
  rerank: { model: model('HuggingFace', 'baai-bge-reranker-v2-m3', '2'), sku: ND96 },
} as const;
type Name = keyof typeof MODELS;

const MODEL_BY_FAMILY = {
  'openai-chat': 'chat',
  'openai-chat-blocking': 'chat',
  'azure-inference': 'chat',
  score: 'chat',
  'score-text': 'text',
  'score-snowflake': 'text',
  'score-vision': 'vision',
  'score-vision-two-images': 'vision',
  swin: 'swin',
  whisper: 'whisper',
  'sdxl-refiner': 'refiner',
  triton: 'triton',
  muse: 'muse',
} as const satisfies Record<(typeof PAYLOAD_FAMILY_NAMES)[number], Name>;

let workspace: WorkspaceOfTest;
const deployed = new Map<Name, Deployed>();
beforeAll(async () => {
  workspace = await openWorkspace({ gpuSpeed: 200 });
  for (const [name, settings] of Object.entries(MODELS))
    deployed.set(name as Name, await workspace.deploy(`model-${name}`, settings));
}, 60_000);
afterAll(() => workspace.close());

const of = (name: Name): Deployed => deployed.get(name) ?? { scoringUri: '', chatUri: '', key: '' };
const ask = (name: Name, body: unknown, route = '/score'): Promise<RawAnswer> =>
  post(of(name).scoringUri.replace(/\/score$/, route), of(name).key, body);

describe.each(PAYLOAD_FAMILY_NAMES)('the family %s', (name) => {
  const family = PAYLOAD_FAMILIES[name];

  test.each(family.streaming === null ? [false] : [false, true])(
    'is answered so that its reader understands it, streamed: %s',
    async (isStream) => {
      const { scoringUri, key } = of(MODEL_BY_FAMILY[name]);
      const body = JSON.parse(buildBodyWriter(family, isStream, 8, 'Phi-4')('Once upon a time'));
      const answer = await wireCall(familyUrl(scoringUri, family).replace('/score/chat', '/chat'), key, body);
      expect([answer.status, answer.complete]).toEqual([200, true]);
      const reader = openReader(family, answer.headers['content-type'] ?? '', answer.bytes, '');
      reader.push(answer.bytes, 1);
      reader.end();
      expect(reader.reading).toMatchObject({ verdict: null, streamed: isStream, complete: true });
      expect(reader.reading.characters).toBeGreaterThan(0);
      const hasUsage = family.usage.outputTokens.length > 0 && name !== 'score-snowflake';
      const isFree = name === 'azure-inference'; // It cannot force a length, and a stream is not asked for usage.
      if (hasUsage && !isFree) expect(reader.reading.outputTokens).toBe(8);
    },
  );

  test('takes no body of another family', async () => {
    const other = { input_data: { something: 'else' }, messages: 'none', inputs: [] };
    const { scoringUri, key } = of(MODEL_BY_FAMILY[name]);
    const answer = await post(familyUrl(scoringUri, family).replace('/score/chat', '/chat'), key, other);
    expect(answer.status).toBe(424);
    expect(Number(answer.headers['ms-azureml-model-error-statuscode'])).toBeGreaterThanOrEqual(400);
    expect(answer.body.message).toMatch(/^[\w"'`].*\.$/);
  });
});

const messages = [{ role: 'user', content: 'Hello' }];

test.each([
  ['a chat', 'text', { input_data: { input_string: messages } }, /list of one text/],
  ['a chat', 'swin', { input_data: { input_string: messages } }, /input_data is required/],
  ['a word that is no picture', 'swin', { input_data: ['not base64!'] }, /base64/],
  [
    'a recording without its language',
    'whisper',
    { input_data: { audio: ['AAAA'], language: [] } },
    /language/,
  ],
  ['a prompt without its picture', 'refiner', { input_data: { columns: ['prompt'], data: [{}] } }, /'image'/],
  ['too few frames', 'muse', { input_data: { num_steps_to_predict: 1, context: [{}] } }, /10 frames/],
  ['a number', 'embeddings', { input: [1] }, /texts only/],
  ['documents without a query', 'rerank', { texts: ['a'] }, /query/],
] as const)('%s is refused in a sentence by the model for %s', async (_case, name, body, sentence) => {
  const answer = await ask(name, body);
  expect(answer.status).toBe(424);
  expect(answer.body.message).toMatch(sentence);
});

test('a route that the container of a model does not have is a 424 with 404 inside', async () => {
  for (const [name, route] of [
    ['whisper', '/v1/chat/completions'],
    ['triton', '/score'],
    ['chat', '/v1/embeddings'],
  ] as const) {
    const answer = await ask(name, { messages }, route);
    expect(answer.status).toBe(424);
    expect(answer.headers['ms-azureml-model-error-statuscode']).toBe('404');
  }
});

test('an image counts as tokens of the prompt, and one that is none is refused', async () => {
  const ofImages = (...urls: string[]) => ({
    messages: [
      {
        role: 'user',
        content: [
          ...urls.map((url) => ({ type: 'image_url', image_url: { url } })),
          { type: 'text', text: 'Hello' },
        ],
      },
    ],
    max_tokens: 1,
  });
  const tokensOf = async (...urls: string[]) =>
    (await ask('vision', ofImages(...urls), '/v1/chat/completions')).body.usage.prompt_tokens;
  const image = 'data:image/png;base64,AAAA';
  expect((await tokensOf(image, image)) - (await tokensOf())).toBe(2000);
  const refused = await ask('vision', ofImages('file:///etc/passwd'), '/v1/chat/completions');
  expect(refused.body.message).toMatch(/image_url\.url must be/);
});

test('embeddings come in the order of their texts, the same each time, with the tokens that were read', async () => {
  const { body } = await ask('embeddings', { input: ['one', 'two'] }, '/v1/embeddings');
  expect(body.data.map(({ index }: { index: number }) => index)).toEqual([0, 1]);
  expect(body.data[0].embedding).toHaveLength(384);
  expect(body.usage).toEqual({ prompt_tokens: 2, total_tokens: 2 });
  const again = await ask('embeddings', { inputs: 'two' });
  expect(again.body[0]).toEqual(body.data[1].embedding);
});

test('a reranker gives each text its score, the best first', async () => {
  const { body } = await ask('rerank', { query: 'sea', texts: ['a', 'b', 'c'] }, '/rerank');
  const scores = body.map(({ score }: { score: number }) => score);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
  expect(body.map(({ index }: { index: number }) => index).sort()).toEqual([0, 1, 2]);
});

test('work that writes no text takes its time, and a second call waits for the first', async () => {
  const { scoringUri, key } = of('muse');
  const body = JSON.parse(buildBodyWriter(PAYLOAD_FAMILIES.muse, false, 1)('x'));
  const startedAt = performance.now();
  await Promise.all([post(scoringUri, key, body), post(scoringUri, key, body)]);
  // Twice 9.9 s and the fixed 0.9 s, at 200.
  expect(performance.now() - startedAt).toBeGreaterThan((2 * 10_800) / 200 / 1.07);
});
