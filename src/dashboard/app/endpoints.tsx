/** What is alive and costs money now: until when, what it cost so far, and the way to end what was left behind. */
import { writeUntil, writeUsd } from '../wording.ts';
import { useNow } from './poll.ts';
import { Badge, Time } from './words.tsx';

/** One of `GET /api/endpoints`. */
export interface EndpointView {
  readonly name: string;
  readonly workspace: string;
  readonly runId: string | null;
  readonly sku: string | null;
  readonly instances: number | null;
  readonly createdAt: string | null;
  readonly expiresAt: string | null;
  readonly costUsd: number | null;
  readonly keptUntil?: string | null;
  readonly leaked: boolean;
  readonly releaseError: string | null;
}

/** Nobody measures on it any more: it was left behind, or its user keeps it; whoever looks may want to end it. */
export function isLeft({ leaked, keptUntil = null }: EndpointView): boolean {
  return leaked || keptUntil !== null;
}

export interface EndpointList {
  readonly endpoints: readonly EndpointView[];
  /** What could not be looked at. */
  readonly troubles?: readonly string[];
}

/** Often enough for a countdown in minutes. */
const TICK_MS = 15_000;

interface EndpointsProps {
  readonly list: EndpointList;
  readonly onDelete: (endpoint: EndpointView) => void;
  readonly withRun: boolean;
}

export function Endpoints({ list, onDelete, withRun }: EndpointsProps) {
  const { endpoints, troubles = [] } = list;
  return (
    <>
      {troubles.map((trouble) => (
        <p class="banner" key={trouble}>
          {trouble}
        </p>
      ))}
      {endpoints.length > 0 ? (
        <EndpointsTable endpoints={endpoints} onDelete={onDelete} withRun={withRun} />
      ) : troubles.length > 0 ? (
        <p class="empty">None was found where it was possible to look.</p>
      ) : (
        <p class="empty">None. This installation keeps nothing alive that costs money.</p>
      )}
    </>
  );
}

/** In red, wherever the reader is: what nobody will end but the reader, or the reaper after a while. */
export function LeakBanner({ endpoints }: { endpoints: readonly EndpointView[] }) {
  const leaked = endpoints.filter((endpoint) => endpoint.leaked);
  if (leaked.length === 0) return null;
  const costs = leaked.map((endpoint) => endpoint.costUsd);
  const known = costs.filter((usd) => usd !== null).reduce((sum, usd) => sum + usd, 0);
  const least = costs.includes(null) ? 'at least ' : '';
  const what =
    leaked.length === 1 ? 'One endpoint was left behind' : `${leaked.length} endpoints were left behind`;
  return (
    <p class="banner problem leak" role="alert">
      <strong>{what}</strong>, at a cost of {least}
      {writeUsd(known)} so far. Delete {leaked.length === 1 ? 'it' : 'them'} below.
    </p>
  );
}

function EndpointsTable({ endpoints, onDelete, withRun }: Omit<EndpointsProps, 'list'> & EndpointList) {
  const nowMs = useNow(TICK_MS);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section class="scroll" aria-label="Endpoints alive now" tabIndex={0}>
      <table class="endpoints">
        <caption>Endpoints alive now</caption>
        <thead>
          <tr>
            <th scope="col">Endpoint</th>
            <th scope="col">Clean-up</th>
            <th scope="col" class="number">
              Cost<small>so far</small>
            </th>
            <th scope="col">SKU</th>
            <th scope="col">Alive since</th>
            <th scope="col">Deleted at the latest</th>
            {withRun && <th scope="col">Run</th>}
          </tr>
        </thead>
        <tbody>
          {endpoints.map((endpoint) => (
            <tr key={endpoint.name} class={endpoint.leaked ? 'leaked-row' : ''}>
              <th scope="row">
                {endpoint.name}
                <small>workspace {endpoint.workspace}</small>
              </th>
              <td>
                <CleanUp endpoint={endpoint} onDelete={onDelete} />
              </td>
              <td class="number">{writeUsd(endpoint.costUsd)}</td>
              <td>
                {endpoint.instances ?? '?'} x {endpoint.sku ?? 'unknown SKU'}
              </td>
              <td>
                <Time iso={endpoint.createdAt} />
              </td>
              <td>
                {endpoint.expiresAt === null ? (
                  'unknown'
                ) : (
                  <>
                    <span class="nowrap">{writeUntil(endpoint.expiresAt, nowMs)}</span>
                    <small>
                      <Time iso={endpoint.expiresAt} />
                    </small>
                  </>
                )}
              </td>
              {withRun && (
                <td class="nowrap">
                  {endpoint.runId === null ? (
                    'none'
                  ) : (
                    <a href={`#/runs/${encodeURIComponent(endpoint.runId)}`}>its run</a>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Who will end it. Only what no run will end can be deleted here. */
function CleanUp({
  endpoint,
  onDelete,
}: {
  endpoint: EndpointView;
  onDelete: (endpoint: EndpointView) => void;
}) {
  const { leaked, keptUntil, releaseError, name } = endpoint;
  if (!isLeft(endpoint)) return <>by its run</>;
  return (
    <>
      {leaked ? (
        <Badge name="leaked" />
      ) : (
        <>
          kept for further runs until <Time iso={keptUntil} />
        </>
      )}
      {releaseError !== null && <small>{releaseError}</small>}
      <p class="actions">
        <button type="button" class="danger" aria-label={`Delete ${name}`} onClick={() => onDelete(endpoint)}>
          Delete
        </button>
      </p>
    </>
  );
}
