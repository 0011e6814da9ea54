/**
 * The demo of a comparison: four targets side by side, two deployments each, and what may be concluded. The simulated
 * GPUs are calibrated on single-stream figures of real ones, so it is known what must come out: that stands beside what
 * was measured, and the demo fails where the two do not agree.
 */
import { costOfComparison } from '../cli/commands/compare.ts';
import { ComparisonDisplay } from '../cli/comparison-display.ts';
import { renderComparison } from '../cli/comparison-text.ts';
import { followComparison } from '../cli/follow-comparison.ts';
import { isUnicode, widthOf } from '../cli/run-display.ts';
import { renderTable } from '../cli/text-table.ts';
import type { ComparisonReport } from '../core/comparison/comparison-report.ts';
import { PRACTICAL_THRESHOLD } from '../core/comparison/pair-test.ts';
import type { ComparisonView } from '../http/comparison-view.ts';
import { speedFactor } from '../simulator/serving.ts';
import { describeLeft, type SimulatorBooks } from './books.ts';
import { concludeDemo, type Demo, faultsInBooks, type Stage } from './demo-stage.ts';

/** Milliseconds that a real deployment of Phi-4 takes for each output token of a single stream. */
const CALIBRATED_MS_PER_TOKEN: Readonly<Record<string, number>> = {
  Standard_NC24ads_A100_v4: 22,
  Standard_NC48ads_A100_v4: 14,
  Standard_NC40ads_H100_v5: 12.5,
};

/** What a call takes beside its tokens: front door, wrapper and network. Measured as 0.8 to 1.0 s. */
const CALIBRATED_FIXED_MS = 900;

/** The origin's scenario of a chat bot, whose prompt is too short to matter beside the answer. */
const WORKLOAD = { promptTokens: 80, outputTokens: 200 } as const;

/** Only two deployments a side tell something of a SKU. */
const ENDPOINTS = 2;

/** Two instances serve one stream as one does: that no difference is shown there is a check of the method. */
const TARGETS = [
  { label: '1xNC24', sku: 'Standard_NC24ads_A100_v4', instances: 1 },
  { label: '2xNC24', sku: 'Standard_NC24ads_A100_v4', instances: 2 },
  { label: '1xNC48', sku: 'Standard_NC48ads_A100_v4', instances: 1 },
  { label: '1xNC40 H100', sku: 'Standard_NC40ads_H100_v5', instances: 1 },
] as const;

const COMPARISON = {
  base: {
    // What the calibration was measured on. It does not stream, so a busy machine disturbs the client least.
    api: 'score',
    model: { registry: 'AzureML', name: 'Phi-4', version: '7' },
    workloads: [WORKLOAD],
    // Above one stream there is nothing to calibrate on: what was measured there was the admission limit.
    concurrency: { levels: [1] },
    measure: { mode: 'steady', repeats: 5, minRequests: 4, maxSeconds: 30 },
  },
  targets: TARGETS.map(({ label, sku, instances }) => ({
    label,
    target: { kind: 'managed', sku, instances, endpoints: ENDPOINTS },
  })),
  limits: { maxMinutes: 60, maxUsd: 50 },
} as const;

const SEED = 1;

/**
 * A 95 % interval misses by right once in twenty, since each deployment draws a speed of its own. Such a miss is told
 * and is no fault where the drawn speeds explain the figure to within this share, which is the client's own error.
 */
const EXPLAINED_WITHIN = 0.03;

export const COMPARISON_DEMO: Demo = {
  title: [
    `foundry-bench demo: ${COMPARISON.base.model.name} v${COMPARISON.base.model.version} on ${TARGETS.map(({ label }) => label).join(', ')}`,
    `Two deployments each and five repeats, one stream of answers of ${WORKLOAD.outputTokens} tokens.`,
  ],
  // An answer takes one to two seconds, so that a client which is late by 20 ms still counts as one in time.
  gpuSpeed: 3,
  controlPlaneSpeed: 5,
  seed: SEED,
  play: playComparison,
};

