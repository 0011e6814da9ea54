import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { getJson, getPages, JsonFault, type JsonQuery, reasonOf } from '../../src/azure/http-json.ts';
import { type JsonServer, numberedTokens, openJsonServer } from './json-server.ts';

let server: JsonServer;
beforeEach(async () => {
  server = await openJsonServer();
});
afterEach(() => server.close());

const aQuery = (fields: Partial<JsonQuery> = {}): JsonQuery => ({
  who: 'the list',
  signal: AbortSignal.timeout(5_000),
  bytesLimit: 1024 * 1024,
  ...fields,
});
const get = (fields: Partial<JsonQuery> = {}) => getJson(new URL(`${server.origin}/x`), aQuery(fields));
const faultOf = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  return reasonOf(error, 'the list');
};

describe('a call for JSON', () => {
  it('carries no token unless it is given a credential', async () => {
    await get();
    await get({ credential: numberedTokens() });
    expect(server.tokens).toEqual([null, 'Bearer token-1']);
  });

  it('asks for a new token once where the first was refused, and gives up where that is refused too', async () => {
    server.answer = (_url, response) =>
      server.tokens.length === 1 ? void response.writeHead(401).end() : { good: true };
    expect(await get({ credential: numberedTokens() })).toEqual({ good: true });
    expect(server.tokens).toEqual(['Bearer token-1', 'Bearer token-2']);
    server.answer = (_url, response) =>
      void response.writeHead(401).end('{"error":{"code":"ExpiredAuthenticationToken"}}');
    expect(await faultOf(get({ credential: numberedTokens() }))).toBe(
      'the list answered 401 ExpiredAuthenticationToken',
    );
    expect(server.calls).toHaveLength(4);
  });

  it('sends a token neither over http to a stranger nor after a redirect', async () => {
    const credential = numberedTokens();
    const stranger = getJson(new URL('http://example.com/x'), aQuery({ credential }));
    expect(await faultOf(stranger)).toContain('not at an https address');
    server.answer = (_url, response) =>
      void response.writeHead(307, { location: `${server.origin}/elsewhere` }).end();
    expect(await faultOf(get({ credential }))).toBe('the list answered 307');
    expect(server.calls).toEqual(['/x']);
  });

  it.each<[string, JsonServer['answer'], string]>([
    [
      'a refusal without its words',
      (_url, response) => void response.writeHead(500).end('secret'),
      'the list answered 500',
    ],
    ['no JSON', (_url, response) => void response.end('<html>'), 'the answer of the list is not JSON'],
    [
      'too long an answer',
      (_url, response) => void response.end(' '.repeat(1_100_000)),
      'an answer of the list is longer than 1 MiB',
    ],
    [
      'a cut answer',
      (_url, response) =>
        void response.writeHead(200, { 'content-length': 9 }).write('{', () => response.destroy()),
      'the list could not be read',
    ],
  ])('tells of %s', async (_name, answer, reason) => {
    server.answer = answer;
    expect(await faultOf(get())).toContain(reason);
  });

  it('ends when its time is over, whatever the other side does', async () => {
    server.answer = (_url, response) => void response.writeHead(200).write('{');
    expect(await faultOf(get({ signal: AbortSignal.timeout(50) }))).toBe('the list did not answer in time');
  });

  it('says what to do where there is no credential', async () => {
    const error = new Error('secret detail');
    error.name = 'CredentialUnavailableError';
    const credential = { getToken: () => Promise.reject(error) };
    expect(await faultOf(get({ credential }))).toMatch(/^there is no credential for Azure; .*`az login`/);
    expect(server.calls).toEqual([]);
  });
});

describe('a list of pages', () => {
  const read = (pagesLimit = 10) =>
    getPages(
      new URL(`${server.origin}/list`),
      { ...aQuery({ credential: numberedTokens() }), pagesLimit },
      (json) => {
        const { value, nextLink } = json as { value: number[]; nextLink?: unknown };
        return { items: value, nextLink };
      },
    );

  it('is read to its end over absolute and relative links, empty pages among them', async () => {
    server.answer = (url) =>
      [
        { value: [1, 2], nextLink: '/list?page=1' },
        { value: [], nextLink: `${server.origin}/list?page=2` },
        { value: [3], nextLink: '' },
      ][Number(url.searchParams.get('page') ?? 0)];
    expect(await read()).toEqual([1, 2, 3]);
  });

  it.each<[string, (page: number) => unknown, string, number]>([
    ['another address', () => 'http://127.0.0.1:1/list', 'goes on at another address', 1],
    ['no address', () => 'http://', 'goes on at another address', 1],
    ['itself', () => '/list', 'goes in a circle', 1],
    ['more and more', (page) => `/list?page=${page + 1}`, 'goes on after 10 pages', 10],
  ])('is not believed where it goes on at %s', async (_name, link, reason, calls) => {
    server.answer = (url) => ({ value: [1], nextLink: link(Number(url.searchParams.get('page') ?? 0)) });
    const error: unknown = await read().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(JsonFault);
    expect(error).toMatchObject({ honest: false, message: expect.stringContaining(reason) });
    expect(server.calls).toHaveLength(calls);
  });

  it('may have exactly as many pages as are allowed', async () => {
    server.answer = (url) => {
      const page = Number(url.searchParams.get('page') ?? 1);
      return { value: [page], nextLink: page < 3 ? `/list?page=${page + 1}` : null };
    };
    expect(await read(3)).toEqual([1, 2, 3]);
    await expect(read(2)).rejects.toThrow('goes on after 2 pages');
  });
});
