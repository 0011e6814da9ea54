/**
 * Workloads that have a name: the eight scenarios of the scripts that this project replaces, at the lengths that their
 * prompts speak of. (As sent they were mostly about a hundred tokens, whatever they said.)
 */
export const SCENARIOS = {
  'text-generation': { promptTokens: 120, outputTokens: 500 },
  'question-answering': { promptTokens: 2_000, outputTokens: 500 },
  translation: { promptTokens: 90, outputTokens: 300 },
  summarization: { promptTokens: 3_000, outputTokens: 200 },
  'code-generation': { promptTokens: 120, outputTokens: 1_000 },
  chatbot: { promptTokens: 80, outputTokens: 200 },
  sentiment: { promptTokens: 500, outputTokens: 8 },
  'multi-turn-reasoning': { promptTokens: 3_000, outputTokens: 1_000 },
} as const satisfies Readonly<
  Record<string, { readonly promptTokens: number; readonly outputTokens: number }>
>;

export type ScenarioName = keyof typeof SCENARIOS;

/** Whether a text is the name of a scenario, and not one of every object's own names. */
export function isScenario(name: unknown): name is ScenarioName {
  return typeof name === 'string' && Object.hasOwn(SCENARIOS, name);
}

/** All names, for a fault's sentence. */
export const SCENARIO_NAMES = Object.keys(SCENARIOS)
  .map((name) => `"${name}"`)
  .join(', ');
