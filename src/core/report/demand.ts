/**
 * How many instances carry a demand and what that costs. The rate of one instance comes from a row that meets the
 * objectives on its bound: from an open loop where there is one, since users come whether or not others are answered,
 * otherwise from the goodput of a closed loop, which is marked as such. Pure.
 */
import { z } from 'zod';
import { writeDigits } from '../figure.ts';
import type { Loop } from '../measuring/cell.ts';
import { SPEC_BOUNDS } from '../spec/spec-bounds.ts';
import { amount, objectRule } from '../spec/spec-rule.ts';
import { distinctWorkloads, sameWorkload, type Workload, workloadId } from '../spec/workload.ts';
import type { ReportRow } from './report.ts';
import type { SloAnswer } from './slo-answer.ts';

/** The part of a spec that says what the instances must carry. */
export const demand = z
  .strictObject(
    {
      requestsPerMinute: amount(0.01, 60 * SPEC_BOUNDS.rate * SPEC_BOUNDS.instances),
      /** The busiest minute by the mean one. */
      peakFactor: amount(1, 100).default(1.5),
    },
    objectRule('{"requestsPerMinute":600,"peakFactor":1.5}'),
  )
  .nullable()
  .default(null);

export type Demand = NonNullable<z.output<typeof demand>>;

/** What the answer is made of, of one deployment. */
export interface DemandEvidence {
  readonly rows: readonly ReportRow[];
  /** Of the same report; empty without objectives. */
  readonly answers: readonly SloAnswer[];
  readonly arrival: 'poisson' | 'constant';
  /** Of the deployment that was measured. */
  readonly instances: number;
  /** Of one instance; null where it is not known. */
  readonly pricePerHourUsd: number | null;
  /** What a token costs where no instance is rented; null where instances are. */
  readonly tokenPricesUsdPerMillion: { readonly input: number; readonly output: number } | null;
}

export interface DemandAnswer {
  readonly workload: Workload;
  readonly perInstance: InstanceRate | null;
  /** Null where no rate is known. */
  readonly instances: number | null;
  /** `confirmed`: a row at that count of instances carried the peak. `extrapolated`: computed from another count. */
  readonly basis: 'confirmed' | 'extrapolated' | null;
  readonly usdPerMonth: number | null;
  /** At the mean demand, not at the peak. */
  readonly usdPerThousandRequests: number | null;
  readonly usdPerMillionOutputTokens: number | null;
  /** Of what the instances could carry, at the mean demand. */
  readonly use: number | null;
  readonly sentence: string;
}

/** Requests per second that one instance carries within the objectives. */
export interface InstanceRate {
  readonly requestsPerSecond: number;
  readonly cellId: string;
  readonly loop: Loop;
  /** Whether arrivals were those of independent users. */
  readonly poisson: boolean;
  /** Whether objectives were met on their bound; false where the spec has none. */
  readonly withObjectives: boolean;
}

/** 365 days of 24 hours in twelve months. */
const HOURS_PER_MONTH = 730;

/** One answer for each workload of the rows. */
export function answerDemand(asked: Demand, evidence: DemandEvidence): DemandAnswer[] {
  return distinctWorkloads(evidence.rows.map((row) => row.workload)).map((workload) =>
    answerWorkload(asked, workload, evidence),
  );
}

function answerWorkload(asked: Demand, workload: Workload, evidence: DemandEvidence): DemandAnswer {
  const rows = evidence.rows.filter((row) => sameWorkload(row.workload, workload));
  const mean = asked.requestsPerMinute / 60;
  const peak = mean * asked.peakFactor;
  const outputTokens = rows.find((row) => row.outputTokensMean !== null)?.outputTokensMean ?? null;
  const name = workloadId(workload);
  const wanted = `${writeDigits(asked.requestsPerMinute)} requests a minute (${writeDigits(peak)} a second at the peak)`;
  if (evidence.tokenPricesUsdPerMillion !== null)
    return answerServerless(workload, rows, mean, wanted, evidence.tokenPricesUsdPerMillion);
  const perInstance = instanceRateOf(workload, rows, evidence);
  if (perInstance === null) {
    return {
      workload,
      perInstance,
      instances: null,
      basis: null,
      usdPerMonth: null,
      usdPerThousandRequests: null,
      usdPerMillionOutputTokens: null,
      use: null,
      sentence: `${name}: how many instances carry ${wanted} cannot be told, since no level is shown to meet the objectives.`,
    };
  }
  const instances = Math.max(1, Math.ceil(peak / perInstance.requestsPerSecond - ROUNDING));
  const confirmed =
    evidence.instances === instances && perInstance.requestsPerSecond * instances >= peak - ROUNDING;
  const basis = confirmed ? 'confirmed' : 'extrapolated';
  const usdPerMonth =
    evidence.pricePerHourUsd === null ? null : evidence.pricePerHourUsd * instances * HOURS_PER_MONTH;
  const requestsPerMonth = mean * 3600 * HOURS_PER_MONTH;
  const usdPerRequest = usdPerMonth === null ? null : usdPerMonth / requestsPerMonth;
  const answer: Omit<DemandAnswer, 'sentence'> = {
    workload,
    perInstance,
    instances,
    basis,
    usdPerMonth,
    usdPerThousandRequests: usdPerRequest === null ? null : usdPerRequest * 1_000,
    usdPerMillionOutputTokens:
      usdPerRequest === null || outputTokens === null || outputTokens === 0
        ? null
        : (usdPerRequest / outputTokens) * 1e6,
    use: mean / (perInstance.requestsPerSecond * instances),
  };
  return { ...answer, sentence: `${name}: ${wanted} take ${describe(answer, perInstance)}` };
}

