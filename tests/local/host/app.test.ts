import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixtureDirectory } from './app-host.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'host-refused-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What a host in a process of its own says when it refuses an app; a process loads one app only. */
function refusal(name: string): Promise<string> {
  const script = fileURLToPath(new URL('./fixtures/run-host.ts', import.meta.url));
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [script, fixtureDirectory(`refused-apps/${name}`), join(folder, `${name}.db`)],
      { timeout: 50_000 },
      (error, _, stderr) => (error === null ? reject(new Error('the app was accepted')) : resolve(stderr)),
    );
  });
}

describe('an app that cannot run here is refused with a sentence', () => {
  test.each([
    ['stream', /enableHttpStream/],
    ['queue', /Function 'reads' uses the trigger queueTrigger/],
    ['entity', /Function 'counter' uses the trigger entityTrigger/],
    ['throws', /app\.ts failed while it was loaded: no luck/],
    ['reserved-route', /Function 'reserved' has the route 'admin\/x'/],
    ['twin-routes', /Functions 'one' and 'two' have the same route/],
    ['time-span', /Timer 'spans' cannot run: The schedule '00:05:00' is a time span/],
    ['empty', /registered nothing/],
    ['unbuilt', /No file matches "main": "dist\/\*\.js"/],
  ])('%s', async (name, sentence) => {
    expect(await refusal(name)).toMatch(sentence);
  });
});
