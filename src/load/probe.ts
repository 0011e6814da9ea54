/**
 * Finding out how an endpoint can be asked, before anything is measured: which route answers, whether it streams, and
 * how many characters make a token there. Runs in the main thread; nothing of it is a measurement.
 */

import { FAILURE_TRAITS, REQUEST_FAILURES, type RequestFailure } from '../core/failure.ts';
import type { Sample } from '../core/measuring/sample.ts';
import type { Route } from '../core/measuring/shard.ts';
import { rateThrough } from '../core/requests/calibration.ts';
import { buildPrompt } from '../core/requests/prompt.ts';
import { monotonicMs } from './clock.ts';
import { buildSharedConnector, Connection } from './connection.ts';
import { familyUrl, findFamily, forcesLength, type PayloadFamily } from './payload-family.ts';
import { prepareRequest, prepareTarget, type TargetOrder } from './request.ts';

/** English in the usual vocabularies, where the server does not tell. */
const DEFAULT_CHARACTERS_PER_TOKEN = 4;
/** Two lengths far enough apart for a slope, short enough for any context window. */
const SHORT_PROMPT_TOKENS = 64;
const LONG_PROMPT_TOKENS = 512;

/** Sends one request on a connection of its own and waits for its answer. `index` makes its id and nothing else. */
export async function sendOnce(
  order: TargetOrder,
  outputTokens: number,
  prompt: string,
  index: number,
): Promise<Sample> {
  const target = prepareTarget(order, outputTokens);
  const connector = buildSharedConnector(order.requestTimeoutMs, order.connectAddress);
  const connection = new Connection(new URL(order.route.url), connector);
  try {
    await connection.open();
    return (await prepareRequest(connection, target, { index, prompt }).send(monotonicMs()).answer).sample;
  } finally {
    await connection.close();
  }
}

export interface ProbeOrder {
  readonly scoringUri: string;
  /** See ShardOrder. */
  readonly connectAddress?: string | null;
  readonly authorization: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly api: 'auto' | Route['api'];
  /** The user's own family, where the api is `raw`. */
  readonly template?: PayloadFamily | null;
  readonly outputTokens: number;
  readonly requestTimeoutMs: number;
  readonly requestIdPrefix: string;
  readonly seed: number;
}

export type ProbeResult =
  | {
      readonly ok: true;
      readonly route: Route;
      /** Requests that were sent. */
      readonly requests: number;
      readonly samples: readonly Sample[];
      readonly charactersPerToken: number;
      readonly templateTokens: number;
      /** False where the server tells no usage: then 4 characters a token and no template are assumed. */
      readonly calibrated: boolean;
    }
  | {
      readonly ok: false;
      readonly failure: RequestFailure;
      readonly message: string;
      readonly samples: readonly Sample[];
    };

/**
 * The first route that gives a good answer: the chat completions of the engine streamed, then whole, then `/score`.
 * A route whose stream turns out to be held back is still that route; its TTFT is nulled where it is measured.
 */
export async function probeRoute(order: ProbeOrder): Promise<ProbeResult> {
  const samples: Sample[] = [];
  const ask = async (route: Route, promptTokens: number): Promise<Probe> => {
    const prompt = { promptTokens, charactersPerToken: DEFAULT_CHARACTERS_PER_TOKEN, templateTokens: 0 };
    const text = buildPrompt(prompt, order.seed, samples.length);
    const target = { ...order, route, charactersPerToken: DEFAULT_CHARACTERS_PER_TOKEN };
    const sample = await sendOnce(target, order.outputTokens, text, samples.length);
    samples.push(sample);
    return { route, sample, characters: text.length };
  };
  const refused: Probe[] = [];
  for (const forced of listRoutes(order)) {
    // Where there is no such address with a stream, there is none without.
    if (refused.some((probe) => probe.route.url === forced.url && probe.sample.status === 404)) continue;
    const asked = await ask(forced, SHORT_PROMPT_TOKENS);
    const short = refusesLength(asked, order.template ?? null)
      ? await ask({ ...forced, freeLength: true }, SHORT_PROMPT_TOKENS)
      : asked;
    const { route } = short;
    const long = short.sample.failure === null ? await ask(route, LONG_PROMPT_TOKENS) : null;
    const failed = [short, long].find((probe) => isAboutMoment(probe?.sample.failure ?? null));
    if (failed) return refuse([failed], samples);
    if (long !== null)
      return { ok: true, route, requests: samples.length, samples, ...calibrate(short, long) };
    refused.push(short);
  }
  return refuse(refused, samples);
}

interface Probe {
  readonly route: Route;
  readonly sample: Sample;
  readonly characters: number;
}

/** A refusal that may be of the fields that force a length, which not every server knows. */
function refusesLength({ route, sample }: Probe, template: PayloadFamily | null): boolean {
  if (sample.failure !== 'bad-request' || sample.status === 404) return false;
  return forcesLength(findFamily(route, template));
}

function isAboutMoment(failure: RequestFailure | null): boolean {
  return failure !== null && (FAILURE_TRAITS[failure].retryable || failure === 'auth' || failure === 'tls');
}

function refuse(refused: readonly Probe[], samples: readonly Sample[]): ProbeResult {
  const told = refused.map(({ route, sample }) => {
    const failure = sample.failure ?? 'empty-output';
    const way = `${new URL(route.url).pathname}${route.stream ? ' with a stream' : ''}`;
    return `${way}: ${REQUEST_FAILURES[failure]} (${sample.failureDetail ?? 'no words'})`;
  });
  const failure = refused.at(-1)?.sample.failure ?? 'bad-request';
  return { ok: false, failure, message: `The endpoint gave no usable answer. ${told.join(' ')}`, samples };
}

/** The routes to try, in order. */
function listRoutes({ scoringUri, api, template }: ProbeOrder): Route[] {
  const apis: readonly Route['api'][] = api === 'auto' ? ['openai-chat', 'score'] : [api];
  return apis.flatMap((one) => {
    const family = findFamily({ api: one }, template ?? null);
    const whole: Route = { api: one, url: familyUrl(scoringUri, family), stream: false };
    return family.streaming === null ? [whole] : [{ ...whole, stream: true }, whole];
  });
}

/**
 * How much text a token is, from two prompts. Without a usage in both, or with one that no vocabulary explains, the
 * usual values. Good enough to begin with: each length that is measured is found more exactly, see calibrate.ts.
 */
function calibrate(
  short: Probe,
  long: Probe,
): { charactersPerToken: number; templateTokens: number; calibrated: boolean } {
  const fewer = short.sample.promptTokens;
  const more = long.sample.promptTokens;
  const uncalibrated = {
    charactersPerToken: DEFAULT_CHARACTERS_PER_TOKEN,
    templateTokens: 0,
    calibrated: false,
  };
  if (fewer === null || more === null) return uncalibrated;
  const rate = rateThrough(
    { characters: short.characters, tokens: fewer },
    { characters: long.characters, tokens: more },
  );
  return rate === null ? uncalibrated : { ...rate, calibrated: true };
}
