/**
 * A race of targets for being the cheapest: all are measured in rounds, and one that can no longer win is dropped, so
 * that its endpoints are not paid for any longer. Pure: after each round the orchestration asks who goes on.
 *
 * What is compared is the logarithm of the cost per million output tokens (of those that kept the objectives, where
 * there are some), one value a candidate and round. A candidate is dropped when the one-sided lower bound of how much
 * dearer it is than the leader lies above zero. The winner would be dropped wrongly if any of its rivals passed that
 * bound in any round, so the error is split over rivals and rounds (Bonferroni), early rounds with the larger part
 * because that is where a drop saves most. The bound holds two errors: of the rounds, whose spread is pooled over all
 * candidates (throughput scatters by a share of itself, on small machines as on large ones; where the two at hand
 * scatter more, theirs counts), and of the deployments, which are one draw of their SKU and do not average out however
 * many rounds there are.
 */

import { writePercent } from '../figure.ts';
import { normalQuantile, studentTQuantile } from '../statistics/distribution.ts';
import { shareLowerBound } from '../statistics/interval.ts';
import { meanOf, poolVariance, squaresOf, sumKnown, type Variance } from '../statistics/moments.ts';
import { ASSUMED_SPREAD } from './deployment-spread.ts';
import type { SpreadHistory } from './pair-test.ts';

export interface RacePlan {
  readonly rounds: number;
  /** The share of requests that must keep the objectives; null without objectives. */
  readonly attainment: number | null;
  /** Between deployments of one SKU, as earlier comparisons showed it; null takes `ASSUMED_SPREAD`. */
  readonly spread: SpreadHistory | null;
}

export interface RaceCandidate {
  readonly label: string;
  /** `out`: dropped before, failed, or canceled; it is not asked about again, and its rounds still tell the spread. */
  readonly state: 'racing' | 'out';
  /**
   * USD per million output tokens at its cheapest level, one a round in the order of the rounds; null where no request
   * kept the objectives, or nothing succeeded.
   */
  readonly costs: readonly (number | null)[];
  /** Deployments that the rounds were dealt over. */
  readonly deployments: number;
  /** Of each level over all rounds; null without objectives. */
  readonly objectives: readonly RaceCounts[] | null;
}

export interface RaceCounts {
  readonly attempted: number;
  readonly met: number;
  /** Could not be judged; never taken for missed. */
  readonly notEvaluable: number;
}

export interface RaceDrop {
  readonly label: string;
  /** After which round. */
  readonly round: number;
  readonly reason: 'dearer' | 'misses-objectives';
  /** The leader that it was held against; null where it misses the objectives by itself. */
  readonly against: string | null;
  /** How much dearer it came out, and is at the least, as shares; null where it misses the objectives. */
  readonly dearerBy: number | null;
  readonly dearerAtLeast: number | null;
  readonly sentence: string;
}

export type RaceStep =
  /** Drop those, delete their endpoints, and measure this round with the others. */
  | {
      readonly kind: 'round';
      readonly round: number;
      readonly candidates: readonly string[];
      readonly dropped: readonly RaceDrop[];
    }
  | { readonly kind: 'over'; readonly dropped: readonly RaceDrop[]; readonly sentence: string };

/** That the winner is dropped for its cost, and that it is dropped for objectives which it keeps: 5 % together. */
const ERROR = { cost: 0.045, objectives: 0.005 } as const;
/** The first round never decides: one value a candidate has no spread, and caches are cold. */
const FIRST_DECIDING_ROUND = 2;
/** A candidate that starts slow for two rounds has no chance to show it before the third: only what is dearer by far goes. */
const SECOND_ROUND_SHARE = 0.1;
const SECOND_ROUND_LEAST = Math.log(1.1);
const LATEST_SHARE = 0.5;

export function nextOfRace(plan: RacePlan, candidates: readonly RaceCandidate[]): RaceStep {
  const racing = candidates.filter((candidate) => candidate.state === 'racing');
  const round = Math.min(...racing.map((candidate) => candidate.costs.length));
  const dropped = racing.length === 0 ? [] : dropsAfter(plan, round, racing, candidates);
  const left = racing.filter(({ label }) => dropped.every((drop) => drop.label !== label));
  const [only] = left;
  const over = (sentence: string): RaceStep => ({ kind: 'over', dropped, sentence });
  if (only === undefined) return over('No candidate is left: none can carry the load within the objectives.');
  if (round >= plan.rounds) return over(`All ${plan.rounds} rounds were measured; ${names(left)} stayed.`);
  // A lone survivor of a race is the answer; one that never had a rival is measured in full.
  if (left.length === 1 && candidates.length > 1)
    return over(`After round ${round} of ${plan.rounds} only ${quote(only.label)} is left.`);
  return { kind: 'round', round: round + 1, candidates: left.map(({ label }) => label), dropped };
}

