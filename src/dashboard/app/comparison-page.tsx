/** One comparison: where each of its targets stands, what it costs, and its report while it grows. */
import { useEffect } from 'preact/hooks';
import type { ComparisonView, TargetView } from '../../http/comparison-view.ts';
import { type AnyComparisonReport, comparisonSections } from '../comparison-sections.ts';
import { NONE, writeAmount, writeDuration, writeShare, writeUsd } from '../wording.ts';
import { useActions } from './action.ts';
import { type Api, noneYet } from './api.ts';
import { drawn } from './drawn.ts';
import { type EndpointList, Endpoints, type EndpointView, isLeft, LeakBanner } from './endpoints.tsx';
import { type Growing, useGrowingReport } from './growing-report.ts';
import { usePolled } from './poll.ts';
import type { Questions } from './questions.tsx';
import { ResultsFiles } from './results-files.tsx';
import { AliveTile, CostTile, LeftTile, MeasurementsTile, Tile } from './tiles.tsx';
import { Badge, isFinal, Loading, machineOf, nameTargets, ProblemBanner, Time } from './words.tsx';

/** As often as the steps of a run write their progress, for several runs. */
const POLL_MS = 3_000;
/** Runs that are over still have endpoints that are being deleted, or were left behind. */
const ALIVE_POLL_MS = 5_000;

interface Seen {
  readonly comparison: ComparisonView;
  readonly alive: readonly EndpointView[];
  readonly report: Growing<AnyComparisonReport> | null;
}

export interface ComparisonPageProps {
  readonly id: string;
  readonly api: Api;
  readonly questions: Questions;
  readonly deleteEndpoint: (endpoint: EndpointView) => Promise<boolean>;
  readonly onTitle: (title: string) => void;
}

export function ComparisonPage({ id, api, questions, deleteEndpoint, onTitle }: ComparisonPageProps) {
  const path = `/api/comparisons/${encodeURIComponent(id)}`;
  const readReport = useGrowingReport<AnyComparisonReport>(api, path);
  const { value, problem, refresh } = usePolled<Seen | 'unknown'>(
    id,
    async () => {
      const comparison = await api.read<ComparisonView>(path).catch(noneYet);
      if (comparison === null) return 'unknown';
      const { endpoints } = await api.read<EndpointList>('/api/endpoints');
      const runs = comparison.targets.map(({ runId }) => runId);
      const alive = endpoints.filter(({ runId }) => runId !== null && runs.includes(runId));
      const { state, progress } = comparison;
      const hasReport = progress.cellsDone > 0 || isFinal(comparison);
      const report = hasReport
        ? await readReport(`${state} ${progress.cellsDone} ${progress.targetsDone}`)
        : null;
      return { comparison, alive, report };
    },
    (seen) => {
      if (seen === 'unknown') return null;
      if (!isFinal(seen.comparison)) return POLL_MS;
      return seen.alive.length > 0 ? ALIVE_POLL_MS : null;
    },
  );
  const seen = value === 'unknown' ? null : value;
  const title = seen === null ? 'Comparison' : nameTargets(seen.comparison.labels);
  const state = seen === null ? '' : `${seen.comparison.state}: `;
  useEffect(() => onTitle(`${state}${title}`), [onTitle, state, title]);

  const { actionProblem, forgetProblem, act } = useActions(refresh);
  const cancel = async () => {
    const text =
      'No further target is started, every load stops, and every endpoint is deleted. What was measured is kept.';
    if (await questions.confirm({ title: 'Cancel this comparison?', text, yes: 'Cancel the comparison' }))
      await api.send('POST', `${path}/cancel`);
  };

  return (
    <>
      <p class="back">
        <a href="#/comparisons">All comparisons</a>
      </p>
      <h2 tabIndex={-1} data-view-title>
        {title}
      </h2>
      <ProblemBanner problem={problem} onRetry={refresh} />
      <ProblemBanner problem={actionProblem} onRetry={forgetProblem} />
      {value === null && problem === null && <Loading />}
      {value === 'unknown' && <p class="empty">There is no comparison {id}.</p>}
      {seen !== null && (
        <>
          <Standing comparison={seen.comparison} />
          <LeakBanner endpoints={seen.alive} />
          <Progress comparison={seen.comparison} alive={seen.alive} />
          <p class="actions">
            {!isFinal(seen.comparison) && (
              <button
                type="button"
                class="danger"
                disabled={seen.comparison.cancelRequestedAt !== null}
                onClick={() => act(cancel)}
              >
                {seen.comparison.cancelRequestedAt === null ? 'Cancel the comparison' : 'Cancel asked for'}
              </button>
            )}
            {seen.comparison.progress.cellsDone > 0 && (
              <ResultsFiles api={api} path={path} id={id} act={act} />
            )}
          </p>
          {seen.alive.some(isLeft) && (
            <Endpoints
              list={{ endpoints: seen.alive }}
              onDelete={(endpoint) => act(() => deleteEndpoint(endpoint))}
              withRun={false}
            />
          )}
          <h3>Targets</h3>
          <TargetsTable comparison={seen.comparison} />
          <Results comparison={seen.comparison} report={seen.report} />
          <Facts comparison={seen.comparison} />
        </>
      )}
    </>
  );
}

function Standing({ comparison }: { comparison: ComparisonView }) {
  const { state, strategy, targets, failure } = comparison;
  return (
    <>
      <p>
        <Badge name={state} />{' '}
        {targets.some(({ endpoint }) => endpoint?.simulated === true) && <Badge name="simulated" />}{' '}
        {strategy === 'race' && <Badge name="race" />}
      </p>
      {failure !== null && (
        <p class="banner problem" role="alert">
          {failure.message} ({failure.code})
        </p>
      )}
    </>
  );
}