/** Keeps `3 x 0.1` from taking a fourth instance by the last bit of a double. */
const ROUNDING = 1e-9;

/** An open loop first; of several rows the one that carries most. */
function instanceRateOf(
  workload: Workload,
  rows: readonly ReportRow[],
  { answers, arrival, instances }: DemandEvidence,
): InstanceRate | null {
  const withObjectives = answers.length > 0;
  const answer = answers.find((one) => sameWorkload(one.workload, workload));
  const carrying = rows.filter((row) => {
    if (row.loop === 'trace' || row.clientValid === false) return false;
    // What meets above a level that does not is luck: the answer goes no further than that.
    return withObjectives
      ? answer?.level != null && row.level <= answer.level && row.slo?.verdict === 'met'
      : keepsUp(row);
  });
  const open = carrying.filter((row) => row.loop === 'rate');
  const candidates = (open.length > 0 ? open : carrying).flatMap((row): InstanceRate[] => {
    const rate =
      row.loop === 'rate' ? row.level : withObjectives ? row.goodputRequestsPerSecond : row.requestsPerSecond;
    if (rate === null || rate <= 0) return [];
    return [
      {
        requestsPerSecond: rate / instances,
        cellId: row.cellId,
        loop: row.loop,
        poisson: row.loop === 'rate' && arrival === 'poisson',
        withObjectives,
      },
    ];
  });
  return candidates.toSorted((one, other) => other.requestsPerSecond - one.requestsPerSecond)[0] ?? null;
}

/** Without objectives: everything was answered, and an open loop was steady. */
function keepsUp(row: ReportRow): boolean {
  return row.succeeded > 0 && row.failed === 0 && row.dropped === 0 && (row.loop === 'closed' || row.steady);
}

/** Serverless endpoints have no instances; each token has its price. */
function answerServerless(
  workload: Workload,
  rows: readonly ReportRow[],
  mean: number,
  wanted: string,
  prices: { readonly input: number; readonly output: number },
): DemandAnswer {
  const perRequest = usdPerRequestByToken(rows, prices);
  const usdPerMonth = perRequest === null ? null : perRequest.usd * mean * 3600 * HOURS_PER_MONTH;
  return {
    workload,
    perInstance: null,
    instances: null,
    basis: null,
    usdPerMonth,
    usdPerThousandRequests: perRequest === null ? null : perRequest.usd * 1_000,
    usdPerMillionOutputTokens: perRequest === null ? null : (perRequest.usd / perRequest.outputTokens) * 1e6,
    use: null,
    sentence: `${workloadId(workload)}: ${wanted} cost ${usdPerMonth === null ? 'an unknown sum' : `${dollars(usdPerMonth)} a month`} by the token; whether the quota of the endpoint lets them through was not measured.`,
  };
}

/** By the lengths that were measured; null where nothing succeeded. */
export function usdPerRequestByToken(
  rows: readonly Pick<ReportRow, 'promptTokensMean' | 'outputTokensMean'>[],
  prices: { readonly input: number; readonly output: number },
): { readonly usd: number; readonly outputTokens: number } | null {
  const row = rows.find((one) => one.promptTokensMean !== null && (one.outputTokensMean ?? 0) > 0);
  if (row === undefined || row.promptTokensMean === null || row.outputTokensMean === null) return null;
  const usd = (row.promptTokensMean * prices.input + row.outputTokensMean * prices.output) / 1e6;
  return { usd, outputTokens: row.outputTokensMean };
}

function describe(answer: Omit<DemandAnswer, 'sentence'>, rate: InstanceRate): string {
  const { instances, basis, usdPerMonth, usdPerThousandRequests, usdPerMillionOutputTokens, use } = answer;
  const money =
    usdPerMonth === null
      ? 'the price is not known'
      : [
          `${dollars(usdPerMonth)} a month`,
          usdPerThousandRequests === null ? null : `${dollars(usdPerThousandRequests)} per 1,000 requests`,
          usdPerMillionOutputTokens === null
            ? null
            : `${dollars(usdPerMillionOutputTokens)} per million output tokens`,
        ]
          .filter((part) => part !== null)
          .join(', ');
  const load =
    rate.loop === 'rate'
      ? rate.poisson
        ? 'random arrivals'
        : 'even arrivals'
      : 'goodput of a closed loop, which waits where users would not';
  const objectives = rate.withObjectives ? 'within the objectives' : 'without objectives';
  const known =
    basis === 'confirmed' ? 'confirmed at that count' : 'extrapolated, not measured at that count';
  return `${instances} ${instances === 1 ? 'instance' : 'instances'} (${known}): ${money}. One instance carries ${writeDigits(rate.requestsPerSecond)} requests a second ${objectives} (${rate.cellId}, ${load}); at the mean demand they are ${Math.round((use ?? 0) * 100)} % used.`;
}

/** What a million output tokens cost while only a part of what the deployment can carry is asked of it. */
export interface CostOfUse {
  /** 1 is full. */
  readonly use: number;
  readonly usdPerMillionOutputTokens: number;
}

/** Without a demand: full, half and a quarter used. A rented hour costs the same, so half the use doubles the price. */
export function costOfUse(usdPerMillionWhenFull: number | null): CostOfUse[] {
  if (usdPerMillionWhenFull === null) return [];
  return [1, 0.5, 0.25].map((use) => ({ use, usdPerMillionOutputTokens: usdPerMillionWhenFull / use }));
}

function dollars(usd: number): string {
  return `${usd >= 100 ? Math.round(usd).toLocaleString('en-US') : usd.toPrecision(3)} USD`;
}
