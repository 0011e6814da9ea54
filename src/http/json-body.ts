/** Reads the JSON body of a call, bounded, with a sentence for each way in which it is none. */
import type { ApiRequest } from './answer.ts';
import { Problem } from './problem.ts';

/** A spec of a hundred workloads is about 6 kB; a megabyte is a mistake or an attack. */
const MAX_BODY_CHARACTERS = 1_000_000;

export async function readJsonBody(request: ApiRequest): Promise<unknown> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new Problem(
      415,
      'Unsupported media type',
      'Send the body as JSON, with the header content-type: application/json.',
    );
  }
  const announced = Number(request.headers.get('content-length') ?? 0);
  const text = announced > MAX_BODY_CHARACTERS ? null : await request.text();
  if (text === null || text.length > MAX_BODY_CHARACTERS) {
    throw new Problem(
      413,
      'Content too large',
      `The body may have at most ${MAX_BODY_CHARACTERS} characters.`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : 'unreadable';
    throw new Problem(400, 'Invalid input', `The body is not JSON: ${reason}`, [
      { path: '(body)', message: 'must be JSON' },
    ]);
  }
}
