/**
 * What a deployed model takes and gives, by its task: which routes its container has, how each body is checked, and
 * what the answer looks like. Generating texts is a prompt with an answer of many tokens (`chat.ts`); everything else
 * is a job: one piece of work on the GPU and one whole answer.
 */
import {
  isObject,
  type JsonObject,
  PayloadError,
  type Prompt,
  parseChatBody,
  parseScoreBody,
  parseTritonBody,
  type Reads,
} from './chat.ts';
import type { Model } from './models.ts';
import { deriveSeed, drawBetween } from './random.ts';
import { answerText, countTokens } from './tokens.ts';

/** Work of a call that generates no tokens. */
export interface Job {
  readonly promptTokens: number;
  /** What it takes on one A100, or null where reading its tokens is all the work. */
  readonly a100Ms: number | null;
  readonly answer: unknown;
}

export type Asked = { readonly prompt: Prompt } | { readonly job: Job };

interface Route {
  /** Whether the container works on one call of this route at a time, per worker process. */
  readonly isSerial: boolean;
  readonly parse: (body: JsonObject) => Asked;
}

/** The routes of the container that serves this model, by path. */
export type Routes = ReadonlyMap<string, Route>;

// Times on one A100, fitted to single calls that were measured (audio on an NC48 took 2.0 s, a picture 1.0 s, a frame
// 10.8 s, each with the fixed 0.9 s); that of making pictures is a guess.
const AUDIO_MS = 1100;
const CLASSIFY_MS = 100;
const FRAME_MS = 9900;
const PICTURE_MS = 3000;
/** Inputs that one call of these routes may bring; the public server of embeddings takes as many. */
const MAX_INPUTS = 32;
const EMBEDDING_DIMENSIONS = 384;
/** Frames that a Muse request shows, and the numbers of an action in it. */
const MUSE_FRAMES = 10;
const MUSE_ACTIONS = 16;
/** A grey pixel: answers hold a picture, its size is not imitated. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==';
const LABELS = ['lion', 'tiger', 'street car', 'tea pot', 'sea shore'] as const;
/** Models of the catalog that Triton serves, which their task does not tell. */
const SERVED_BY_TRITON = /^nemotron-3-/i;

/** The routes of the container that serves this model. */
export function routesOf(model: Model): Routes {
  const { task } = model.card;
  if (SERVED_BY_TRITON.test(model.name)) {
    return new Map([['/v2/models/ensemble/versions/1/infer', prompts(parseTritonBody, 'concurrent')]]);
  }
  switch (task) {
    case 'chat-completion':
      return textRoutes('chat');
    case 'image-text-to-text':
      return textRoutes('chat with images');
    case 'text-generation':
      return textRoutes('text');
    case 'embeddings':
      return new Map([
        ['/v1/embeddings', jobs(parseEmbeddings, 'concurrent')],
        ['/score', jobs(parseEmbeddings, 'serial')],
      ]);
    case 'text-ranking':
      return new Map([
        ['/rerank', jobs(parseRerank, 'concurrent')],
        ['/score', jobs(parseRerank, 'serial')],
      ]);
    case 'image-classification':
      return new Map([['/score', jobs(parseClassification, 'serial')]]);
    case 'automatic-speech-recognition':
      return new Map([['/score', jobs(parseSpeech, 'serial')]]);
    case 'image-to-image':
      return new Map([['/score', jobs(parsePictures, 'serial')]]);
    case 'image-to-video':
      return new Map([['/score', jobs(parseFrames, 'serial')]]);
  }
}

/**
 * The public serving image: its own routes call the engine one at a time and wait; what it passes on to the engine's
 * own routes runs at the same time.
 */
function textRoutes(reads: Reads): Routes {
  const chatReads = reads === 'text' ? 'chat' : reads;
  return new Map([
    ['/score', prompts((body) => parseScoreBody(body, reads), 'serial')],
    ['/chat/completions', prompts((body) => parseChatBody(body, chatReads), 'serial')],
    ['/v1/chat/completions', prompts((body) => parseChatBody(body, chatReads), 'concurrent')],
  ]);
}

function prompts(parse: (body: JsonObject) => Prompt, how: 'serial' | 'concurrent'): Route {
  return { isSerial: how === 'serial', parse: (body) => ({ prompt: parse(body) }) };
}

function jobs(parse: (body: JsonObject) => Job, how: 'serial' | 'concurrent'): Route {
  return { isSerial: how === 'serial', parse: (body) => ({ job: parse(body) }) };
}

/** OpenAI's `input`, or `inputs` as the public server of embeddings has it; one text or several. */
function parseEmbeddings(body: JsonObject): Job {
  const texts = textsOf(body.input ?? body.inputs, 'input');
  const promptTokens = texts.reduce((sum, text) => sum + countTokens(text), 0);
  const vectors = texts.map((text) => {
    const seed = deriveSeed(0, text);
    return Array.from({ length: EMBEDDING_DIMENSIONS }, (_, at) => round(drawBetween(-1, 1, seed, at)));
  });
  return {
    promptTokens,
    a100Ms: null,
    answer:
      body.input === undefined
        ? vectors
        : {
            object: 'list',
            data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
            usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
          },
  };
}

