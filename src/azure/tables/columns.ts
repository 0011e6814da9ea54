/**
 * One JSON value in the columns of one row. Table Storage limits a string property to 64 KiB of UTF-16 and a row to
 * 1 MiB; Azurite lets more pass, so the limits are kept here. A value is cut into numbered columns of text; one that
 * would not fit as text is gzipped into numbered binary columns (a report of 1,000 cells is about 2 MB of JSON and
 * a tenth of that gzipped); what still does not fit is refused with a sentence.
 */
import { gunzipSync, gzipSync } from 'node:zlib';

/** UTF-16 units in one text column: 60,000 bytes of the 65,536 that are allowed. */
const TEXT_UNITS_PER_COLUMN = 30_000;
/** Bytes in one binary column, of the 65,536 that are allowed. */
const BYTES_PER_COLUMN = 60_000;
/** Bytes of a row that a value may take, of 1,048,576: the rest is for keys, names and the columns that are filtered on. */
const ROW_BYTES = 900_000;
/** Text above this is gzipped: half a row, so that whatever is readable as it is stays so. */
const TEXT_UNITS_LIMIT = ROW_BYTES / 2 / 2;
/** The longest JSON that is ever unpacked; a row of 900,000 bytes cannot honestly hold more. */
const JSON_BYTES_LIMIT = 64 * 1024 * 1024;

/** Bytes of a row that a fresh record may take: what a run or a comparison adds to its own later has room beside it. */
const FRESH_ROW_BYTES = 750_000;

/** Why a fresh record is too long to be kept, as what it "must" be; null where it is not. */
export function explainTooLong(record: object): string | null {
  const text = toAsciiJson(record);
  const bytes = text.length <= TEXT_UNITS_LIMIT ? 2 * text.length : gzipSync(text).length;
  if (bytes <= FRESH_ROW_BYTES) return null;
  const kilobytes = Math.ceil(bytes / 1000);
  return `must be shorter: all of it with its defaults takes ${kilobytes} kB gzipped, and a row holds ${FRESH_ROW_BYTES / 1000} kB; shorten the template, or compare fewer targets`;
}

/** The value as columns `record_1`, `record_2`, ... and how many there are. Throws where it cannot fit a row. */
export function encodeColumns(value: unknown): Record<string, string | number | Uint8Array> {
  const text = toAsciiJson(value);
  if (text.length <= TEXT_UNITS_LIMIT) return { recordEncoding: 'json', ...number(splitText(text)) };
  const zipped = gzipSync(text);
  if (zipped.length > ROW_BYTES) {
    const kilobytes = Math.ceil(zipped.length / 1000);
    throw new Error(
      `A record of ${text.length} characters takes ${kilobytes} kB gzipped, and a row holds ${ROW_BYTES / 1000} kB; measure fewer cells in one run.`,
    );
  }
  return { recordEncoding: 'gzip', ...number(splitBytes(zipped)) };
}

/** The value that `encodeColumns` stored. Throws a reason where a column is missing or damaged. */
export function decodeColumns(row: Readonly<Record<string, unknown>>): unknown {
  const columns: unknown[] = [];
  const parts = row.recordParts;
  if (typeof parts !== 'number' || parts < 1 || parts > 100)
    throw new Error('it does not say how many columns it has');
  for (let index = 1; index <= parts; index += 1) columns.push(row[`record_${index}`]);
  if (row.recordEncoding === 'json' && columns.every((column) => typeof column === 'string')) {
    return parseJson(columns.join(''));
  }
  if (row.recordEncoding === 'gzip' && columns.every((column) => column instanceof Uint8Array)) {
    return parseJson(unzip(Buffer.concat(columns as Uint8Array[])));
  }
  throw new Error('one of its columns is missing or has another type');
}

function number<Part>(parts: readonly Part[]): Record<string, Part | number> {
  const columns: Record<string, Part | number> = { recordParts: parts.length };
  parts.forEach((part, index) => {
    columns[`record_${index + 1}`] = part;
  });
  return columns;
}

/**
 * JSON in ASCII alone, everything else as \uXXXX. Azurite decodes a request piece by piece and spoils a character
 * that two pieces share (3.37, readRequestIntoText); and a column may then be cut anywhere.
 */
function toAsciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function splitText(text: string): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length; start += TEXT_UNITS_PER_COLUMN) {
    parts.push(text.slice(start, start + TEXT_UNITS_PER_COLUMN));
  }
  return parts;
}

function splitBytes(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += BYTES_PER_COLUMN) {
    parts.push(bytes.subarray(start, start + BYTES_PER_COLUMN));
  }
  return parts;
}

function unzip(bytes: Uint8Array): string {
  try {
    return gunzipSync(bytes, { maxOutputLength: JSON_BYTES_LIMIT }).toString('utf8');
  } catch (cause) {
    throw new Error('its columns cannot be unpacked', { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error('its columns are not the JSON that was stored', { cause });
  }
}
