/** The rules that the parts of a spec are made of: numbers within bounds, names, objects; each says itself in a sentence. */
import { z } from 'zod';

export const whole = (least: number, most: number) =>
  z
    .int({ error: `must be a whole number from ${least} to ${most}` })
    .min(least, between(least, most))
    .max(most, between(least, most));

export const amount = (least: number, most: number) =>
  z
    .number({ error: `must be a number from ${least} to ${most}` })
    .min(least, between(least, most))
    .max(most, between(least, most));

/** Keeps zod's own word for unknown fields and says what an object should look like where there is none. */
export function objectRule(example: string) {
  return {
    error: (issue: z.core.$ZodRawIssue) =>
      issue.code === 'invalid_type' ? `must be an object such as ${example}` : undefined,
  };
}

function between(least: number, most: number): string {
  return `must be from ${least} to ${most}`;
}

export const name = (most: number, pattern: RegExp, rule: string) =>
  z
    .string({ error: 'must be a text' })
    .max(most, `must have at most ${most} characters`)
    .regex(pattern, rule);
