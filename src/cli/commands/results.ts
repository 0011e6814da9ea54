/** `results`: a run's or a comparison's report as a table, or in a format of its own, on the screen or in a file. */
import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { COMPARISON_ID_PATTERN } from '../../core/comparison/comparison-record.ts';
import type { ResultFormat } from '../../http/result-format.ts';
import { ApiError } from '../api-client.ts';
import { renderComparison } from '../comparison-text.ts';
import { EXIT } from '../exit-code.ts';
import { printableDocument } from '../printable.ts';
import { renderReport } from '../report-text.ts';
import { widthOf } from '../run-display.ts';
import { judgeAgainst, judgeReport } from '../verdict.ts';
import { type CommandContext, paintOf, printJson, printLines, tellVerdict } from './context.ts';

export interface ResultOptions {
  readonly format?: ResultFormat;
  readonly output?: string;
  /** The label of the target of a comparison that the others are held against. */
  readonly baseline?: string;
}

/** Documents are passed on whatever they say; a table and JSON end with what the report says of the objectives. */
export async function showResults(
  context: CommandContext,
  id: string,
  { format, output, baseline }: ResultOptions,
): Promise<number> {
  const { client, terminal } = context;
  const isComparison = COMPARISON_ID_PATTERN.test(id);
  if (baseline !== undefined && (!isComparison || format !== undefined || output !== undefined)) {
    throw new ApiError('--baseline goes with the table or the JSON of a comparison; leave it out.', null);
  }
  const read = (wanted: ResultFormat) =>
    isComparison ? client.readComparisonResults(id, wanted) : client.readResults(id, wanted);
  if (output !== undefined) {
    const text = await read(format ?? formatOf(output));
    await writeResults(output, text);
    terminal.stderr.write(`Wrote ${output}.\n`);
    return EXIT.good;
  }
  if (format !== undefined) {
    const text = await read(format);
    const shown = terminal.stdout.isTTY === true ? printableDocument(text) : text;
    terminal.stdout.write(shown.endsWith('\n') ? shown : `${shown}\n`);
    return EXIT.good;
  }
  if (isComparison) {
    const report = await client.readComparisonReport(id);
    if (context.json) printJson(context, report);
    else printLines(context, renderComparison(report, widthOf(terminal.stdout)));
    return tellVerdict(context, baseline === undefined ? null : judgeAgainst(baseline, report));
  }
  const report = await client.readReport(id);
  if (context.json) printJson(context, report);
  else printLines(context, renderReport(report, widthOf(terminal.stdout), paintOf(context)));
  return tellVerdict(context, judgeReport(report));
}

function formatOf(file: string): ResultFormat {
  const format = { '.csv': 'csv', '.md': 'md', '.json': 'json', '.html': 'html' }[
    extname(file).toLowerCase()
  ];
  if (format === undefined) {
    throw new ApiError(
      `The ending of ${file} tells no format; end it in .csv, .md, .json or .html, or add --format.`,
      null,
    );
  }
  return format as ResultFormat;
}

async function writeResults(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    throw new ApiError(
      `${file} cannot be written (${(cause as NodeJS.ErrnoException).code}).`,
      null,
      [],
      cause,
    );
  }
}
