/** A race: what a million tokens cost on each candidate in each round, and where one was dropped. */
import { writeTick, writeUsd } from '../wording.ts';
import type { Chart } from './chart.ts';
import { lookOf } from './level-chart.ts';
import { drawAxes, drawing, drawSeries, type PlotPoint, plotArea } from './plot.ts';
import { linearScale, type Scale } from './scale.ts';

export interface RaceSeries {
  readonly label: string;
  /** After which round it was dropped; null where it stayed. */
  readonly droppedAfter: number | null;
  /** USD per million output tokens; null where nothing was carried. */
  readonly costs: readonly { readonly round: number; readonly usd: number | null }[];
}

/** Null where no round has a cost. In the order of the comparison, which gives each its look. */
export function raceChart(series: readonly RaceSeries[]): Chart | null {
  const known = series.flatMap(({ costs }) => costs.flatMap(({ usd }) => usd ?? []));
  if (known.length === 0) return null;
  const rounds = [...new Set(series.flatMap(({ costs }) => costs.map(({ round }) => round)))].toSorted(
    (one, other) => one - other,
  );
  const drops = series.filter(({ droppedAfter }) => droppedAfter !== null);
  const dropped = drops.map(({ label, droppedAfter }) => `${label} after round ${droppedAfter}`);
  const summary = `Cost in each of ${rounds.length} rounds. Dropped: ${dropped.length === 0 ? 'none' : dropped.join('; ')}.`;
  return {
    id: 'race',
    title: 'The race, round by round',
    reading:
      'A line ends where its target was dropped. A round scatters; a target goes only when it is dearer than the leader by more than rounds and deployments scatter.',
    summary,
    legend: series.map(({ label }, index) => ({ name: label, look: lookOf(index) })),
    draw: (width) => {
      const area = plotArea(width);
      const x = roundScale(rounds, [area.left, area.right]);
      const y = linearScale(known, [area.bottom, area.top]);
      return drawing(
        area,
        summary,
        drawAxes(
          area,
          { scale: x, title: 'Round' },
          { scale: y, title: 'USD per million output tokens', write: (value) => `$${writeTick(value)}` },
        ),
        series.map((one, index) =>
          drawSeries(
            one.costs.map((cost) => pointOf(one, cost)),
            lookOf(index),
            x,
            y,
          ),
        ),
      );
    },
    table: {
      head: ['Round', ...series.map(({ label }) => label)],
      rows: rounds.map((round) => [
        String(round),
        ...series.map(({ costs, droppedAfter }) => {
          if (droppedAfter !== null && round > droppedAfter) return 'dropped';
          return costs.find((cost) => cost.round === round)?.usd ?? null;
        }),
      ]),
    },
  };
}

function pointOf(
  { label, droppedAfter }: RaceSeries,
  { round, usd }: RaceSeries['costs'][number],
): PlotPoint {
  const dropped = droppedAfter === round;
  const says = `${label}, round ${round}: ${writeUsd(usd)}${dropped ? ', dropped after it' : ''}`;
  const estimate = usd === null ? null : { value: usd, lower: null, upper: null };
  return { x: round, estimate, trusted: true, says, ...(dropped ? { label: 'dropped' } : {}) };
}

/** Equal steps, with room at the ends for a word. */
function roundScale(rounds: readonly number[], [from, to]: readonly [number, number]): Scale {
  const first = rounds[0] ?? 1;
  const span = (rounds.at(-1) ?? first) - first;
  const inset = (to - from) * 0.08;
  if (span === 0) return { at: () => (from + to) / 2, ticks: rounds };
  return { at: (round) => from + inset + ((round - first) / span) * (to - from - 2 * inset), ticks: rounds };
}
