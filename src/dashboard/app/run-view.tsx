/** One run: where it stands, what it costs, and its report while it grows. */
import { useEffect } from 'preact/hooks';
import { isFinal as isFinalState, RUN_STATES } from '../../core/run.ts';
import type { RunView } from '../../http/run-view.ts';
import { type AnyReport, reportSections } from '../report-sections.ts';
import { writeDuration, writeUsd } from '../wording.ts';
import { useActions } from './action.ts';
import { type Api, noneYet } from './api.ts';
import { drawn } from './drawn.ts';
import { type EndpointList, Endpoints, type EndpointView, isLeft } from './endpoints.tsx';
import { type Growing, useGrowingReport } from './growing-report.ts';
import { usePolled } from './poll.ts';
import type { Questions } from './questions.tsx';
import { ResultsFiles } from './results-files.tsx';
import { AliveTile, CostTile, LeftTile, MeasurementsTile } from './tiles.tsx';
import { Badge, isFinal, Loading, machineOf, modelOf, ProblemBanner, Time } from './words.tsx';

/** As often as the steps of a run write their progress. */
const RUN_POLL_MS = 2_000;
/** A run that is over still has endpoints that are being deleted, or were left behind. */
const ALIVE_POLL_MS = 5_000;

const STAGES = [...RUN_STATES.filter((state) => !isFinalState(state)), 'completed'];

interface Seen {
  readonly run: RunView;
  readonly alive: readonly EndpointView[];
  readonly report: Growing<AnyReport> | null;
}

export interface RunPageProps {
  readonly id: string;
  readonly api: Api;
  readonly questions: Questions;
  readonly deleteEndpoint: (endpoint: EndpointView) => Promise<boolean>;
  readonly onTitle: (title: string) => void;
}

export function RunPage({ id, api, questions, deleteEndpoint, onTitle }: RunPageProps) {
  const path = `/api/runs/${encodeURIComponent(id)}`;
  const readReport = useGrowingReport<AnyReport>(api, path);
  const { value, problem, refresh } = usePolled<Seen | 'unknown'>(
    id,
    async () => {
      const run = await api.read<RunView>(path).catch(noneYet);
      if (run === null) return 'unknown';
      const { endpoints } = await api.read<EndpointList>('/api/endpoints');
      const alive = endpoints.filter((endpoint) => endpoint.runId === run.id);
      return { run, alive, report: await readReport(`${run.state} ${run.progress.cellsDone}`) };
    },
    (seen) => {
      if (seen === 'unknown') return null;
      if (!isFinal(seen.run)) return RUN_POLL_MS;
      return seen.alive.length > 0 ? ALIVE_POLL_MS : null;
    },
  );
  const title = value === null || value === 'unknown' ? 'Run' : modelOf(value.run);
  const state = value === null || value === 'unknown' ? '' : `${value.run.state}: `;
  useEffect(() => onTitle(`${state}${title}`), [onTitle, state, title]);

  const { actionProblem, forgetProblem, act } = useActions(refresh);
  const cancel = async () => {
    const text = 'The load stops, the endpoint is deleted, and what was measured is kept.';
    if (await questions.confirm({ title: 'Cancel this run?', text, yes: 'Cancel the run' }))
      await api.send('POST', `${path}/cancel`);
  };

  return (
    <>
      <p class="back">
        <a href="#/">All runs</a>
      </p>
      <h2 tabIndex={-1} data-view-title>
        {title}
      </h2>
      <ProblemBanner problem={problem} onRetry={refresh} />
      <ProblemBanner problem={actionProblem} onRetry={forgetProblem} />
      {value === null && problem === null && <Loading />}
      {value === 'unknown' && <p class="empty">There is no run {id}.</p>}
      {value !== null && value !== 'unknown' && (
        <>
          <Standing run={value.run} />
          <Progress run={value.run} alive={value.alive} />
          <p class="actions">
            {!isFinal(value.run) && (
              <button
                type="button"
                class="danger"
                disabled={value.run.cancelRequestedAt !== null}
                onClick={() => act(cancel)}
              >
                {value.run.cancelRequestedAt === null ? 'Cancel the run' : 'Cancel asked for'}
              </button>
            )}
            {value.run.progress.cellsDone > 0 && <ResultsFiles api={api} path={path} id={id} act={act} />}
          </p>
          {value.alive.some(isLeft) && (
            <Endpoints
              list={{ endpoints: value.alive }}
              onDelete={(endpoint) => act(() => deleteEndpoint(endpoint))}
              withRun={false}
            />
          )}
          <Results run={value.run} report={value.report} />
          <Facts run={value.run} />
          <More run={value.run} alive={value.alive} />
        </>
      )}
    </>
  );
}

