/** What a plan says before anything costs money: the bound first, then what is behind it. */
import type { Plan, PlannedCell } from '../../core/spec/plan.ts';
import { writeAmount, writeDigits, writeDuration, writeUsd } from '../wording.ts';

/** What `POST /api/plans` answers. */
export interface PlanAnswer {
  readonly plan: Plan;
  readonly cells: readonly PlannedCell[];
}

export function PlanPanel({ plan, cells }: PlanAnswer) {
  const predictedSeconds = cells.reduce((sum, cell) => sum + cell.repeats * cell.predictedSeconds, 0);
  const warnings = [
    ...plan.warnings,
    ...cells.flatMap((cell) => cell.warnings.map((text) => `${cell.cellId}: ${text}`)),
  ];
  return (
    <>
      <dl class="tiles">
        <div>
          <dt>Costs at most</dt>
          <dd>
            {plan.boundUsd === null ? 'unknown' : writeUsd(plan.boundUsd)}
            <small>
              {plan.price.price === null
                ? plan.price.reason
                : `${writeUsd(plan.price.price.perHourUsd)} an hour and instance`}
            </small>
          </dd>
        </div>
        <div>
          <dt>Takes at most</dt>
          <dd>
            {writeDuration(plan.boundMinutes * 60)}
            <small>from the start to the confirmed delete</small>
          </dd>
        </div>
        <div>
          <dt>Measurements</dt>
          <dd>
            {plan.cellsPlanned}
            <small>
              {writeAmount(cells.length, 'cell')}, about {writeDuration(predictedSeconds)} of measuring
            </small>
          </dd>
        </div>
      </dl>
      <p class={plan.quota.verdict === 'refused' ? 'problem-text' : 'quiet'}>Quota: {plan.quota.reason}</p>
      {warnings.length > 0 && (
        <ul class="warnings">
          {[...new Set(warnings)].map((warning) => (
            <li key={warning}>{warning}</li>
          ))}
        </ul>
      )}
      <details>
        <summary>Every cell of the plan</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
        <section class="scroll" aria-label="Cells of the plan" tabIndex={0}>
          <table class="values">
            <caption>Cells of the plan</caption>
            <thead>
              <tr>
                <th scope="col">Cell</th>
                <th scope="col" class="number">
                  Repeats
                </th>
                <th scope="col" class="number">
                  Predicted s
                </th>
                <th scope="col" class="number">
                  At most s
                </th>
              </tr>
            </thead>
            <tbody>
              {cells.map((cell) => (
                <tr key={cell.cellId}>
                  <th scope="row">{cell.cellId}</th>
                  <td class="number">{cell.repeats}</td>
                  <td class="number">{writeDigits(cell.predictedSeconds)}</td>
                  <td class="number">{writeDigits(cell.maxSeconds)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </>
  );
}
