/** A line of `GET /api/runs/{id}/samples`, and of the file of `foundry-bench load --samples`. */
import { z } from 'zod';
import { REQUEST_FAILURES, type RequestFailure } from '../../core/failure.ts';
import type { Sample } from '../../core/measuring/sample.ts';
import { OUTPUT_UNITS } from '../../core/requests/payload.ts';
import { count, maybe, text } from './figure.ts';
import type { Shape } from './shape.ts';

export const sample = z
  .strictObject({
    requestId: text.describe('Sent as x-ms-client-request-id.'),
    scheduledMs: z
      .number()
      .describe('When it was wanted, on the monotonic clock of the machine that sent it.'),
    sentMs: z.number(),
    ttftMs: maybe,
    ttftReason: z.enum(['not-streamed', 'buffered', 'no-output']).nullable(),
    ttftAnswerMs: maybe,
    e2eMs: z.number(),
    promptTokens: maybe,
    promptTokensAsked: z.number().exactOptional(),
    outputTokensAsked: z.number().exactOptional(),
    cachedPromptTokens: maybe,
    outputTokens: z.number(),
    unit: z.enum(OUTPUT_UNITS),
    outputUnits: z.number(),
    tokenSource: z.enum(['usage', 'estimate', 'units']),
    gapsMs: z.array(z.number()).describe('One for each content event after the first.'),
    status: count.nullable(),
    failure: z.enum(Object.keys(REQUEST_FAILURES) as [RequestFailure, ...RequestFailure[]]).nullable(),
    failureDetail: text.nullable(),
    flags: z.array(z.enum(['echo'])),
    sentBytes: count,
    receivedBytes: count,
    rateLimit: z.record(text, text),
    bandwidthDelayMs: maybe,
  } satisfies Shape<Sample>)
  .meta({ id: 'Sample' });
