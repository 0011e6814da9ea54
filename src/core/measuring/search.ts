/**
 * The highest level (concurrency, or rate) that meets an SLO: which level to measure next and how much, or the answer
 * with its evidence. Pure: the same evidence always gives the same step.
 *
 * Levels are doubled until one does not meet, then the bracket is halved. Each level is decided by a sequential test
 * on its pooled requests, which stays right however often it is looked at: a test martingale (Ville 1939; Wald,
 * Sequential Analysis, 1947; Robbins, Annals of Mathematical Statistics 41, 1970; Ramdas et al., Statistical Science
 * 38, 2023). See `evidenceAbove`.
 *
 * What is claimed holds for independent requests and a share that falls with the level. Requests of one repeat lean on
 * each other where the server's speed wanders, so several repeats a level say more than one long one.
 */
import { writePercent } from '../figure.ts';
import { betaCdf, halve, logBeta } from '../statistics/distribution.ts';

export interface SearchPlan {
  /** The highest level that may be measured. */
  readonly max: number;
  /** Levels are multiples of this: 1 for connections, a part of the highest for rates. */
  readonly step: number;
  /** Share of all attempted requests that must meet every clause, from 0.5 to 0.999, such as 0.95. */
  readonly attainment: number;
  /** Requests at one level after which it counts as "not shown". */
  readonly maxRequestsPerLevel: number;
}

/** All requests of a level so far, from all its repeats together. */
export interface LevelEvidence {
  readonly level: number;
  /** Failures too: a request that failed has not met anything. */
  readonly attempted: number;
  readonly met: number;
  /** Nothing more can be measured here, because a budget is used up or the circuit breaker is open. */
  readonly closed?: boolean;
}

export interface LevelVerdict extends LevelEvidence {
  readonly verdict: 'meets' | 'misses' | 'not-shown' | 'open';
  /** The share that is reached at the least, and at the most, at the level of the search's confidence. */
  readonly lowerBound: number;
  readonly upperBound: number;
}

export type SearchStep =
  | { readonly kind: 'measure'; readonly level: number; readonly requests: number; readonly sentence: string }
  | {
      readonly kind: 'answer';
      /** Null where not even the lowest level is shown to meet the SLO. */
      readonly level: number | null;
      /** The lowest level above it that does not: `misses`, or `not-shown`; null where the highest level meets. */
      readonly above: LevelVerdict | null;
      readonly evidence: readonly LevelVerdict[];
      readonly sentence: string;
    };

/** Wrong claims of one whole search that a level meets, at the most. */
const SEARCH_ERROR = 0.05;
/** Asked for at a time at the least, so that a look is worth starting a repeat. */
const LEAST_REQUESTS = 30;
/** Levels on the way: 4,096 of them take 13 doublings and 11 halvings. */
const MAX_LEVELS = 4_096;
/** More than a search of `MAX_LEVELS` needs for the highest attainment, 6,018. */
const ENOUGH_REQUESTS = 20_000;
const LEAST_ATTAINMENT = 0.5;
/** Here a level of a search up to 64 takes 5,307 requests without a miss; more is beyond any budget. */
const MOST_ATTAINMENT = 0.999;
/** Keeps 0.3 / 0.1 from being less than three levels by the last bit of a double. */
const ROUNDING = 1e-9;

export function nextOfSearch(plan: SearchPlan, evidence: readonly LevelEvidence[]): SearchStep {
  const levels = checkPlan(plan);
  const error = SEARCH_ERROR / claimsOf(levels);
  const at = (index: number) => evidence.find((one) => one.level === index * plan.step);

  let [met, unmet] = [0, levels + 1];
  let index = 1;
  // Each turn halves the bracket or doubles the level, so it ends after 2 log2(MAX_LEVELS) of them.
  while (unmet - met > 1) {
    const known = at(index);
    const verdict = known === undefined ? 'open' : decideLevel(plan, known, error);
    if (verdict === 'open') return measure(plan, index * plan.step, known, error);
    if (verdict === 'meets') met = index;
    else unmet = index;
    index = unmet > levels ? Math.min(2 * met, levels) : Math.floor((met + unmet) / 2);
  }
  const verdicts = evidence
    .map((one) => judgeLevel(plan, one, error))
    .toSorted((one, other) => one.level - other.level);
  return answer(plan, met * plan.step, unmet * plan.step, verdicts);
}

