/** What is said of a call beside its address: the form in which `operations.ts` describes each route. */
import type { z } from 'zod';

export interface Operation {
  /** One line, as a sentence without its end. */
  readonly summary: string;
  readonly description?: string;
  readonly tag: 'runs' | 'comparisons' | 'schedules' | 'endpoints' | 'catalog' | 'request sets' | 'app';
  /** The parameters of the route, of the query and of the header, by name. */
  readonly path?: Fields;
  readonly query?: Fields;
  readonly headers?: Fields;
  readonly body?: Contents;
  /** By status. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Statuses that are answered with problem details, beside 401 and 500, which every call may have. */
  readonly problems?: readonly number[];
}

export type Fields = Readonly<Record<string, z.ZodType>>;

export interface Answer {
  readonly description: string;
  readonly contents: Contents;
  /** What each header tells. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** By content type. */
export type Contents = Readonly<Record<string, Content>>;

/** A text of one JSON document a line. */
export const NDJSON = 'application/x-ndjson';

export interface Content {
  /** Of the body, or of each of its lines where it is NDJSON. */
  readonly schema: z.ZodType;
  readonly examples?: Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>;
}

export function json(schema: z.ZodType, examples?: Content['examples']): Contents {
  return { 'application/json': { schema, ...(examples !== undefined && { examples }) } };
}
