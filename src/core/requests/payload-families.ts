/**
 * The payload families of the model catalog, each an entry of data. Sources: the model cards of the Azure ML
 * registries and the open source of their serving images; the bodies that the origin's scripts send, without their
 * faults (`parameters` beside `input_data`, an echo that was asked for, images that the server has to download).
 *
 * Forms that ask for tokens ask for exactly the wanted number and for the most likely ones, so that two measurements
 * measure the same work.
 */
import type { AnswerShape, JsonObject, PayloadFamily } from './payload.ts';

export const PAYLOAD_FAMILY_NAMES = [
  'openai-chat',
  'openai-chat-blocking',
  'azure-inference',
  'score',
  'score-text',
  'score-snowflake',
  'score-vision',
  'score-vision-two-images',
  'swin',
  'whisper',
  'sdxl-refiner',
  'triton',
  'muse',
] as const;

export type PayloadFamilyName = (typeof PAYLOAD_FAMILY_NAMES)[number];

/** All the spellings of a length that catalog images know: vLLM's, and `max_new_tokens` of the older images. */
const SCORE_PARAMETERS = {
  max_new_tokens: '{{outputTokens}}',
  max_tokens: '{{outputTokens}}',
  min_tokens: '{{outputTokens}}',
  ignore_eos: true,
  temperature: 0,
  do_sample: false,
} as const satisfies JsonObject;

const OPENAI_USAGE: PayloadFamily['usage'] = {
  promptTokens: [['usage', 'prompt_tokens']],
  outputTokens: [['usage', 'completion_tokens']],
  cachedPromptTokens: [['usage', 'prompt_tokens_details', 'cached_tokens']],
};

const NO_USAGE: PayloadFamily['usage'] = { promptTokens: [], outputTokens: [], cachedPromptTokens: [] };

const OPENAI_ANSWER: AnswerShape = {
  text: [['choices', 0, 'message', 'content']],
  reasoning: [
    ['choices', 0, 'message', 'reasoning'],
    ['choices', 0, 'message', 'reasoning_content'],
  ],
  finishReason: [['choices', 0, 'finish_reason']],
  errors: [['error'], ['choices', 0, 'error']],
  mayBeEmpty: false,
};

const OPENAI_EVENT: AnswerShape = {
  ...OPENAI_ANSWER,
  text: [['choices', 0, 'delta', 'content']],
  reasoning: [
    ['choices', 0, 'delta', 'reasoning'],
    ['choices', 0, 'delta', 'reasoning_content'],
  ],
};

/** `/score` of the catalog's serving image. */
const SCORE_ANSWER: AnswerShape = {
  text: [['output']],
  reasoning: [
    ['message', 'reasoning'],
    ['message', 'reasoning_content'],
  ],
  finishReason: [['finish_reason']],
  errors: [['error']],
  mayBeEmpty: false,
};

/** What a model gives that has neither reasoning nor a reason to end. */
function plainAnswer(text: AnswerShape['text'], change: Partial<AnswerShape> = {}): AnswerShape {
  return {
    text,
    reasoning: [],
    finishReason: [],
    errors: [['error'], [0, 'error']],
    mayBeEmpty: false,
    ...change,
  };
}

const OPENAI_CHAT: PayloadFamily = {
  path: '/v1/chat/completions',
  pathRule: 'replace',
  body: {
    messages: '{{messages}}',
    max_tokens: '{{outputTokens}}',
    min_tokens: '{{outputTokens}}',
    ignore_eos: true,
    temperature: 0,
  },
  streaming: {
    asked: { stream: true, stream_options: { include_usage: true } },
    notAsked: { stream: false },
    answer: OPENAI_EVENT,
  },
  answer: OPENAI_ANSWER,
  usage: OPENAI_USAGE,
  endMark: '[DONE]',
  unit: 'token',
  unitsPerRequest: null,
};

const SCORE: PayloadFamily = {
  path: '/score',
  pathRule: 'replace',
  body: { input_data: { input_string: '{{messages}}', parameters: SCORE_PARAMETERS } },
  streaming: null,
  answer: SCORE_ANSWER,
  usage: OPENAI_USAGE,
  endMark: null,
  unit: 'token',
  unitsPerRequest: null,
};

function visionMessages(images: readonly string[]): JsonObject {
  return {
    input_data: {
      input_string: [
        {
          role: 'user',
          content: [
            ...images.map((image) => ({
              type: 'image_url',
              image_url: { url: `data:image/png;base64,${image}` },
            })),
            { type: 'text', text: '{{prompt}}' },
          ],
        },
      ],
      parameters: SCORE_PARAMETERS,
    },
  };
}

