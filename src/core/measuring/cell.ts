/**
 * A cell is one concurrency level on one workload; it is measured in repeats, each by one or more shards. Names and
 * keys of cells are made here and nowhere else.
 */
import { type Workload, workloadId } from '../spec/workload.ts';

/** One measurement of a cell that a wave asks for. */
export interface CellOrder {
  /** Index of the workload in the spec. */
  readonly workload: number;
  readonly loop: Loop;
  /** Connections, requests per second, or times the recorded speed, as `loop` says. */
  readonly level: number;
  /** From 1. */
  readonly repeat: number;
  /** Index of the endpoint that it is measured on, where the run has several; absent for the first. */
  readonly endpoint?: number;
  /** Index of the settings that it is measured under, where the run has several; absent where it has one. */
  readonly settings?: number;
  /** From 1; a repeat whose shards did not start together, or whose client was the limit, is measured anew. */
  readonly attempt: number;
  /** Activities that load it together. */
  readonly shards: number;
  /** Requests that are wanted inside the steady window, where a search needs as many; null leaves it to the spec. */
  readonly minRequests: number | null;
  /** A steady measurement stops issuing after this long, satisfied or not. */
  readonly maxSeconds: number;
  /** The endpoint may still be working on what the measurement before this one abandoned. */
  readonly contaminated: boolean;
  /** The measurement on the same endpoint that is over before this one begins; absent where none is under way. */
  readonly after?: Predecessor;
}

/** A repeat and its attempt; one that is not over within so many seconds hangs, and is not waited for. */
export interface Predecessor {
  readonly cellKey: string;
  readonly attempt: number;
  readonly shards: number;
  readonly withinSeconds: number;
}

/** What a level counts: connections of a closed loop, requests per second, or times the recorded speed of a trace. */
export type Loop = 'closed' | 'rate' | 'trace';

const LOOP_LETTERS: Readonly<Record<Loop, string>> = { closed: 'c', rate: 'q', trace: 'x' };

/**
 * What people read: `c16-p512-o128`, and `q0.5-p512-o128` for half a request per second. `settings` is the label of
 * those that it is measured under, where a run has several: `c16-p512-o128-m10`.
 */
export function cellId(
  { loop, level }: Pick<CellOrder, 'loop' | 'level'>,
  workload: Workload,
  settings = '',
): string {
  return `${LOOP_LETTERS[loop]}${level}-${workloadId(workload)}${settings === '' ? '' : `-${settings}`}`;
}

/** The endpoint that a repeat is measured on, of so many: dealt out in turn, so that each cell is measured on each. */
export function endpointOfRepeat(repeat: number, endpoints: number): number {
  return (repeat - 1) % endpoints;
}

/**
 * What rows are keyed by: workload, level, repeat, padded so that they sort as numbers, after the settings where a run
 * has several. Rates in thousandths.
 */
export function cellKey(
  order: Pick<CellOrder, 'workload' | 'loop' | 'level' | 'repeat' | 'settings'>,
): string {
  const pad = (value: number, digits: number) => String(value).padStart(digits, '0');
  const level = order.loop === 'closed' ? pad(order.level, 4) : pad(Math.round(order.level * 1000), 8);
  const settings = order.settings === undefined ? '' : `m${order.settings}-`;
  return `${settings}w${pad(order.workload, 3)}-${LOOP_LETTERS[order.loop]}${level}-r${pad(order.repeat, 2)}`;
}

/** One load process drives this many connections with ease (bench: docs/performance.md). */
const CONNECTIONS_PER_SHARD = 128;
/** Below the ten activities that a host runs at once, so that saving a cell and reading a run never wait for them. */
export const MOST_SHARDS = 8;

/**
 * How many activities load a repeat of that many connections: from two on at least two, since their agreement is a
 * check on the client; more as they grow, so that no one event loop is the limit.
 */
export function shardCount(connections: number): number {
  return connections < 2 ? 1 : Math.max(2, Math.ceil(connections / CONNECTIONS_PER_SHARD));
}

/** Twice the shards, for a client that was the limit; the same number where there are no more to be had. */
export function moreShards(shards: number, connections: number, mostShards: number): number {
  return Math.max(shards, Math.min(2 * shards, mostShards, connections));
}

/** Connections of one shard (from 0): all dealt out as evenly as whole connections allow. */
export function shardConnections(connections: number, shard: number, shards: number): number {
  return Math.floor(connections / shards) + (shard < connections % shards ? 1 : 0);
}