function parseRerank(body: JsonObject): Job {
  const { query } = body;
  if (typeof query !== 'string' || query === '') throw new PayloadError(422, 'query is required: a text.');
  const texts = textsOf(body.texts, 'texts');
  const scored = texts.map((text, index) => ({
    index,
    score: round(drawBetween(0, 1, deriveSeed(0, query, text))),
  }));
  return {
    promptTokens: texts.reduce((sum, text) => sum + countTokens(query) + countTokens(text), 0),
    a100Ms: null,
    answer: scored.sort((a, b) => b.score - a.score),
  };
}

function parseClassification(body: JsonObject): Job {
  const images = listOf(body.input_data, 'input_data', 'pictures, as base64 or addresses');
  return {
    promptTokens: 0,
    a100Ms: CLASSIFY_MS * images.length,
    answer: images.map((image, index) => {
      const seed = deriveSeed(0, mediaOf(image, `input_data[${index}]`));
      return LABELS.map((label, at) => ({ label, score: round(drawBetween(0, 1, seed, at)) })).sort(
        (a, b) => b.score - a.score,
      );
    }),
  };
}

function parseSpeech(body: JsonObject): Job {
  const input = inputObject(body);
  const clips = listOf(input.audio, 'input_data.audio', 'recordings, as base64 or addresses');
  const languages = listOf(input.language, 'input_data.language', 'one language for each recording');
  if (languages.length !== clips.length || !languages.every((entry) => typeof entry === 'string')) {
    throw new PayloadError(400, 'input_data.language must name one language for each recording.');
  }
  return {
    promptTokens: 0,
    a100Ms: AUDIO_MS * clips.length,
    answer: clips.map((clip, index) => {
      const seed = deriveSeed(0, mediaOf(clip, `input_data.audio[${index}]`));
      return { text: ` ${answerText(seed, 12)}.` };
    }),
  };
}

/** A table, as pandas writes it with `split`: columns, rows, and an index of the rows. */
function parsePictures(body: JsonObject): Job {
  const input = inputObject(body);
  const columns = listOf(input.columns, 'input_data.columns', "'prompt' and 'image'");
  const rows = listOf(input.data, 'input_data.data', 'rows');
  for (const column of ['prompt', 'image']) {
    if (!columns.includes(column))
      throw new PayloadError(400, `input_data.columns must name the column '${column}'.`);
  }
  const answer = rows.map((row, index) => {
    const cell = (column: string) => {
      if (Array.isArray(row)) return row[columns.indexOf(column)];
      return isObject(row) ? row[column] : undefined;
    };
    const prompt = cell('prompt');
    if (typeof prompt !== 'string')
      throw new PayloadError(400, `input_data.data[${index}] must have a prompt: a text.`);
    mediaOf(cell('image'), `input_data.data[${index}].image`);
    return { prompt, generated_image: PNG, nsfw_content_detected: null };
  });
  return { promptTokens: 0, a100Ms: PICTURE_MS * rows.length, answer };
}

function parseFrames(body: JsonObject): Job {
  const input = inputObject(body);
  const steps = input.num_steps_to_predict;
  if (!(typeof steps === 'number' && Number.isInteger(steps) && steps >= 1 && steps <= MUSE_FRAMES)) {
    throw new PayloadError(
      400,
      `input_data.num_steps_to_predict must be a whole number from 1 to ${MUSE_FRAMES}.`,
    );
  }
  const context = listOf(input.context, 'input_data.context', `${MUSE_FRAMES} frames`);
  if (context.length !== MUSE_FRAMES)
    throw new PayloadError(400, `input_data.context must hold ${MUSE_FRAMES} frames.`);
  for (const [index, frame] of context.entries()) {
    const path = `input_data.context[${index}]`;
    if (!isObject(frame)) throw new PayloadError(400, `${path} must be an object.`);
    mediaOf(frame.image, `${path}.image`);
    if (!Array.isArray(frame.actions) || frame.actions.length !== MUSE_ACTIONS)
      throw new PayloadError(400, `${path}.actions must hold ${MUSE_ACTIONS} numbers.`);
  }
  const actions = new Array<number>(MUSE_ACTIONS).fill(0);
  const results = Array.from({ length: steps }, () => ({ image: PNG, actions, tokens: [] }));
  return { promptTokens: 0, a100Ms: FRAME_MS * steps, answer: { results } };
}

function inputObject(body: JsonObject): JsonObject {
  if (isObject(body.input_data)) return body.input_data;
  throw new PayloadError(422, 'input_data is required: an object.');
}

function textsOf(value: unknown, path: string): readonly string[] {
  const texts = typeof value === 'string' ? [value] : listOf(value, path, 'texts');
  if (texts.every((text): text is string => typeof text === 'string')) return texts;
  throw new PayloadError(400, `${path} must hold texts only.`);
}

function listOf(value: unknown, path: string, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new PayloadError(422, `${path} is required: a list of ${what}.`);
  if (value.length > MAX_INPUTS)
    throw new PayloadError(413, `${path} holds ${value.length} entries; ${MAX_INPUTS} is the most.`);
  return value;
}

/** Base64, a data URL or an address. Nothing is fetched: the time of an upload is the client's, that of a download nobody's. */
function mediaOf(value: unknown, path: string): string {
  const isMedia =
    typeof value === 'string' &&
    value !== '' &&
    (/^https?:\/\/\S+$/.test(value) || /^(data:[\w/+.-]+;base64,)?[A-Za-z0-9+/\s]+={0,2}\s*$/.test(value));
  if (isMedia) return value;
  throw new PayloadError(400, `${path} must be base64 or an http address.`);
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
