/** Lists that go on in a further answer: what may be asked of one, and how many entries it may hold. */

import { InvalidContinuation } from '../services.ts';
import type { ApiRequest } from './answer.ts';
import { invalidInput } from './problem.ts';
import { readQuery } from './query.ts';

/** Each entry is a view with its spec; two hundred of them are about a megabyte. */
export const LIST_ENTRIES = { usual: 50, most: 200 } as const;

export type PageAsked<State extends string, Filter extends string> = {
  /** 1 to `LIST_ENTRIES.most`. */
  readonly limit: number;
  readonly state?: State;
  readonly continuation?: string;
} & { readonly [name in Filter]?: string };

/** What a call asks of a list whose entries have these states; `filters` are parameters of this list alone. */
export function readPage<State extends string, Filter extends string = never>(
  request: ApiRequest,
  states: readonly State[],
  filters: readonly Filter[] = [],
): PageAsked<State, Filter> {
  const asked = readQuery<'state' | 'limit' | 'continuation' | Filter>(request, [
    'state',
    ...filters,
    'limit',
    'continuation',
  ]);
  const { limit: written = String(LIST_ENTRIES.usual), state } = asked as {
    limit?: string;
    state?: string;
  };
  const limit = Number(written);
  const faults = [
    ...(Number.isInteger(limit) && limit >= 1 && limit <= LIST_ENTRIES.most
      ? []
      : [{ path: 'limit', message: `must be a whole number from 1 to ${LIST_ENTRIES.most}` }]),
    ...(state === undefined || states.some((known) => known === state)
      ? []
      : [{ path: 'state', message: `must be one of ${states.join(', ')}` }]),
  ];
  if (faults.length > 0) throw invalidInput(faults);
  // Safe: the state is one of them, and every other parameter is a text.
  return { ...asked, limit } as unknown as PageAsked<State, Filter>;
}

/** The page, or a 400 where the continuation is none that a list has given. */
export async function fetchPage<Page>(list: () => Promise<Page>): Promise<Page> {
  try {
    return await list();
  } catch (error) {
    if (error instanceof InvalidContinuation)
      throw invalidInput([{ path: 'continuation', message: error.message }]);
    throw error;
  }
}
