/** Liveness. */
import { z } from 'zod';
import { maybe, text } from './figure.ts';

const check = z.strictObject({
  ok: z.boolean(),
  message: text.nullable().describe('A sentence where it is not.'),
});

const timer = check.extend({
  timer: text,
  lastAt: text.nullable().describe('When its last pass ended; null where none is known.'),
  ageSeconds: maybe,
});

export const health = z
  .strictObject({
    status: z.enum(['ok', 'degraded']),
    version: text,
    simulated: z.boolean().describe('True where a simulator answers and not Azure.'),
    simulatorGpuSpeed: maybe,
    degraded: z.array(text).describe('What does not work.'),
    checks: z.strictObject({
      tables: check,
      arm: check.describe(
        'Whether the identity of the app may list endpoints, as of a minute ago at the most.',
      ),
      timers: z.array(timer),
      watchdog: check.describe('Whether endpoints are alive that it should have deleted.'),
    }),
  })
  .meta({ id: 'Health' });