async function playComparison(stage: Stage): Promise<number> {
  const { client } = stage;
  const display = new ComparisonDisplay(process.stdout, isUnicode(process.env));
  const { id } = await client.startComparison(COMPARISON, null);
  const followed = await followComparison({
    client,
    comparisonId: id,
    interrupt: 'cancel',
    onView: (view) => display.show(view),
    onNote: (text) => display.note(text),
  }).finally(() => display.clear());
  return concludeDemo(stage, followed, async (view, books) => {
    const report = await client.readComparisonReport(id);
    const drawn = await readDraws(stage, view);
    const checks = checkPairs(report, drawn);
    const csvFile = stage.keepFile('comparison.csv', await client.readComparisonResults(id, 'csv'));
    const width = widthOf(process.stdout);
    for (const line of [
      '',
      ...renderComparison(report, width),
      '',
      ...renderOrder(checks),
      ...renderChecks(checks, width),
      '',
      `Cost: ${costOfComparison(view)}, at Azure's list price for the time it took here; nothing is billed.`,
      `CSV: ${csvFile}`,
      describeLeft(books),
    ]) {
      console.log(line);
    }
    return findComparisonFaults(view, report, checks, books);
  });
}

/** Speeds that the deployments of each target have drawn, by label. */
type Draws = ReadonlyMap<string, readonly number[]>;

async function readDraws({ client }: Stage, { targets }: ComparisonView): Promise<Draws> {
  const draws = targets.map(async ({ label, runId }): Promise<[string, number[]]> => {
    if (runId === null) return [label, []];
    const { endpoint, endpoints } = await client.readRun(runId);
    const all = endpoints ?? (endpoint === null ? [] : [endpoint]);
    return [label, all.map(({ name, deployment }) => speedFactor(SEED, name, deployment ?? ''))];
  });
  return new Map(await Promise.all(draws));
}

/** A ratio of rates beside what calibration says that it is. */
export interface PairCheck {
  readonly first: string;
  readonly second: string;
  readonly ratio: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly calibrated: number;
  /** The same for machines of the speeds that were drawn. */
  readonly drawn: number;
  readonly inside: boolean;
}

export function checkPairs({ pairs }: Pick<ComparisonReport, 'pairs'>, draws: Draws): PairCheck[] {
  return pairs.map(({ first, second, result: { ratio, lower, upper } }) => {
    const calibrated = calibratedRate(second, [1]) / calibratedRate(first, [1]);
    return {
      first,
      second,
      ratio,
      lower,
      upper,
      calibrated,
      drawn:
        calibratedRate(second, draws.get(second) ?? [1]) / calibratedRate(first, draws.get(first) ?? [1]),
      inside: lower !== null && upper !== null && lower <= calibrated && calibrated <= upper,
    };
  });
}

/**
 * Answers a second of one stream, `1 / (fixed + tokens x ms per token / speed)`; of several deployments the geometric
 * mean, as the verdicts have it.
 */
function calibratedRate(label: string, speeds: readonly number[]): number {
  const sku = TARGETS.find((target) => target.label === label)?.sku ?? '';
  const msPerToken = CALIBRATED_MS_PER_TOKEN[sku];
  if (msPerToken === undefined) throw new Error(`There is no calibration for the target "${label}".`);
  const logs = speeds.map((speed) =>
    Math.log(1_000 / (CALIBRATED_FIXED_MS + (WORKLOAD.outputTokens * msPerToken) / speed)),
  );
  return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
}

/** Everything that is off; nothing where the demo has shown what it promises. */
export function findComparisonFaults(
  { state, failure, targets }: Pick<ComparisonView, 'state' | 'failure' | 'targets'>,
  report: Pick<ComparisonReport, 'workloads'>,
  checks: readonly PairCheck[],
  books: SimulatorBooks,
): string[] {
  const because = (reason: string | null | undefined) => (reason == null ? '' : ` (${reason})`);
  return [
    ...(state === 'completed' ? [] : [`the comparison ended as ${state}${because(failure?.message)}.`]),
    ...targets
      .filter((target) => target.state !== 'completed')
      .map((target) => `"${target.label}" ended as ${target.state}${because(target.failure)}.`),
    ...faultsInOrder(checks),
    ...(checks.length === TARGETS.length - 1
      ? []
      : [`${checks.length} of ${TARGETS.length - 1} verdicts were given.`]),
    ...checks.flatMap((check) => faultsInPair(check, report)),
    ...faultsInBooks(books, TARGETS.length * ENDPOINTS),
  ];
}

