/** A file of the user's own requests, one a line: the form that `PUT /api/request-sets/{name}` takes. */
import { readFile, stat } from 'node:fs/promises';
import { messageOf } from '../core/failure.ts';
import { parseRequestSet, REQUEST_SET_BOUNDS, type RequestSet } from '../core/requests/request-set.ts';
import { ApiError } from './api-client.ts';

/** Throws a sentence where the file cannot be read, and every faulty line where it is none. */
export async function readRequestsFile(path: string): Promise<RequestSet> {
  const parsed = parseRequestSet(await readText(path));
  if (!parsed.ok) throw new ApiError(`${path} is not a file of requests.`, null, parsed.faults);
  return parsed.value;
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > REQUEST_SET_BOUNDS.bytes)
      throw new Error(`it has ${size} bytes, and ${REQUEST_SET_BOUNDS.bytes} are the most`);
    return await readFile(path, 'utf8');
  } catch (cause) {
    const reason = messageOf(cause);
    throw new ApiError(`${path} cannot be read: ${reason}.`, null, [], cause);
  }
}
