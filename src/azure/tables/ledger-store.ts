/**
 * The ledger's one row. Every writer changes it under its etag, which is what makes adding to its sums one step. The
 * writers of one process take turns, so that only processes compete: fifty runs that start at once are one queue here
 * and not fifty that overtake each other.
 */
import type { TokenCredential } from '@azure/identity';
import type { TablesAddress } from '../../config.ts';
import { EMPTY_LEDGER, type Ledger } from '../../core/renting/ledger.ts';
import type { LedgerStore } from '../../services.ts';
import { openTable, type TableDefinition } from './table.ts';

const KEYS = { partitionKey: 'ledger', rowKey: 'ledger' } as const;

const ledgerTable: TableDefinition<Ledger> = { name: 'ledger', keys: () => KEYS };

export function createLedgerStore(address: TablesAddress, credential: TokenCredential): LedgerStore {
  const table = openTable(address, credential, ledgerTable);
  let turn: Promise<unknown> = Promise.resolve();
  return {
    async read() {
      return (await table.read(KEYS)) ?? EMPTY_LEDGER;
    },
    async change(change) {
      const mine = turn.then(async () => {
        if ((await table.read(KEYS)) === null) await table.insert(EMPTY_LEDGER);
        return table.change(KEYS, change);
      });
      turn = mine.catch(() => undefined); // Whoever asked is told; the next has its own.
      return mine;
    },
  };
}