export const PAYLOAD_FAMILIES: Readonly<Record<PayloadFamilyName, PayloadFamily>> = {
  /** vLLM's own route, which the catalog's image passes on: requests run at the same time. */
  'openai-chat': OPENAI_CHAT,

  /** The same form on the route that the image serves itself: one request at a time, a stream comes in one burst. */
  'openai-chat-blocking': { ...OPENAI_CHAT, path: '/chat/completions' },

  /**
   * Azure AI model inference, for serverless deployments. It refuses fields that its API does not name unless a header
   * says otherwise, so the length can only be bounded.
   */
  'azure-inference': {
    ...OPENAI_CHAT,
    path: '/chat/completions?api-version=2024-05-01-preview',
    pathRule: 'append',
    body: { model: '{{model}}', messages: '{{messages}}', max_tokens: '{{outputTokens}}', temperature: 0 },
    streaming: { asked: { stream: true }, notAsked: { stream: false }, answer: OPENAI_EVENT },
  },

  /** Chat on `/score`: Phi, Mixtral, Llama, financial-reports-analysis and the origin's grid test. */
  score: SCORE,

  /** Text generation: Orca-2. Its older image puts the prompt before the answer unless told not to. */
  'score-text': {
    ...SCORE,
    body: { input_data: ['{{prompt}}'], params: { ...SCORE_PARAMETERS, return_full_text: false } },
    answer: {
      ...SCORE_ANSWER,
      text: [['output', 0], ['output'], [0], [0, '0']],
      errors: [['error'], [0, 'error']],
    },
  },

  /** snowflake-arctic: texts where the chat form has messages. */
  'score-snowflake': {
    ...SCORE,
    body: { input_data: { input_string: ['{{prompt}}'], parameters: SCORE_PARAMETERS } },
    answer: {
      ...SCORE_ANSWER,
      text: [[0, '0'], ['output', 0], ['output'], [0]],
      errors: [['error'], [0, 'error']],
    },
  },

  /** Phi-3-vision, Phi-3.5-vision, Llama-3.2-Vision with one image. */
  'score-vision': { ...SCORE, body: visionMessages(['{{image}}']) },

  'score-vision-two-images': { ...SCORE, body: visionMessages(['{{image}}', '{{image2}}']) },

  /** Image classification: swinv2. */
  swin: {
    ...SCORE,
    body: { input_data: ['{{image}}'] },
    answer: plainAnswer([
      [0, 0, 'label'],
      [0, 'label'],
    ]),
    usage: NO_USAGE,
    unit: 'image',
    unitsPerRequest: 1,
  },

  /** Speech recognition: whisper. Counted are the seconds of the recording that was sent. */
  whisper: {
    ...SCORE,
    body: { input_data: { audio: ['{{audio}}'], language: ['en'] } },
    answer: plainAnswer([[0, 'text'], ['text']], { mayBeEmpty: true }),
    usage: NO_USAGE,
    unit: 'audio-second',
    unitsPerRequest: 5,
  },

  /** Image to image: stable-diffusion-xl-refiner. */
  'sdxl-refiner': {
    ...SCORE,
    body: {
      input_data: {
        columns: ['prompt', 'image'],
        data: [{ prompt: '{{prompt}}', image: '{{image}}' }],
        index: [0],
      },
    },
    answer: plainAnswer([
      [0, 'generated_image'],
      [0, 'image'],
    ]),
    usage: NO_USAGE,
    unit: 'image',
    unitsPerRequest: 1,
  },

  /** Triton's KServe v2 route with the usual ensemble: Nemotron-3. */
  triton: {
    ...SCORE,
    path: '/v2/models/ensemble/versions/1/infer',
    body: {
      inputs: [
        { name: 'text_input', shape: [1, 1], datatype: 'BYTES', data: [['{{prompt}}']] },
        { name: 'max_tokens', shape: [1, 1], datatype: 'UINT32', data: [['{{outputTokens}}']] },
      ],
      outputs: [{ name: 'text_output' }],
    },
    answer: plainAnswer([
      ['outputs', 0, 'data', 0],
      ['outputs', 0, 'data', 0, 0],
    ]),
    usage: NO_USAGE,
  },

  /** Muse (WHAM): the next frame of a game from ten. */
  muse: {
    ...SCORE,
    body: {
      input_data: { num_steps_to_predict: 1, temperature: 0.9, top_p: 1, context: '{{frames}}' },
    },
    answer: plainAnswer([['results', 0, 'image']], { errors: [['error']] }),
    usage: NO_USAGE,
    unit: 'frame',
    unitsPerRequest: 1,
  },
};
