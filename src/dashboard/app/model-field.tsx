/** The model: its name with suggestions from the catalog while one types, and what the catalog says of the one named. */
import { useEffect, useState } from 'preact/hooks';
import { messageOf } from '../../core/failure.ts';
import type { Api } from './api.ts';
import { Field } from './field.tsx';

/** One of `GET /api/models`; what the catalog does not say is missing or null. */
export interface ModelView {
  readonly name: string;
  readonly latestVersion?: string | null;
  readonly task?: string | null;
  readonly contextTokens?: number | null;
  readonly allowedSkus?: readonly string[] | null;
  readonly recommendedSkus?: readonly string[] | null;
  readonly retiresOn?: string | null;
}

interface ModelList {
  readonly models: readonly ModelView[];
  readonly found?: number;
}

/** Long enough for a word to be typed: each search may ask a registry. */
const TYPING_MS = 350;
/** Suggestions beyond these are found by another letter. */
const MOST_SUGGESTIONS = 30;

interface ModelFieldProps {
  readonly api: Api;
  readonly registry: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  /** The model of exactly that name, or null. */
  readonly onModel: (model: ModelView | null) => void;
  readonly faults: readonly string[];
}

export function ModelField({ api, registry, value, onInput, onModel, faults }: ModelFieldProps) {
  const { list, trouble } = useSearch(api, registry, value.trim());
  const model = list?.models.find(({ name }) => name.toLowerCase() === value.trim().toLowerCase()) ?? null;
  // Told when another model is named, and not at each drawing.
  useEffect(() => onModel(model), [model]);
  return (
    <>
      <Field
        name="model"
        label="Model"
        value={value}
        onInput={onInput}
        list="model-suggestions"
        placeholder="Phi-4"
        hint={<span role="status">{describe(list, model, trouble)}</span>}
        faults={faults}
      />
      <datalist id="model-suggestions">
        {(list?.models ?? []).slice(0, MOST_SUGGESTIONS).map(({ name, latestVersion }) => (
          <option key={name} value={name}>
            {latestVersion ? `version ${latestVersion}` : ''}
          </option>
        ))}
      </datalist>
    </>
  );
}

function useSearch(api: Api, registry: string, search: string) {
  const [state, setState] = useState<{ list: ModelList | null; trouble: string | null }>({
    list: null,
    trouble: null,
  });
  useEffect(() => {
    let isOver = false;
    const timer = setTimeout(async () => {
      const query = `registry=${encodeURIComponent(registry)}&search=${encodeURIComponent(search)}`;
      try {
        const list = await api.read<ModelList>(`/api/models?${query}`);
        if (!isOver) setState({ list, trouble: null });
      } catch (error) {
        if (!isOver) setState({ list: null, trouble: messageOf(error) });
      }
    }, TYPING_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [api, registry, search]);
  return state;
}

function describe(list: ModelList | null, model: ModelView | null, trouble: string | null): string {
  if (trouble !== null) return `The catalog cannot be searched: ${trouble} A name can be given all the same.`;
  if (list === null) return 'Searching the catalog.';
  if (model === null) {
    const found = list.found ?? list.models.length;
    return found === 0
      ? 'The catalog has no such model.'
      : `${found} in the catalog. Type a part of its name.`;
  }
  const parts = [
    model.latestVersion ? `Latest version ${model.latestVersion}` : null,
    model.task ?? null,
    model.contextTokens ? `context of ${model.contextTokens.toLocaleString('en-US')} tokens` : null,
    model.retiresOn ? `retires on ${model.retiresOn.slice(0, 10)}` : null,
  ].filter((part) => part !== null);
  return parts.length === 0 ? 'In the catalog.' : `${parts.join(', ')}.`;
}
