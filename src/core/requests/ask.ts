/** What each request of a shard asks for: its prompt and the lengths, by its index alone. */

import type { ShardOrder } from '../measuring/shard.ts';
import { requestLengths } from './lengths.ts';
import { buildPrompt } from './prompt.ts';
import { type PromptInput, promptCharacters } from './request-set.ts';

export interface Ask {
  readonly prompt: PromptInput;
  /** The length that is wanted of the prompt; for the user's own text, what it comes to by the calibration. */
  readonly promptTokens: number;
  readonly outputTokens: number;
}

type AskOrder = Pick<ShardOrder, 'workload' | 'prompts' | 'charactersPerToken' | 'templateTokens' | 'seed'>;

/** What request `index` asks for. The user's own requests come in their order, and again after the last of them. */
export function askOf(order: AskOrder, index: number): Ask {
  const { workload, prompts, charactersPerToken, templateTokens, seed } = order;
  const line = prompts?.[index % prompts.length];
  if (line !== undefined) {
    const { prompt, outputTokens = workload.outputTokens } = line;
    const promptTokens = Math.round(templateTokens + promptCharacters(prompt) / charactersPerToken);
    return { prompt, promptTokens, outputTokens };
  }
  const { promptTokens, outputTokens } = requestLengths(workload, seed, index);
  const length = { promptTokens, charactersPerToken, templateTokens };
  const { sharedPrefixTokens = 0 } = workload;
  return { prompt: buildPrompt({ ...length, sharedPrefixTokens }, seed, index), promptTokens, outputTokens };
}
