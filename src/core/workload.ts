/** What is asked of a model: the lengths of prompts and answers. */
import { z } from 'zod';
import { SPEC_BOUNDS } from './spec-bounds.ts';
import { objectRule, whole } from './spec-rule.ts';

/** One pair of prompt and output length, in tokens of the model. */
export interface Workload {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

const promptTokens = whole(1, SPEC_BOUNDS.promptTokens);
const outputTokens = whole(1, SPEC_BOUNDS.outputTokens);

export const workloads = z
  .union(
    [
      z
        .array(
          z.strictObject(
            { promptTokens, outputTokens },
            objectRule('{"promptTokens":512,"outputTokens":128}'),
          ),
        )
        .min(1, 'must name at least one workload'),
      z
        .strictObject({
          promptTokens: listOfSizes(promptTokens),
          outputTokens: listOfSizes(outputTokens),
        })
        .transform(crossProduct),
    ],
    {
      error:
        'must be a list of {"promptTokens","outputTokens"} or {"promptTokens":[...],"outputTokens":[...]} for every combination',
    },
  )
  .pipe(
    z
      .array(z.object({ promptTokens: z.number(), outputTokens: z.number() }))
      .max(
        SPEC_BOUNDS.workloads,
        `must have at most ${SPEC_BOUNDS.workloads} workloads, combinations counted`,
      )
      .refine(
        (list) => new Set(list.map((one) => `${one.promptTokens}/${one.outputTokens}`)).size === list.length,
        {
          error: 'must not name the same workload twice',
        },
      ),
  )
  .default([{ promptTokens: 512, outputTokens: 128 }]);

function listOfSizes(size: typeof promptTokens) {
  return z
    .array(size)
    .min(1, 'must name at least one size')
    .max(SPEC_BOUNDS.workloads, `must have at most ${SPEC_BOUNDS.workloads} sizes`);
}

function crossProduct(sizes: { promptTokens: number[]; outputTokens: number[] }): Workload[] {
  return sizes.promptTokens.flatMap((prompt) =>
    sizes.outputTokens.map((output) => ({ promptTokens: prompt, outputTokens: output })),
  );
}
