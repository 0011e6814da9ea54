/**
 * Azurite behind a proxy that refuses or loses calls, and in whose back it restarts: by table, method and the
 * how-manieth call, never by time.
 */
import {
  Agent,
  request as ask,
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TablesAddress } from '../../src/config.ts';
import { type Azurite, startAzurite, startAzuriteIn } from '../support/azurite.ts';

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

/**
 * Azurite restarts from what it had on disk: from this call on, counted over all tables, so many calls are cut off
 * before anything is done. It is stopped in order, after what it was asked before, so nothing that it has answered is
 * lost.
 */
export interface TableRestart {
  readonly nth: number;
  readonly times: number;
}

export interface FaultyTables {
  /** Past the faults, for who checks. */
  readonly direct: TablesAddress;
  readonly faulty: TablesAddress;
  /** From now on nothing is refused or lost. */
  heal(): void;
  close(): Promise<void>;
}

type Judgement = TableFault['how'] | 'cut' | null;

/** `folder` is where Azurite keeps its rows over a restart; it is not written where there is none. */
export async function startFaultyTables(
  faults: readonly TableFault[],
  restarts: readonly TableRestart[],
  folder: string,
): Promise<FaultyTables> {
  const start = () => (restarts.length > 0 ? startAzuriteIn(folder) : startAzurite());
  let azurite: Promise<Azurite> = start();
  const { address, origin } = await azurite;
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const calls = new Map<string, number>();
  /** Asked of Azurite and not answered yet. */
  const inFlight = new Set<Promise<void>>();
  let healed = false;

  const count = (key: string): number => {
    const call = (calls.get(key) ?? 0) + 1;
    calls.set(key, call);
    return call;
  };

  const judge = (incoming: IncomingMessage): Judgement => {
    const table = /^\/[^/]+\/([a-z]+)/i.exec(incoming.url ?? '')?.[1] ?? '';
    const key = `${incoming.method} ${table}`;
    const call = count(key);
    const ofAll = count('');
    if (healed) return null;
    const restart = restarts.find(({ nth, times }) => ofAll >= nth && ofAll < nth + times);
    if (restart?.nth === ofAll)
      azurite = azurite.then(async (running) => {
        await Promise.all(inFlight);
        await running.close();
        return start();
      });
    if (restart !== undefined) return 'cut';
    const due = faults.find(
      (fault) =>
        `${fault.method} ${fault.table}` === key && call >= fault.nth && call < fault.nth + fault.times,
    );
    return due?.how ?? null;
  };

  const forward = async (incoming: IncomingMessage, outgoing: ServerResponse, how: 'lost' | null) => {
    const target = new URL((await azurite).origin);
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
        // Read to its end even where nobody waits for it any more.
        outgoing.once('close', () => answer.resume());
      },
    );
    const ended = new Promise<void>((resolve) => forwarded.once('close', resolve));
    inFlight.add(ended);
    void ended.then(() => inFlight.delete(ended));
    forwarded.once('error', () => outgoing.destroy());
    incoming.once('close', () => {
      if (!incoming.complete) forwarded.destroy();
    });
    incoming.pipe(forwarded);
  };

  const faulty = await listen((incoming, outgoing) => {
    const how = judge(incoming);
    if (how === 'cut') outgoing.destroy();
    else if (how === 'refused') {
      incoming.resume();
      outgoing.writeHead(503, { 'content-type': 'application/json' });
      outgoing.end(
        JSON.stringify({
          'odata.error': { code: 'ServerBusy', message: { lang: 'en-US', value: 'The server is busy.' } },
        }),
      );
    } else forward(incoming, outgoing, how).catch(() => outgoing.destroy());
  });
  const direct = await listen((incoming, outgoing) => {
    forward(incoming, outgoing, null).catch(() => outgoing.destroy());
  });
  const behind = (server: Server): TablesAddress => {
    const { port } = server.address() as AddressInfo; // listening on TCP
    return { ...address, endpoint: address.endpoint.replace(origin, `http://127.0.0.1:${port}`) };
  };
  return {
    direct: behind(direct),
    faulty: behind(faulty),
    heal: () => {
      healed = true;
    },
    close: async () => {
      for (const server of [faulty, direct]) {
        server.close();
        server.closeAllConnections();
      }
      agent.destroy();
      await (await azurite).close();
    },
  };
}

async function listen(
  handle: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): Promise<Server> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
