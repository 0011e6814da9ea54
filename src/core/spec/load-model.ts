/** What a spec says of the load: connections or rates, which of them, how each is measured and what it must keep. */
import { z } from 'zod';
import type { Loop } from '../measuring/cell.ts';
import { LEAST_REPEATS } from '../measuring/repeats.ts';
import { SPEC_BOUNDS } from './spec-bounds.ts';
import { amount, objectRule, whole } from './spec-rule.ts';

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
    failureThreshold: amount(0, 1)
      .default(0.2)
      .describe('The ramp stops after a level at which a larger share of the requests failed.'),
  })
  .refine((range) => Math.floor((range.to - range.from) / range.step) < SPEC_BOUNDS.levels, {
    error: `must have at most ${SPEC_BOUNDS.levels} levels between "from" and "to"; raise "step"`,
  })
  .refine((range) => range.from <= range.to, {
    error: 'must not start above where it ends: "from" is larger than "to"',
  });

/** Whether the level holds is decided on bounds; see search.ts. */
const search = z.strictObject({
  max: level.default(64),
  maxRequestsPerLevel: requestsPerLevel(),
});

/** Closed loop: a level is a number of connections, each with one request in flight all the time. */
export const concurrency = z
  .union([z.strictObject({ levels }), z.strictObject({ ramp }), z.strictObject({ search })], {
    error:
      'must be {"levels":[1,2,4]}, {"ramp":{"from":1,"to":10,"step":1,"failureThreshold":0.2}} or {"search":{"max":64}}',
  })
  .nullable()
  .default({ levels: [1, 2, 4, 8] })
  .describe('Closed loop: a level is a number of connections, each with one request in flight all the time.');

const requestsPerSecond = amount(SPEC_BOUNDS.leastRate, SPEC_BOUNDS.rate);

const aroundRate = {
  arrival: z
    .enum(['poisson', 'constant'], {
      error: 'must be "poisson" (as users come) or "constant" (evenly spaced)',
    })
    .default('poisson'),
  maxInFlight: whole(1, SPEC_BOUNDS.level)
    .default(256)
    .describe('Requests in flight at the most; what comes beyond is dropped and counted.'),
};

/** Open loop: requests come when their time comes, answered or not. A level is a rate, or a speed of a trace. */
export const rate = z
  .union(
    [
      z.strictObject({ requestsPerSecond: listOfLevels(requestsPerSecond, 'rate'), ...aroundRate }),
      z.strictObject({
        search: z
          .strictObject({
            max: requestsPerSecond,
            step: requestsPerSecond
              .optional()
              .describe('Rates are told apart by this much; without, by 1/32 of "max".'),
            maxRequestsPerLevel: requestsPerLevel(),
          })
          .transform((range) => ({ ...range, step: range.step ?? thousandths(range.max / RATE_STEPS) }))
          .pipe(
            z.strictObject({
              max: requestsPerSecond,
              step: requestsPerSecond,
              maxRequestsPerLevel: requestsPerLevel().unwrap(),
            }),
          )
          .refine((range) => range.max / range.step <= SPEC_BOUNDS.searchLevels && range.step <= range.max, {
            error: `must have 1 to ${SPEC_BOUNDS.searchLevels} steps up to "max"; change "step"`,
          }),
        ...aroundRate,
      }),
      z.strictObject({
        trace: z.strictObject({ speed: listOfLevels(amount(0.01, 1_000), 'speed').default([1]) }),
        maxInFlight: aroundRate.maxInFlight,
      }),
    ],
    {
      error:
        'must be {"requestsPerSecond":[0.5,1,2],"arrival":"poisson"}, {"search":{"max":20}} or {"trace":{"speed":[1]}} for workloads of recorded requests',
    },
  )
  .nullable()
  .default(null)
  .describe(
    'Open loop, instead of "concurrency": requests come when their time comes, answered or not. A level is requests per second, or times the speed of a recorded trace.',
  );

/** Steps that the rates of a search are told apart by, where none is given: 3 % of the highest. */
const RATE_STEPS = 32;

function requestsPerLevel() {
  return z
    .union([z.literal('auto'), whole(30, 20_000)], {
      error: 'must be "auto" or a whole number from 30 to 20000',
    })
    .default('auto');
}

function listOfLevels(one: z.ZodNumber, what: string) {
  return z
    .array(one, { error: `must be a list of numbers, one for each ${what}` })
    .min(1, `must name at least one ${what}`)
    .max(SPEC_BOUNDS.levels, `must have at most ${SPEC_BOUNDS.levels} entries`)
    .overwrite((list) => list.map(thousandths))
    .refine((list) => new Set(list).size === list.length, {
      error: `must not name the same ${what} twice (they are told apart to a thousandth)`,
    });
}

