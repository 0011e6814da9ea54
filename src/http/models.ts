/** The calls about the catalog: what a registry has, and what may be done with one model. */

import type { Fault } from '../core/failure.ts';
import { type CatalogEntry, type CatalogModel, feeReason, modelWarnings } from '../core/renting/catalog.ts';
import { type Aged, type Catalog, CatalogError } from '../services.ts';
import { type ApiAnswer, type ApiCall, answerJson } from './answer.ts';
import { inTurns } from './in-turns.ts';
import { invalidInput, Problem } from './problem.ts';
import { readQuery } from './query.ts';
import { isoTime } from './run-view.ts';

/** The registry that a search means unless it names one: Microsoft's own. */
const DEFAULT_REGISTRY = 'AzureML';
/** More names than this are no answer to a search; the answer tells how many there were. */
const MODELS_LIMIT = 100;
/** For so many of them the catalog is asked what it says; each costs two calls the first time. */
const DETAILS_LIMIT = 20;
const DETAILS_AT_ONCE = 5;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,255}$/;
const NAME_RULE =
  'must begin with a letter or digit and hold only letters, digits, dots, dashes and underscores, 256 at the most';

/** `GET /api/models?registry=&search=`: the models whose names contain the words, the first of them with their SKUs. */
export async function listModels({ request, services }: ApiCall): Promise<ApiAnswer> {
  const { registry = DEFAULT_REGISTRY, search = '' } = readQuery(request, ['registry', 'search']);
  checkNames({ registry });
  const { value: list, readAtMs } = await orProblem(() => services.catalog.search(registry, search));
  const shown = list.entries.slice(0, MODELS_LIMIT);
  const detailed = await inTurns(shown.slice(0, DETAILS_LIMIT), DETAILS_AT_ONCE, (entry) =>
    viewEntry(services.catalog, registry, entry),
  );
  return answerJson(200, {
    registry,
    search,
    found: list.entries.length,
    complete: list.complete,
    ...viewAge(readAtMs, services.now()),
    models: [...detailed, ...shown.slice(DETAILS_LIMIT).map((entry) => viewName(registry, entry))],
  });
}

/** `GET /api/models/{registry}/{name}?version=`: everything the catalog says of a model; its latest version by default. */
export async function getModel({ request, services }: ApiCall): Promise<ApiAnswer> {
  const { version = 'latest' } = readQuery(request, ['version']);
  const { registry = '', name = '' } = request.params;
  checkNames({ registry, name, version });
  const found = await orProblem(() => services.catalog.readModel(registry, name, version));
  return answerJson(200, viewModel(found, services.now()));
}

function checkNames(names: Readonly<Record<string, string>>): void {
  const faults: Fault[] = Object.entries(names)
    .filter(([, value]) => !NAME.test(value))
    .map(([path]) => ({ path, message: NAME_RULE }));
  if (faults.length > 0) throw invalidInput(faults);
}

/** A registry that cannot be read is Azure's fault or the identity's, and its sentence holds no secret. */
async function orProblem<Result>(read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof CatalogError)) throw error;
    if (error.code === 'not-found') throw new Problem(404, 'Not found', error.message);
    throw new Problem(502, 'Catalog not readable', error.message);
  }
}

async function viewEntry(catalog: Catalog, registry: string, entry: CatalogEntry) {
  try {
    const { value } = await catalog.readModel(registry, entry.name, 'latest');
    const { version, task, contextTokens, allowedSkus, recommendedSkus, retiresOn } = value;
    return {
      ...viewName(registry, entry),
      latestVersion: version,
      task,
      contextTokens,
      allowedSkus,
      recommendedSkus,
      retiresOn,
    };
  } catch (error) {
    if (!(error instanceof CatalogError)) throw error;
    return viewName(registry, entry);
  }
}

function viewName(registry: string, { name, latestVersion }: CatalogEntry) {
  const self = `/api/models/${encodeURIComponent(registry)}/${encodeURIComponent(name)}`;
  return { name, latestVersion, links: { self } };
}

function viewModel({ value: model, readAtMs }: Aged<CatalogModel>, nowMs: number) {
  return {
    ...model,
    retired: model.retiresOn !== null && Date.parse(model.retiresOn) <= nowMs,
    feeReason: feeReason(model),
    warnings: modelWarnings(model, model.allowedSkus?.[0] ?? model.recommendedSkus?.[0] ?? '', nowMs),
    ...viewAge(readAtMs, nowMs),
  };
}

function viewAge(readAtMs: number, nowMs: number) {
  return { readAt: isoTime(readAtMs), ageSeconds: Math.max(0, Math.floor((nowMs - readAtMs) / 1_000)) };
}
