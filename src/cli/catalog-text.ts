/** The catalog as tables: models with what they may be deployed on, GPU sizes with what is free and what they cost. */
import type { ModelList } from '../http/contract/model.ts';
import type { SkuList } from '../http/contract/sku.ts';
import { writeUsd } from './figure.ts';
import { type Paint, PLAIN, type Tone } from './paint.ts';
import { printable } from './printable.ts';
import { wrapLine } from './report-text.ts';
import { type Column, renderTable } from './text-table.ts';

export function renderModels({ models, registry, found, complete }: ModelList, width: number): string[] {
  const where = printable(registry);
  if (models.length === 0) return [`No model of ${where} has a name with these words.`];
  const rows = models.map((model) => [
    printable(model.name),
    printable(model.latestVersion ?? '-'),
    printable(model.task ?? '-'),
    model.contextTokens == null ? '-' : String(model.contextTokens),
    printable(shortSkus(model.recommendedSkus ?? model.allowedSkus)),
    printable(model.retiresOn ?? ''),
  ]);
  const told = [
    ...(found > models.length ? [`${found} were found; these are the first ${models.length}.`] : []),
    ...(complete ? [] : [`${where} has more models than are read, so some may be missing.`]),
  ];
  return [...renderTable(MODEL_COLUMNS, rows, width), ...told.flatMap((line) => wrapLine(line, width))];
}

const MODEL_COLUMNS: readonly Column[] = [
  { title: 'model', align: 'left' },
  { title: 'version', align: 'right' },
  { title: 'task', align: 'left' },
  { title: 'context', align: 'right' },
  { title: 'SKUs', align: 'left' },
  { title: 'retires', align: 'left' },
];

/** Two names and how many more there are: some models are allowed on twenty. */
const SHOWN_SKUS = 2;

function shortSkus(skus: readonly string[] | null | undefined): string {
  if (skus == null || skus.length === 0) return '-';
  const names = skus.slice(0, SHOWN_SKUS).map((sku) => sku.replace(/^Standard_/, ''));
  const more = skus.length - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

export function renderSkus({ skus, region, quota }: SkuList, width: number, paint: Paint = PLAIN): string[] {
  const rows = skus.map((sku) => [
    printable(sku.name),
    printable(`${sku.gpus} x ${sku.gpu}`),
    String(sku.gpuMemoryGb),
    String(sku.vcpus),
    `${sku.quota.usedCores ?? '?'} of ${sku.quota.limitCores ?? '?'}`,
    paint(QUOTA_TONES[sku.quota.verdict], sku.quota.verdict),
    writeUsd(sku.price.perHourUsd),
  ]);
  const told = quota.reason === null ? [] : [`The quota is not known: ${quota.reason}`];
  return [
    `Region ${printable(region)}`,
    '',
    ...renderTable(SKU_COLUMNS, rows, width),
    ...told.flatMap((line) => wrapLine(printable(line), width)),
  ];
}

/** Of the quota's answer to one instance more. */
const QUOTA_TONES: Readonly<Record<SkuList['skus'][number]['quota']['verdict'], Tone>> = {
  fits: 'good',
  queue: 'unsure',
  unknown: 'unsure',
  refused: 'bad',
};

const SKU_COLUMNS: readonly Column[] = [
  { title: 'SKU', align: 'left' },
  { title: 'GPUs', align: 'left' },
  { title: 'GPU GB', align: 'right' },
  { title: 'vCPU', align: 'right' },
  { title: 'cores used', align: 'right' },
  { title: 'one more', align: 'left' },
  { title: '$ per h', align: 'right' },
];
