/** `models` and `skus`: what can be deployed, and on what. */
import { renderModels, renderSkus } from '../catalog-text.ts';
import { EXIT } from '../exit-code.ts';
import { widthOf } from '../run-display.ts';
import { type CommandContext, paintOf, printJson, printLines } from './context.ts';

export async function showModels(
  context: CommandContext,
  search: string | undefined,
  { registry }: { readonly registry?: string },
): Promise<number> {
  const list = await context.client.listModels({
    ...(search !== undefined && { search }),
    ...(registry !== undefined && { registry }),
  });
  if (context.json) printJson(context, list);
  else printLines(context, renderModels(list, widthOf(context.terminal.stdout)));
  return EXIT.good;
}

export async function showSkus(
  context: CommandContext,
  filter: { readonly region?: string; readonly workspace?: string },
): Promise<number> {
  const list = await context.client.listSkus(filter);
  if (context.json) printJson(context, list);
  else printLines(context, renderSkus(list, widthOf(context.terminal.stdout), paintOf(context)));
  return EXIT.good;
}
