/** The schedules: when each was and will be due, how its last result came out, and the switch that lets it rest. */
import type { HistoryView, ScheduleView } from '../../http/schedule-view.ts';
import { NONE, writeUsd } from '../wording.ts';
import { useActions } from './action.ts';
import type { Api } from './api.ts';
import { usePolled } from './poll.ts';
import { Badge, Loading, ProblemBanner, Time } from './words.tsx';

/** A timer looks at the schedules once a minute. */
const POLL_MS = 30_000;

/** What `GET /api/schedules/{name}` answers. */
export type ScheduleWithHistory = ScheduleView & { readonly history: readonly HistoryView[] };

export function Schedules({ api }: { api: Api }) {
  const { value, problem, refresh } = usePolled(
    'schedules',
    async () => {
      const { schedules } = await api.read<{ schedules: readonly ScheduleView[] }>('/api/schedules');
      return Promise.all(schedules.map(({ name }) => readSchedule(api, name)));
    },
    () => POLL_MS,
  );
  const { actionProblem, forgetProblem, act } = useActions(refresh);
  const onSwitch = (schedule: ScheduleView) => act(() => switchSchedule(api, schedule));
  return (
    <>
      <ProblemBanner problem={problem} onRetry={refresh} />
      <ProblemBanner problem={actionProblem} onRetry={forgetProblem} />
      {value === null && problem === null && <Loading />}
      {value !== null && value.length === 0 && <NoScheduleYet />}
      {value !== null && value.length > 0 && <SchedulesTable schedules={value} onSwitch={onSwitch} />}
    </>
  );
}

export function readSchedule(api: Api, name: string): Promise<ScheduleWithHistory> {
  return api.read<ScheduleWithHistory>(`/api/schedules/${encodeURIComponent(name)}`);
}

/** Puts it again as it is now, but for being enabled: what was changed meanwhile stays changed. */
export async function switchSchedule(api: Api, { name, enabled }: ScheduleView): Promise<void> {
  const { schedule, timeZone, keep, maxUsdPerMonth, baseline, comparison, run, webhook } = await readSchedule(
    api,
    name,
  );
  const work = comparison === undefined ? { run } : { comparison };
  await api.send('PUT', `/api/schedules/${encodeURIComponent(name)}`, {
    schedule,
    timeZone,
    enabled: !enabled,
    keep,
    maxUsdPerMonth,
    baseline,
    ...work,
    webhook,
  });
}

export function SwitchButton({
  schedule,
  onSwitch,
}: {
  schedule: ScheduleView;
  onSwitch: (schedule: ScheduleView) => void;
}) {
  const word = schedule.enabled ? 'Pause' : 'Resume';
  return (
    <button type="button" aria-label={`${word} ${schedule.name}`} onClick={() => onSwitch(schedule)}>
      {word}
    </button>
  );
}

/** Where it stands: it rests, its work goes on, or it waits for its time. */
export function ScheduleBadge({ schedule }: { schedule: ScheduleView }) {
  if (schedule.running !== null) return <Badge name="running" />;
  return schedule.enabled ? <Badge name="enabled" /> : <Badge name="paused" />;
}

/** The worst of what the checks of one entry say; null where it has none. */
export function verdictOf({ targets, state, outcome }: HistoryView): string | null {
  const verdicts = targets.flatMap(({ check }) => check?.verdict ?? []);
  const worst = ORDER.find((verdict) => verdicts.includes(verdict));
  if (worst !== undefined) return worst;
  return outcome === 'started' ? state : outcome;
}

const ORDER = ['regression', 'not-comparable', 'improvement', 'no-change-shown'] as const;

export function VerdictBadge({ entry }: { entry: HistoryView }) {
  const verdict = verdictOf(entry);
  if (verdict === null) return <Badge name="running" />;
  return <Badge name={verdict}>{verdict.replaceAll('-', ' ')}</Badge>;
}

/** The example may be sent as it is, once a model and a SKU are the reader's own. */
function NoScheduleYet() {
  const body = {
    schedule: '0 0 6 * * 1',
    timeZone: 'UTC',
    run: {
      model: { name: 'Phi-4', version: 'latest' },
      target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' },
      concurrency: { levels: [1, 8] },
    },
  };
  const curl = [
    `curl -X PUT ${location.origin}/api/schedules/weekly \\`,
    "  -H 'content-type: application/json' -H 'x-functions-key: ...' \\",
    `  -d '${JSON.stringify(body)}'`,
  ].join('\n');
  return (
    <div class="empty welcome">
      <p>
        <strong>No schedule yet.</strong> A schedule repeats a run or a comparison, holds each result against
        those before, and tells a webhook of a regression. This one measures each Monday at six:
      </p>
      <pre>{curl}</pre>
    </div>
  );
}

function SchedulesTable(props: {
  schedules: readonly ScheduleWithHistory[];
  onSwitch: (schedule: ScheduleView) => void;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section class="scroll" aria-label="Schedules, by name" tabIndex={0}>
      <table class="schedules">
        <caption>Schedules, by name</caption>
        <thead>
          <tr>
            <th scope="col">
              Schedule<small>when, what</small>
            </th>
            <th scope="col">State</th>
            <th scope="col">Next</th>
            <th scope="col">
              Last<small>verdict</small>
            </th>
            <th scope="col" class="number">
              Cost<small>this month</small>
            </th>
            <th scope="col">
              <span class="hidden">Pause or resume</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.schedules.map((schedule) => {
            const [last] = schedule.history;
            return (
              <tr key={schedule.name}>
                <th scope="row">
                  <a href={`#/schedules/${encodeURIComponent(schedule.name)}`}>{schedule.name}</a>
                  <small>
                    {schedule.schedule} {schedule.timeZone},{' '}
                    {schedule.comparison === undefined ? 'a run' : 'a comparison'}
                  </small>
                </th>
                <td>
                  <ScheduleBadge schedule={schedule} />
                </td>
                <td>
                  <Time iso={schedule.nextDueAt} />
                </td>
                <td>
                  {last === undefined ? (
                    NONE
                  ) : (
                    <>
                      <Time iso={last.dueAt} />
                      <small>
                        <VerdictBadge entry={last} />
                      </small>
                    </>
                  )}
                </td>
                <td class="number">
                  {writeUsd(schedule.spent.usd)}
                  <small>
                    {schedule.maxUsdPerMonth === null
                      ? 'no bound'
                      : `of ${writeUsd(schedule.maxUsdPerMonth)}`}
                  </small>
                </td>
                <td>
                  <SwitchButton schedule={schedule} onSwitch={props.onSwitch} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
