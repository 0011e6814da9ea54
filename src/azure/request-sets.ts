/**
 * Request sets in Table Storage, which is where we are as well on Azure as on a laptop. The text of a set is gzipped
 * and cut into pieces of half a megabyte; the set's head says which of them make it. The head is written last and
 * deleted first, so that nobody ever sees half of a set: pieces without a head are nothing. An upload is announced
 * before its first piece, so that what a crash has left of it is found and deleted later.
 *
 * Keys: head `set` / name; upload `upload` / name and id; piece name / id and number. Every upload has an id of its
 * own, so that two uploads of one name at the same time do not touch each other's pieces.
 */
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { odata } from '@azure/data-tables';
import type { TokenCredential } from '@azure/identity';
import type { TablesAddress } from '../config.ts';
import { parseRequestSet, REQUEST_SET_BOUNDS, writeRequestSet } from '../core/requests/request-set.ts';
import { type RequestSetStore, type StoredRequestSet, TooManyRequestSets } from '../services.ts';
import { inPartition, openTable, type TableDefinition } from './tables/table.ts';

/** Bytes of a piece before base64 and the row's own gzip, which leave it well below a row's 900,000. */
const PIECE_BYTES = 500_000;
/** Uploads of one name that are kept track of: the one that is the set, and those that were cut off. */
const UPLOADS_LIMIT = 1_000;
/** 10 MB each: a gigabyte at the most, and a list that still can be read. */
const SETS_LIMIT = 100;
/** An upload that is no set after so long never becomes one: it takes seconds. */
const ORPHAN_MS = 60 * 60_000;
/** A reader whose set is replaced under its hands begins again; nobody replaces one so often in a second. */
const READ_TRIES = 5;

/** What was written in one go; its pieces are numbered from 0. */
interface Upload {
  readonly name: string;
  readonly upload: string;
  readonly pieces: number;
}

interface HeadRow extends StoredRequestSet, Upload {}

interface UploadRow extends Upload {
  readonly startedAtMs: number;
}

interface PieceRow {
  readonly name: string;
  readonly upload: string;
  readonly piece: number;
  readonly base64: string;
}

const HEAD = 'set';
const headKeys = (name: string) => ({ partitionKey: HEAD, rowKey: name });
const headsTable: TableDefinition<HeadRow> = {
  name: 'requestsets',
  keys: (head) => headKeys(head.name),
};

const UPLOAD = 'upload';
const uploadKeys = ({ name, upload }: Upload) => ({ partitionKey: UPLOAD, rowKey: `${name}.${upload}` });
const uploadsTable: TableDefinition<UploadRow> = { name: 'requestsets', keys: uploadKeys };

const pieceKeys = (name: string, upload: string, piece: number) => ({
  partitionKey: name,
  rowKey: `${upload}-${String(piece).padStart(3, '0')}`,
});
const piecesTable: TableDefinition<PieceRow> = {
  name: 'requestsetpieces',
  keys: (row) => pieceKeys(row.name, row.upload, row.piece),
};

const zip = promisify(gzip);
const unzip = promisify(gunzip);

export function createRequestSetStore(address: TablesAddress, credential: TokenCredential): RequestSetStore {
  const heads = openTable(address, credential, headsTable);
  const uploads = openTable(address, credential, uploadsTable);
  const pieces = openTable(address, credential, piecesTable);
  const listHeads = () => heads.listAll(inPartition(HEAD), SETS_LIMIT + 1);

  return {
    async save(name, { lines, description }) {
      const before = await listHeads();
      const replaced = before.find((head) => head.name === name) ?? null;
      if (replaced === null && before.length >= SETS_LIMIT) throw new TooManyRequestSets(SETS_LIMIT);
      const bytes = await zip(writeRequestSet(lines));
      const upload: UploadRow = {
        name,
        upload: randomBytes(8).toString('hex'),
        pieces: Math.ceil(bytes.length / PIECE_BYTES),
        startedAtMs: Date.now(),
      };
      await uploads.save(upload);
      for (let piece = 0; piece < upload.pieces; piece += 1) {
        const base64 = bytes.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES).toString('base64');
        await pieces.save({ name, upload: upload.upload, piece, base64 });
      }
      const { startedAtMs: storedAtMs, ...made } = upload;
      const head: HeadRow = { storedAtMs, ...description, ...made };
      await heads.save(head);
      if (replaced !== null) await discard(replaced);
      await sweep(name);
      return view(head);
    },

    async describe(name) {
      const head = await heads.read(headKeys(name));
      return head === null ? null : view(head);
    },

    async read(name) {
      for (let tries = 1; tries <= READ_TRIES; tries += 1) {
        const head = await heads.read(headKeys(name));
        if (head === null) return null;
        const text = await readText(head);
        if (text !== null) return { stored: view(head), lines: parseStored(name, text) };
      }
      throw new Error(`The request set ${name} is damaged: a part of it is missing. Store it again.`);
    },

    list: async () => (await listHeads()).map(view),

    async remove(name) {
      const head = await heads.read(headKeys(name));
      if (head === null) return false;
      await heads.remove(headKeys(name));
      await discard(head);
      await sweep(name);
      return true;
    },
  };

  /** Null where a piece is gone, because the set was replaced or deleted since its head was read. */
  async function readText(head: HeadRow): Promise<string | null> {
    // Twenty pieces at the most, by the bound on a set.
    const rows = await Promise.all(
      Array.from({ length: head.pieces }, (_, piece) =>
        pieces.read(pieceKeys(head.name, head.upload, piece)),
      ),
    );
    const parts = rows.flatMap((row) => (row === null ? [] : [Buffer.from(row.base64, 'base64')]));
    if (parts.length < head.pieces) return null;
    const maxOutputLength = 2 * REQUEST_SET_BOUNDS.bytes;
    return (await unzip(Buffer.concat(parts), { maxOutputLength })).toString('utf8');
  }

  /** Deletes what no head refers to any more. */
  async function discard(upload: Upload): Promise<void> {
    for (let piece = 0; piece < upload.pieces; piece += 1)
      await pieces.remove(pieceKeys(upload.name, upload.upload, piece));
    await uploads.remove(uploadKeys(upload));
  }

  /** Discards uploads of the name that were cut off. Others may be at work at this moment; theirs are young. */
  async function sweep(name: string): Promise<void> {
    const ofName = odata`RowKey ge ${`${name}.`} and RowKey lt ${`${name}/`}`;
    const known = await uploads.listAll(`${inPartition(UPLOAD)} and ${ofName}`, UPLOADS_LIMIT);
    const head = await heads.read(headKeys(name));
    for (const one of known) {
      if (one.upload !== head?.upload && one.startedAtMs < Date.now() - ORPHAN_MS) await discard(one);
    }
  }
}

function view({ upload: _upload, pieces: _pieces, ...stored }: HeadRow): StoredRequestSet {
  return stored;
}

/** What was written by `writeRequestSet` parses, unless a bound was lowered since. */
function parseStored(name: string, text: string) {
  const parsed = parseRequestSet(text);
  if (parsed.ok) return parsed.value.lines;
  const [fault] = parsed.faults;
  throw new Error(
    `The request set ${name} cannot be read: ${fault?.path} ${fault?.message}. Store it again.`,
  );
}
