import type { Sample } from '../../src/core/measuring/sample.ts';

/** A good sample of 10 tokens in 100 ms without a stream, with changes. */
export function sample(change: Partial<Sample>): Sample {
  const outputTokens = change.outputTokens ?? 10;
  return {
    requestId: 'r',
    scheduledMs: 0,
    sentMs: 0,
    ttftMs: null,
    ttftReason: 'not-streamed',
    ttftAnswerMs: null,
    e2eMs: 100,
    promptTokens: 10,
    cachedPromptTokens: null,
    outputTokens,
    unit: 'token',
    outputUnits: outputTokens,
    tokenSource: 'usage',
    gapsMs: [],
    status: 200,
    failure: null,
    failureDetail: null,
    flags: [],
    sentBytes: 400,
    receivedBytes: 2_000,
    rateLimit: {},
    bandwidthDelayMs: null,
    ...change,
  };
}
