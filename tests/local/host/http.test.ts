import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FixtureHost, startFixture } from './app-host.ts';

let host: FixtureHost;
const KEY = 'the-key';

beforeAll(async () => {
  process.env['AzureWebJobs.disabled.Disabled'] = 'true';
  host = await startFixture('http-app', { functionKey: KEY, allowedHosts: ['bench.test'] });
});

afterAll(async () => {
  await host.remove();
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly json: () => Record<string, unknown>;
}

/** A request with full control over its headers, which fetch does not give. */
function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body: string | readonly string[] = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(`${host.baseUrl}`, { method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const all = Buffer.concat(chunks);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: all,
          json: () => JSON.parse(all.toString()) as Record<string, unknown>,
        });
      });
      response.on('error', reject);
    });
    asked.on('error', reject);
    if (typeof body === 'string') {
      asked.end(body);
    } else {
      for (const chunk of body) asked.write(chunk);
      asked.end();
    }
  });
}

const JSON_TYPE = { 'content-type': 'application/json' };

describe('routing', () => {
  test.each([
    ['/', 'page', {}],
    ['/?a=1', 'page', {}],
    ['/api/things/abc', 'one', { id: 'abc' }],
    ['/api/things/abc/', 'one', { id: 'abc' }],
    ['/API/Things/ABC', 'one', { id: 'ABC' }],
    ['/api/things/a%2Fb%20c', 'one', { id: 'a/b c' }],
    ['/api/things/42', 'number', { id: '42' }],
    ['/api/things/SPECIAL', 'special', {}],
    ['/api/files/a/b.txt', 'rest', { path: 'a/b.txt' }],
    ['/api/files', 'rest', {}],
  ])('GET %s reaches %s', async (path, name, params) => {
    expect((await ask('GET', path)).json()).toMatchObject({ name, params });
  });

  test.each([
    '/x',
    '/api',
    '/api/nothing',
    '/api/things/a/b',
    '/runtime',
    '/runtime/webhooks/durabletask/instances',
    '/admin/host/status',
    '/api/disabled',
  ])('GET %s is not found', async (path) => {
    const answer = await ask('GET', path);
    expect(answer.status).toBe(404);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  test('a method that no function of the path takes gets 405 with those that do', async () => {
    const answer = await ask('PATCH', '/api/things/42');
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET, PUT, DELETE');
  });

  test('a method that a worse match takes reaches that one', async () => {
    expect((await ask('DELETE', '/api/things/42')).json()).toMatchObject({ name: 'one' });
  });

  test('a path that is not validly encoded is refused', async () => {
    expect((await ask('GET', '/api/things/%zz')).status).toBe(400);
  });
});

describe('requests', () => {
  test('a function sees method, URL, query, headers and body', async () => {
    const answer = await ask(
      'POST',
      '/api/things?a=1&a=2&b=%20',
      { ...JSON_TYPE, 'x-test': 'yes' },
      '{"x":1}',
    );
    expect(answer.json()).toEqual({
      name: 'create',
      method: 'POST',
      url: `${host.baseUrl}/api/things?a=1&a=2&b=%20`,
      params: {},
      query: { a: '2', b: ' ' },
      header: 'yes',
      body: '{"x":1}',
    });
  });

  test('a chunked body is read', async () => {
    const answer = await ask('POST', '/api/things', { ...JSON_TYPE, 'transfer-encoding': 'chunked' }, [
      '{"x"',
      ':1}',
    ]);
    expect(answer.json()).toMatchObject({ body: '{"x":1}' });
  });

  test('a POST without a body needs no content type', async () => {
    expect((await ask('POST', '/api/things')).json()).toMatchObject({ body: '' });
  });

  test.each([
    ['no content type', {}],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text', { 'content-type': 'text/plain' }],
    ['a type that only begins like JSON', { 'content-type': 'application/json-patch' }],
  ])('a body with %s gets 415, with and without content-length', async (_, headers) => {
    expect((await ask('POST', '/api/things', headers, '{}')).status).toBe(415);
    const chunked = await ask('POST', '/api/things', { ...headers, 'transfer-encoding': 'chunked' }, [
      '{',
      '}',
    ]);
    expect(chunked.status).toBe(415);
  });

  test('a body that says it is larger than 100 MB gets 413', async () => {
    const answer = await ask(
      'POST',
      '/api/things',
      { ...JSON_TYPE, 'content-length': String(101 * 1024 * 1024) },
      '{',
    );
    expect(answer.status).toBe(413);
  });

  test('charset and case of the content type do not matter', async () => {
    expect(
      (await ask('POST', '/api/things', { 'content-type': 'Application/JSON; charset=utf-8' }, '{}')).status,
    ).toBe(200);
  });
});

describe('strangers', () => {
  test.each(['evil.example', `evil.example:80`, '127.0.0.1', '127.0.0.1:1', 'localhost.evil.example:80'])(
    'the Host %s is refused, on functions and on webhooks',
    async (name) => {
      for (const path of ['/api/plain', '/runtime/webhooks/x/durabletask/instances', '/']) {
        const answer = await ask('GET', path, { host: name });
        expect(answer.status).toBe(403);
        expect(answer.json()).toMatchObject({ status: 403, title: 'Forbidden' });
      }
    },
  );

  test.each(['localhost', '127.0.0.1', '[::1]', 'LOCALHOST', 'bench.test'])(
    'the Host %s with our port is welcome',
    async (name) => {
      expect((await ask('GET', '/api/plain', { host: `${name}:${host.port}` })).status).toBe(200);
    },
  );

  test.each(['http://evil.example', 'null', 'https://localhost:PORT', 'http://localhost:1'])(
    'the Origin %s is refused',
    async (origin) => {
      const answer = await ask(
        'POST',
        '/api/things',
        { ...JSON_TYPE, origin: origin.replace('PORT', String(host.port)) },
        '{}',
      );
      expect(answer.status).toBe(403);
    },
  );

  test('our own Origin is welcome', async () => {
    expect(
      (await ask('POST', '/api/things', { ...JSON_TYPE, origin: `http://localhost:${host.port}` }, '{}'))
        .status,
    ).toBe(200);
  });
});

describe('keys', () => {
  test.each([
    ['none', {}, '', 401],
    ['a wrong one', { 'x-functions-key': 'wrong' }, '', 401],
    ['a wrong one in the query', {}, '?code=wrong', 401],
    ['the right one', { 'x-functions-key': KEY }, '', 200],
    ['the right one in the query', {}, `?code=${KEY}`, 200],
  ])('with %s', async (_, headers, query, status) => {
    expect((await ask('GET', `/api/keyed${query}`, headers)).status).toBe(status);
  });
});

describe('answers', () => {
  test('status, headers, bytes and cookies arrive', async () => {
    const { status, headers, body } = await ask('GET', '/api/rich');
    expect(status).toBe(201);
    expect(headers).toMatchObject({ 'x-answer': 'yes', 'content-type': 'text/csv', 'content-length': '3' });
    expect([...body]).toEqual([0, 255, 10]);
    expect(headers['set-cookie']).toEqual([
      'a=b%20c; Path=/; Max-Age=60; SameSite=Strict; HttpOnly',
      'd=e; Path=/api; Expires=Wed, 02 Jan 2030 03:04:05 GMT; Secure',
    ]);
  });

  test('an exception gives 500 with an empty body, and stands in the log', async () => {
    const answer = await ask('GET', '/api/fails');
    expect(answer.status).toBe(500);
    expect(answer.body.length).toBe(0);
    expect(
      host.lines.some(({ level, message }) => level === 'error' && message.includes('secret reason')),
    ).toBe(true);
  });

  test('no return value gives 204', async () => {
    expect((await ask('GET', '/api/silent')).status).toBe(204);
  });

  test('hooks see and change what a function answers and logs', async () => {
    expect((await ask('GET', '/api/plain')).headers['x-hook']).toBe('post');
    await ask('GET', '/api/logs');
    expect(host.lines).toContainEqual({ level: 'warning', category: 'Function.logs', message: 'rewritten' });
  });
});

describe('the management API', () => {
  test('is reached through its random address only', async () => {
    const urls = (await ask('GET', '/api/binding')).json() as Record<string, string>;
    const { pathname } = new URL(urls.statusQueryGetUri ?? '');
    expect(pathname).toMatch(/^\/runtime\/webhooks\/[0-9a-f]{32}\/durabletask\/instances\/x$/);
    const list = pathname.replace(/\/x$/, '');
    expect((await ask('GET', list)).json()).toEqual([]);
    expect((await ask('GET', list.replace(/[0-9a-f]{32}/, '0'.repeat(32)))).status).toBe(404);
    expect((await ask('GET', list, { host: `evil.example:${host.port}` })).status).toBe(403);
    expect((await ask('GET', `${list}?runtimeStatus=Nonsense`)).status).toBe(400);
    expect((await ask('POST', `${list}/x/nonsense`)).status).toBe(404);
  });
});

describe('stopping and starting', () => {
  test('a stop lets a request finish, runs the hooks, and the same app can start again', async () => {
    const lifecycle = (globalThis as unknown as { lifecycle: string[] }).lifecycle;
    const slow = ask('GET', '/api/slow');
    await new Promise((resolve) => setTimeout(resolve, 80));
    const stopping = host.stop();
    expect((await slow).body.toString()).toBe('late');
    await stopping;
    expect(lifecycle).toEqual(['start', 'terminate']);
    await expect(ask('GET', '/')).rejects.toThrow(/ECONNREFUSED/);

    const again = await startFixture('http-app');
    const answer = await fetch(`${again.baseUrl}/api/keyed`);
    // This one was started without a key, so that none is asked for.
    expect(answer.status).toBe(200);
    await again.remove();
  });

  test('another app in the same process is refused', async () => {
    await expect(startFixture('timer-app')).rejects.toThrow(/start another process/);
  });
});
