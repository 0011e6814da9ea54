/** The catalog models this simulator lists and deploys: what the latency model needs of them, and their catalog cards. */
import { withoutFaults } from './faults.ts';

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
  readonly card: Card;
}

/** What a model does, in the catalog's words. */
export type Task =
  | 'chat-completion'
  | 'text-generation'
  | 'image-text-to-text'
  | 'embeddings'
  | 'text-ranking'
  | 'image-classification'
  | 'automatic-speech-recognition'
  | 'image-to-image'
  | 'image-to-video';

/** What the catalog says of a model; null where it does not say it. */
export interface Card {
  readonly publisher: string;
  readonly task: Task;
  readonly license: string;
  /** The sizes a deployment may have. */
  readonly allowedSkus: readonly string[] | null;
  /** Cores, GPUs, GB of memory and GB of disk, as `24|1|220|64`. */
  readonly minSkuSpec: string | null;
  /** From when on no deployment is made any more (ISO date). */
  readonly retiredAt: string | null;
  /** `VM-withSurcharge` needs an offer in the marketplace, accepted by the subscription. */
  readonly offer: 'VM' | 'VM-withSurcharge';
  /** Where the card's facts stand in the registry's answer: older models have tags, newer ones system metadata. */
  readonly carrier: 'tags' | 'system metadata' | 'both' | 'none';
  /** Whether a deployment on a size that is not allowed is refused. */
  readonly refusesOtherSkus: boolean;
}

const A100_AND_UP = [
  'Standard_NC24ads_A100_v4',
  'Standard_NC48ads_A100_v4',
  'Standard_NC96ads_A100_v4',
  'Standard_ND96asr_v4',
  'Standard_ND96amsr_A100_v4',
  'Standard_ND96isr_H100_v5',
  'Standard_NC40ads_H100_v5',
  'Standard_NC80adis_H100_v5',
];
const SMALL_AND_UP = [
  'Standard_NC4as_T4_v3',
  'Standard_NC8as_T4_v3',
  'Standard_NC16as_T4_v3',
  'Standard_NC64as_T4_v3',
  'Standard_NV36ads_A10_v5',
  'Standard_NV72ads_A10_v5',
  ...A100_AND_UP,
];
const BIG_ONLY = ['Standard_NC96ads_A100_v4', 'Standard_ND96amsr_A100_v4', 'Standard_ND96isr_H100_v5'];

const MICROSOFT: Card = {
  publisher: 'Microsoft',
  task: 'chat-completion',
  license: 'mit',
  allowedSkus: A100_AND_UP,
  minSkuSpec: '24|1|220|64',
  retiredAt: null,
  offer: 'VM',
  carrier: 'tags',
  refusesOtherSkus: false,
};
const SMALL: Card = { ...MICROSOFT, allowedSkus: SMALL_AND_UP, minSkuSpec: '4|1|28|64' };
const MISTRAL: Card = {
  ...MICROSOFT,
  publisher: 'Mistral AI',
  license: 'apache-2.0',
  allowedSkus: ['Standard_NC12s_v3', 'Standard_NC24s_v3', 'Standard_ND40rs_v2', ...A100_AND_UP],
  minSkuSpec: '12|2|224|64',
  refusesOtherSkus: true,
};
const META: Card = {
  ...MICROSOFT,
  publisher: 'Meta',
  license: 'custom',
  carrier: 'system metadata',
  refusesOtherSkus: true,
};
const HUGGING_FACE: Card = { ...SMALL, task: 'text-generation', license: 'apache-2.0' };

const MS = ['azureml', 'azureml-phi'];
const NO_TEXT = [1, 1, 1] as const;