function dropsAfter(
  plan: RacePlan,
  round: number,
  racing: readonly RaceCandidate[],
  all: readonly RaceCandidate[],
): RaceDrop[] {
  // After the last round there is nothing left to save, and the verdicts of the comparison say who is dearer.
  if (round < FIRST_DECIDING_ROUND || round >= plan.rounds) return [];
  const misses = racing
    .map((candidate) => dropForObjectives(plan, round, candidate))
    .filter((drop) => drop !== null);
  const standing = racing.filter(({ label }) => misses.every((drop) => drop.label !== label));
  return [...misses, ...dropsForCost(plan, round, standing, all)];
}

/** Only a candidate that misses at every level is out: the winner keeps them at one, and only that one counts. */
function dropForObjectives(
  { attainment, rounds }: RacePlan,
  round: number,
  { label, objectives }: RaceCandidate,
): RaceDrop | null {
  if (attainment === null || objectives === null || objectives.length === 0) return null;
  const error = ERROR.objectives * roundShare(round, rounds);
  const uppers = objectives.map(({ attempted, met, notEvaluable }) => {
    const missed = shareLowerBound(attempted - met - notEvaluable, attempted, 1 - error);
    return missed === null ? 1 : 1 - missed;
  });
  const most = Math.max(...uppers);
  if (most >= attainment) return null;
  return {
    label,
    round,
    reason: 'misses-objectives',
    against: null,
    dearerBy: null,
    dearerAtLeast: null,
    sentence: `${quote(label)} was dropped after round ${round}: at no level do more than ${writePercent(most)} of requests keep the objectives, and ${writePercent(attainment)} must.`,
  };
}

function dropsForCost(
  plan: RacePlan,
  round: number,
  standing: readonly RaceCandidate[],
  all: readonly RaceCandidate[],
): RaceDrop[] {
  const priced = standing.flatMap((candidate) => {
    const logs = logsOf(candidate);
    // A round without a figure is no cost at all; who has one is judged by its objectives.
    return logs.length === candidate.costs.length ? [{ candidate, logs, mean: meanOf(logs) }] : [];
  });
  const leader = priced.toSorted((one, other) => one.mean - other.mean)[0];
  const pooled = poolVariance(all.map(logsOf));
  if (leader === undefined || pooled === null) return [];
  const behind = priced.flatMap(({ candidate, logs, mean }) => {
    const difference = mean - leader.mean;
    const deployments = deploymentError(plan.spread, leader.candidate.deployments, candidate.deployments);
    // A candidate that started slow has caught up by now: its latest round must still bear it out, by half at the least.
    const least = Math.max(deployments, LATEST_SHARE * difference);
    const shown = difference > deployments && latestDifference(leader.logs, logs) > least;
    return shown ? [{ candidate, logs, difference, deployments }] : [];
  });
  if (behind.length === 0) return [];
  // Rivals that ever were: the leader of a later round may be any of them.
  const error = (ERROR.cost * roundShare(round, plan.rounds)) / Math.max(1, all.length - 1);
  const ofRounds = studentTQuantile(1 - error, pooled.degreesOfFreedom);
  const ofDeployments = spreadQuantile(1 - error, plan.spread);
  return behind.flatMap(({ candidate, logs, difference, deployments }): RaceDrop[] => {
    const sampling = samplingError(pooled, leader.logs, logs);
    const lower = difference - Math.hypot(ofRounds * sampling, ofDeployments * deployments);
    if (lower <= (round === FIRST_DECIDING_ROUND ? SECOND_ROUND_LEAST : 0)) return [];
    return [describeDrop(plan, round, candidate.label, leader.candidate.label, { difference, lower })];
  });
}