function Standing({ run }: { run: RunView }) {
  const queuedBecause = (run as { queuedBecause?: string | null }).queuedBecause ?? null;
  return (
    <>
      <p>
        <Badge name={run.state} /> {run.endpoint?.simulated === true && <Badge name="simulated" />}{' '}
        <code>{machineOf(run)}</code>
      </p>
      {run.state === 'queued' && queuedBecause !== null && <p class="banner">Waiting. {queuedBecause}</p>}
      {run.failure !== null && (
        <p class="banner problem" role="alert">
          {run.failure.message} ({run.failure.code})
        </p>
      )}
      {run.stoppedBy !== null && <p class="banner">Measuring stopped early. {run.stoppedBy}</p>}
    </>
  );
}

/** The figures that one looks at while waiting, and a sentence that is read aloud when it changes. */
function Progress({ run, alive }: { run: RunView; alive: readonly EndpointView[] }) {
  const { cellsDone, cellsPlanned, etaSeconds } = run.progress;
  const stages = STAGES.filter(
    (stage) =>
      run.spec.target.kind === 'managed' ||
      stage === run.state ||
      !['provisioning', 'releasing'].includes(stage),
  );
  return (
    <section class="progress" aria-label="Progress">
      {!isFinal(run) && (
        <ol class="stages" aria-label="Stages of the run">
          {stages.map((stage) => (
            <li key={stage} aria-current={stage === run.state ? 'step' : undefined}>
              {stage}
            </li>
          ))}
        </ol>
      )}
      <progress max={Math.max(1, cellsPlanned)} value={cellsDone} aria-label="Measurements done" />
      <p class="progress-text" role="status">
        {progressSentence(run)}
      </p>
      <dl class="tiles">
        <CostTile {...run.cost} />
        <MeasurementsTile done={cellsDone} planned={cellsPlanned} />
        <LeftTile seconds={isFinal(run) ? null : etaSeconds} note="by what was measured so far" />
        <AliveTile endpoints={alive} />
      </dl>
    </section>
  );
}

function progressSentence(run: RunView): string {
  const { cellsDone, cellsPlanned, current } = run.progress;
  const cells = `${cellsDone} of ${cellsPlanned} measurements done`;
  if (isFinal(run)) return `${cells}.`;
  if (run.cancelRequestedAt !== null)
    return `${cells}. A cancel was asked for; the endpoint is being deleted.`;
  if (run.state === 'measuring') return `${cells}${current === null ? '.' : `, now ${current}.`}`;
  const provisioning = run.endpoint?.provisioningState ?? null;
  if (run.state === 'provisioning' && provisioning !== null) return `Azure ML says: ${provisioning}.`;
  return `${cells}.`;
}

function Results({ run, report }: { run: RunView; report: Growing<AnyReport> | null }) {
  return (
    <section aria-labelledby="results-title">
      <h3 id="results-title">Results</h3>
      {report === null || report.rows.length === 0 ? (
        <p class="empty">{isFinal(run) ? 'Nothing was measured.' : 'No cell is finished yet.'}</p>
      ) : (
        reportSections(report, report.partial === true).map(drawn)
      )}
    </section>
  );
}

function Facts({ run }: { run: RunView }) {
  const { endpoint, cost, spec, plan } = run;
  const price =
    cost.pricePerHourUsd === null
      ? (cost.priceReason ?? 'unknown')
      : `${writeUsd(cost.pricePerHourUsd)} per hour and instance`;
  const place = [
    endpoint?.name,
    endpoint?.deployment && `deployment ${endpoint.deployment}`,
    endpoint?.region,
  ];
  const facts: [string, preact.ComponentChildren][] = [
    ['Price', price],
    ['Time at the most', writeDuration(cost.boundMinutes * 60)],
    ['Created', <Time iso={run.createdAt} />],
    ['Started', <Time iso={run.startedAt} />],
    ['Ended', <Time iso={run.endedAt} />],
  ];
  if (endpoint !== null) facts.push(['Endpoint', place.filter((part) => part).join(', ')]);
  if (endpoint !== null && endpoint.scoringUri !== null)
    facts.push(['Scoring URI', <code>{endpoint.scoringUri}</code>]);
  if (endpoint !== null && endpoint.route !== null) facts.push(['Route', endpoint.route]);
  if (spec.target.kind === 'managed')
    facts.push([
      'Settings',
      `${plan.maxConcurrentRequestsPerInstance} concurrent requests per instance, request timeout ${plan.requestTimeoutSeconds} s, isolation ${spec.isolation}`,
    ]);
  facts.push(['Id', <code>{run.id}</code>]);
  return (
    <>
      <h3>The run</h3>
      <dl>
        {facts.map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
    </>
  );
}

function More({ run, alive }: { run: RunView; alive: readonly EndpointView[] }) {
  const { warnings } = run.plan;
  const curl = run.endpoint?.sampleCurl ?? null;
  return (
    <>
      {warnings.length > 0 && (
        <details>
          <summary>Warnings of the plan: {warnings.length}</summary>
          <ul>
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </details>
      )}
      {curl !== null && alive.length > 0 && (
        <details>
          <summary>Ask the endpoint yourself</summary>
          <pre>{curl}</pre>
        </details>
      )}
      <details>
        <summary>Spec, with every default</summary>
        <pre>{JSON.stringify(run.spec, null, 2)}</pre>
      </details>
    </>
  );
}
