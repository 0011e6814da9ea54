/** What a call that did not work is answered with: RFC 9457 problem details with every fault at once. */
import { z } from 'zod';
import type { Fault } from '../../core/failure.ts';
import type { Shape } from './shape.ts';

const fault = z.strictObject({
  path: z.string().describe('Where, such as target.sku or workloads[3].promptTokens; (body) is all of it.'),
  message: z.string().describe('What is wrong and what to do.'),
} satisfies Shape<Fault>);

export const problem = z
  .strictObject({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('A sentence that names the thing and the remedy.'),
    faults: z
      .array(fault)
      .exactOptional()
      .describe(
        'Every fault of the input; empty where the input was not the reason, absent where the host refused the call before the app saw it.',
      ),
  })
  .meta({ id: 'Problem' });
