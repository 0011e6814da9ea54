/** What a plan says before anything costs money: the bound first, then what is behind it. */
import type { Plan, PlannedCell } from '../../core/spec/plan.ts';
import { writeAmount, writeDigits, writeDuration, writeUsd } from '../wording.ts';
import { Tile } from './tiles.tsx';

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
        <Tile
          name="Costs at most"
          note={
            plan.price.price === null
              ? plan.price.reason
              : `${writeUsd(plan.price.price.perHourUsd)} an hour and instance`
          }
        >
          {plan.boundUsd === null ? 'unknown' : writeUsd(plan.boundUsd)}
        </Tile>
        <Tile name="Takes at most" note="from the start to the confirmed delete">
          {writeDuration(plan.boundMinutes * 60)}
        </Tile>
        <Tile
          name="Measurements"
          note={`${writeAmount(cells.length, 'cell')}, about ${writeDuration(predictedSeconds)} of measuring`}
        >
          {plan.cellsPlanned}
        </Tile>
      </dl>
      <p class={plan.quota.verdict === 'refused' ? 'problem-text' : 'quiet'}>Quota: {plan.quota.reason}</p>
      <Warnings texts={warnings} />
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

/** Each once: cells and targets that are alike warn alike. */
export function Warnings({ texts }: { texts: readonly string[] }) {
  if (texts.length === 0) return null;
  return (
    <ul class="warnings">
      {[...new Set(texts)].map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}
