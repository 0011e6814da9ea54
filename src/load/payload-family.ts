/**
 * Ways to talk to a model, as data: what is sent, where the text, the usage and the errors stand in what comes back,
 * and in what unit output is counted. One engine reads them (request body here, answers in answer.ts); a further
 * model API is a further entry.
 */
import type { Route } from '../core/shard.ts';

/** Where a value stands in parsed JSON. */
export type JsonPath = readonly (string | number)[];

export interface PayloadFamily {
  /** What takes the place of the scoring URI's `/score`. */
  readonly path: string;
  readonly unit: 'token';
  /** The request body, with PROMPT and OUTPUT_TOKENS where they go. */
  readonly body: JsonTemplate;
  /** Fields added to the body by whether a stream is asked for; null where the API cannot stream. */
  readonly streaming: {
    readonly asked: JsonTemplate;
    readonly notAsked: JsonTemplate;
    readonly answer: AnswerShape;
  } | null;
  /** The shape of a complete answer. */
  readonly answer: AnswerShape;
  readonly usage: { readonly promptTokens: JsonPath; readonly outputTokens: JsonPath };
  /** The data of the event that ends a stream. */
  readonly endMark: string;
  /** Whether `{}` is how this API tells that it failed. */
  readonly emptyObjectIsError: boolean;
}

/** Where things stand in an answer or in one event of a stream. */
export interface AnswerShape {
  /** The first non-empty one is the content: several spellings of one text in one event count once. */
  readonly content: readonly JsonPath[];
  /** Reasoning, which is output too and comes before the content. */
  readonly reasoning: readonly JsonPath[];
  readonly finishReason: JsonPath;
  /** Where an error may stand in an answer of 200; null, false and empty mean none. */
  readonly errors: readonly JsonPath[];
}

type JsonTemplate = { readonly [key: string]: JsonTemplateValue };
type JsonTemplateValue = string | number | boolean | null | readonly JsonTemplateValue[] | JsonTemplate;

const PROMPT = '{{prompt}}';
const OUTPUT_TOKENS = '{{outputTokens}}';

/**
 * Both forms ask for exactly the wanted number of tokens, in all the spellings that catalog images know (vLLM's
 * `min_tokens` and `ignore_eos`; `max_new_tokens` of the older images), and for the most likely token, so that two
 * measurements measure the same work.
 */
export const PAYLOAD_FAMILIES = {
  'openai-chat': {
    path: '/v1/chat/completions',
    unit: 'token',
    body: {
      messages: [{ role: 'user', content: PROMPT }],
      max_tokens: OUTPUT_TOKENS,
      min_tokens: OUTPUT_TOKENS,
      ignore_eos: true,
      temperature: 0,
    },
    streaming: {
      asked: { stream: true, stream_options: { include_usage: true } },
      notAsked: { stream: false },
      answer: {
        content: [['choices', 0, 'delta', 'content']],
        reasoning: [
          ['choices', 0, 'delta', 'reasoning'],
          ['choices', 0, 'delta', 'reasoning_content'],
        ],
        finishReason: ['choices', 0, 'finish_reason'],
        errors: [['error'], ['choices', 0, 'error']],
      },
    },
    answer: {
      content: [['choices', 0, 'message', 'content']],
      reasoning: [
        ['choices', 0, 'message', 'reasoning'],
        ['choices', 0, 'message', 'reasoning_content'],
      ],
      finishReason: ['choices', 0, 'finish_reason'],
      errors: [['error'], ['choices', 0, 'error']],
    },
    usage: { promptTokens: ['usage', 'prompt_tokens'], outputTokens: ['usage', 'completion_tokens'] },
    endMark: '[DONE]',
    emptyObjectIsError: false,
  },
  score: {
    path: '/score',
    unit: 'token',
    body: {
      input_data: {
        input_string: [{ role: 'user', content: PROMPT }],
        parameters: {
          max_new_tokens: OUTPUT_TOKENS,
          max_tokens: OUTPUT_TOKENS,
          min_tokens: OUTPUT_TOKENS,
          ignore_eos: true,
          temperature: 0,
          do_sample: false,
        },
      },
    },
    streaming: null,
    answer: {
      content: [['output']],
      reasoning: [
        ['message', 'reasoning'],
        ['message', 'reasoning_content'],
      ],
      finishReason: ['finish_reason'],
      errors: [['error']],
    },
    usage: { promptTokens: ['usage', 'prompt_tokens'], outputTokens: ['usage', 'completion_tokens'] },
    endMark: '[DONE]',
    emptyObjectIsError: true,
  },
} as const satisfies Record<Route['api'], PayloadFamily>;

/** Gives the body of a request for a prompt. What does not depend on the prompt is written once. */
export function buildBodyWriter(
  family: PayloadFamily,
  stream: boolean,
  outputTokens: number,
): (prompt: string) => string {
  const template = {
    ...family.body,
    ...(stream ? family.streaming?.asked : family.streaming?.notAsked),
  };
  const text = JSON.stringify(template).replaceAll(JSON.stringify(OUTPUT_TOKENS), String(outputTokens));
  const parts = text.split(JSON.stringify(PROMPT));
  return (prompt) => parts.join(JSON.stringify(prompt));
}

/** The value at a path in parsed JSON, or undefined where the path leads nowhere. */
export function readPath(value: unknown, path: JsonPath): unknown {
  let at: unknown = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}
