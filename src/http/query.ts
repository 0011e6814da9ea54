/** Reads the query of a call: the parameters it knows, each at most once, and a fault for every other. */
import type { Fault } from '../core/failure.ts';
import type { ApiRequest } from './answer.ts';
import { invalidInput } from './problem.ts';

/** `code` and `clientId` carry the function key on Azure. */
const ALWAYS_KNOWN = new Set(['code', 'clientId']);
const MAX_VALUE_CHARACTERS = 2_048;

export function readQuery<N extends string>(
  request: ApiRequest,
  names: readonly N[],
): Partial<Record<N, string>> {
  const faults: Fault[] = [];
  const values: Partial<Record<N, string>> = {};
  for (const [name, value] of request.query) {
    if (ALWAYS_KNOWN.has(name)) continue;
    if (!names.includes(name as N))
      faults.push({
        path: name,
        message: `is not a parameter of this call (known: ${names.join(', ') || 'none'})`,
      });
    else if (values[name as N] !== undefined) faults.push({ path: name, message: 'must be given once' });
    else if (value === '' || value.length > MAX_VALUE_CHARACTERS)
      faults.push({ path: name, message: `must have 1 to ${MAX_VALUE_CHARACTERS} characters` });
    else values[name as N] = value;
  }
  if (faults.length > 0) throw invalidInput(faults);
  return values;
}

/** The form in which results are asked for; JSON where nothing is said. */
export function readFormat<Format extends string>(
  request: ApiRequest,
  formats: readonly (Format | 'json')[],
): Format | 'json' {
  const { format: asked = 'json' } = readQuery(request, ['format']);
  const format = formats.find((known) => known === asked);
  if (format === undefined)
    throw invalidInput([{ path: 'format', message: `must be one of ${formats.join(', ')}` }]);
  return format;
}
