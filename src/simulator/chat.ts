/** The payloads of a scoring call: what a chat or text request asks for, and the answers in each route's form. */
import { countChatTokens, countTokens } from './tokens.ts';

/** Tokens that an image takes of the prompt. A guess: vision models take some hundreds to some thousands. */
const TOKENS_PER_IMAGE = 1000;

/** How `/score` is asked and answers: messages, a list of texts, such a list at snowflake-arctic, or Triton's tensors. */
export type PromptForm = 'chat' | 'text' | 'numbered-text' | 'triton';

/** What a request asks of the model, whichever route it came by. */
export interface Prompt {
  readonly form: PromptForm;
  readonly promptTokens: number;
  /** All texts together, from which the answer's words and natural length are drawn. */
  readonly text: string;
  readonly maxTokens: number | undefined;
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** The older image's `return_full_text`: the answer begins with the prompt. */
  readonly returnFullText: boolean;
}

/** Why the container would refuse, with the status it would give; the front door turns it into a 424. */
export class PayloadError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** What a model reads: chats, with or without images, or texts alone. */
export type Reads = 'chat' | 'chat with images' | 'text';

/** Parses the body of `/score`: a chat under `input_data.input_string`, or texts there or in `input_data` itself. */
export function parseScoreBody(body: JsonObject, reads: Reads): Prompt {
  const input = body.input_data;
  if (Array.isArray(input)) return parseTexts('text', input, body.params);
  if (!isObject(input)) throw new PayloadError(422, 'input_data is required: an object or a list of texts.');
  const strings = input.input_string;
  const parameters = input.parameters ?? body.parameters;
  if (!Array.isArray(strings) || strings.length === 0) {
    throw new PayloadError(422, 'input_data.input_string is required: a list of messages or of texts.');
  }
  if (strings.every((entry) => typeof entry === 'string')) {
    return parseTexts(reads === 'text' ? 'numbered-text' : 'text', strings, parameters);
  }
  if (reads === 'text') {
    throw new PayloadError(400, 'The model generates from texts: input_data must be a list of one text.');
  }
  return buildPrompt('chat', parseMessages(strings, 'input_data.input_string', reads), parameters);
}

/** Parses the body of `/v1/chat/completions` and `/chat/completions`. */
export function parseChatBody(body: JsonObject, reads: Reads): Prompt {
  if (!Array.isArray(body.messages) || body.messages.length === 0) {
    throw new PayloadError(422, 'messages is required: a list of at least one message.');
  }
  const prompt = buildPrompt('chat', parseMessages(body.messages, 'messages', reads), body);
  const options = body.stream_options;
  return {
    ...prompt,
    stream: body.stream === true,
    includeUsage: isObject(options) && options.include_usage === true,
  };
}

/** Parses the request of Triton's KServe v2 route: `text_input`, and `max_tokens` beside it. */
export function parseTritonBody(body: JsonObject): Prompt {
  const inputs = Array.isArray(body.inputs) ? body.inputs.filter(isObject) : [];
  const first = (name: string) => {
    let value = inputs.find((input) => input.name === name)?.data;
    while (Array.isArray(value)) [value] = value;
    return value;
  };
  const text = first('text_input');
  if (typeof text !== 'string') {
    throw new PayloadError(400, "inference request for model 'ensemble' must have the input 'text_input'.");
  }
  const maxTokens = first('max_tokens');
  return buildPrompt('triton', { texts: [text], images: 0 }, { max_tokens: maxTokens, ignore_eos: true });
}

export interface Completion {
  readonly id: string;
  readonly model: string;
  readonly createdSeconds: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Told in the usage where a prefix cache is on. */
  readonly cachedTokens: number | undefined;
  readonly finishReason: 'stop' | 'length' | 'error';
}