/**
 * Requests that a level takes at the least, if every one of them meets the SLO: what a search costs where it goes
 * well, and the least that `maxRequestsPerLevel` may be.
 */
export function leastRequestsPerLevel(plan: Pick<SearchPlan, 'max' | 'step' | 'attainment'>): number {
  const error = SEARCH_ERROR / claimsOf(Math.floor(plan.max / plan.step + ROUNDING));
  const enough = { ...plan, maxRequestsPerLevel: ENOUGH_REQUESTS };
  return requestsToMeet(enough, 0, 0, error) ?? ENOUGH_REQUESTS;
}

/** What is known of one level, with the bounds that hold at every look. */
export function judgeLevel(plan: SearchPlan, evidence: LevelEvidence, error: number): LevelVerdict {
  const { attempted, met } = evidence;
  return {
    ...evidence,
    verdict: decideLevel(plan, evidence, error),
    lowerBound: lowerBound(met, attempted, error),
    upperBound: 1 - lowerBound(attempted - met, attempted, error),
  };
}

/**
 * Decides one level. "Meets" needs evidence of 1 / error against "the true share is at most the attainment", "misses"
 * as much against "it is at least the attainment". A level that could not be shown to meet even if all requests that
 * the bound leaves met is given up at once: that is money saved, and says no more than "not shown".
 */
function decideLevel(plan: SearchPlan, evidence: LevelEvidence, error: number): LevelVerdict['verdict'] {
  const { attempted, met } = evidence;
  if (!(met >= 0 && met <= attempted)) throw new RangeError(`${met} of ${attempted} is no share.`);
  const enough = Math.log(1 / error);
  if (evidenceAbove(met, attempted, plan.attainment) >= enough) return 'meets';
  if (evidenceBelow(met, attempted, plan.attainment) >= enough) return 'misses';
  if (evidence.closed === true) return 'not-shown';
  return requestsToMeet(plan, met, attempted, error) === null ? 'not-shown' : 'open';
}

/**
 * ln of the evidence that the true share lies above `share`: the likelihood of what was seen under alternatives above
 * it, over the one at it. Half the weight is on "all meet", half spread evenly from `share` to 1:
 *
 *     E = 1/2 [misses = 0] / share^n + 1/2 integral_share^1 (p/share)^met ((1-p)/(1-share))^misses dp / (1-share)
 *
 * While the share is not above, E is a supermartingale of mean at most 1, so the chance that it ever reaches 1/error
 * is at most `error`, whenever one looks (Ville's inequality). For 95 % and error 0.05 that takes 68 requests without
 * a miss, against the 59 of a single look.
 */
export function evidenceAbove(met: number, attempted: number, share: number): number {
  const misses = attempted - met;
  const atShare = met * Math.log(share) + misses * Math.log(1 - share);
  const allMeet = misses === 0 ? -atShare : Number.NEGATIVE_INFINITY;
  const spread =
    logBeta(met + 1, misses + 1) +
    Math.log(betaCdf(1 - share, misses + 1, met + 1)) -
    atShare -
    Math.log(1 - share);
  return logMean(allMeet, spread);
}

/** ln of the evidence that the true share lies below `share`: the mirror of `evidenceAbove`. */
export function evidenceBelow(met: number, attempted: number, share: number): number {
  return evidenceAbove(attempted - met, attempted, 1 - share);
}

/** The least share that the evidence does not rule out. */
function lowerBound(met: number, attempted: number, error: number): number {
  if (met === 0) return 0;
  const enough = Math.log(1 / error);
  return halve(0, met / attempted, (share) => evidenceAbove(met, attempted, share) >= enough);
}

