/** What a spec says of the load: concurrency levels or a walk over them, and how each of them is measured. */
import { z } from 'zod';
import { LEAST_REPEATS } from './repeats.ts';
import { SPEC_BOUNDS } from './spec-bounds.ts';
import { amount, whole } from './spec-rule.ts';

const level = whole(1, SPEC_BOUNDS.level);

const levels = z
  .array(level, { error: 'must be a list of concurrency levels' })
  .min(1, 'must name at least one level')
  .max(SPEC_BOUNDS.levels, `must have at most ${SPEC_BOUNDS.levels} levels`)
  .refine((list) => new Set(list).size === list.length, { error: 'must not name the same level twice' });

const ramp = z
  .strictObject({
    from: level.default(1),
    to: level.default(10),
    step: level.default(1),
    failureThreshold: amount(0, 1).default(0.2),
  })
  .refine((range) => Math.floor((range.to - range.from) / range.step) < SPEC_BOUNDS.levels, {
    error: `must have at most ${SPEC_BOUNDS.levels} levels between "from" and "to"; raise "step"`,
  })
  .refine((range) => range.from <= range.to, {
    error: 'must not start above where it ends: "from" is larger than "to"',
  });

export const concurrency = z
  .union([z.strictObject({ levels }), z.strictObject({ ramp })], {
    error:
      'must be {"levels":[1,2,4]} or {"ramp":{"from":1,"to":10,"step":1,"failureThreshold":0.2}}; "search" is not supported yet',
  })
  .default({ levels: [1, 2, 4, 8] });

const repeats = z.union(
  [
    whole(1, SPEC_BOUNDS.repeats),
    z
      .strictObject({
        least: whole(LEAST_REPEATS, SPEC_BOUNDS.repeats).default(LEAST_REPEATS),
        most: whole(LEAST_REPEATS, SPEC_BOUNDS.repeats),
      })
      .refine((range) => range.least <= range.most, { error: 'must not have a "least" above its "most"' }),
  ],
  {
    error: `must be a whole number from 1 to ${SPEC_BOUNDS.repeats}, or {"least":3,"most":10} to stop early where the interval is narrow`,
  },
);

export const measure = z
  .discriminatedUnion(
    'mode',
    [
      z.strictObject({
        mode: z.literal('steady').default('steady'),
        repeats: repeats.default(3),
        minRequests: whole(1, SPEC_BOUNDS.minRequests).default(30),
        maxSeconds: z
          .union([z.literal('auto'), amount(1, SPEC_BOUNDS.maxSeconds)], {
            error: `must be "auto" or a number from 1 to ${SPEC_BOUNDS.maxSeconds}`,
          })
          .default('auto'),
      }),
      z.strictObject({ mode: z.literal('burst'), repeats: whole(1, SPEC_BOUNDS.repeats).default(1) }),
    ],
    { error: 'must have a "mode" of "steady" or "burst"' },
  )
  .prefault({ mode: 'steady' });

export type RampRange = z.output<typeof ramp>;
