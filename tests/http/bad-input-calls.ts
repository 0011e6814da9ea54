/**
 * Every HTTP call of the app on real services, as the host would make it, and what must be true after any of them: an
 * answer within bounds that is none of the app's own fault, and nothing new in the tables or at Azure.
 */
import { AzureNamedKeyCredential, TableClient, TableServiceClient } from '@azure/data-tables';
import { expect } from 'vitest';
import { answerCall } from '../../src/http/answer.ts';
import type { ApiRoute } from '../../src/http/routes.ts';
import type { Services } from '../../src/services.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';

/** No call waits longer for anything than a minute; what has not answered by then hangs. */
const HANG_MS = 60_000;
/** An answer about bad input is read by a person. */
const REFUSAL_CHARACTERS = 100_000;

export interface CallInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: string | readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface CallAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape.
  readonly json: any;
}

export interface HttpCalls {
  readonly real: RealServices;
  /** Runs whose orchestration was started. */
  readonly started: readonly string[];
  /** `services` take the place of the real ones. */
  call(route: ApiRoute, input?: CallInput, services?: Services): Promise<CallAnswer>;
  /** Keys of all rows of all tables, and the names of all endpoints that ever were. */
  everything(): Promise<string>;
  close(): Promise<void>;
}

export async function openHttpCalls(settings: Record<string, string> = {}): Promise<HttpCalls> {
  const real = await openRealServices(settings);
  const started: string[] = [];
  return {
    real,
    started,
    async call(
      { handler, name },
      { params = {}, query = '', headers = {}, body = '' } = {},
      services = real.services,
    ) {
      const logged: unknown[] = [];
      let timer: NodeJS.Timeout | undefined;
      const hang = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`The call ${name} hangs.`)), HANG_MS);
      });
      const answered = answerCall(
        handler,
        {
          request: {
            params,
            query: new URLSearchParams(query as string),
            headers: { get: (wanted) => headers[wanted.toLowerCase()] ?? null },
            text: async () => body,
          },
          services,
          orchestrations: {
            start: async (id) => void started.push(id),
            startComparison: async () => undefined,
            isRunning: async () => false,
            isKnown: async () => true,
          },
        },
        (_message, error) => logged.push(error),
      );
      const answer = await Promise.race([answered, hang]).finally(() => clearTimeout(timer));
      expect(logged, `what ${name} logged as a fault of its own`).toEqual([]);
      return { status: answer.status, headers: answer.headers, text: answer.body, json: parse(answer.body) };
    },
    everything: async () => JSON.stringify([await readKeys(real), await readEndpoints(real)]),
    close: () => real.close(),
  };
}

/** What any answer to bad input is: a problem that names its faults, in bounds, and told to nobody but the caller. */
export function expectRefusal(
  { status, headers, text, json }: CallAnswer,
  statuses: readonly number[],
): void {
  expect(statuses).toContain(status);
  expect(headers['content-type']).toBe('application/problem+json');
  expect(headers['x-content-type-options']).toBe('nosniff');
  expect(text.length).toBeLessThan(REFUSAL_CHARACTERS);
  expect(json).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
  if (status === 400) {
    expect(json.faults.length).toBeGreaterThan(0);
    for (const { path, message } of json.faults) {
      expect(path).toEqual(expect.any(String));
      expect(message.length).toBeGreaterThan(5);
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function readKeys({ tables }: RealServices): Promise<string[]> {
  const { endpoint, account } = tables;
  if (account === null) throw new Error('Azurite has an account.');
  const credential = new AzureNamedKeyCredential(account.name, account.key);
  const options = { allowInsecureConnection: true };
  const keys: string[] = [];
  for await (const { name } of new TableServiceClient(endpoint, credential, options).listTables()) {
    if (name === undefined) continue;
    const client = new TableClient(endpoint, name, credential, options);
    for await (const row of client.listEntities({ queryOptions: { select: ['PartitionKey', 'RowKey'] } }))
      keys.push(`${name}: ${row.partitionKey} / ${row.rowKey}`);
  }
  return keys.sort();
}

async function readEndpoints({ simulatorUrl }: RealServices): Promise<string[]> {
  const answer = await fetch(`${simulatorUrl}/simulator/books`);
  const books = (await answer.json()) as { endpoints: { name: string }[] };
  return books.endpoints.map(({ name }) => name);
}