// Architectures from the models' public cards. Versions 7 and 8 of Phi-4 and 6 of Phi-3-medium are real ones; of
// the others, some versions that exist are listed, without a claim that the list is whole.
export const MODELS: readonly Model[] = [
  model('Phi-4', ['7', '8'], MS, 14.7e9, [40, 10, 128], 16_384, { ...MICROSOFT, carrier: 'both' }),
  model('Phi-4-mini-instruct', ['1'], MS, 3.8e9, [32, 8, 128], 131_072, {
    ...SMALL,
    minSkuSpec: '6|1|112|64',
    carrier: 'system metadata',
  }),
  model('Phi-3.5-mini-instruct', ['4', '6'], MS, 3.8e9, [32, 32, 96], 131_072, {
    ...MICROSOFT,
    retiredAt: '2025-08-30T00:00:00Z',
    carrier: 'both',
  }),
  model('Phi-3.5-vision-instruct', ['1', '2'], MS, 4.2e9, [32, 32, 96], 131_072, {
    ...MICROSOFT,
    task: 'image-text-to-text',
  }),
  model('Phi-3-mini-4k-instruct', ['13', '14', '15'], MS, 3.8e9, [32, 32, 96], 4096, MICROSOFT),
  model('Phi-3-small-8k-instruct', ['4', '5', '6'], MS, 7.4e9, [32, 8, 128], 8192, MICROSOFT),
  model('Phi-3-medium-4k-instruct', ['5', '6'], MS, 14e9, [40, 10, 128], 4096, MICROSOFT),
  model(
    'Mistral-7B-Instruct-v0.3',
    ['1', '2'],
    ['azureml', 'azureml-mistral'],
    7.25e9,
    [32, 8, 128],
    32_768,
    { ...MISTRAL, carrier: 'system metadata' },
  ),
  model(
    'mistralai-Mistral-7B-Instruct-v01',
    ['18', '19'],
    ['azureml', 'azureml-mistral'],
    7.24e9,
    [32, 8, 128],
    32_768,
    MISTRAL,
  ),
  model('Meta-Llama-3.1-8B-Instruct', ['4', '5'], ['azureml-meta'], 8.03e9, [32, 8, 128], 131_072, META),
  model('Llama-3.2-11B-Vision-Instruct', ['1', '2'], ['azureml-meta'], 10.7e9, [40, 8, 128], 131_072, {
    ...META,
    task: 'image-text-to-text',
  }),
  model('Llama-3.3-70B-Instruct', ['4', '5'], ['azureml-meta'], 70.6e9, [80, 8, 128], 131_072, {
    ...META,
    allowedSkus: BIG_ONLY,
    minSkuSpec: '96|4|880|256',
  }),
  model('qwen-qwen2.5-7b-instruct', ['2', '3'], ['huggingface'], 7.62e9, [28, 4, 128], 32_768, {
    ...HUGGING_FACE,
    publisher: 'Qwen',
  }),
  model('baai-bge-m3', ['1', '4'], ['huggingface'], 0.568e9, [24, 16, 64], 8192, {
    ...HUGGING_FACE,
    publisher: 'BAAI',
    task: 'embeddings',
    license: 'mit',
  }),
  model(
    'Llama-3.1-Nemotron-Nano-8B-v1-NIM-microservice',
    ['1', '2'],
    ['azureml-nvidia'],
    8.03e9,
    [32, 8, 128],
    131_072,
    {
      ...META,
      publisher: 'NVIDIA',
      offer: 'VM-withSurcharge',
    },
  ),
  model('baai-bge-reranker-v2-m3', ['1', '2'], ['huggingface'], 0.568e9, [24, 16, 64], 8192, {
    ...HUGGING_FACE,
    publisher: 'BAAI',
    task: 'text-ranking',
  }),
  model('microsoft-Orca-2-7b', ['14', '17'], ['azureml'], 6.74e9, [32, 32, 128], 4096, {
    ...MICROSOFT,
    task: 'text-generation',
  }),
  model('Nemotron-3-8B-Chat-4k-SteerLM', ['2', '3'], ['azureml-nvidia'], 8.5e9, [32, 32, 128], 4096, {
    ...META,
    publisher: 'NVIDIA',
    task: 'text-generation',
    refusesOtherSkus: false,
  }),
  // Models that generate no text keep no cache of it; a number stands there because each model has one.
  model('microsoft-swinv2-base-patch4-window12-192-22k', ['17', '21'], ['azureml'], 0.11e9, NO_TEXT, 1, {
    ...MICROSOFT,
    allowedSkus: SMALL_AND_UP,
    minSkuSpec: '4|1|28|64',
    task: 'image-classification',
  }),
  model('openai-whisper-large', ['16', '21'], ['azureml'], 1.55e9, NO_TEXT, 1, {
    ...MICROSOFT,
    publisher: 'OpenAI',
    allowedSkus: SMALL_AND_UP,
    minSkuSpec: '4|1|28|64',
    task: 'automatic-speech-recognition',
  }),
  model('stabilityai-stable-diffusion-xl-refiner-1-0', ['7', '10'], ['azureml'], 6.6e9, NO_TEXT, 1, {
    ...MICROSOFT,
    publisher: 'Stability AI',
    license: 'custom',
    task: 'image-to-image',
  }),
  model('Muse', ['2', '5'], ['azureml'], 1.6e9, NO_TEXT, 1, { ...MICROSOFT, task: 'image-to-video' }),
  // A model of somebody's own: a registry knows nothing of it but what its owner wrote down.
  model('contoso-phi-4-tuned', ['1', '2', '3'], ['contoso-models'], 14.7e9, [40, 10, 128], 16_384, {
    ...MICROSOFT,
    publisher: 'Contoso',
    license: 'custom',
    allowedSkus: null,
    minSkuSpec: null,
    carrier: 'none',
  }),
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

/**
 * The model behind that address, or undefined where registry, name or version is not known here. Faults that the
 * name asks for do not make it another model.
 */
export function findModel(id: ModelId): Model | undefined {
  const found = findModelByName(id.registry, id.name);
  return found?.versions.includes(id.version) ? found : undefined;
}

/** The model of that name, with or without faults in it, in a registry; capitals do not matter. */
export function findModelByName(registry: string, name: string): Model | undefined {
  const wanted = withoutFaults(name).toLowerCase();
  return MODELS.find(
    (entry) => entry.name.toLowerCase() === wanted && entry.registries.includes(registry.toLowerCase()),
  );
}

function model(
  name: string,
  versions: readonly string[],
  registries: readonly string[],
  parameters: number,
  [layers, kvHeads, headSize]: readonly [number, number, number],
  contextTokens: number,
  card: Card,
): Model {
  const bytesPerWeight = 2; // BF16, as the catalog ships them
  const kvBytesPerToken = 2 * layers * kvHeads * headSize * bytesPerWeight;
  return { name, versions, registries, parameters, bytesPerWeight, kvBytesPerToken, contextTokens, card };
}
