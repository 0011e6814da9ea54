/** The SKU: each with its GPUs, price and quota; those that the model may be deployed on first. */
import { useEffect, useState } from 'preact/hooks';
import { messageOf } from '../../core/failure.ts';
import { NONE, writeUsd } from '../wording.ts';
import type { Api } from './api.ts';
import { Faults, Field } from './field.tsx';

/** One of `GET /api/skus`. */
interface SkuView {
  readonly name: string;
  readonly gpu: string;
  readonly gpus: number;
  readonly gpuMemoryGb: number;
  readonly quota?: {
    readonly usedCores?: number | null;
    readonly limitCores?: number | null;
    readonly verdict?: string;
    readonly reason?: string;
  };
  readonly price?: { readonly perHourUsd?: number | null; readonly reason?: string; readonly since?: string };
}

interface SkuList {
  readonly region: string;
  readonly skus: readonly SkuView[];
}

interface SkuFieldProps {
  readonly api: Api;
  /** Names; null where the catalog names none. */
  readonly allowed: readonly string[] | null;
  readonly recommended: readonly string[];
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly faults: readonly string[];
}

export function SkuField(props: SkuFieldProps) {
  const { api, allowed, recommended, value, onInput, faults } = props;
  const [showsAll, setShowsAll] = useState(false);
  const { list, trouble } = useSkus(api);
  if (trouble !== null)
    return (
      <Field
        name="sku"
        label="SKU"
        value={value}
        onInput={onInput}
        hint={`The list cannot be read: ${trouble}`}
        faults={faults}
      />
    );
  const isAllowed = (name: string) =>
    allowed === null || allowed.some((one) => one.toLowerCase() === name.toLowerCase());
  const skus = (list?.skus ?? []).filter(({ name }) => showsAll || name === value || isAllowed(name));
  const hidden = (list?.skus.length ?? 0) - skus.length;
  return (
    <fieldset class={faults.length === 0 ? 'skus' : 'skus wrong'} id="field-sku" tabIndex={-1}>
      <legend>SKU {list !== null && <small>in {list.region}</small>}</legend>
      <Faults id="field-sku-faults" faults={faults} />
      {list === null && (
        <p class="quiet" role="status">
          Asking for prices and quota.
        </p>
      )}
      <div class="choices">
        {skus.map((sku) => (
          <label key={sku.name} class="choice">
            <input
              type="radio"
              name="sku"
              value={sku.name}
              checked={sku.name === value}
              onChange={() => onInput(sku.name)}
            />
            <span class="choice-name">
              {sku.name} {recommended.includes(sku.name) && <span class="badge completed">recommended</span>}
              {!isAllowed(sku.name) && <span class="badge canceled">not in the catalog’s list</span>}
            </span>
            <span class="choice-facts">
              {writeGpus(sku.gpus)} x {sku.gpu}, {sku.gpuMemoryGb} GB
            </span>
            <span class="choice-price">{writePrice(sku)}</span>
            <span class={`choice-quota ${sku.quota?.verdict === 'refused' ? 'problem-text' : ''}`}>
              {writeQuota(sku)}
            </span>
          </label>
        ))}
      </div>
      {(hidden > 0 || showsAll) && allowed !== null && (
        <label class="check">
          <input
            type="checkbox"
            checked={showsAll}
            onChange={(event) => setShowsAll(event.currentTarget.checked)}
          />{' '}
          Show every SKU, whether the catalog allows it or not
        </label>
      )}
    </fieldset>
  );
}

function useSkus(api: Api) {
  const [state, setState] = useState<{ list: SkuList | null; trouble: string | null }>({
    list: null,
    trouble: null,
  });
  useEffect(() => {
    let isOver = false;
    api.read<SkuList>('/api/skus').then(
      (list) => {
        if (!isOver) setState({ list, trouble: null });
      },
      (error: unknown) => {
        if (!isOver) setState({ list: null, trouble: messageOf(error) });
      },
    );
    return () => {
      isOver = true;
    };
  }, [api]);
  return state;
}

/** A slice of a GPU is a fraction of one. */
function writeGpus(gpus: number): string {
  return gpus >= 1 ? String(gpus) : `1/${Math.round(1 / gpus)}`;
}

function writePrice({ price }: SkuView): string {
  const usd = price?.perHourUsd ?? null;
  return usd === null ? 'price unknown' : `${writeUsd(usd)} an hour`;
}

function writeQuota({ quota }: SkuView): string {
  const { verdict = 'unknown', usedCores = null, limitCores = null } = quota ?? {};
  if (verdict === 'unknown') return 'quota unknown';
  const figures = limitCores === null ? 'no limit' : `${usedCores ?? NONE} of ${limitCores} cores used`;
  if (verdict === 'refused') return `too little quota, ${figures}`;
  return verdict === 'queue' ? `would wait, ${figures}` : figures;
}
