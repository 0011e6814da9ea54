/**
 * The form that starts a run, apart from its elements: from what stands in its fields to the body of a spec, and from
 * the faults of an answer to the fields they belong to. Nothing is judged here: a number that is none goes to the API
 * as it is, which names every fault at once.
 */
import type { Fault } from '../core/failure.ts';

/** What stands in the fields, as text. */
export interface RunFields {
  readonly registry: string;
  readonly model: string;
  readonly version: string;
  readonly sku: string;
  readonly instances: string;
  readonly promptTokens: string;
  readonly outputTokens: string;
  readonly load: LoadKind;
  readonly levels: string;
  readonly searchMax: string;
  readonly rates: string;
  readonly rateSearchMax: string;
  readonly attainment: string;
  readonly ttftMs: string;
  readonly tpotMs: string;
  readonly e2eMs: string;
  readonly repeats: string;
  readonly minRequests: string;
  readonly maxUsd: string;
  readonly maxMinutes: string;
}

export type FieldName = keyof RunFields;
export type LoadKind = 'levels' | 'search' | 'rates' | 'rate-search';

/** A first measurement that says something and costs a few dollars; the model is for the reader to choose. */
export const FIRST_FIELDS: RunFields = {
  registry: 'AzureML',
  model: '',
  version: 'latest',
  sku: 'Standard_NC24ads_A100_v4',
  instances: '1',
  promptTokens: '512',
  outputTokens: '128',
  load: 'levels',
  levels: '1, 2, 4, 8, 16',
  searchMax: '64',
  rates: '0.5, 1, 2',
  rateSearchMax: '20',
  attainment: '95',
  ttftMs: '',
  tpotMs: '',
  e2eMs: '',
  repeats: '3',
  minRequests: '30',
  maxUsd: '25',
  maxMinutes: '120',
};

/** The body of `POST /api/plans` and of `POST /api/runs`. An empty field is left out, so that its default holds. */
export function composeSpec(fields: RunFields): object {
  const objectives = present({
    ttftMs: readNumber(fields.ttftMs),
    tpotMs: readNumber(fields.tpotMs),
    e2eMs: readNumber(fields.e2eMs),
  });
  const hasObjectives = Object.keys(objectives).length > 0;
  return present({
    model: present({
      registry: readText(fields.registry),
      name: readText(fields.model),
      version: readText(fields.version),
    }),
    target: present({
      kind: 'managed',
      sku: readText(fields.sku),
      instances: readNumber(fields.instances),
    }),
    workloads: present({
      promptTokens: readNumbers(fields.promptTokens),
      outputTokens: readNumbers(fields.outputTokens),
    }),
    ...composeLoad(fields),
    slo: hasObjectives ? present({ attainment: readPercent(fields.attainment), ...objectives }) : undefined,
    measure: present({ repeats: readNumber(fields.repeats), minRequests: readNumber(fields.minRequests) }),
    limits: present({ maxUsd: readNumber(fields.maxUsd), maxMinutes: readNumber(fields.maxMinutes) }),
  });
}

function composeLoad(fields: RunFields): object {
  if (fields.load === 'levels') return { concurrency: { levels: readNumbers(fields.levels) ?? [] } };
  if (fields.load === 'search')
    return { concurrency: { search: present({ max: readNumber(fields.searchMax) }) } };
  if (fields.load === 'rates') return { rate: { requestsPerSecond: readNumbers(fields.rates) ?? [] } };
  return { rate: { search: present({ max: readNumber(fields.rateSearchMax) }) } };
}

function present(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function readText(text: string): string | undefined {
  return text.trim() === '' ? undefined : text.trim();
}

/** A number, or the words that are none. */
function readNumber(text: string): number | string | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : trimmed;
}

function readPercent(text: string): number | string | undefined {
  const value = readNumber(text.replace('%', ''));
  // In thousandths: 99.9 / 100 is 0.9990000000000001.
  return typeof value === 'number' ? Math.round(value * 1_000) / 100_000 : value;
}

/** `1, 2 4` is three numbers. */
function readNumbers(text: string): (number | string)[] | undefined {
  const words = text.split(/[\s,;]+/).filter((word) => word !== '');
  return words.length === 0 ? undefined : words.map((word) => readNumber(word) ?? word);
}

/** The faults of a refused spec, at the fields that they are about, and those that no field shows. */
export interface PlacedFaults {
  readonly byField: Readonly<Partial<Record<FieldName, readonly string[]>>>;
  readonly elsewhere: readonly Fault[];
}

export function placeFaults(faults: readonly Fault[], load: LoadKind): PlacedFaults {
  const byField: Partial<Record<FieldName, string[]>> = {};
  const elsewhere: Fault[] = [];
  for (const fault of faults) {
    const place = placeOf(fault.path, load);
    if (place === null) elsewhere.push(fault);
    else byField[place.field] = [...(byField[place.field] ?? []), `${place.inside}${fault.message}`];
  }
  return { byField, elsewhere };
}

/** Where in a spec each field stands; the longest that begins a fault's path is meant. */
const PATHS: Readonly<Record<string, FieldName>> = {
  'model.registry': 'registry',
  model: 'model',
  'model.name': 'model',
  'model.version': 'version',
  target: 'sku',
  'target.sku': 'sku',
  'target.instances': 'instances',
  workloads: 'promptTokens',
  'workloads.promptTokens': 'promptTokens',
  'workloads.outputTokens': 'outputTokens',
  slo: 'ttftMs',
  'slo.attainment': 'attainment',
  'slo.ttftMs': 'ttftMs',
  'slo.tpotMs': 'tpotMs',
  'slo.e2eMs': 'e2eMs',
  'measure.repeats': 'repeats',
  'measure.minRequests': 'minRequests',
  'limits.maxUsd': 'maxUsd',
  'limits.maxMinutes': 'maxMinutes',
};

const LOAD_FIELDS: Readonly<Record<LoadKind, FieldName>> = {
  levels: 'levels',
  search: 'searchMax',
  rates: 'rates',
  'rate-search': 'rateSearchMax',
};

/** The field of a path, and where inside of it the fault is: `number 2: ` of a list. */
function placeOf(path: string, load: LoadKind): { field: FieldName; inside: string } | null {
  const index = /\[(\d+)\]/.exec(path)?.[1];
  const inside = index === undefined ? '' : `number ${Number(index) + 1}: `;
  const names = path.replace(/\[\d+\]/g, '').split('.');
  if (names[0] === 'concurrency' || names[0] === 'rate') return { field: LOAD_FIELDS[load], inside };
  for (let length = names.length; length > 0; length -= 1) {
    const field = PATHS[names.slice(0, length).join('.')];
    if (field === undefined) continue;
    const rest = names.slice(length).join('.');
    return { field, inside: rest === '' ? inside : `${rest} ` };
  }
  return null;
}
