/** One schedule: when it is due, and its history with the regressions marked. */
import { useEffect } from 'preact/hooks';
import type { HistoryView, ScheduleView } from '../../http/schedule-view.ts';
import { figureOf } from '../charts/figure.ts';
import { type HistoryRow, historyChart } from '../charts/history.ts';
import { NONE, writeUsd } from '../wording.ts';
import { useActions } from './action.ts';
import { type Api, noneYet } from './api.ts';
import { drawn } from './drawn.ts';
import { usePolled } from './poll.ts';
import {
  readSchedule,
  ScheduleBadge,
  type ScheduleWithHistory,
  SwitchButton,
  switchSchedule,
  VerdictBadge,
} from './schedules.tsx';
import { Badge, Loading, ProblemBanner, Time } from './words.tsx';

/** While its work goes on, and otherwise. */
const BUSY_POLL_MS = 5_000;
const IDLE_POLL_MS = 30_000;

export interface SchedulePageProps {
  readonly name: string;
  readonly api: Api;
  readonly onTitle: (title: string) => void;
}

export function SchedulePage({ name, api, onTitle }: SchedulePageProps) {
  const { value, problem, refresh } = usePolled<ScheduleWithHistory | 'unknown'>(
    name,
    async () => (await readSchedule(api, name).catch(noneYet)) ?? 'unknown',
    (schedule) => {
      if (schedule === 'unknown') return null;
      return schedule.running === null ? IDLE_POLL_MS : BUSY_POLL_MS;
    },
  );
  useEffect(() => onTitle(`Schedule ${name}`), [onTitle, name]);
  const { actionProblem, forgetProblem, act } = useActions(refresh);
  const onSwitch = (schedule: ScheduleView) => act(() => switchSchedule(api, schedule));
  return (
    <>
      <p class="back">
        <a href="#/schedules">All schedules</a>
      </p>
      <h2 tabIndex={-1} data-view-title>
        {name}
      </h2>
      <ProblemBanner problem={problem} onRetry={refresh} />
      <ProblemBanner problem={actionProblem} onRetry={forgetProblem} />
      {value === null && problem === null && <Loading />}
      {value === 'unknown' && <p class="empty">There is no schedule {name}.</p>}
      {value !== null && value !== 'unknown' && (
        <>
          <p>
            <ScheduleBadge schedule={value} /> <code>{value.schedule}</code> {value.timeZone}
          </p>
          <Tiles schedule={value} />
          <p class="actions">
            <SwitchButton schedule={value} onSwitch={onSwitch} />
            {value.running !== null && (
              <a class="button" href={addressOf(value.running)}>
                Watch what it runs now
              </a>
            )}
          </p>
          <h3>History</h3>
          {value.history.length === 0 ? (
            <p class="empty">It was not due yet.</p>
          ) : (
            <>
              <Charts history={value.history} />
              <HistoryTable history={value.history} />
            </>
          )}
          <More schedule={value} />
        </>
      )}
    </>
  );
}

function addressOf({ kind, id }: { readonly kind: 'run' | 'comparison'; readonly id: string }): string {
  return `#/${kind}s/${encodeURIComponent(id)}`;
}

function Tiles({ schedule }: { schedule: ScheduleWithHistory }) {
  const { nextDueAt, spent, maxUsdPerMonth, history, baseline } = schedule;
  const [last] = history;
  return (
    <dl class="tiles dates">
      <div>
        <dt>Next</dt>
        <dd>
          <Time iso={nextDueAt} />
          {nextDueAt === null && <small>it rests</small>}
        </dd>
      </div>
      <div>
        <dt>Last</dt>
        <dd>
          <Time iso={last?.dueAt} />
          {last !== undefined && (
            <small>
              <VerdictBadge entry={last} />
            </small>
          )}
        </dd>
      </div>
      <div>
        <dt>Cost in {spent.month}</dt>
        <dd>
          {writeUsd(spent.usd)}
          <small>{maxUsdPerMonth === null ? 'no bound' : `of at most ${writeUsd(maxUsdPerMonth)}`}</small>
        </dd>
      </div>
      <div>
        <dt>Held against</dt>
        <dd>
          {baseline === 'last-good' ? 'the last good' : 'one result'}
          <small>{baseline === 'last-good' ? 'of those before' : baseline}</small>
        </dd>
      </div>
    </dl>
  );
}

