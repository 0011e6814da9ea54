/**
 * One bounded GET that answers JSON: bounded in time and bytes, without redirects, and with a token only where the
 * caller has checked the address. For the services that no SDK of ours speaks: registries, locations, the price list.
 */
import type { TokenCredential } from '@azure/identity';
import { request } from 'undici';
import { isLoopbackHttp } from '../config.ts';

/** Registries and locations are read with ARM's audience, as Microsoft's own tools do. */
export const ARM_SCOPE = 'https://management.azure.com/.default';

export interface JsonQuery {
  /** What is asked, as the subject of a sentence: "the price list". */
  readonly who: string;
  /** Ends the call whatever it is doing; one signal may bound several calls. */
  readonly signal: AbortSignal;
  readonly bytesLimit: number;
  readonly credential?: TokenCredential;
}

/** An answer that cannot be used. Its message is a clause without a full stop, for the caller's sentence. */
export class JsonFault extends Error {
  /** HTTP status, or null where no whole answer came. */
  readonly status: number | null;
  /** False where the other side is not what it should be: asking elsewhere would hide that. */
  readonly honest: boolean;

  constructor(
    message: string,
    { status = null, honest = true }: { status?: number | null; honest?: boolean } = {},
  ) {
    super(message);
    this.name = 'JsonFault';
    this.status = status;
    this.honest = honest;
  }
}

/** The JSON of a 200. Everything else is a JsonFault that holds neither token nor body. */
export async function getJson(url: URL, query: JsonQuery): Promise<unknown> {
  const first = await get(url, query);
  // A token that has just expired is asked for anew, once.
  const answer = first.status === 401 && query.credential !== undefined ? await get(url, query) : first;
  if (answer.status !== 200) {
    const code = errorCode(answer.text);
    throw new JsonFault(`${query.who} answered ${answer.status}${code === null ? '' : ` ${code}`}`, {
      status: answer.status,
    });
  }
  const json = parseJson(answer.text);
  if (json === undefined) throw new JsonFault(`the answer of ${query.who} is not JSON`);
  return json;
}

/** What a page of a list holds: its items, and where the list says that it goes on. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextLink: unknown;
}

/**
 * All items of a list of pages, each read by `readPage`. Throws where the list is longer than `pagesLimit`: half a
 * list must never be taken for the whole.
 */
export async function getPages<Item>(
  first: URL,
  query: JsonQuery & { readonly pagesLimit: number },
  readPage: (json: unknown) => Page<Item>,
): Promise<Item[]> {
  const items: Item[] = [];
  let pages = 0;
  for await (const page of walkPages(first, query, readPage)) {
    items.push(...page.items);
    pages += 1;
    if (pages === query.pagesLimit && isLink(page.nextLink))
      throw new JsonFault(`${query.who} goes on after ${query.pagesLimit} pages`, { honest: false });
  }
  return items;
}

/**
 * The pages of a list, one after the other, for as long as the caller asks for more. Throws where a page points to
 * another address (the token must not follow it, and neither does the trust) or comes a second time.
 */
export async function* walkPages<Item>(
  first: URL,
  query: JsonQuery,
  readPage: (json: unknown) => Page<Item>,
): AsyncGenerator<Page<Item>, void, undefined> {
  const seen = new Set<string>();
  let next: URL | null = first;
  while (next !== null) {
    if (seen.has(next.href)) throw new JsonFault(`${query.who} goes in a circle`, { honest: false });
    seen.add(next.href);
    const page: Page<Item> = readPage(await getJson(next, query));
    yield page;
    next = nextPage(page.nextLink, first, query.who);
  }
}

export function isLink(link: unknown): link is string {
  return typeof link === 'string' && link !== '';
}

/** Why a call failed, as a clause: a JsonFault's own words, or what the network said. */
export function reasonOf(error: unknown, who: string): string {
  if (error instanceof JsonFault) return error.message;
  if (!(error instanceof Error)) return `${who} could not be read`;
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return `${who} did not answer in time`;
  if (/Credential|Authentication/.test(error.name))
    return 'there is no credential for Azure; give the app a managed identity, or sign in with `az login` on a laptop';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? `${who} could not be read (${code})` : `${who} could not be read`;
}

async function get(url: URL, query: JsonQuery): Promise<{ status: number; text: string }> {
  const { credential, signal, bytesLimit, who } = query;
  if (credential !== undefined && url.protocol !== 'https:' && !isLoopbackHttp(url.href))
    throw new JsonFault(`${who} is not at an https address, so no token is sent there`, { honest: false });
  const token =
    credential === undefined ? null : await credential.getToken(ARM_SCOPE, { abortSignal: signal });
  if (credential !== undefined && token === null) throw new JsonFault('no token for Azure could be had');
  // undici follows no redirect unless told to, so a token stays where it was sent.
  const { statusCode, body } = await request(url, {
    signal,
    headers: {
      accept: 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token.token}` }),
    },
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > bytesLimit)
      throw new JsonFault(`an answer of ${who} is longer than ${bytesLimit / 1024 / 1024} MiB`);
    chunks.push(chunk);
  }
  return { status: statusCode, text: Buffer.concat(chunks).toString('utf8') };
}

/** ARM's and the registries' word for an error, never their text: that may repeat what was sent. */
function errorCode(text: string): string | null {
  const code = (parseJson(text) as { error?: { code?: unknown } } | null | undefined)?.error?.code;
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function nextPage(link: unknown, first: URL, who: string): URL | null {
  if (!isLink(link)) return null;
  const url = URL.canParse(link, first.href) ? new URL(link, first.href) : null;
  if (url === null || url.origin !== first.origin)
    throw new JsonFault(`${who} goes on at another address, which was not followed`, { honest: false });
  return url;
}
