/** The calls of the page, with the reader's function key where the host wants one. */
import type { Fault } from '../../core/failure.ts';

/** The longest answer is a list of 50 runs, or a catalog that asks Azure. */
const CALL_TIMEOUT_MS = 30_000;
const KEY_NAME = 'foundry-bench-key';

/** What went wrong with a call, in a sentence for the reader. */
export class ApiProblem extends Error {
  /** Null where there was no answer. */
  readonly status: number | null;
  readonly faults: readonly Fault[];
  /** The reader gave no key; asking again is for the reader to start. */
  readonly needsKey: boolean;

  constructor(
    message: string,
    fields: { status?: number; faults?: readonly Fault[]; needsKey?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: fields.cause });
    this.name = 'ApiProblem';
    this.status = fields.status ?? null;
    this.faults = fields.faults ?? [];
    this.needsKey = fields.needsKey ?? false;
  }
}

export interface Api {
  read<Answer>(path: string): Promise<Answer>;
  send<Answer>(
    method: 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** The body of a GET as it is. */
  fetchFile(path: string): Promise<Blob>;
}

/** `askForKey` is called after a 401; it gives null where the reader does not give one. */
export function createApi(askForKey: (wasRefused: boolean) => Promise<string | null>): Api {
  let functionKey = sessionStorage.getItem(KEY_NAME);
  let question: Promise<string | null> | null = null;

  /** A 401 asks for the key, once for all calls at a time; each further turn needs a further key from the reader. */
  async function call(
    path: string,
    init: RequestInit & { headers?: Record<string, string> },
  ): Promise<Response> {
    for (;;) {
      const usedKey = functionKey;
      const response = await answerOf(path, init, usedKey);
      if (response.ok) return response;
      if (response.status !== 401) throw await problemOf(response);
      if (functionKey !== usedKey) continue; // Another call has asked meanwhile.
      question ??= askForKey(usedKey !== null).finally(() => {
        question = null;
      });
      const given = await question;
      if (given === null)
        throw new ApiProblem('Without its function key this host shows nothing.', {
          status: 401,
          needsKey: true,
        });
      functionKey = given;
      sessionStorage.setItem(KEY_NAME, given);
    }
  }

  return {
    read: async (path) => (await call(path, {})).json(),
    send: async (method, path, body, headers = {}) => {
      const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
      const text = body === undefined ? {} : { body: JSON.stringify(body) };
      return (await call(path, { method, headers: { ...type, ...headers }, ...text })).json();
    },
    fetchFile: async (path) => (await call(path, {})).blob(),
  };
}

/** A 404 is no problem, nor a 409: there is nothing of that name, or nothing yet. */
export function noneYet(error: unknown): null {
  if (error instanceof ApiProblem && (error.status === 404 || error.status === 409)) return null;
  throw error;
}

async function answerOf(
  path: string,
  init: RequestInit & { headers?: Record<string, string> },
  key: string | null,
): Promise<Response> {
  const headers = { ...init.headers, ...(key === null ? {} : { 'x-functions-key': key }) };
  try {
    return await fetch(path, {
      ...init,
      headers,
      cache: 'no-store',
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
  } catch (cause) {
    throw new ApiProblem(
      'The host does not answer. What stands here is its last answer; the page keeps trying.',
      {
        cause,
      },
    );
  }
}

async function problemOf(response: Response): Promise<ApiProblem> {
  // Not every proxy in between speaks JSON; the status says enough.
  const problem = await response.json().catch(() => null);
  const { detail, title, faults } = (problem ?? {}) as { detail?: string; title?: string; faults?: Fault[] };
  return new ApiProblem(detail ?? title ?? `The host answered with status ${response.status}.`, {
    status: response.status,
    faults: Array.isArray(faults) ? faults : [],
  });
}
