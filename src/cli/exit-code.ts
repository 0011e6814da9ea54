/** What the command ends with, for scripts. */
export const EXIT = {
  good: 0,
  /** The run ended as failed or canceled, objectives are missed, a target is worse than its baseline, or an endpoint is left. */
  runFailed: 1,
  /** Bad input, a refusal, or no answer. */
  error: 2,
  /** Interrupted; what was asked to end has ended unless the output says otherwise. */
  interrupted: 130,
} as const;