function Progress({ comparison, alive }: { comparison: ComparisonView; alive: readonly EndpointView[] }) {
  const { progress, cost } = comparison;
  const { cellsDone, cellsPlanned, targetsDone, targetsPlanned, etaSeconds } = progress;
  return (
    <section class="progress" aria-label="Progress">
      <progress max={Math.max(1, cellsPlanned)} value={cellsDone} aria-label="Measurements done" />
      <p class="progress-text" role="status">
        {progressSentence(comparison)}
      </p>
      <dl class="tiles">
        <CostTile {...cost} />
        <Tile name="Targets done" note={`of ${targetsPlanned}`}>
          {targetsDone}
        </Tile>
        <MeasurementsTile done={cellsDone} planned={cellsPlanned} />
        <LeftTile seconds={isFinal(comparison) ? null : etaSeconds} note="on the targets that measure now" />
        <AliveTile endpoints={alive} />
      </dl>
    </section>
  );
}

function progressSentence(comparison: ComparisonView): string {
  const { cellsDone, cellsPlanned, targetsDone, targetsPlanned } = comparison.progress;
  const done = `${cellsDone} of ${cellsPlanned} measurements done, ${targetsDone} of ${targetsPlanned} targets.`;
  if (isFinal(comparison) || comparison.cancelRequestedAt === null) return done;
  return `${done} A cancel was asked for; the endpoints are being deleted.`;
}

function TargetsTable({ comparison }: { comparison: ComparisonView }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section class="scroll" aria-label="Targets" tabIndex={0}>
      <table class="targets">
        <caption>Targets, in the order of the request</caption>
        <thead>
          <tr>
            <th scope="col">
              Target<small>machine</small>
            </th>
            <th scope="col">State</th>
            <th scope="col">
              Progress<small>measurements</small>
            </th>
            <th scope="col" class="number">
              Cost<small>so far</small>
            </th>
            <th scope="col">What became of it</th>
          </tr>
        </thead>
        <tbody>
          {comparison.targets.map((target) => (
            <tr key={target.label}>
              <th scope="row">
                {target.runId === null ? (
                  target.label
                ) : (
                  <a href={`#/runs/${encodeURIComponent(target.runId)}`}>{target.label}</a>
                )}
                <small>{machineOf(target)}</small>
              </th>
              <td>
                <Badge name={target.state} />
              </td>
              <td>
                <TargetProgress target={target} />
              </td>
              <td class="number">{target.cost === null ? NONE : writeUsd(target.cost.accruedUsd)}</td>
              <td>{storyOf(target)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function TargetProgress({ target }: { target: TargetView }) {
  const { cellsDone, cellsPlanned, current, etaSeconds } = target.progress;
  const done = `${cellsDone} of ${cellsPlanned}`;
  if (target.state === 'waiting' || isFinal(target)) return <>{done}</>;
  return (
    <>
      {done}
      <progress
        max={Math.max(1, cellsPlanned)}
        value={cellsDone}
        aria-label={`Measurements of ${target.label}`}
      />
      {current !== null && <small>{current}</small>}
      {etaSeconds !== null && <small>about {writeDuration(etaSeconds)} left</small>}
    </>
  );
}

/** What the race says, why it waits or stopped, or what went wrong. */
function storyOf({ failure, raceOver, stoppedBy, queuedBecause, state }: TargetView) {
  const said = [raceOver?.sentence ?? null, stoppedBy, state === 'queued' ? queuedBecause : null];
  const sentences = [...new Set(said.filter((one) => one !== null))];
  return (
    <>
      {raceOver !== null && (
        <Badge name={raceOver.verdict}>
          {raceOver.verdict === 'won' ? 'won' : `dropped after round ${raceOver.round}`}
        </Badge>
      )}
      {failure !== null && <span class="problem-text">{failure}</span>}
      {sentences.map((sentence) => (
        <small key={sentence}>{sentence}</small>
      ))}
      {failure === null && sentences.length === 0 && NONE}
    </>
  );
}

function Results({
  comparison,
  report,
}: {
  comparison: ComparisonView;
  report: Growing<AnyComparisonReport> | null;
}) {
  return (
    <section aria-labelledby="results-title">
      <h3 id="results-title">Results</h3>
      {report === null || (report.workloads.length === 0 && !isFinal(comparison)) ? (
        <p class="empty">{isFinal(comparison) ? 'Nothing was measured.' : 'No cell is finished yet.'}</p>
      ) : (
        comparisonSections(report, report.partial === true).map(drawn)
      )}
    </section>
  );
}

function Facts({ comparison }: { comparison: ComparisonView }) {
  const { limits, cost, order, maxParallel, threshold, warnings, targets } = comparison;
  const facts: [string, preact.ComponentChildren][] = [
    ['Time at the most', writeDuration(cost.boundMinutes * 60)],
    [
      'Limits',
      `${limits.maxUsd === null ? 'no dollars named' : writeUsd(limits.maxUsd)}, ${writeDuration(limits.maxMinutes * 60)}`,
    ],
    ['Side by side', `${writeAmount(maxParallel, 'target')}, started in this order: ${order.join(', ')}`],
    ['Differences that matter', `from ${writeShare(threshold)} on`],
    ['Created', <Time iso={comparison.createdAt} />],
    ['Started', <Time iso={comparison.startedAt} />],
    ['Ended', <Time iso={comparison.endedAt} />],
    ['Id', <code>{comparison.id}</code>],
  ];
  return (
    <>
      <h3>The comparison</h3>
      <dl>
        {facts.map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
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
      <details>
        <summary>Specs, with every default</summary>
        <pre>
          {JSON.stringify(
            targets.map(({ label, spec }) => ({ label, ...spec })),
            null,
            2,
          )}
        </pre>
      </details>
    </>
  );
}
