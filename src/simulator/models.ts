/** The catalog models this simulator can deploy, with the sizes that its latency model needs. */

export interface Model {
  readonly name: string;
  readonly versions: readonly string[];
  /** In lower case: the service does not mind the capitals of a registry's name. */
  readonly registries: readonly string[];
  readonly parameters: number;
  readonly bytesPerWeight: number;
  /** 2 (key and value) x layers x KV heads x head size x 2 bytes. */
  readonly kvBytesPerToken: number;
  readonly contextTokens: number;
}

// Architectures from the models' public cards. Versions 7 and 8 of Phi-4 and 6 of Phi-3-medium are real ones; of
// the others, some versions that exist are listed, without a claim that the list is whole.
const MODELS: readonly Model[] = [
  model('Phi-4', ['7', '8'], ['azureml', 'azureml-phi'], 14.7e9, [40, 10, 128], 16_384),
  model('Phi-4-mini-instruct', ['1'], ['azureml', 'azureml-phi'], 3.8e9, [32, 8, 128], 131_072),
  model('Phi-3.5-mini-instruct', ['4', '6'], ['azureml', 'azureml-phi'], 3.8e9, [32, 32, 96], 131_072),
  model('Phi-3-mini-4k-instruct', ['13', '14', '15'], ['azureml', 'azureml-phi'], 3.8e9, [32, 32, 96], 4096),
  model('Phi-3-small-8k-instruct', ['4', '5', '6'], ['azureml', 'azureml-phi'], 7.4e9, [32, 8, 128], 8192),
  model('Phi-3-medium-4k-instruct', ['5', '6'], ['azureml', 'azureml-phi'], 14e9, [40, 10, 128], 4096),
  model('Mistral-7B-Instruct-v0.3', ['1', '2'], ['azureml', 'azureml-mistral'], 7.25e9, [32, 8, 128], 32_768),
  model(
    'mistralai-Mistral-7B-Instruct-v01',
    ['18', '19'],
    ['azureml', 'azureml-mistral'],
    7.24e9,
    [32, 8, 128],
    32_768,
  ),
  model('Llama-3.3-70B-Instruct', ['4', '5'], ['azureml-meta'], 70.6e9, [80, 8, 128], 131_072),
];

/** A model's address in a registry, as `properties.model` of a deployment spells it. */
interface ModelId {
  readonly registry: string;
  readonly name: string;
  readonly version: string;
}

const MODEL_ID = /^azureml:\/\/registries\/([\w.-]+)\/models\/([\w.-]+)\/versions\/([\w.-]+)$/i;

/** The parts of `azureml://registries/{r}/models/{m}/versions/{v}`, or undefined for any other spelling. */
export function parseModelId(text: string): ModelId | undefined {
  const [, registry, name, version] = MODEL_ID.exec(text) ?? [];
  if (registry === undefined || name === undefined || version === undefined) return undefined;
  return { registry, name, version };
}

/** The model behind that address, or undefined where registry, name or version is not known here. */
export function findModel(id: ModelId): Model | undefined {
  return MODELS.find(
    (entry) =>
      entry.name.toLowerCase() === id.name.toLowerCase() &&
      entry.versions.includes(id.version) &&
      entry.registries.includes(id.registry.toLowerCase()),
  );
}

function model(
  name: string,
  versions: readonly string[],
  registries: readonly string[],
  parameters: number,
  [layers, kvHeads, headSize]: readonly [number, number, number],
  contextTokens: number,
): Model {
  const bytesPerWeight = 2; // BF16, as the catalog ships them
  const kvBytesPerToken = 2 * layers * kvHeads * headSize * bytesPerWeight;
  return { name, versions, registries, parameters, bytesPerWeight, kvBytesPerToken, contextTokens };
}
