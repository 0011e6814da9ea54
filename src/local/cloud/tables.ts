/**
 * Azurite's table server inside this process. Its modules are internal (azurite is pinned exactly) and come without
 * types, so what is used of them is declared here. It saves to disk every five seconds and when it is closed; a close
 * that meets such a save in flight does not wait for it, which is why stopping saves once more.
 */
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface TablesServer {
  readonly port: number;
  /** Stops answering and saves everything. */
  stop(): Promise<void>;
}

interface AzuriteTableServer {
  start(): Promise<void>;
  close(): Promise<void>;
  getHttpServerAddress(): string;
  readonly metadataStore: {
    /** Writes the rows to the file, after a save that is in flight. */
    saveDBState(): Promise<void>;
  };
}

type TableConfigurationClass = new (
  host: string,
  port: number,
  keepAliveSeconds: number,
  databaseFile: string,
  debugLog: boolean,
  accessLog: boolean,
  accessLogStream: undefined,
  debugLogFile: undefined,
  loose: boolean,
  skipApiVersionCheck: boolean,
) => object;

/** Azurite's own default; clients open a new connection after it. */
const KEEP_ALIVE_SECONDS = 5;

/** Starts the table server on 127.0.0.1 with its database in `folder`; port 0 takes a free one. */
export async function startTables(port: number, folder: string): Promise<TablesServer> {
  // Another account's key would lock our own client out.
  delete process.env.AZURITE_ACCOUNTS;
  const { TableServer, TableConfiguration } = loadAzurite();
  mkdirSync(folder, { recursive: true });
  const database = join(folder, 'tables.json');
  const server = new TableServer(
    new TableConfiguration(
      '127.0.0.1',
      port,
      KEEP_ALIVE_SECONDS,
      database,
      false,
      false,
      undefined,
      undefined,
      false,
      true,
    ),
  );
  await server.start();
  return {
    port: Number(new URL(server.getHttpServerAddress()).port),
    stop: async () => {
      await server.close();
      await server.metadataStore.saveDBState();
    },
  };
}

function loadAzurite() {
  const require = createRequire(import.meta.url);
  try {
    return {
      TableServer: require('azurite/dist/src/table/TableServer.js').default as new (
        configuration: object,
      ) => AzuriteTableServer,
      TableConfiguration: require('azurite/dist/src/table/TableConfiguration.js')
        .default as TableConfigurationClass,
    };
  } catch (cause) {
    throw new Error('Azurite, the local table server, cannot be loaded; install it with `npm ci`.', {
      cause,
    });
  }
}
