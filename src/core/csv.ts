/** Tables as CSV that no spreadsheet takes for formulas. */
import { stringify } from 'csv-stringify/sync';

/** Null is an empty field, never a 0. */
export type CsvField = string | number | boolean | null;

/** With a header line; lines end with a line feed. */
export function writeCsv(header: readonly string[], lines: readonly (readonly CsvField[])[]): string {
  return stringify([header, ...lines.map((line) => line.map(cleanField))], {
    escape_formulas: true,
    cast: { boolean: String },
  });
}

/**
 * Six significant digits are more than any measurement has. Leading white space goes from texts, because it would
 * hide a formula from the escaping, which looks at the first character.
 */
function cleanField(field: CsvField): CsvField {
  if (typeof field === 'string') return field.trimStart();
  if (typeof field === 'number') return Number.isFinite(field) ? Number(field.toPrecision(6)) : null;
  return field;
}
