/** The payloads of a scoring call: what a chat or text request asks for, and the answers in each route's form. */
import { countChatTokens, countTokens } from './tokens.ts';

/** What a request asks of the model, whichever route it came by. */
export interface Prompt {
  readonly form: 'chat' | 'text';
  readonly promptTokens: number;
  /** All texts together, from which the answer's words and natural length are drawn. */
  readonly text: string;
  readonly maxTokens: number | undefined;
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** Why the container would refuse, with the status it would give; the front door turns it into a 424. */
export class PayloadError extends Error {
  readonly status: 400 | 404 | 405 | 422;

  constructor(status: 400 | 404 | 405 | 422, message: string) {
    super(message);
    this.status = status;
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Parses the body of `/score`: a chat under `input_data.input_string`, or texts there or in `input_data` itself. */
export function parseScoreBody(bytes: Buffer): Prompt {
  const body = parseJson(bytes);
  const input = body.input_data;
  if (Array.isArray(input)) return parseTexts(input, body.params);
  if (!isObject(input)) throw new PayloadError(422, 'input_data is required: an object or a list of texts.');
  const strings = input.input_string;
  const parameters = input.parameters ?? body.parameters;
  if (!Array.isArray(strings) || strings.length === 0) {
    throw new PayloadError(422, 'input_data.input_string is required: a list of messages or of texts.');
  }
  return strings.every((entry) => typeof entry === 'string')
    ? parseTexts(strings, parameters)
    : buildPrompt('chat', parseMessages(strings, 'input_data.input_string'), parameters);
}

/** Parses the body of `/v1/chat/completions`. */
export function parseChatBody(bytes: Buffer): Prompt {
  const body = parseJson(bytes);
  if (!Array.isArray(body.messages) || body.messages.length === 0) {
    throw new PayloadError(422, 'messages is required: a list of at least one message.');
  }
  const prompt = buildPrompt('chat', parseMessages(body.messages, 'messages'), body);
  const options = body.stream_options;
  return {
    ...prompt,
    stream: body.stream === true,
    includeUsage: isObject(options) && options.include_usage === true,
  };
}

export interface Completion {
  readonly id: string;
  readonly model: string;
  readonly createdSeconds: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly finishReason: 'stop' | 'length';
}

/** The answer of `/score`, in the form of the serving image that reports usage. */
export function scoreAnswer(completion: Completion, prompt: Prompt, text: string) {
  const { id, model, finishReason } = completion;
  const rest = { finish_reason: finishReason, usage: usage(completion), model, id };
  if (prompt.form === 'text') return { output: [text], ...rest };
  return { output: text, message: { role: 'assistant', content: text }, ...rest };
}

export function chatAnswer(completion: Completion, text: string) {
  return {
    id: completion.id,
    object: 'chat.completion',
    created: completion.createdSeconds,
    model: completion.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: text },
        logprobs: null,
        finish_reason: completion.finishReason,
      },
    ],
    usage: usage(completion),
  };
}

/** The events of a streamed answer, each with its blank line; a chunk's fixed parts are built once. */
export function chatEvents(completion: Completion) {
  const head = `data: {"id":${JSON.stringify(completion.id)},"object":"chat.completion.chunk","created":${completion.createdSeconds},"model":${JSON.stringify(completion.model)},"choices":`;
  const choice = (delta: string, finishReason: string) =>
    `${head}[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finishReason}}]}\n\n`;
  return {
    role: () => choice('{"role":"assistant","content":""}', 'null'),
    token: (text: string) => choice(`{"content":${JSON.stringify(text)}}`, 'null'),
    finish: () => choice('{}', JSON.stringify(completion.finishReason)),
    usage: () => `${head}[],"usage":${JSON.stringify(usage(completion))}}\n\n`,
    done: () => 'data: [DONE]\n\n',
  };
}

function usage({ promptTokens, outputTokens }: Completion) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
  };
}

function parseTexts(texts: readonly unknown[], parameters: unknown): Prompt {
  const [text] = texts;
  if (texts.length !== 1 || typeof text !== 'string') {
    throw new PayloadError(400, 'This simulator answers one text at a time: the list must hold exactly one.');
  }
  return buildPrompt('text', [text], parameters);
}

/** The texts of the messages. Parts that are not text are refused, as by a model that takes no images. */
function parseMessages(messages: readonly unknown[], path: string): string[] {
  return messages.map((message, index) => {
    if (!isObject(message) || typeof message.role !== 'string') {
      throw new PayloadError(422, `${path}[${index}].role is required.`);
    }
    const { content } = message;
    if (typeof content === 'string') return content;
    if (!Array.isArray(content)) throw new PayloadError(422, `${path}[${index}].content is required.`);
    return content
      .map((part: unknown) => {
        if (isObject(part) && part.type === 'text' && typeof part.text === 'string') return part.text;
        throw new PayloadError(
          400,
          'At most 0 image(s) may be provided in one request: the model reads text only.',
        );
      })
      .join('\n');
  });
}

function buildPrompt(form: 'chat' | 'text', texts: readonly string[], given: unknown): Prompt {
  const parameters = isObject(given) ? given : {};
  // `max_tokens` is the serving engine's word, `max_new_tokens` the older image's; a client may send both.
  const maxTokens =
    wholeNumber(parameters, 'max_tokens') ??
    wholeNumber(parameters, 'max_completion_tokens') ??
    wholeNumber(parameters, 'max_new_tokens');
  const minTokens = wholeNumber(parameters, 'min_tokens') ?? 0;
  if (maxTokens !== undefined && maxTokens < 1) throw new PayloadError(400, 'max_tokens must be at least 1.');
  if (maxTokens !== undefined && minTokens > maxTokens) {
    throw new PayloadError(400, `min_tokens (${minTokens}) must not be above max_tokens (${maxTokens}).`);
  }
  if ((wholeNumber(parameters, 'n') ?? 1) !== 1) {
    throw new PayloadError(400, 'n must be 1: this simulator gives one answer to a request.');
  }
  return {
    form,
    promptTokens: form === 'chat' ? countChatTokens(texts) : countTokens(texts.join('\n')),
    text: texts.join('\n'),
    maxTokens,
    minTokens,
    ignoreEos: parameters.ignore_eos === true,
    stream: false,
    includeUsage: false,
  };
}

function wholeNumber(parameters: JsonObject, name: string): number | undefined {
  const value = parameters[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw new PayloadError(400, `${name} must be a whole number.`);
}

function parseJson(bytes: Buffer): JsonObject {
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new PayloadError(400, 'The body is not valid JSON.');
  }
  if (!isObject(body)) throw new PayloadError(422, 'The body must be a JSON object.');
  return body;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