function describeDrop(
  { spread }: RacePlan,
  round: number,
  label: string,
  against: string,
  { difference, lower }: { readonly difference: number; readonly lower: number },
): RaceDrop {
  const [dearerBy, dearerAtLeast] = [Math.expm1(difference), Math.expm1(lower)];
  const known =
    spread === null
      ? `an assumed spread of ${writePercent(ASSUMED_SPREAD)} between deployments`
      : `the spread of ${writePercent(Math.sqrt(spread.variance))} between deployments that earlier comparisons showed`;
  return {
    label,
    round,
    reason: 'dearer',
    against,
    dearerBy,
    dearerAtLeast,
    sentence: `${quote(label)} was dropped after round ${round}: a million output tokens cost ${writePercent(dearerBy)} more than on ${quote(against)}, at least ${writePercent(dearerAtLeast)} more with ${known}.`,
  };
}

/**
 * The part of the error that a round may spend, so that all deciding rounds together spend it once: a tenth in the
 * second, where only what is dearer by far shall go, the rest as 1/4, 1/9, 1/16 and so on, since early drops save most.
 */
function roundShare(round: number, rounds: number): number {
  const lastDeciding = rounds - 1;
  if (lastDeciding <= FIRST_DECIDING_ROUND) return 1;
  if (round === FIRST_DECIDING_ROUND) return SECOND_ROUND_SHARE;
  const weight = (one: number) => 1 / (one - 1) ** 2;
  let total = 0;
  for (let one = FIRST_DECIDING_ROUND + 1; one <= lastDeciding; one += 1) total += weight(one);
  return ((1 - SECOND_ROUND_SHARE) * weight(round)) / total;
}

/** Standard error of the difference of two means over rounds; from the rounds of the two where those scatter more. */
function samplingError({ variance }: Variance, one: readonly number[], other: readonly number[]): number {
  const own = (logs: readonly number[]) => squaresOf(logs) / Math.max(1, logs.length - 1) / logs.length;
  const pooled = variance * (1 / one.length + 1 / other.length);
  return Math.sqrt(Math.max(pooled, own(one) + own(other)));
}

/** Standard error of the difference between two SKUs that comes from their deployments being draws. */
function deploymentError(spread: SpreadHistory | null, one: number, other: number): number {
  const variance = spread?.variance ?? ASSUMED_SPREAD ** 2;
  return Math.sqrt(variance * (1 / Math.max(1, one) + 1 / Math.max(1, other)));
}

function spreadQuantile(probability: number, spread: SpreadHistory | null): number {
  return spread === null
    ? normalQuantile(probability)
    : studentTQuantile(probability, spread.degreesOfFreedom);
}

/** In the last round that both have. */
function latestDifference(leader: readonly number[], logs: readonly number[]): number {
  const last = Math.min(leader.length, logs.length) - 1;
  return (logs[last] ?? 0) - (leader[last] ?? 0);
}

/** What a candidate cost, for the sum at the end. */
export interface RaceBill {
  readonly label: string;
  /** Of all its instances; null where the price is not known. */
  readonly hourlyUsd: number | null;
  /** Of all its instances; null where the SKU is not known. */
  readonly gpus: number | null;
  /** Seconds that were paid for besides the rounds: deploying, warm-up and release. */
  readonly aroundSeconds: number;
  readonly roundSeconds: readonly number[];
}

export interface RaceTotal {
  readonly gpuHours: number | null;
  readonly usd: number | null;
}

/** What the race spent, and what measuring each candidate in all rounds would have cost by its own mean round. */
export function totalRace(
  rounds: number,
  bills: readonly RaceBill[],
): { readonly spent: RaceTotal; readonly inFull: RaceTotal } {
  const spent = ({ aroundSeconds, roundSeconds }: RaceBill) => aroundSeconds + sumOf(roundSeconds);
  const inFull = ({ aroundSeconds, roundSeconds }: RaceBill) =>
    aroundSeconds + (roundSeconds.length === 0 ? 0 : meanOf(roundSeconds) * rounds);
  const total = (seconds: (bill: RaceBill) => number): RaceTotal => ({
    gpuHours: sumKnown(bills.map((bill) => (bill.gpus === null ? null : (bill.gpus * seconds(bill)) / 3600))),
    usd: sumKnown(
      bills.map((bill) => (bill.hourlyUsd === null ? null : (bill.hourlyUsd * seconds(bill)) / 3600)),
    ),
  });
  return { spent: total(spent), inFull: total(inFull) };
}

function logsOf({ costs }: RaceCandidate): number[] {
  return costs.filter((cost): cost is number => cost !== null && cost > 0).map(Math.log);
}

function names(candidates: readonly RaceCandidate[]): string {
  return candidates.map(({ label }) => quote(label)).join(', ');
}

function quote(label: string): string {
  return `"${label}"`;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
