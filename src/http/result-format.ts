/** The forms in which the report of a run may be read; `html` is one file with its charts inside. */
export const RESULT_FORMATS = ['json', 'csv', 'md', 'html', 'vllm'] as const;

export type ResultFormat = (typeof RESULT_FORMATS)[number];

/** The same of a comparison. */
export const COMPARISON_FORMATS = ['json', 'csv', 'md', 'html'] as const;

/** And of a schedule's history. */
export const SCHEDULE_FORMATS = ['json', 'csv', 'md'] as const;
