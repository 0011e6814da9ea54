/** A line of `GET /api/runs/{id}/results?format=vllm`: one cell in the words of `vllm bench serve`. */
import { z } from 'zod';
import {
  VLLM_METRICS,
  VLLM_STATISTICS,
  type VllmResult,
  type VllmTimes,
} from '../../core/report/report-vllm.ts';
import { count, maybe, text } from './figure.ts';
import type { Shape } from './shape.ts';

const times = Object.fromEntries(
  VLLM_METRICS.flatMap((metric) =>
    VLLM_STATISTICS.map((statistic) => [`${statistic}_${metric}_ms` as const, maybe]),
  ),
) as Record<keyof VllmTimes, typeof maybe>;

export const vllmResult = z
  .strictObject({
    date: text.describe('When the cell was measured, in UTC, as 20261128-235959.'),
    endpoint_type: text.nullable(),
    backend: text.nullable().describe('The payload family.'),
    label: text.describe('The cell.'),
    model_id: text.nullable(),
    tokenizer_id: z.null(),
    num_prompts: count.describe('Requests, failed ones and those that were dropped included.'),
    request_rate: z.union([z.number(), z.literal('inf')]),
    burstiness: maybe.describe('1 is a Poisson process.'),
    max_concurrency: maybe,
    duration: z.number().describe('Seconds of all repeats together.'),
    completed: count,
    failed: count,
    total_input_tokens: count,
    total_output_tokens: count.nullable(),
    request_throughput: maybe.describe('Requests per second; mean over repeats, as the rates below.'),
    request_goodput: maybe,
    output_throughput: maybe.describe('Tokens per second.'),
    total_token_throughput: maybe.describe('Tokens per second, those of prompts included.'),
    ...times,
    run_id: text,
    input_len: count,
    output_len: count,
    sku: text.nullable(),
    instances: count.nullable(),
    repeats: count,
    steady: z.boolean(),
    client_valid: z.boolean().nullable(),
    simulated: z.boolean().describe('True where a simulator answered and not a GPU.'),
  } satisfies Shape<VllmResult>)
  .meta({ id: 'VllmResult' });