function faultsInPair(
  { first, second, ratio, lower, upper, calibrated, drawn, inside }: PairCheck,
  report: Pick<ComparisonReport, 'workloads'>,
): string[] {
  const pair = `"${second}" against "${first}"`;
  if (ratio === null || lower === null || upper === null)
    return [`${pair} has no ratio with an interval.${explainMissing([first, second], report)}`];
  if (inside || isExplained(ratio, drawn)) return [];
  return [
    `${pair} was measured as ${times(ratio)} (${span(lower, upper)}); calibration implies ${times(calibrated)}, and ${times(drawn)} for the machines that were drawn.`,
  ];
}

/** Whether the speeds that the machines have drawn make the ratio what it is. */
function isExplained(ratio: number, drawn: number): boolean {
  return Math.abs(Math.log(ratio / drawn)) <= Math.log(1 + EXPLAINED_WITHIN);
}

/** What the report says of targets that stand in none of its rankings. */
function explainMissing(
  labels: readonly string[],
  { workloads }: Pick<ComparisonReport, 'workloads'>,
): string {
  const entries = workloads[0]?.table[0]?.entries ?? [];
  const reasons = labels.flatMap((label) => {
    const reason = entries.find((entry) => entry?.label === label)?.leftOut;
    return reason == null ? [] : [`"${label}": ${reason}`];
  });
  return reasons.length === 0
    ? ''
    : ` ${reasons.join(', ')}. Try again when nothing else keeps this machine busy.`;
}

/** Targets that calibration holds apart by more than matters must come in its order. */
function faultsInOrder(checks: readonly PairCheck[]): string[] {
  const measured = measuredOrder(checks);
  return measured.flatMap((faster, rank) =>
    measured.slice(rank + 1).flatMap((slower) => {
      const ratio = calibratedRate(slower, [1]) / calibratedRate(faster, [1]);
      return ratio <= 1 + PRACTICAL_THRESHOLD
        ? []
        : [
            `"${faster}" was measured as faster than "${slower}", which calibration has at ${times(ratio)} its rate.`,
          ];
    }),
  );
}

/** Labels by the ratios of the verdicts, the fastest first: those go by the repeats in which the client was in time. */
function measuredOrder(checks: readonly PairCheck[]): string[] {
  const base = checks.slice(0, 1).map(({ first }) => ({ label: first, rate: 1 }));
  const others = checks.flatMap(({ second, ratio }) =>
    ratio === null ? [] : [{ label: second, rate: ratio }],
  );
  return [...base, ...others].toSorted((one, other) => other.rate - one.rate).map(({ label }) => label);
}

/** Labels by calibration, the fastest first; what is equal stands as one. */
function calibratedOrder(): string {
  const byRate = Map.groupBy(TARGETS, ({ label }) => calibratedRate(label, [1]));
  return [...byRate]
    .toSorted(([one], [other]) => other - one)
    .map(([, targets]) => targets.map(({ label }) => label).join(' = '))
    .join(' > ');
}

function renderOrder(checks: readonly PairCheck[]): string[] {
  return [
    `Order measured:    ${measuredOrder(checks).join(' > ')}`,
    `Order calibrated:  ${calibratedOrder()}`,
    '',
  ];
}

export function renderChecks(checks: readonly PairCheck[], width: number): string[] {
  const columns = [
    { title: 'rate of', align: 'left' },
    { title: 'against', align: 'left' },
    { title: 'measured', align: 'right' },
    { title: '95 % interval', align: 'right' },
    { title: 'calibration', align: 'right' },
    { title: 'which is', align: 'left' },
  ] as const;
  const rows = checks.map(({ first, second, ratio, lower, upper, calibrated, drawn, inside }) => [
    second,
    first,
    ratio === null ? '-' : times(ratio),
    lower === null || upper === null ? '-' : span(lower, upper),
    times(calibrated),
    ratio === null || lower === null || upper === null
      ? '-'
      : inside
        ? 'inside'
        : isExplained(ratio, drawn)
          ? `outside, as one in twenty is; the speeds drawn here make it ${times(drawn)}`
          : `outside, and the speeds drawn here make it ${times(drawn)}`,
  ]);
  return renderTable(columns, rows, width);
}

function times(ratio: number): string {
  return `${ratio.toFixed(3)} x`;
}

function span(lower: number, upper: number): string {
  return `${lower.toFixed(3)} to ${upper.toFixed(3)}`;
}
