/** ARM that repeats what it was sent, and a container that prints what it was given: neither gets into rows or answers. */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AzureNamedKeyCredential, TableClient, TableServiceClient } from '@azure/data-tables';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { runStep } from '../../../src/activities/step-event.ts';
import { createSteps } from '../../../src/activities/steps.ts';
import { ROUTES } from '../../../src/http/routes.ts';
import { type HttpCalls, openHttpCalls } from '../../http/bad-input-calls.ts';
import { playRun } from '../../support/scripted-run.ts';

const TOKEN = 'eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOiJhcm0ifQ.c2lnbmF0dXJlLWNhbmFyeQ';
const ACCOUNT_KEY = 'canaryAccountKey4711==';
const HUGGING_FACE = 'hf_canaryTokenOfAContainer';
/** What the app sends to ARM here; ARM repeats the header as it came. */
const SENT = 'local-simulator-token';

interface Relay {
  readonly origin: string;
  target: string;
  /** Which calls are answered with an echo instead of being passed on. */
  echoes: (method: string, path: string) => boolean;
  echoed: number;
  close(): Promise<void>;
}

let relay: Relay;
let calls: HttpCalls;

beforeAll(async () => {
  relay = await startRelay();
  calls = await openHttpCalls({ ARM_ENDPOINT: relay.origin });
  relay.target = calls.real.simulatorUrl;
});
beforeEach(() => {
  relay.echoed = 0;
});
afterAll(async () => {
  await calls.close();
  await relay.close();
});

const CASES: readonly (readonly [string, (method: string, path: string) => boolean])[] = [
  ['creating the endpoint', (method, path) => method === 'PUT' && /onlineEndpoints\/[\w-]+$/.test(path)],
  ['creating the deployment', (method, path) => method === 'PUT' && /deployments\/\w+$/.test(path)],
  ['reading the endpoint', (method, path) => method === 'GET' && /onlineEndpoints\/[\w-]+$/.test(path)],
];

it.each(CASES)(
  '%s is refused with what was sent, and the run says why without it',
  async (_, echoes) => {
    relay.echoes = echoes;
    const run = await calls.real.aStoredRun();
    const logged: string[] = [];
    const steps = createSteps(calls.real.services) as unknown as Record<
      string,
      (input: unknown) => Promise<unknown>
    >;
    const keep = (line: string) => void logged.push(line);
    const log = { debug: keep, info: keep, error: keep };
    const through = Object.fromEntries(
      Object.entries(steps).map(([name, step]) => [
        name,
        (input: unknown) => runStep(name, step, input, log),
      ]),
    );
    const { warmUp: _w, measure: _m, aggregate: _a, ...deploying } = through;
    await playRun(calls.real, run.id, { instead: deploying }).catch((error: unknown) => keep(String(error)));
    relay.echoes = () => false;
    await playRun(calls.real, run.id, {}).catch(() => {});
    expect(relay.echoed).toBeGreaterThan(0);
    const told = await everythingTold(run.id);
    expect(told).toContain('You sent');
    expectNoSecret([...logged, told].join('\n'));
  },
  60_000,
);

it('listing is refused with what was sent, and neither health nor the list of endpoints repeats it', async () => {
  relay.echoes = (method, path) => method === 'GET' && /onlineEndpoints$/.test(path);
  const endpoints = await calls.call(ROUTES.find(({ name }) => name === 'listEndpoints')!);
  const health = await calls.call(
    ROUTES.find(({ name }) => name === 'getHealth')!,
    {},
    { ...calls.real.services },
  );
  relay.echoes = () => false;
  expect(relay.echoed).toBeGreaterThan(0);
  expect(endpoints.json.troubles.join(' ')).toContain('You sent');
  expect(health.json.checks.arm).toMatchObject({ ok: false });
  expect(health.text).not.toContain('You sent');
  expectNoSecret(endpoints.text + health.text);
});

function expectNoSecret(text: string): void {
  const found = [TOKEN, ACCOUNT_KEY, HUGGING_FACE, `Bearer ${SENT}`].filter((secret) =>
    text.includes(secret),
  );
  expect(found).toEqual([]);
}

/** The rows of all tables as they are stored, and what the calls say of the run. */
async function everythingTold(runId: string): Promise<string> {
  const { endpoint, account } = calls.real.tables;
  const credential = new AzureNamedKeyCredential(account?.name ?? '', account?.key ?? '');
  const options = { allowInsecureConnection: true };
  const told: unknown[] = [];
  for await (const { name = '' } of new TableServiceClient(endpoint, credential, options).listTables())
    for await (const row of new TableClient(endpoint, name, credential, options).listEntities())
      told.push(row);
  for (const name of ['getRun', 'getResults', 'listRuns', 'listEndpoints']) {
    const route = ROUTES.find((one) => one.name === name)!;
    told.push((await calls.call(route, { params: { id: runId } })).text);
  }
  return JSON.stringify(told);
}

async function startRelay(): Promise<Relay> {
  const server = createServer((incoming, outgoing) => {
    const { pathname } = new URL(incoming.url ?? '/', 'http://x');
    if (relay.echoes(incoming.method ?? '', pathname)) {
      incoming.resume();
      relay.echoed += 1;
      const message = `You sent ${incoming.headers.authorization}; the token ${TOKEN} with AccountKey=${ACCOUNT_KEY} and HF_TOKEN=${HUGGING_FACE} is wrong`;
      outgoing.writeHead(400, { 'content-type': 'application/json' });
      outgoing.end(JSON.stringify({ error: { code: 'BadRequest', message } }));
      return;
    }
    const { host: _, ...headers } = incoming.headers;
    const on = request(
      new URL(incoming.url ?? '/', relay.target),
      { method: incoming.method, headers, agent: false },
      (answer) => {
        // What ARM names of itself, such as where an operation is polled, goes through the relay too.
        const own = Object.fromEntries(
          Object.entries(answer.headers).map(([name, value]) => [
            name,
            typeof value === 'string' ? value.replaceAll(relay.target, relay.origin) : value,
          ]),
        );
        outgoing.writeHead(answer.statusCode ?? 502, own);
        answer.pipe(outgoing);
      },
    );
    on.on('error', () => outgoing.destroy());
    incoming.pipe(on);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: '',
    echoes: () => false,
    echoed: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
