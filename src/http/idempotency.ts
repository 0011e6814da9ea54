/** The header `Idempotency-Key`: the same key and the same input never start a second thing. */
import { createHash } from 'node:crypto';
import type { Services } from '../services.ts';
import type { ApiRequest } from './answer.ts';
import { invalidInput, Problem } from './problem.ts';

export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

export function readIdempotencyKey(request: ApiRequest): string | null {
  const key = request.headers.get('idempotency-key');
  if (key === null) return null;
  if (IDEMPOTENCY_KEY.test(key)) return key;
  throw invalidInput([
    { path: 'Idempotency-Key', message: 'must have 1 to 255 visible ASCII characters and no space' },
  ]);
}

/** The id that belongs to the key: this one if the key is new, otherwise that of the run or comparison it has started. */
export async function claimKey(services: Services, key: string, id: string, input: unknown): Promise<string> {
  const bodyHash = sha256(JSON.stringify(input));
  const claim = await services.stores.keys.claim(sha256(key), { runId: id, bodyHash });
  if (claim.bodyHash === bodyHash) return claim.runId;
  throw new Problem(
    409,
    'Idempotency key in use',
    `This Idempotency-Key has started ${claim.runId} with another spec; send that spec again, or use a new key.`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
