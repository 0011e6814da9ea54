/**
 * Azurite's table service inside the test's own process, on a free port: the real protocol with nothing to install or to
 * stop by pid. Its modules are internal ones, which is why azurite is pinned exactly.
 */
import { createRequire } from 'node:module';
import { AzureNamedKeyCredential, TableClient } from '@azure/data-tables';
import type { TablesAddress } from '../../src/config.ts';
import { startTables } from '../../src/local/cloud/tables.ts';

interface TableServer {
  start(): Promise<void>;
  close(): Promise<void>;
  getHttpServerAddress(): string;
}

export interface Azurite {
  readonly address: TablesAddress;
  /** Where the server listens, without the account: `http://127.0.0.1:12345`. */
  readonly origin: string;
  close(): Promise<void>;
}

/** Azurite's well-known account, which is no secret. */
export const AZURITE_ACCOUNT = {
  name: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
} as const;

/** In memory. */
export async function startAzurite(): Promise<Azurite> {
  const require = createRequire(import.meta.url);
  const TableConfiguration = require('azurite/dist/src/table/TableConfiguration').default;
  const TableServer = require('azurite/dist/src/table/TableServer').default;
  // In the order of the constructor: host, port, keep-alive, database path, debug log, access log, its stream,
  // debug log path, loose, skipApiVersionCheck, certificate, key, password, OAuth, disableProductStyleUrl, in memory.
  const configuration = new TableConfiguration(
    '127.0.0.1',
    0,
    5,
    '',
    false,
    false,
    undefined,
    '',
    false,
    true,
    '',
    '',
    '',
    undefined,
    false,
    true,
  );
  const server: TableServer = new TableServer(configuration);
  await server.start();
  return azuriteAt(server.getHttpServerAddress(), () => server.close());
}

/** Kept in a folder, where another one may go on from once this one is closed: as the local cloud keeps its tables. */
export async function startAzuriteIn(folder: string): Promise<Azurite> {
  const { port, stop } = await startTables(0, folder);
  return azuriteAt(`http://127.0.0.1:${port}`, stop);
}

/** A table as it is, past the product's own stores; `origin` as an Azurite has it. */
export function openAzuriteTable(origin: string, name: string): TableClient {
  const credential = new AzureNamedKeyCredential(AZURITE_ACCOUNT.name, AZURITE_ACCOUNT.key);
  return new TableClient(endpointOf(origin), name, credential, { allowInsecureConnection: true });
}

function endpointOf(origin: string): string {
  return `${origin}/${AZURITE_ACCOUNT.name}`;
}

function azuriteAt(origin: string, close: () => Promise<void>): Azurite {
  return {
    origin,
    address: { endpoint: endpointOf(origin), account: AZURITE_ACCOUNT },
    close,
  };
}
