/** What a report says to a script: whether it is good, and the sentence that says why not. Pure. */
import type { ComparisonReport } from '../core/comparison/comparison-report.ts';
import type { Report } from '../core/report/report.ts';
import { workloadId } from '../core/spec/workload.ts';
import { ApiError } from './api-client.ts';

/** Null where all is good; otherwise sentences, each a reason to fail. */
export type Verdict = readonly string[] | null;

/**
 * A run is good where it measured something and, with objectives, each workload has a level that is shown to meet
 * them. Of a report that is still growing nothing is said.
 */
export function judgeReport({
  rows,
  slo,
  answers,
  partial,
}: Pick<Report, 'rows' | 'slo' | 'answers'> & { readonly partial: boolean }): Verdict {
  if (partial) return null;
  if (rows.length === 0) return ['Nothing was measured.'];
  if (slo === null) return null;
  const missed = answers.filter(({ level }) => level === null);
  return missed.length === 0
    ? null
    : missed.map(({ workload }) => `No level is shown to meet the objectives for ${workloadId(workload)}.`);
}

/**
 * A comparison held against one of its targets: good where no other is shown to be worse. Throws a sentence where no
 * target has that label.
 */
export function judgeAgainst(
  baseline: string,
  { targets, pairs }: Pick<ComparisonReport, 'targets' | 'pairs'>,
): Verdict {
  if (targets.every(({ label }) => label !== baseline)) {
    const known = targets.map(({ label }) => `"${label}"`).join(', ');
    throw new ApiError(`No target is called "${baseline}"; they are ${known}.`, null);
  }
  const worse = pairs.filter(
    ({ first, second, result: { verdict } }) =>
      (first === baseline && verdict === 'worse') || (second === baseline && verdict === 'better'),
  );
  return worse.length === 0 ? null : worse.map(({ sentence }) => sentence);
}
