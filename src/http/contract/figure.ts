/** Numbers and times as answers hold them. */
import { z } from 'zod';

export const count = z.int().min(0);
export const share = z.number().min(0).max(1);
/** Null where it is not known or does not exist. */
export const maybe = z.number().nullable();
export const text = z.string();
export const time = z.string().meta({ format: 'date-time' });
/** Milliseconds since 1970, as stored documents hold times. */
export const epochMs = z.number().describe('Milliseconds since 1970, UTC.');