/** One chart a target: rates of different targets have no common scale. */
function Charts({ history }: { history: readonly HistoryView[] }) {
  const labels = [...new Set(history.flatMap(({ targets }) => targets.map(({ label }) => label)))];
  const charts = labels.flatMap((label, index) => {
    const measure = {
      id: `history-${index}`,
      title: labels.length > 1 ? `History: ${label}` : 'History',
      axis: 'Rate by that of its baseline',
    };
    return (
      historyChart(
        measure,
        history.flatMap((entry) => historyRow(entry, label)),
      ) ?? []
    );
  });
  if (charts.length === 0)
    return <p class="quiet">A chart stands here when two results can be held against each other.</p>;
  return <div class="charts">{charts.map((chart) => drawn(figureOf(chart)))}</div>;
}

/** None where the entry started nothing, or its work goes on. */
function historyRow(entry: HistoryView, label: string): HistoryRow[] {
  const target = entry.targets.find((one) => one.label === label);
  if (target === undefined || entry.work === null) return [];
  const { ratio = null, lower = null, upper = null, verdict = 'not-comparable' } = target.check ?? {};
  return [
    {
      id: entry.work.id,
      atMs: Date.parse(entry.dueAt),
      estimate: ratio === null ? null : { value: ratio, lower: null, upper: null },
      expected: lower === null || upper === null ? null : { lower, upper },
      verdict,
    },
  ];
}

function HistoryTable({ history }: { history: readonly HistoryView[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section class="scroll" aria-label="History, newest first" tabIndex={0}>
      <table class="history">
        <caption>History, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Due</th>
            <th scope="col">Verdict</th>
            <th scope="col">What came of it</th>
            <th scope="col" class="number">
              Cost
            </th>
          </tr>
        </thead>
        <tbody>
          {history.map((entry) => (
            <tr key={entry.dueAt} class={entry.targets.some(isRegression) ? 'leaked-row' : ''}>
              <th scope="row">
                {entry.work === null ? (
                  <Time iso={entry.dueAt} />
                ) : (
                  <a href={addressOf(entry.work)}>
                    <Time iso={entry.dueAt} />
                  </a>
                )}
              </th>
              <td>
                <VerdictBadge entry={entry} />
              </td>
              <td>
                <Story entry={entry} />
              </td>
              <td class="number">{entry.usd === null ? NONE : writeUsd(entry.usd)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function isRegression({ check }: HistoryView['targets'][number]): boolean {
  return check?.verdict === 'regression';
}

function Story({ entry }: { entry: HistoryView }) {
  const { targets, failure, sentence } = entry;
  const several = targets.length > 1;
  const told = targets.flatMap(({ label, check, failure: failed }) => {
    const words = failed?.message ?? check?.sentence ?? null;
    return words === null ? [] : [several ? `${label}: ${words}` : words];
  });
  return (
    <>
      {failure !== null && <span class="problem-text">{failure.message}</span>}
      {told.length === 0 && failure === null && sentence}
      {told.map((words) => (
        <small key={words}>{words}</small>
      ))}
    </>
  );
}

function More({ schedule }: { schedule: ScheduleWithHistory }) {
  const { notices, webhook, comparison, run, changedAt, origin } = schedule;
  return (
    <>
      <h3>The schedule</h3>
      <dl>
        <dt>Changed</dt>
        <dd>
          <Time iso={changedAt} />
          {origin === 'settings' && ', by the settings of the app'}
        </dd>
        <dt>Webhook</dt>
        <dd>{webhook === null ? 'none' : webhook.url}</dd>
      </dl>
      {notices.length > 0 && (
        <details>
          <summary>What the webhook was told: {notices.length}</summary>
          <ul class="notes">
            {notices.toReversed().map((notice) => (
              <li key={notice.id}>
                <Badge name={notice.state}>{notice.state.replaceAll('-', ' ')}</Badge> {notice.event}{' '}
                <small>
                  {[...notice.sentences, ...(notice.error === null ? [] : [notice.error])].join(' ')}
                </small>
              </li>
            ))}
          </ul>
        </details>
      )}
      <details>
        <summary>What it starts</summary>
        <pre>{JSON.stringify(comparison ?? run, null, 2)}</pre>
      </details>
    </>
  );
}
