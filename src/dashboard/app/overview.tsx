/** The first view: every run with its progress, and everything that is alive. */
import { useState } from 'preact/hooks';
import type { RunView } from '../../http/run-view.ts';
import { NONE, writeDuration, writeUsd } from '../wording.ts';
import { useActions } from './action.ts';
import type { Api } from './api.ts';
import { type EndpointList, Endpoints, type EndpointView, LeakBanner } from './endpoints.tsx';
import { usePolled } from './poll.ts';
import { Badge, isFinal, Loading, machineOf, modelOf, ProblemBanner, Time } from './words.tsx';

const BUSY_POLL_MS = 5_000;
/** Nothing is alive: only a run that somebody else starts can change the list. */
const IDLE_POLL_MS = 30_000;
const RUNS_PER_PAGE = 50;

interface RunPage {
  readonly runs: readonly RunView[];
  readonly continuation: string | null;
}

export interface OverviewProps {
  readonly api: Api;
  readonly deleteEndpoint: (endpoint: EndpointView) => Promise<boolean>;
}

export function Overview({ api, deleteEndpoint }: OverviewProps) {
  const [older, setOlder] = useState<RunPage | null>(null);
  const polled = usePolled(
    'overview',
    async () => {
      const [page, alive] = await Promise.all([
        api.read<RunPage>(`/api/runs?limit=${RUNS_PER_PAGE}`),
        api.read<EndpointList>('/api/endpoints'),
      ]);
      return { page, alive };
    },
    ({ page, alive }) =>
      alive.endpoints.length > 0 || page.runs.some((run) => !isFinal(run)) ? BUSY_POLL_MS : IDLE_POLL_MS,
  );
  const { value, problem, refresh } = polled;

  const { actionProblem, forgetProblem, act } = useActions();
  const readOlder = (continuation: string) =>
    act(async () => {
      const page = await api.read<RunPage>(
        `/api/runs?limit=${RUNS_PER_PAGE}&continuation=${encodeURIComponent(continuation)}`,
      );
      setOlder({ runs: [...(older?.runs ?? []), ...page.runs], continuation: page.continuation });
    });
  const onDelete = (endpoint: EndpointView) =>
    act(async () => {
      if (await deleteEndpoint(endpoint)) refresh();
    });

  const banner = (
    <>
      <ProblemBanner problem={problem} onRetry={refresh} />
      <ProblemBanner problem={actionProblem} onRetry={forgetProblem} />
    </>
  );
  if (value === null)
    return (
      <>
        {banner}
        {problem === null && <Loading />}
      </>
    );
  const continuation = older === null ? value.page.continuation : older.continuation;
  const runs = merge(value.page.runs, older?.runs ?? []);
  return (
    <>
      {banner}
      <LeakBanner endpoints={value.alive.endpoints} />
      {runs.length === 0 ? <NoRunYet /> : <RunsTable runs={runs} endpoints={value.alive.endpoints} />}
      {continuation !== null && (
        <p class="actions">
          <button type="button" onClick={() => void readOlder(continuation)}>
            Show older runs
          </button>
        </p>
      )}
      <h2>Endpoints alive now</h2>
      <Endpoints list={value.alive} onDelete={onDelete} withRun />
    </>
  );
}

/** The id of a newer run sorts first; what was read last is what counts. */
function merge(latest: readonly RunView[], older: readonly RunView[]): RunView[] {
  const known = new Map([...older, ...latest].map((run) => [run.id, run]));
  return [...known.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
}

function NoRunYet() {
  return (
    <div class="empty welcome">
      <p>
        <strong>No run yet.</strong> A run deploys a model on the GPUs that you name, measures it over the
        load that you ask for, and deletes the deployment. Its plan says first what it can cost.
      </p>
      <p class="actions">
        <a class="button primary" href="#/new">
          Start the first run
        </a>
      </p>
    </div>
  );
}

function RunsTable({ runs, endpoints }: { runs: readonly RunView[]; endpoints: readonly EndpointView[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section class="scroll" aria-label="Runs, newest first" tabIndex={0}>
      <table class="runs">
        <caption>Runs, newest first</caption>
        <thead>
          <tr>
            <th scope="col">
              Run<small>model, SKU</small>
            </th>
            <th scope="col">State</th>
            <th scope="col">
              Progress<small>measurements</small>
            </th>
            <th scope="col" class="number">
              Cost<small>so far</small>
            </th>
            <th scope="col">Created</th>
            <th scope="col">Endpoint</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id}>
              <th scope="row">
                <a href={`#/runs/${encodeURIComponent(run.id)}`}>{modelOf(run)}</a>
                <small>{machineOf(run)}</small>
              </th>
              <td>
                <Badge name={run.state} /> {run.endpoint?.simulated === true && <Badge name="simulated" />}
              </td>
              <td>
                <ProgressCell run={run} />
              </td>
              <td class="number">
                {writeUsd(run.cost.accruedUsd)}
                <small>
                  {run.cost.boundUsd === null ? 'no bound known' : `of ${writeUsd(run.cost.boundUsd)}`}
                </small>
              </td>
              <td>
                <Time iso={run.createdAt} />
              </td>
              <td>{endpointOf(run, endpoints)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function ProgressCell({ run }: { run: RunView }) {
  const { cellsDone, cellsPlanned, current, etaSeconds } = run.progress;
  const done = `${cellsDone} of ${cellsPlanned}`;
  if (isFinal(run)) return <>{done}</>;
  return (
    <>
      {done}
      <progress
        max={Math.max(1, cellsPlanned)}
        value={cellsDone}
        aria-label={`Measurements of ${modelOf(run)}`}
      />
      {current !== null && <small>{current}</small>}
      {etaSeconds !== null && <small>about {writeDuration(etaSeconds)} left</small>}
    </>
  );
}

function endpointOf(run: RunView, endpoints: readonly EndpointView[]): string {
  const alive = endpoints.filter((endpoint) => endpoint.runId === run.id);
  if (alive.length > 0) return alive.map((endpoint) => endpoint.name).join(', ');
  return isFinal(run) ? 'none left' : NONE;
}
