import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTables } from '../../../src/local/cloud/tables.ts';
import { openAzuriteTable } from '../../support/azurite.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'foundry-bench-tables-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (port: number) => openAzuriteTable(`http://127.0.0.1:${port}`, 'rows');

/** So many bytes take a while to write, and its own autosave comes every five seconds. */
const LARGE_ROWS = 200;
const text = 'x'.repeat(30_000);

describe('the local tables', () => {
  it('have every row in their file when they have stopped, though a save was in flight', async () => {
    const first = await startTables(0, folder);
    const table = open(first.port);
    await table.createTable();
    for (let row = 0; row < LARGE_ROWS; row += 1)
      await table.createEntity({ partitionKey: 'p', rowKey: String(row), text });
    // Azurite writes beside its file and moves that over it.
    const beside = join(folder, 'tables.json~');
    for (let left = 20_000; left > 0 && !existsSync(beside); left -= 1) await wait(1);
    expect(existsSync(beside)).toBe(true);
    await first.stop();

    const second = await startTables(0, folder);
    let rows = 0;
    for await (const _ of open(second.port).listEntities()) rows += 1;
    await second.stop();
    expect(rows).toBe(LARGE_ROWS);
  });
});
