/** The calls about request sets, on real tables. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRequestSetStore } from '../../src/azure/request-sets.ts';
import { answerCall } from '../../src/http/answer.ts';
import { settleRequestSets } from '../../src/http/request-sets.ts';
import { ROUTES } from '../../src/http/routes.ts';
import type { Orchestrations, Services } from '../../src/services.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';

let azurite: Azurite;
let services: Services;

beforeAll(async () => {
  azurite = await startAzurite();
  const requestSets = createRequestSetStore(azurite.address, { getToken: async () => null });
  // These handlers ask for nothing else.
  services = { stores: { requestSets } } as unknown as Services;
});
afterAll(() => azurite.close());

/** The answer of the route that takes this call. */
async function call(method: string, name: string | null, body?: string, type = 'application/x-ndjson') {
  const route = name === null ? 'api/request-sets' : 'api/request-sets/{name}';
  const found = ROUTES.find((one) => one.method === method && one.route === route);
  if (found === undefined) throw new Error(`No route takes ${method} ${route}.`);
  const request = new Request('http://127.0.0.1/', {
    method: body === undefined ? 'GET' : 'PUT',
    headers:
      body === undefined ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) },
    ...(body !== undefined && { body }),
  });
  const answer = await answerCall(
    found.handler,
    {
      request: {
        params: name === null ? {} : { name },
        query: new URLSearchParams(),
        headers: request.headers,
        text: () => request.text(),
      },
      services,
      orchestrations: {} as Orchestrations,
    },
    (_, error) => {
      throw error;
    },
  );
  return { status: answer.status, body: JSON.parse(answer.body) };
}

describe('request sets over HTTP', () => {
  it('are stored, listed, described and deleted', async () => {
    const stored = await call('PUT', 'faq', '{"prompt":"How?"}\n{"prompt":"Why?","outputTokens":20}\n');
    expect(stored).toEqual({
      status: 200,
      body: {
        name: 'faq',
        digest: expect.stringMatching(/^[0-9a-f]{16}$/),
        requests: 2,
        characters: 8,
        estimatedPromptTokens: { p50: 1, p95: 1, most: 1 },
        outputTokens: { p50: 20, p95: 20, most: 20, lines: 1 },
        traceSeconds: null,
        storedAt: expect.stringMatching(/^\d{4}-/),
      },
    });
    expect(await call('GET', 'faq')).toEqual(stored);
    expect(await call('GET', null)).toEqual({ status: 200, body: { requestSets: [stored.body] } });
    expect(await call('DELETE', 'faq')).toEqual({ status: 200, body: { name: 'faq', deleted: true } });
    expect((await call('GET', 'faq')).status).toBe(404);
    expect((await call('DELETE', 'faq')).status).toBe(404);
  });

  it('with a faulty line are refused with all of them, and nothing is stored or replaced', async () => {
    const good = await call('PUT', 'kept', '{"prompt":"good"}');
    const refused = await call('PUT', 'kept', '{"prompt":"good"}\n{"promt":"bad"}\nworse\n');
    expect(refused).toMatchObject({
      status: 400,
      body: { faults: [{ path: 'line 2' }, { path: 'line 3' }] },
    });
    expect(await call('GET', 'kept')).toEqual(good);
  });

  it('come as NDJSON and are bounded', async () => {
    expect((await call('PUT', 'a', '{"prompt":"a"}', 'application/json')).status).toBe(415);
    expect((await call('PUT', 'a', '{"prompt":"a"}', 'application/x-ndjson; charset=utf-8')).status).toBe(
      200,
    );
    expect((await call('PUT', 'a', `{"prompt":"${'x'.repeat(10_000_000)}"}`)).status).toBe(413);
    expect((await call('PUT', 'a', '')).status).toBe(400);
  });

  it.each(['A', 'a/b', 'a b', "it's", '..', '-a', 'a-', 'x'.repeat(41), '😀', '%2F', ''])(
    'of the name %j are refused with the rule',
    async (name) => {
      for (const [method, body] of [['PUT', '{"prompt":"a"}'], ['GET'], ['DELETE']] as const) {
        const answer = await call(method, name, body);
        expect(answer).toMatchObject({
          status: 400,
          body: { faults: [{ message: expect.stringMatching(/lower-case/) }] },
        });
      }
    },
  );

  it('are settled for a spec by what is stored', async () => {
    await call('PUT', 'known', `{"prompt":"${'x'.repeat(80)}"}`);
    const workload = { promptTokens: 512, outputTokens: 16, requests: 'known' };
    expect(await settleRequestSets(services, [workload], { isTrace: false })).toMatchObject({
      ok: true,
      value: [{ promptTokens: 20, outputTokens: 16, requestsDigest: expect.any(String) }],
    });
    expect(
      await settleRequestSets(services, [{ ...workload, requests: 'unknown' }], { isTrace: false }),
    ).toMatchObject({
      ok: false,
      faults: [{ path: 'workloads[0].requests', message: expect.stringMatching(/known/) }],
    });
  });
});