/** The answer of `/score` and of Triton's route; `outputOnly` is the older image, which reports no usage. */
export function scoreAnswer(completion: Completion, form: PromptForm, text: string, outputOnly: boolean) {
  const { id, model, finishReason } = completion;
  if (form === 'numbered-text') return [{ 0: text }];
  if (form === 'triton') {
    const output = { name: 'text_output', datatype: 'BYTES', shape: [1, 1], data: [text] };
    return { model_name: 'ensemble', model_version: '1', outputs: [output] };
  }
  const output = form === 'text' ? [text] : text;
  if (outputOnly) return { output };
  const rest = { finish_reason: finishReason, usage: usage(completion), model, id };
  return form === 'text'
    ? { output, ...rest }
    : { output, message: { role: 'assistant', content: text }, ...rest };
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
export function chatEvents(completion: Completion, newline: string) {
  const end = newline + newline;
  const head = `data: {"id":${JSON.stringify(completion.id)},"object":"chat.completion.chunk","created":${completion.createdSeconds},"model":${JSON.stringify(completion.model)},"choices":`;
  const choice = (delta: string, finishReason: string, error = '') =>
    `${head}[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finishReason}}]${error}}${end}`;
  return {
    role: () => choice('{"role":"assistant","content":""}', 'null'),
    token: (text: string) => choice(`{"content":${JSON.stringify(text)}}`, 'null'),
    finish: (error?: string) =>
      choice(
        '{}',
        JSON.stringify(completion.finishReason),
        error === undefined ? '' : `,"error":${JSON.stringify(error)}`,
      ),
    /** An event that is no chunk of the answer. */
    data: (value: unknown) => `data: ${JSON.stringify(value)}${end}`,
    named: (name: string, text: string) => `event: ${name}${newline}data: ${text}${end}`,
    usage: () => `${head}[],"usage":${JSON.stringify(usage(completion))}}${end}`,
    done: () => `data: [DONE]${end}`,
  };
}

function usage({ promptTokens, outputTokens, cachedTokens }: Completion) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
    ...(cachedTokens !== undefined && { prompt_tokens_details: { cached_tokens: cachedTokens } }),
  };
}

function parseTexts(form: PromptForm, texts: readonly unknown[], parameters: unknown): Prompt {
  const [text] = texts;
  if (texts.length !== 1 || typeof text !== 'string') {
    throw new PayloadError(400, 'This simulator answers one text at a time: the list must hold exactly one.');
  }
  return buildPrompt(form, { texts: [text], images: 0 }, parameters);
}

interface Contents {
  readonly texts: readonly string[];
  readonly images: number;
}

/** What the messages hold. Images are refused by a model that takes none; nothing is fetched from their addresses. */
function parseMessages(messages: readonly unknown[], path: string, reads: Reads): Contents {
  let images = 0;
  const texts = messages.map((message, index) => {
    if (!isObject(message) || typeof message.role !== 'string') {
      throw new PayloadError(422, `${path}[${index}].role is required.`);
    }
    const { content } = message;
    if (typeof content === 'string') return content;
    if (!Array.isArray(content)) throw new PayloadError(422, `${path}[${index}].content is required.`);
    const parts: string[] = [];
    for (const part of content as readonly unknown[]) {
      if (isObject(part) && part.type === 'text' && typeof part.text === 'string') parts.push(part.text);
      else if (reads === 'chat with images' && isImage(part)) images += 1;
      else throw new PayloadError(400, describePart(part, reads, `${path}[${index}].content`));
    }
    return parts.join('\n');
  });
  return { texts, images };
}

function isImage(part: unknown): boolean {
  if (!isObject(part) || part.type !== 'image_url' || !isObject(part.image_url)) return false;
  const { url } = part.image_url;
  return typeof url === 'string' && /^(https?:\/\/|data:image\/)/.test(url);
}

function describePart(part: unknown, reads: Reads, path: string): string {
  const isAnImage = isObject(part) && part.type === 'image_url';
  if (isAnImage && reads === 'chat') {
    return 'At most 0 image(s) may be provided in one request: the model reads text only.';
  }
  return isAnImage
    ? `${path}: image_url.url must be an http address or a data URL of an image.`
    : `${path}: a part must have type 'text' with a text${reads === 'chat' ? '' : ", or 'image_url'"}.`;
}

function buildPrompt(form: PromptForm, { texts, images }: Contents, given: unknown): Prompt {
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
  const textTokens = form === 'chat' ? countChatTokens(texts) : countTokens(texts.join('\n'));
  return {
    form,
    promptTokens: textTokens + images * TOKENS_PER_IMAGE,
    text: texts.join('\n'),
    maxTokens,
    minTokens,
    ignoreEos: parameters.ignore_eos === true,
    stream: false,
    includeUsage: false,
    returnFullText: form === 'text' && parameters.return_full_text === true,
  };
}

function wholeNumber(parameters: JsonObject, name: string): number | undefined {
  const value = parameters[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw new PayloadError(400, `${name} must be a whole number.`);
}

/** The body as a JSON object. */
export function parseJson(bytes: Buffer): JsonObject {
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new PayloadError(400, 'The body is not valid JSON.');
  }
  if (!isObject(body)) throw new PayloadError(422, 'The body must be a JSON object.');
  return body;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
