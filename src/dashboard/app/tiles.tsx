/** The figures that one looks at while waiting for a run or a comparison. */
import type { ComponentChildren } from 'preact';
import { writeDuration, writeUntil, writeUsd } from '../wording.ts';
import type { EndpointView } from './endpoints.tsx';

/** A figure under its name, with what it is out of. */
export function Tile({
  name,
  note = null,
  children,
}: {
  name: string;
  note?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {children}
        {note !== null && <small>{note}</small>}
      </dd>
    </div>
  );
}

export function CostTile({ accruedUsd, boundUsd }: { accruedUsd: number | null; boundUsd: number | null }) {
  const note = boundUsd === null ? 'no bound known' : `of at most ${writeUsd(boundUsd)}`;
  return (
    <Tile name="Cost so far" note={note}>
      {writeUsd(accruedUsd)}
    </Tile>
  );
}

export function MeasurementsTile({ done, planned }: { done: number; planned: number }) {
  return (
    <Tile name="Measurements" note={`of ${planned}`}>
      {done}
    </Tile>
  );
}

/** Nothing where nobody knows, or where it is over. */
export function LeftTile({ seconds, note }: { seconds: number | null; note: string }) {
  if (seconds === null) return null;
  return (
    <Tile name="Left to measure" note={note}>
      {writeDuration(seconds)}
    </Tile>
  );
}

/** Endpoints that are alive, and when the last of them goes. */
export function AliveTile({ endpoints }: { endpoints: readonly EndpointView[] }) {
  // Times of one spelling sort as texts.
  const last = endpoints.flatMap(({ expiresAt }) => expiresAt ?? []).toSorted();
  const expiresAt = last.at(-1) ?? null;
  return (
    <Tile
      name="Alive now"
      note={expiresAt === null ? null : <>deleted at the latest {writeUntil(expiresAt, Date.now())}</>}
    >
      {endpoints.length === 0 ? 'nothing' : endpoints.length}
    </Tile>
  );
}
