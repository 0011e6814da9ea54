/** `results`: a run's report as a table, or in a format of its own, on the screen or in a file. */
import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { ApiError, type ResultFormat } from '../api-client.ts';
import { EXIT } from '../exit-code.ts';
import { printableDocument } from '../printable.ts';
import { renderReport } from '../report-text.ts';
import { widthOf } from '../run-display.ts';
import { type CommandContext, printJson, printLines } from './context.ts';

export async function showResults(
  context: CommandContext,
  id: string,
  { format, output }: { readonly format?: ResultFormat; readonly output?: string },
): Promise<number> {
  const { client, terminal } = context;
  if (output !== undefined) {
    const text = await client.readResults(id, format ?? formatOf(output));
    await writeResults(output, text);
    terminal.stderr.write(`Wrote ${output}.\n`);
    return EXIT.good;
  }
  if (format !== undefined) {
    const text = await client.readResults(id, format);
    const shown = terminal.stdout.isTTY === true ? printableDocument(text) : text;
    terminal.stdout.write(shown.endsWith('\n') ? shown : `${shown}\n`);
    return EXIT.good;
  }
  const report = await client.readReport(id);
  if (context.json) printJson(context, report);
  else printLines(context, renderReport(report, widthOf(terminal.stdout)));
  return EXIT.good;
}

function formatOf(file: string): ResultFormat {
  const format = { '.csv': 'csv', '.md': 'md', '.json': 'json' }[extname(file).toLowerCase()];
  if (format === undefined) {
    throw new ApiError(
      `The ending of ${file} tells no format; end it in .csv, .md or .json, or add --format.`,
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