/** Rows are keyed by thousandths of a request per second. */
function thousandths(value: number): number {
  return Math.max(0.001, Math.round(value * 1_000) / 1_000);
}

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

const keepSamples = z
  .boolean({ error: 'must be true or false' })
  .default(false)
  .describe(
    `Keep the samples of each cell, up to ${SPEC_BOUNDS.keptSamples} of all its repeats, for GET /api/runs/{id}/samples.`,
  );

export const measure = z
  .discriminatedUnion(
    'mode',
    [
      z.strictObject({
        mode: z.literal('steady').default('steady'),
        repeats: repeats.default(3),
        minRequests: whole(1, SPEC_BOUNDS.minRequests)
          .default(30)
          .describe('Answers that each repeat needs inside its steady window.'),
        maxSeconds: z
          .union([z.literal('auto'), amount(1, SPEC_BOUNDS.maxSeconds)], {
            error: `must be "auto" or a number from 1 to ${SPEC_BOUNDS.maxSeconds}`,
          })
          .default('auto')
          .describe(
            'Seconds after which a repeat ends in any case; "auto" is the larger of 120 and twelve predicted answers.',
          ),
        keepSamples,
      }),
      z.strictObject({
        mode: z.literal('burst'),
        repeats: whole(1, SPEC_BOUNDS.repeats).default(1),
        keepSamples,
      }),
    ],
    { error: 'must have a "mode" of "steady" or "burst"' },
  )
  .prefault({ mode: 'steady' })
  .describe(
    '"steady" measures inside a window of steady load; "burst" sends one wave of as many requests as the level.',
  );

const clause = (what: string) =>
  amount(0.01, 3_600_000)
    .nullable()
    .default(null)
    .describe(`Milliseconds that ${what} may take at the most; null is no clause.`);

/** What each request is held against; at least one clause, all of which must hold. */
export const slo = z
  .strictObject(
    {
      attainment: amount(0.5, 0.999)
        .default(0.95)
        .describe('Share of all attempted requests that must keep every clause.'),
      ttftMs: clause('the first token'),
      tpotMs: clause('each further token, on average over an answer,'),
      e2eMs: clause('the whole answer'),
    },
    objectRule('{"attainment":0.95,"ttftMs":500,"tpotMs":50}'),
  )
  .refine(
    (objectives) => objectives.ttftMs !== null || objectives.tpotMs !== null || objectives.e2eMs !== null,
    {
      error: 'must have at least one of "ttftMs", "tpotMs" and "e2eMs"',
    },
  )
  .nullable()
  .default(null);

export type RampRange = z.output<typeof ramp>;

/** A load, closed or open, as one thing: what a level counts and which levels are measured. */
export interface LoadModel {
  readonly loop: Loop;
  readonly walk:
    | { readonly kind: 'levels'; readonly levels: readonly number[] }
    | { readonly kind: 'ramp'; readonly ramp: RampRange }
    | {
        readonly kind: 'search';
        readonly max: number;
        readonly step: number;
        readonly maxRequestsPerLevel: number | 'auto';
      };
  readonly arrival: 'poisson' | 'constant';
  /** Of an open loop: requests in flight at the most. */
  readonly maxInFlight: number | null;
}

/** The two parts of a spec of which one says the load. */
export interface LoadParts {
  readonly concurrency: z.output<typeof concurrency>;
  readonly rate: z.output<typeof rate>;
}

export function loadModelOf({ concurrency: closed, rate: open }: LoadParts): LoadModel {
  if (open === null) return { loop: 'closed', walk: walkOf(closed), arrival: 'constant', maxInFlight: null };
  const { maxInFlight } = open;
  if ('trace' in open)
    return {
      loop: 'trace',
      walk: { kind: 'levels', levels: open.trace.speed },
      arrival: 'constant',
      maxInFlight,
    };
  const { arrival } = open;
  const walk: LoadModel['walk'] =
    'search' in open
      ? { kind: 'search', ...open.search }
      : { kind: 'levels', levels: open.requestsPerSecond };
  return { loop: 'rate', walk, arrival, maxInFlight };
}

function walkOf(closed: LoadParts['concurrency']): LoadModel['walk'] {
  if (closed === null) throw new Error('A spec has a concurrency or a rate.');
  if ('levels' in closed) return { kind: 'levels', levels: closed.levels };
  if ('ramp' in closed) return { kind: 'ramp', ramp: closed.ramp };
  return { kind: 'search', step: 1, ...closed.search };
}
