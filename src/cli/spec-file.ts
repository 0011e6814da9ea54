/** Reads a spec from a file or from standard input. What is in it is checked by the app, which knows every rule. */
import { readFile, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { ApiError } from './api-client.ts';

/** A spec is a few hundred bytes; a megabyte is another file. */
const MAX_BYTES = 1024 * 1024;

/** The parsed JSON of `path`, `-` for standard input. Throws a sentence where it cannot be read or is not JSON. */
export async function readSpec(path: string, stdin: Readable): Promise<unknown> {
  const name = path === '-' ? 'standard input' : path;
  const text = path === '-' ? await readStream(stdin) : await readBoundedFile(path);
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new ApiError(`${name} is not JSON: ${(cause as Error).message}`, null, [], cause);
  }
}

async function readBoundedFile(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) throw new ApiError(`${path} is larger than 1 MB, which no spec is.`, null);
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    throw new ApiError(
      `${path} cannot be read (${code}); name the file that holds the spec with -f.`,
      null,
      [],
      cause,
    );
  }
}

async function readStream(stdin: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const piece = Buffer.from(chunk);
    bytes += piece.byteLength;
    if (bytes > MAX_BYTES) throw new ApiError('Standard input is larger than 1 MB, which no spec is.', null);
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString('utf8');
}
