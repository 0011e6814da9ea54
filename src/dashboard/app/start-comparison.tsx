/** The form that starts a comparison: its JSON, since targets may differ in any part of their specs. */
import { useState } from 'preact/hooks';
import type { Fault } from '../../core/failure.ts';
import type { ComparisonPlanAnswer } from '../../http/comparison-request.ts';
import { NONE, writeAmount, writeDuration, writeUsd } from '../wording.ts';
import { type Api, ApiProblem } from './api.ts';
import { Warnings } from './plan-panel.tsx';
import { PlanSection, usePlannedStart } from './planned-start.tsx';
import { Tile } from './tiles.tsx';
import { machineOf, ProblemBanner } from './words.tsx';

/** A first comparison that says something: one model on two sizes, at a light and at a full load. */
const EXAMPLE = `{
  "base": {
    "model": { "name": "Phi-4", "version": "latest" },
    "workloads": [{ "promptTokens": 512, "outputTokens": 128 }],
    "concurrency": { "levels": [1, 8, 16] }
  },
  "targets": [
    { "label": "A100", "target": { "kind": "managed", "sku": "Standard_NC24ads_A100_v4" } },
    { "label": "H100", "target": { "kind": "managed", "sku": "Standard_NC40ads_H100_v5" } }
  ],
  "strategy": "full",
  "limits": { "maxUsd": 60, "maxMinutes": 240 }
}
`;

/** The example, and a few targets more. */
const ROWS = 18;

export interface StartComparisonProps {
  readonly api: Api;
  readonly onStarted: (id: string) => void;
}

export function StartComparison({ api, onStarted }: StartComparisonProps) {
  const [text, setText] = useState(EXAMPLE);
  const starting = usePlannedStart<ComparisonPlanAnswer>({ api, path: '/api/comparisons', onStarted });
  const { faults, problem, summary, forget } = starting;
  return (
    <>
      <p class="back">
        <a href="#/comparisons">All comparisons</a>
      </p>
      <h2 tabIndex={-1} data-view-title>
        Start a comparison
      </h2>
      <div ref={summary} tabIndex={-1}>
        <ProblemBanner problem={problem} onRetry={() => location.reload()} />
        <FaultList faults={faults} />
      </div>
      <form
        class="start"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void starting.plan(() => readComparison(text));
        }}
      >
        <div class={faults.length === 0 ? 'field' : 'field wrong'}>
          <label for="field-comparison">
            Comparison <small>as JSON</small>
          </label>
          <textarea
            id="field-comparison"
            rows={ROWS}
            spellcheck={false}
            autocomplete="off"
            aria-describedby="field-comparison-hint"
            aria-invalid={faults.length > 0 ? 'true' : undefined}
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
              forget();
            }}
          />
          <p class="hint" id="field-comparison-hint">
            <code>base</code> is what all targets have in common. Each target has a label and a target, and
            may change any other part of the spec: instances, settings, levels. <code>strategy</code> is{' '}
            <code>full</code>, or <code>race</code>, which drops a target as soon as it can not win.
          </p>
        </div>
        <PlanSection noun="comparison" starting={starting}>
          {(answer) => <ComparisonPlan {...answer} />}
        </PlanSection>
      </form>
    </>
  );
}

/** The text as it is meant; throws the fault that the API would tell, were it to see it. */
function readComparison(text: string): object {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    throw refused(`is no JSON: ${(cause as SyntaxError).message}`, cause);
  }
  if (typeof body !== 'object' || body === null || !('targets' in body))
    throw refused('has no "targets"; one target is a run');
  return body;
}

function refused(message: string, cause?: unknown): ApiProblem {
  return new ApiProblem(message, { status: 400, faults: [{ path: 'The comparison', message }], cause });
}

function FaultList({ faults }: { faults: readonly Fault[] }) {
  if (faults.length === 0) return null;
  return (
    <div class="banner problem" role="alert">
      <p>{faults.length === 1 ? 'One thing is to change:' : `${faults.length} things are to change:`}</p>
      <ul>
        {faults.map(({ path, message }) => (
          <li key={`${path} ${message}`}>
            <strong>{path}</strong> {message}
          </li>
        ))}
      </ul>
    </div>
  );
}

function ComparisonPlan({ plan, targets }: ComparisonPlanAnswer) {
  const measurements = targets.reduce((sum, target) => sum + target.plan.cellsPlanned, 0);
  const warnings = [
    ...plan.warnings,
    ...targets.flatMap((target) => target.plan.warnings.map((text) => `${target.label}: ${text}`)),
  ];
  return (
    <>
      <dl class="tiles">
        <Tile
          name="Costs at most"
          note={plan.boundUsd === null ? 'a price is not known' : 'all targets together'}
        >
          {plan.boundUsd === null ? 'unknown' : writeUsd(plan.boundUsd)}
        </Tile>
        <Tile name="Takes at most" note="from the start to the last confirmed delete">
          {writeDuration(plan.boundMinutes * 60)}
        </Tile>
        <Tile name="Measurements" note={`on ${writeAmount(targets.length, 'target')}`}>
          {measurements}
        </Tile>
      </dl>
      <Warnings texts={warnings} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section class="scroll" aria-label="Targets of the plan" tabIndex={0}>
        <table class="planned">
          <caption>Targets of the plan</caption>
          <thead>
            <tr>
              <th scope="col">
                Target<small>machine</small>
              </th>
              <th scope="col" class="number">
                Costs at most
              </th>
              <th scope="col" class="number">
                Takes at most
              </th>
              <th scope="col" class="number">
                Measurements
              </th>
              <th scope="col">Quota</th>
            </tr>
          </thead>
          <tbody>
            {targets.map((target) => (
              <tr key={target.label}>
                <th scope="row">
                  {target.label}
                  <small>{machineOf({ spec: target.spec, endpoint: null })}</small>
                </th>
                <td class="number">
                  {target.plan.boundUsd === null ? NONE : writeUsd(target.plan.boundUsd)}
                </td>
                <td class="number">{writeDuration(target.plan.boundMinutes * 60)}</td>
                <td class="number">{target.plan.cellsPlanned}</td>
                <td class={target.plan.quota.verdict === 'refused' ? 'problem-text' : ''}>
                  {target.plan.quota.reason}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}
