/** Workloads: the forms in which a spec may write them, and the one form in which they are stored. */
import { z } from 'zod';
import { REQUEST_SET_NAME } from '../../core/requests/request-set-name.ts';
import { SCENARIOS, type ScenarioName } from '../../core/spec/scenarios.ts';
import { SPEC_BOUNDS } from '../../core/spec/spec-bounds.ts';
import { whole } from '../../core/spec/spec-rule.ts';
import type { Workload } from '../../core/spec/workload.ts';
import type { Shape } from './shape.ts';

const promptTokens = whole(1, SPEC_BOUNDS.promptTokens);
const outputTokens = whole(1, SPEC_BOUNDS.outputTokens);
const scenario = z.enum(Object.keys(SCENARIOS) as [ScenarioName, ...ScenarioName[]]);

const distributed = (tokens: typeof promptTokens) =>
  z.strictObject({ p50: tokens, p95: tokens }).describe('Log-normal through its median and 95th percentile.');
const promptLength = z.union([promptTokens, distributed(promptTokens)]);
const outputLength = z.union([outputTokens, distributed(outputTokens)]);

const sharedPrefixTokens = whole(0, SPEC_BOUNDS.promptTokens)
  .optional()
  .describe('So many first tokens are the same in all requests, for a prefix cache to find.');
const promptTokensP95 = promptTokens.optional().describe('Another way to write the p95 of the prompt.');
const outputTokensP95 = outputTokens.optional().describe('Another way to write the p95 of the output.');

const lengths = z.strictObject({
  promptTokens: promptLength,
  outputTokens: outputLength,
  promptTokensP95,
  outputTokensP95,
  sharedPrefixTokens,
});

const named = z.strictObject({
  name: scenario,
  promptTokens: promptLength.optional(),
  outputTokens: outputLength.optional(),
  promptTokensP95,
  outputTokensP95,
  sharedPrefixTokens,
});

const ownRequests = z.strictObject({
  requests: z.string().regex(REQUEST_SET_NAME).describe('The name of a request set; see /api/request-sets.'),
  requestsDigest: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional()
    .describe('Refuses the run where the set was replaced by another content.'),
  promptTokens: promptLength.optional(),
  outputTokens: outputLength.optional().describe('What lines without a length of their own ask for.'),
});

const product = z
  .strictObject({
    promptTokens: z.array(promptLength).min(1).max(SPEC_BOUNDS.workloads),
    outputTokens: z.array(outputLength).min(1).max(SPEC_BOUNDS.workloads),
    sharedPrefixTokens,
  })
  .describe('Every combination of the lists.');

/** The forms that `core/spec/workload.ts` reads; its parser decides, this says what it accepts. */
export const workloadForms = z
  .union([
    z
      .array(z.union([scenario, lengths, named, ownRequests]))
      .min(1)
      .max(SPEC_BOUNDS.workloads),
    product,
  ])
  .default([{ promptTokens: 512, outputTokens: 128 }])
  .describe(
    'What is asked of the model: lengths in tokens, scenarios by name, request sets of your own, or every combination of two lists of lengths.',
  );

export const storedWorkload = z
  .strictObject({
    promptTokens: promptTokens.describe('Of each prompt, or the median where promptTokensP95 is there.'),
    outputTokens: outputTokens.describe('Of each answer, or the median where outputTokensP95 is there.'),
    promptTokensP95: promptTokens.exactOptional(),
    outputTokensP95: outputTokens.exactOptional(),
    name: z.string().exactOptional().describe('The scenario that has these lengths.'),
    sharedPrefixTokens: promptTokens.exactOptional(),
    requests: z.string().exactOptional().describe('The request set that is sent instead of made prompts.'),
    requestsDigest: z.string().exactOptional(),
  } satisfies Shape<Workload>)
  .meta({ id: 'Workload' });
