/**
 * A cell is one concurrency level on one workload; it is measured in repeats, each by one or more shards. Names and
 * keys of cells are made here and nowhere else.
 */
import type { Workload } from './workload.ts';

/** One measurement of a cell that a wave asks for. */
export interface CellOrder {
  /** Index of the workload in the spec. */
  readonly workload: number;
  /** Concurrency. */
  readonly level: number;
  /** From 1. */
  readonly repeat: number;
  /** From 1; a repeat whose shards did not start together is measured anew. */
  readonly attempt: number;
  /** A steady measurement stops issuing after this long, satisfied or not. */
  readonly maxSeconds: number;
}

/** What people read: `c16-p512-o128`. */
export function cellId(level: number, workload: Workload): string {
  return `c${level}-p${workload.promptTokens}-o${workload.outputTokens}`;
}

/** What rows are keyed by: workload, level, repeat, padded so that they sort as numbers. */
export function cellKey(order: Pick<CellOrder, 'workload' | 'level' | 'repeat'>): string {
  const pad = (value: number, digits: number) => String(value).padStart(digits, '0');
  return `w${pad(order.workload, 3)}-c${pad(order.level, 4)}-r${pad(order.repeat, 2)}`;
}

/** One load process drives this many connections with ease (bench: docs/performance.md). */
const CONNECTIONS_PER_SHARD = 128;

/**
 * How many activities load a repeat: from two connections on at least two, since their agreement is a check on the
 * client; more as the level grows, so that no one event loop is the limit.
 */
export function shardCount(level: number): number {
  return level < 2 ? 1 : Math.max(2, Math.ceil(level / CONNECTIONS_PER_SHARD));
}

/** Connections of one shard (from 0): the level dealt out as evenly as whole connections allow. */
export function shardConnections(level: number, shard: number): number {
  const shards = shardCount(level);
  return Math.floor(level / shards) + (shard < level % shards ? 1 : 0);
}
