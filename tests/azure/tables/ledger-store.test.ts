/** The ledger's row under many writers: nothing that one of them adds is lost to another. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLedgerStore } from '../../../src/azure/tables/ledger-store.ts';
import { askForRoom, type RoomQuestion } from '../../../src/core/renting/ledger.ts';
import { type Azurite, startAzurite } from '../../support/azurite.ts';

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite.close());

const never = { getToken: async () => null };
const ceilings = { maxUsdPerRun: 10, maxUsdPerDay: 10_000, maxGpusAlive: 1_000 };

it('lets two processes of many writers each take what there is, and no more', async () => {
  const processes = [createLedgerStore(azurite.address, never), createLedgerStore(azurite.address, never)];
  const question = (runId: string): RoomQuestion => ({
    runId,
    gpus: 1,
    boundUsd: 1,
    untilMs: 1_000,
    places: [{ pool: 'p', cores: 24, usedCores: 0, limitCores: 200, name: 'there' }],
  });
  const states = await Promise.all(
    Array.from({ length: 30 }, async (_, index) => {
      let state = 'none';
      await processes[index % 2]?.change((ledger) => {
        const asked = askForRoom(ledger, question(`r${index}`), ceilings, 0);
        state = asked.answer.state;
        return asked.ledger;
      });
      return state;
    }),
  );
  expect(states.filter((state) => state === 'admitted')).toHaveLength(8);
  const { entries } = (await processes[0]?.read()) ?? { entries: [] };
  expect(entries.filter(({ state }) => state === 'holding')).toHaveLength(8);
  expect(entries).toHaveLength(30);
});

it('goes on after a change that threw', async () => {
  const store = createLedgerStore(azurite.address, never);
  const broken = store.change(() => {
    throw new Error('no');
  });
  await expect(broken).rejects.toThrow('no');
  expect(await store.change(() => ({ entries: [] }))).toMatchObject({ entries: [] });
});
