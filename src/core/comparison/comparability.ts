/**
 * What makes two measurements not comparable, as sentences: figures that were made in different ways say nothing about
 * the targets. Pure, from what the rows say of themselves.
 */
import { DurationHistogram } from '../measuring/histogram.ts';
import type { CellRecord, Provenance, ReportRow } from '../report/report.ts';
import { medianOf } from '../statistics/moments.ts';

/** What two sides differ in, so that none of their figures may be held against each other. */
export interface Incomparability {
  readonly code:
    | 'token-source'
    | 'route'
    | 'streaming'
    | 'model'
    | 'image'
    | 'forced-length'
    | 'prompt-source'
    | 'unit'
    | 'loop'
    | 'isolation'
    | 'simulated'
    | 'gpu-speed';
  readonly sentence: string;
}

/** One side of a comparison, as far as it must be alike. */
export interface ComparableSide {
  readonly label: string;
  readonly rows: readonly ReportRow[];
  /** Of the deployment, as ARM tells it; null where it does not. */
  readonly image: string | null;
}

/**
 * Everything in which two sides differ that may not differ. What is unknown on one side is not held against it.
 * `settings` are what the comparison is about: a comparison of routes may differ in its route and what follows from it.
 */
export function findIncomparabilities(
  one: ComparableSide,
  other: ComparableSide,
  settings: { readonly routeIsCompared: boolean },
): Incomparability[] {
  const found: Incomparability[] = [];
  const check = (
    code: Incomparability['code'],
    what: string,
    read: (side: ComparableSide) => readonly string[],
  ) => {
    const [here, there] = [read(one), read(other)];
    if (here.length === 0 || there.length === 0) return;
    if (here.length === there.length && here.every((value) => there.includes(value))) return;
    found.push({
      code,
      sentence: `${what} of "${one.label}" is ${here.join(' and ')}, and of "${other.label}" ${there.join(' and ')}.`,
    });
  };
  check('token-source', 'The token source', (side) => distinct(side.rows, (row) => row.tokenSource));
  check('model', 'The model', (side) => distinct(side.rows, ({ provenance }) => modelOf(provenance)));
  check('image', 'The image', ({ image }) => (image === null ? [] : [image]));
  if (!settings.routeIsCompared) {
    check('route', 'The route', (side) => distinct(side.rows, ({ provenance }) => provenance.route));
    check('streaming', 'How answers come', (side) =>
      distinct(side.rows, ({ provenance }) => (provenance.streamed ? 'streamed' : 'at once')),
    );
  }
  check('forced-length', 'The length of answers', (side) =>
    distinct(side.rows, ({ provenance }) =>
      provenance.lengthForced === null ? null : provenance.lengthForced ? 'forced' : 'free',
    ),
  );
  check('prompt-source', 'The length of prompts', (side) =>
    distinct(side.rows, ({ provenance }) => provenance.promptSource),
  );
  check('unit', 'The unit of output', (side) => distinct(side.rows, (row) => row.unit));
  check('loop', 'The load', (side) =>
    distinct(side.rows, (row) => (row.loop === 'closed' ? 'a closed loop' : 'an open loop')),
  );
  check('isolation', 'The isolation', (side) =>
    distinct(side.rows, ({ provenance }) => provenance.isolation),
  );
  check('simulated', 'What answered', (side) =>
    distinct(side.rows, ({ provenance }) => (provenance.simulated ? 'a simulator' : 'a GPU')),
  );
  check('gpu-speed', 'The speed of the simulated GPU', (side) =>
    distinct(side.rows, ({ provenance }) =>
      provenance.simulatorGpuSpeed === null ? null : String(provenance.simulatorGpuSpeed),
    ),
  );
  return found;
}

function distinct(rows: readonly ReportRow[], read: (row: ReportRow) => string | null): string[] {
  // A row in which nothing succeeded has no source of its tokens and no length of its answers.
  const values = rows.filter((row) => row.succeeded > 0).map(read);
  return [...new Set(values.filter((value) => value !== null))].sort();
}

function modelOf({ model }: Provenance): string | null {
  if (model === null) return null;
  return `${model.registry}/${model.name}${model.version === null ? '' : ` version ${model.version}`}`;
}

/** Round trips that differ by less are the noise of a network; a TTFT of 200 ms is long against it. */
const ROUND_TRIP_MS = 5;
/** And where TTFT itself is long, a difference below this share of it changes no conclusion. */
const ROUND_TRIP_SHARE = 0.02;

/**
 * The sentence that forbids to compare times to first token, because the way to one target is longer than to the
 * other; null where the ways are about equal or one is unknown. Throughput of a steady load does not depend on it.
 */
export function explainUnequalRoundTrips(one: ComparableSide, other: ComparableSide): string | null {
  const [here, there] = [medianRoundTrip(one.rows), medianRoundTrip(other.rows)];
  if (here === null || there === null) return null;
  const ttfts = [...one.rows, ...other.rows].map((row) => row.ttftMs.p50).filter((value) => value !== null);
  const allowed = Math.max(ROUND_TRIP_MS, ttfts.length === 0 ? 0 : ROUND_TRIP_SHARE * Math.min(...ttfts));
  if (Math.abs(here - there) <= allowed) return null;
  return `The network round trip to "${one.label}" took ${here.toFixed(1)} ms and to "${other.label}" ${there.toFixed(1)} ms: times to first token are not comparable, throughput is.`;
}

function medianRoundTrip(rows: readonly ReportRow[]): number | null {
  return medianOf(rows.map((row) => row.client?.roundTripMs ?? null).filter((value) => value !== null));
}

/** Fewer latencies may be equal to a microsecond's bucket by chance, most of all on a simulator without noise. */
const LEAST_SAMPLES = 20;

/** Rows mixed up are mixed up everywhere; of each two labels a few say it. */
const MOST_TWINS = 3;

/**
 * Cells of two labels whose latencies are the same numbers: then the same endpoint, a cache or a copy answered for
 * both, or rows were mixed up. Each sentence names one pair.
 */
export function findIdenticalSamples(
  sides: readonly { readonly label: string; readonly cells: readonly CellRecord[] }[],
): string[] {
  const marked = sides.map(({ label, cells }) => ({ label, prints: new Map(cells.flatMap(fingerprints)) }));
  return marked.flatMap((one, index) =>
    marked.slice(index + 1).flatMap((other) =>
      [...other.prints]
        .flatMap(([print, cell]) => {
          const twin = one.prints.get(print);
          return twin === undefined
            ? []
            : [
                `"${one.label}" ${name(twin)} and "${other.label}" ${name(cell)} hold exactly the same latencies: one of them is not a measurement of its own.`,
              ];
        })
        .slice(0, MOST_TWINS),
    ),
  );
}

/** The exact sum of all latencies with their buckets: two measurements never agree in it. */
function fingerprints(cell: CellRecord): [string, CellRecord][] {
  const e2e = cell.summary?.histograms.e2e;
  if (e2e === undefined || DurationHistogram.parse(e2e).count < LEAST_SAMPLES) return [];
  return [[`${e2e.sumMs} ${e2e.buckets}`, cell]];
}

function name({ cellId, repeat }: CellRecord): string {
  return `${cellId} (repeat ${repeat})`;
}
