/** Requests of the user's own: a line of the file that is stored, and what is told of a set. */
import { z } from 'zod';
import { REQUEST_SET_BOUNDS, type Spread } from '../../core/requests/request-set.ts';
import { SPEC_BOUNDS } from '../../core/spec/spec-bounds.ts';
import type { StoredRequestSet } from '../../services.ts';
import { count, text, time } from './figure.ts';
import type { Shape } from './shape.ts';

const message = z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: text.min(1) });

const beside = {
  outputTokens: z.int().min(1).max(SPEC_BOUNDS.outputTokens).exactOptional(),
  atSeconds: z
    .number()
    .min(0)
    .max(REQUEST_SET_BOUNDS.atSeconds)
    .exactOptional()
    .describe('When it came, on all lines or on none; such a set can be replayed as a trace.'),
};

/** One line of the NDJSON body; `core/requests/request-set.ts` reads it. */
export const requestLine = z.union([
  z.strictObject({ prompt: text.min(1), ...beside }),
  z.strictObject({ messages: z.array(message).min(1).max(REQUEST_SET_BOUNDS.messages), ...beside }),
]);

const spread = { p50: z.number(), p95: z.number(), most: z.number() } satisfies Shape<Spread>;

export const requestSet = z
  .strictObject({
    name: text,
    digest: text.describe('Stands for the content; a set that was replaced has another.'),
    requests: count,
    characters: count,
    estimatedPromptTokens: z.strictObject(spread).describe('At four characters a token.'),
    outputTokens: z.strictObject({ ...spread, lines: count }).nullable(),
    traceSeconds: z.number().nullable(),
    storedAt: time,
  } satisfies Shape<Omit<StoredRequestSet, 'storedAtMs'> & { readonly storedAt: string }>)
  .meta({ id: 'RequestSet' });

export const requestSetList = z
  .strictObject({ requestSets: z.array(requestSet) })
  .meta({ id: 'RequestSetList' });

export const requestSetDeleted = z
  .strictObject({ name: text, deleted: z.literal(true) })
  .meta({ id: 'RequestSetDeleted' });
