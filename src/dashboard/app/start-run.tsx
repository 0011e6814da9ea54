/** The form that starts a run. Its start button works only while the plan of exactly this form is shown. */
import { useMemo, useState } from 'preact/hooks';
import {
  composeSpec,
  FIRST_FIELDS,
  type FieldName,
  type LoadKind,
  type PlacedFaults,
  placeFaults,
  type RunFields,
} from '../run-form.ts';
import type { Api, ApiProblem } from './api.ts';
import { Field, type FieldProps } from './field.tsx';
import { ModelField, type ModelView } from './model-field.tsx';
import { type PlanAnswer, PlanPanel } from './plan-panel.tsx';
import { PlanSection, usePlannedStart } from './planned-start.tsx';
import { SkuField } from './sku-field.tsx';
import { ProblemBanner } from './words.tsx';

const LOADS: readonly { readonly kind: LoadKind; readonly label: string; readonly hint: string }[] = [
  {
    kind: 'levels',
    label: 'Concurrency levels',
    hint: 'So many users, each of whom asks again when he is answered.',
  },
  {
    kind: 'search',
    label: 'Search for the highest concurrency',
    hint: 'The highest level that meets the objectives below.',
  },
  { kind: 'rates', label: 'Request rates', hint: 'Requests come when they come, answered or not.' },
  {
    kind: 'rate-search',
    label: 'Search for the highest rate',
    hint: 'The highest rate that meets the objectives below.',
  },
];

export interface StartRunProps {
  readonly api: Api;
  readonly onStarted: (id: string) => void;
}

export function StartRun({ api, onStarted }: StartRunProps) {
  const [fields, setFields] = useState<RunFields>(FIRST_FIELDS);
  const [model, setModel] = useState<ModelView | null>(null);
  const starting = usePlannedStart<PlanAnswer>({ api, path: '/api/runs', onStarted });
  const { problem, summary, forget } = starting;
  // Placed by the load that was refused, and not by one that is chosen afterwards.
  const faults = useMemo(() => placeFaults(starting.faults, fields.load), [starting.faults]);

  const change = (name: FieldName, value: string) => {
    setFields((last) => ({ ...last, [name]: value }));
    forget();
  };
  const field = (name: FieldName, label: string, more: Partial<FieldProps> = {}) => (
    <Field
      name={name}
      label={label}
      value={fields[name]}
      onInput={(value) => change(name, value)}
      faults={faults.byField[name] ?? []}
      {...more}
    />
  );

  return (
    <>
      <p class="back">
        <a href="#/">All runs</a>
      </p>
      <h2 tabIndex={-1} data-view-title>
        Start a run
      </h2>
      <FaultSummary refer={summary} faults={faults} problem={problem} />
      <form
        class="start"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void starting.plan(() => composeSpec(fields));
        }}
      >
        <section aria-labelledby="what-title">
          <h3 id="what-title">What to deploy</h3>
          <ModelField
            api={api}
            registry={fields.registry}
            value={fields.model}
            onInput={(value) => change('model', value)}
            onModel={setModel}
            faults={faults.byField.model ?? []}
          />
          <SkuField
            api={api}
            allowed={model?.allowedSkus ?? null}
            recommended={model?.recommendedSkus ?? []}
            value={fields.sku}
            onInput={(value) => change('sku', value)}
            faults={faults.byField.sku ?? []}
          />
          <div class="row">
            {field('instances', 'Instances', { isNumber: true })}
            {field('version', 'Model version')}
            {field('registry', 'Registry')}
          </div>
        </section>
        <section aria-labelledby="load-title">
          <h3 id="load-title">What to ask of it</h3>
          <div class="row">
            {field('promptTokens', 'Prompt tokens', { hint: 'One length or several: 512, 2048' })}
            {field('outputTokens', 'Output tokens', { hint: 'Measured in every combination' })}
          </div>
          <fieldset class="loads">
            <legend>Load</legend>
            <div class="choices two">
              {LOADS.map(({ kind, label, hint }) => (
                <label key={kind} class="choice">
                  <input
                    type="radio"
                    name="load"
                    value={kind}
                    checked={fields.load === kind}
                    onChange={() => change('load', kind)}
                  />
                  <span class="choice-name">{label}</span>
                  <span class="choice-facts">{hint}</span>
                </label>
              ))}
            </div>
          </fieldset>
          {fields.load === 'levels' && field('levels', 'Levels', { hint: 'From 1 to 512' })}
          {fields.load === 'search' &&
            field('searchMax', 'Up to', { unit: 'concurrent requests', isNumber: true })}
          {fields.load === 'rates' && field('rates', 'Rates', { unit: 'requests per second' })}
          {fields.load === 'rate-search' &&
            field('rateSearchMax', 'Up to', { unit: 'requests per second', isNumber: true })}
          <div class="row">
            {field('repeats', 'Repeats', { hint: 'One repeat has no interval', isNumber: true })}
            {field('minRequests', 'Requests', { unit: 'a repeat, at least', isNumber: true })}
          </div>
        </section>
        <section aria-labelledby="slo-title">
          <h3 id="slo-title">
            What it must keep <small>optional; a search needs one of them</small>
          </h3>
          <div class="row four">
            {field('ttftMs', 'Time to first token', { unit: 'ms', isNumber: true })}
            {field('tpotMs', 'Time per output token', { unit: 'ms', isNumber: true })}
            {field('e2eMs', 'End to end', { unit: 'ms', isNumber: true })}
            {field('attainment', 'In how many requests', { unit: '%', isNumber: true })}
          </div>
        </section>
        <section aria-labelledby="budget-title">
          <h3 id="budget-title">
            What it may cost <small>measuring stops in time to pay for the release</small>
          </h3>
          <div class="row">
            {field('maxUsd', 'Dollars', { unit: 'USD', isNumber: true })}
            {field('maxMinutes', 'Time', { unit: 'minutes', isNumber: true })}
          </div>
        </section>
        <PlanSection noun="run" starting={starting}>
          {(answer) => <PlanPanel {...answer} />}
        </PlanSection>
      </form>
    </>
  );
}

