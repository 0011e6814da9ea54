/** `GET /api/runs/{id}/samples?cell=`: the samples of a cell that were kept, as lines of JSON. */
import { SPEC_BOUNDS } from '../core/spec/spec-bounds.ts';
import { type ApiAnswer, type ApiCall, answerText } from './answer.ts';
import { NDJSON } from './operation.ts';
import { invalidInput, notFound } from './problem.ts';
import { readQuery } from './query.ts';
import { readRun } from './runs.ts';

export async function getSamples({ request, services }: ApiCall): Promise<ApiAnswer> {
  const { cell } = readQuery(request, ['cell']);
  if (cell === undefined)
    throw invalidInput([{ path: 'cell', message: 'is missing; it must name a cell as the report does' }]);
  const run = await readRun(services, request.params.id);
  const repeats = (await services.stores.cells.list(run.id)).filter(({ cellId }) => cellId === cell);
  if (repeats.every(({ summary }) => summary?.keptSamples === undefined))
    throw notFound('A cell of that name whose samples were kept (measure.keepSamples)');
  let text = '';
  for (const { runId, cellKey, attempt, summary } of repeats) {
    const left = SPEC_BOUNDS.keptSampleBytes - text.length;
    const group = { runId, cellKey, attempt };
    const lines = await services.stores.samples.read(group, summary?.shards ?? 0, left);
    text += lines.map((line) => `${line}\n`).join('');
  }
  return answerText(`${NDJSON}; charset=utf-8`, text, {
    'content-disposition': `attachment; filename="${run.id}-${repeats[0]?.cellId}.ndjson"`,
  });
}
