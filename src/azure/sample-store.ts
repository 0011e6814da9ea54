/**
 * Kept samples in Table Storage, beside the rows that they belong to: a partition a run, and of each shard as many rows
 * as its lines fill. The lines of a row are gzipped by the row itself. Keys are deterministic, so that a shard that
 * is measured again overwrites what it had stored.
 */
import type { TokenCredential } from '@azure/identity';
import type { TablesAddress } from '../config.ts';
import type { SampleStore, ShardGroup } from '../services.ts';
import { openTable, type TableDefinition } from './tables/table.ts';

/** Text of a piece: gzipped it fits the row's 900,000 bytes even where it is as random as base64. */
const PIECE_CHARACTERS = 1_000_000;

interface PieceRow extends ShardGroup {
  readonly shard: number;
  readonly piece: number;
  /** Of the shard, in all. */
  readonly pieces: number;
  readonly lines: readonly string[];
}

const pieceKeys = ({ runId, cellKey, attempt }: ShardGroup, shard: number, piece: number) => ({
  partitionKey: runId,
  rowKey: `${cellKey}-a${attempt}-s${String(shard).padStart(3, '0')}-${String(piece).padStart(3, '0')}`,
});
const piecesTable: TableDefinition<PieceRow> = {
  name: 'samples',
  keys: (row) => pieceKeys(row, row.shard, row.piece),
};

export function createSampleStore(address: TablesAddress, credential: TokenCredential): SampleStore {
  const table = openTable(address, credential, piecesTable);
  return {
    async save(group, shard, lines) {
      const pieces = cut(lines);
      // The first piece last: without it there is nothing, so nobody sees a part.
      for (let piece = pieces.length - 1; piece >= 0; piece -= 1)
        await table.save({ ...group, shard, piece, pieces: pieces.length, lines: pieces[piece] ?? [] });
    },

    async read(group, shards, mostBytes) {
      const found: string[] = [];
      let bytes = 0;
      for (let shard = 0; shard < shards && bytes < mostBytes; shard += 1) {
        const first = await table.read(pieceKeys(group, shard, 0));
        const pieces = first?.pieces ?? 0;
        for (let piece = 0; piece < pieces && bytes < mostBytes; piece += 1) {
          const row = piece === 0 ? first : await table.read(pieceKeys(group, shard, piece));
          for (const line of row?.lines ?? []) {
            bytes += line.length + 1;
            if (bytes <= mostBytes) found.push(line);
          }
        }
      }
      return found;
    },
  };
}

function cut(lines: readonly string[]): string[][] {
  const pieces: string[][] = [[]];
  let characters = 0;
  for (const line of lines) {
    if (characters > 0 && characters + line.length > PIECE_CHARACTERS) {
      pieces.push([]);
      characters = 0;
    }
    pieces.at(-1)?.push(line);
    characters += line.length;
  }
  return pieces;
}
