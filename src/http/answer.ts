/** A call and its answer, as far as handlers see them, and the one place where a failure becomes a status. */
import type { Orchestrations, Services } from '../services.ts';
import { Problem } from './problem.ts';

/** The request; `@azure/functions` gives one of this shape. */
export interface ApiRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

export interface ApiCall {
  readonly request: ApiRequest;
  readonly services: Services;
  readonly orchestrations: Orchestrations;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Handler = (call: ApiCall) => Promise<ApiAnswer>;

/** What every answer carries: nothing is cached, sniffed, framed or referred to. */
const ALWAYS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

export function answerJson(status: number, value: unknown, headers: Record<string, string> = {}): ApiAnswer {
  return {
    status,
    headers: { ...ALWAYS, 'content-type': 'application/json', ...headers },
    body: `${JSON.stringify(value)}\n`,
  };
}

export function answerText(
  contentType: string,
  body: string,
  headers: Record<string, string> = {},
): ApiAnswer {
  return { status: 200, headers: { ...ALWAYS, 'content-type': contentType, ...headers }, body };
}

/** Runs a handler. A `Problem` is told as it is; anything else is logged and told without its words, which may hold secrets. */
export async function answerCall(
  handler: Handler,
  call: ApiCall,
  logError: (message: string, error: unknown) => void,
): Promise<ApiAnswer> {
  try {
    return await handler(call);
  } catch (error) {
    if (error instanceof Problem) return answerProblem(error);
    logError('A call failed:', error);
    return answerProblem(
      new Problem(
        500,
        'Internal error',
        'The call failed here and not in your input; the log of the app says why.',
      ),
    );
  }
}

function answerProblem(problem: Problem): ApiAnswer {
  const body = {
    type: 'about:blank',
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    faults: problem.faults,
  };
  return answerJson(problem.status, body, { ...problem.headers, 'content-type': 'application/problem+json' });
}
