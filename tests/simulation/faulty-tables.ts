/** Azurite behind a proxy that refuses or loses calls: by table, method and the how-manieth call, never by time. */
import { Agent, request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TablesAddress } from '../../src/config.ts';
import { startAzurite } from '../support/azurite.ts';

export interface TableFault {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** A table's name. */
  readonly table: string;
  /** From this call on, counted from 1, and so many calls; the SDK itself tries each call four times. */
  readonly nth: number;
  readonly times: number;
  /** `refused`: 503, and nothing was done. `lost`: it was done, and the connection is cut before the answer. */
  readonly how: 'refused' | 'lost';
}

export interface FaultyTables {
  /** Past the faults, for who checks. */
  readonly direct: TablesAddress;
  readonly faulty: TablesAddress;
  /** From now on nothing is refused or lost. */
  heal(): void;
  close(): Promise<void>;
}

export async function startFaultyTables(faults: readonly TableFault[]): Promise<FaultyTables> {
  const azurite = await startAzurite();
  const target = new URL(azurite.origin);
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const calls = new Map<string, number>();
  let healed = false;

  const judge = (incoming: IncomingMessage): TableFault['how'] | null => {
    const table = /^\/[^/]+\/([a-z]+)/i.exec(incoming.url ?? '')?.[1] ?? '';
    const key = `${incoming.method} ${table}`;
    const call = (calls.get(key) ?? 0) + 1;
    calls.set(key, call);
    if (healed) return null;
    const due = faults.find(
      (fault) =>
        `${fault.method} ${fault.table}` === key && call >= fault.nth && call < fault.nth + fault.times,
    );
    return due?.how ?? null;
  };

  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const how = judge(incoming);
    if (how === 'refused') {
      incoming.resume();
      outgoing.writeHead(503, { 'content-type': 'application/json' });
      outgoing.end(
        JSON.stringify({
          'odata.error': { code: 'ServerBusy', message: { lang: 'en-US', value: 'The server is busy.' } },
        }),
      );
      return;
    }
    const { method, url: path, headers } = incoming;
    const forwarded = ask(
      {
        agent,
        host: target.hostname,
        port: target.port,
        ...(method && { method }),
        ...(path && { path }),
        headers,
      },
      (answer) => {
        if (how === 'lost') {
          answer.resume();
          answer.once('end', () => outgoing.destroy());
          return;
        }
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forwarded.once('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listening on TCP
  const { endpoint } = azurite.address;
  return {
    direct: azurite.address,
    faulty: { ...azurite.address, endpoint: endpoint.replace(azurite.origin, `http://127.0.0.1:${port}`) },
    heal: () => {
      healed = true;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await azurite.close();
    },
  };
}
