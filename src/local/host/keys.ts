/** Function keys, enforced locally only when one is set; `func start` ignores them altogether. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request may call a function of this authLevel. The key comes in the header `x-functions-key` or the query
 * parameter `code`, as on Azure; comparing takes the same time wherever the texts differ.
 */
export function isAuthorized(
  authLevel: string,
  functionKey: string | undefined,
  headers: IncomingHttpHeaders,
  query: URLSearchParams,
): boolean {
  if (functionKey === undefined || authLevel.toLowerCase() === 'anonymous') return true;
  const header = headers['x-functions-key'];
  const given = typeof header === 'string' ? header : query.get('code');
  return given !== null && timingSafeEqual(digest(given), digest(functionKey));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