/** Takes the focus when something is refused; each fault leads to its field. */
function FaultSummary(props: {
  refer: preact.RefObject<HTMLDivElement | null>;
  faults: PlacedFaults;
  problem: ApiProblem | null;
}) {
  const { refer, faults, problem } = props;
  const fields = Object.entries(faults.byField) as [FieldName, readonly string[]][];
  const count = fields.reduce((sum, [, list]) => sum + list.length, 0) + faults.elsewhere.length;
  if (problem !== null)
    return (
      <div ref={refer} tabIndex={-1}>
        <ProblemBanner problem={problem} onRetry={() => location.reload()} />
      </div>
    );
  if (count === 0) return null;
  return (
    <div ref={refer} tabIndex={-1} class="banner problem" role="alert">
      <p>{count === 1 ? 'One thing is to change:' : `${count} things are to change:`}</p>
      <ul>
        {fields.flatMap(([name, list]) =>
          list.map((fault) => (
            <li key={`${name} ${fault}`}>
              <button type="button" class="link" onClick={() => focusField(name)}>
                {LABELS[name]}
              </button>{' '}
              {fault}
            </li>
          )),
        )}
        {faults.elsewhere.map((fault) => (
          <li key={fault.path}>
            {fault.path} {fault.message}
          </li>
        ))}
      </ul>
    </div>
  );
}

function focusField(name: FieldName): void {
  document.getElementById(`field-${name}`)?.focus();
}

const LABELS: Readonly<Record<FieldName, string>> = {
  registry: 'Registry',
  model: 'Model',
  version: 'Model version',
  sku: 'SKU',
  instances: 'Instances',
  promptTokens: 'Prompt tokens',
  outputTokens: 'Output tokens',
  load: 'Load',
  levels: 'Levels',
  searchMax: 'Up to',
  rates: 'Rates',
  rateSearchMax: 'Up to',
  attainment: 'In how many requests',
  ttftMs: 'Time to first token',
  tpotMs: 'Time per output token',
  e2eMs: 'End to end',
  repeats: 'Repeats',
  minRequests: 'Requests',
  maxUsd: 'Dollars',
  maxMinutes: 'Time',
};
