/** Reads the JSON body of a call, bounded, with a sentence for each way in which it is none. */
import type { Fault } from '../core/failure.ts';
import type { ApiRequest } from './answer.ts';
import { shapeOfJson } from './json-shape.ts';
import { invalidInput, Problem } from './problem.ts';

/** A spec of a hundred workloads is about 6 kB; a megabyte is a mistake or an attack. */
const MAX_BODY_CHARACTERS = 1_000_000;
/** A template may nest 32 levels deep, within a spec, within a list of targets. */
const MAX_DEPTH = 64;
/** The longest template is 400,000 characters, and nobody writes one of numbers alone. */
const MAX_VALUES = 100_000;

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
  const { depth, commas } = shapeOfJson(text);
  if (depth > MAX_DEPTH)
    throw invalidInput([{ path: '(body)', message: `must not be nested deeper than ${MAX_DEPTH} levels` }]);
  if (commas >= MAX_VALUES)
    throw invalidInput([{ path: '(body)', message: `must have at most ${MAX_VALUES} fields and items` }]);
  const body = parseJson(text);
  const faults = protoFaults(body, '');
  if (faults.length > 0) throw invalidInput(faults);
  return body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : 'unreadable';
    throw new Problem(400, 'Invalid input', `The body is not JSON: ${reason}`, [
      { path: '(body)', message: 'must be JSON' },
    ]);
  }
}

/**
 * Fields called `__proto__`, which JSON may have: copying an object the usual way would drop them in silence, or do
 * worse. Not deeper than MAX_DEPTH.
 */
function protoFaults(value: unknown, at: string): Fault[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item, index) => protoFaults(item, `${at}[${index}]`));
  return Object.entries(value).flatMap(([name, item]) => {
    const path = at === '' ? name : `${at}.${name}`;
    return name === '__proto__'
      ? [{ path, message: 'is a name that no field may have; remove it' }]
      : protoFaults(item, path);
  });
}
