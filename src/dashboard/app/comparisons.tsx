/** The comparisons, newest first, with the progress and the money of each. */
import { useRef, useState } from 'preact/hooks';
import type { ComparisonSummary, ComparisonView } from '../../http/comparison-view.ts';
import { writeDuration, writeUsd } from '../wording.ts';
import { useActions } from './action.ts';
import type { Api } from './api.ts';
import { usePolled } from './poll.ts';
import { Badge, isFinal, Loading, nameTargets, ProblemBanner, Time } from './words.tsx';

const BUSY_POLL_MS = 5_000;
/** Nothing is measured: only what somebody else starts can change the list. */
const IDLE_POLL_MS = 30_000;
/** Each is looked at by a call of its own, once after it is over. */
const COMPARISONS_PER_PAGE = 20;

interface ListAnswer {
  readonly comparisons: readonly ComparisonSummary[];
  readonly continuation: string | null;
}

interface ComparisonPage {
  readonly comparisons: readonly ComparisonView[];
  readonly continuation: string | null;
}

export function Comparisons({ api }: { api: Api }) {
  const [older, setOlder] = useState<ComparisonPage | null>(null);
  const over = useRef(new Map<string, ComparisonView>());

  async function readPage(query: string): Promise<ComparisonPage> {
    const { comparisons, continuation } = await api.read<ListAnswer>(
      `/api/comparisons?limit=${COMPARISONS_PER_PAGE}${query}`,
    );
    const views = comparisons.map(async ({ id }) => {
      const known = over.current.get(id);
      if (known !== undefined) return known;
      const view = await api.read<ComparisonView>(`/api/comparisons/${encodeURIComponent(id)}`);
      if (isFinal(view)) over.current.set(id, view);
      return view;
    });
    return { comparisons: await Promise.all(views), continuation };
  }

  const { value, problem, refresh } = usePolled(
    'comparisons',
    () => readPage(''),
    ({ comparisons }) => (comparisons.every(isFinal) ? IDLE_POLL_MS : BUSY_POLL_MS),
  );
  const { actionProblem, forgetProblem, act } = useActions();
  const readOlder = (continuation: string) =>
    act(async () => {
      const page = await readPage(`&continuation=${encodeURIComponent(continuation)}`);
      setOlder({ ...page, comparisons: [...(older?.comparisons ?? []), ...page.comparisons] });
    });

  const continuation = older === null ? (value?.continuation ?? null) : older.continuation;
  const known = [...(older?.comparisons ?? []), ...(value?.comparisons ?? [])];
  // The id of a newer one sorts first; what was read last is what counts.
  const comparisons = [...new Map(known.map((one) => [one.id, one])).values()].sort((one, other) =>
    one.id < other.id ? -1 : 1,
  );
  return (
    <>
      <ProblemBanner problem={problem} onRetry={refresh} />
      <ProblemBanner problem={actionProblem} onRetry={forgetProblem} />
      {value === null && problem === null && <Loading />}
      {value !== null && comparisons.length === 0 && <NoComparisonYet />}
      {comparisons.length > 0 && <ComparisonsTable comparisons={comparisons} />}
      {value !== null && (
        <p class="actions">
          {comparisons.length > 0 && (
            <a class="button" href="#/comparisons/new">
              Start a comparison
            </a>
          )}
          {continuation !== null && (
            <button type="button" onClick={() => readOlder(continuation)}>
              Show older comparisons
            </button>
          )}
        </p>
      )}
    </>
  );
}

function NoComparisonYet() {
  return (
    <div class="empty welcome">
      <p>
        <strong>No comparison yet.</strong> A comparison measures the same load on several SKUs, instance
        counts or settings, and says which is the cheapest that keeps your objectives, and whether it is shown
        to be.
      </p>
      <p class="actions">
        <a class="button primary" href="#/comparisons/new">
          Start the first comparison
        </a>
      </p>
    </div>
  );
}

function ComparisonsTable({ comparisons }: { comparisons: readonly ComparisonView[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section class="scroll" aria-label="Comparisons, newest first" tabIndex={0}>
      <table class="comparisons">
        <caption>Comparisons, newest first</caption>
        <thead>
          <tr>
            <th scope="col">
              Comparison<small>targets</small>
            </th>
            <th scope="col">State</th>
            <th scope="col">
              Progress<small>targets done</small>
            </th>
            <th scope="col" class="number">
              Cost<small>so far</small>
            </th>
            <th scope="col">Created</th>
          </tr>
        </thead>
        <tbody>
          {comparisons.map((comparison) => (
            <tr key={comparison.id}>
              <th scope="row">
                <a href={`#/comparisons/${encodeURIComponent(comparison.id)}`}>
                  {nameTargets(comparison.labels)}
                </a>
                <small>
                  {comparison.labels.length} targets{comparison.strategy === 'race' && ', a race'}
                </small>
              </th>
              <td>
                <Badge name={comparison.state} />{' '}
                {comparison.targets.some(({ endpoint }) => endpoint?.simulated === true) && (
                  <Badge name="simulated" />
                )}
              </td>
              <td>
                <ProgressCell comparison={comparison} />
              </td>
              <td class="number">
                {writeUsd(comparison.cost.accruedUsd)}
                <small>
                  {comparison.cost.boundUsd === null
                    ? 'no bound known'
                    : `of ${writeUsd(comparison.cost.boundUsd)}`}
                </small>
              </td>
              <td>
                <Time iso={comparison.createdAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function ProgressCell({ comparison }: { comparison: ComparisonView }) {
  const { targetsDone, targetsPlanned, cellsDone, cellsPlanned, etaSeconds } = comparison.progress;
  const done = `${targetsDone} of ${targetsPlanned}`;
  if (isFinal(comparison)) return <>{done}</>;
  return (
    <>
      {done}
      <progress
        max={Math.max(1, cellsPlanned)}
        value={cellsDone}
        aria-label={`Measurements of ${nameTargets(comparison.labels)}`}
      />
      <small>
        {cellsDone} of {cellsPlanned} measurements
      </small>
      {etaSeconds !== null && <small>about {writeDuration(etaSeconds)} left</small>}
    </>
  );
}