/** Requests more, all of them met, that would show the level to meet; null where the bound does not leave as many. */
function requestsToMeet(plan: SearchPlan, met: number, attempted: number, error: number): number | null {
  const left = plan.maxRequestsPerLevel - attempted;
  const shows = (more: number) =>
    evidenceAbove(met + more, attempted + more, plan.attainment) >= Math.log(1 / error);
  if (left <= 0 || !shows(left)) return null;
  let [below, above] = [0, left];
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (shows(middle)) above = middle;
    else below = middle;
  }
  return above;
}

function measure(
  plan: SearchPlan,
  level: number,
  known: LevelEvidence | undefined,
  error: number,
): SearchStep {
  const attempted = known?.attempted ?? 0;
  const met = known?.met ?? 0;
  // Never null here: an open level can still be shown to meet, and so can one without a request (checkPlan).
  const needed = requestsToMeet(plan, met, attempted, error) ?? 0;
  const requests = Math.min(Math.max(needed, LEAST_REQUESTS), plan.maxRequestsPerLevel - attempted);
  const sentence =
    attempted === 0
      ? `Level ${level} is next.`
      : `Level ${level}: ${met} of ${attempted} requests meet the SLO, which shows neither that ${writePercent(plan.attainment)} do nor that they do not.`;
  return { kind: 'measure', level, requests, sentence };
}

function answer(plan: SearchPlan, met: number, unmet: number, evidence: readonly LevelVerdict[]): SearchStep {
  const best = evidence.find((one) => one.level === met);
  const above = evidence.find((one) => one.level === unmet) ?? null;
  const shown =
    best === undefined
      ? `No level is shown to meet the SLO with ${writePercent(plan.attainment)} of requests`
      : `Level ${met} meets the SLO: at least ${writePercent(best.lowerBound)} of requests (${best.met} of ${best.attempted})`;
  const limit =
    above === null
      ? 'it is the highest that was asked for.'
      : above.verdict === 'misses'
        ? `level ${above.level} misses it (${above.met} of ${above.attempted}).`
        : `level ${above.level} is not shown to meet it (${above.met} of ${above.attempted}).`;
  return { kind: 'answer', level: best?.level ?? null, above, evidence, sentence: `${shown}; ${limit}` };
}

/** The number of levels of the plan. Throws for a plan that cannot be searched, which is a bug of the caller. */
function checkPlan(plan: SearchPlan): number {
  const levels = Math.floor(plan.max / plan.step + ROUNDING);
  if (!(plan.step > 0 && levels >= 1 && levels <= MAX_LEVELS)) {
    throw new RangeError(`A search has 1 to ${MAX_LEVELS} levels: ${plan.max} in steps of ${plan.step}.`);
  }
  if (!(plan.attainment >= LEAST_ATTAINMENT && plan.attainment <= MOST_ATTAINMENT)) {
    throw new RangeError(
      `An attainment lies between ${LEAST_ATTAINMENT} and ${MOST_ATTAINMENT}: ${plan.attainment}.`,
    );
  }
  const least = leastRequestsPerLevel(plan);
  if (plan.maxRequestsPerLevel < least) {
    throw new RangeError(
      `An attainment of ${plan.attainment} takes at least ${least} requests a level; ${plan.maxRequestsPerLevel} are allowed.`,
    );
  }
  return levels;
}

/**
 * How many wrong claims a search has room for. With a share that falls with the level, on the way up only the first
 * level that does not meet can be claimed wrongly (what follows it would be wrong already: a fixed sequence), and of
 * the halvings each can. The error is shared among them, so that the whole search stays within `SEARCH_ERROR`.
 */
function claimsOf(levels: number): number {
  return 1 + Math.max(0, Math.ceil(Math.log2(levels)) - 1);
}

/** ln((e^a + e^b) / 2) without overflow. */
function logMean(a: number, b: number): number {
  const larger = Math.max(a, b);
  if (larger === Number.NEGATIVE_INFINITY) return larger;
  return larger + Math.log((Math.exp(a - larger) + Math.exp(b - larger)) / 2);
}
