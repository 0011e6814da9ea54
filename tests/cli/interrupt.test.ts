import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { aSpecBody } from '../support/builders.ts';
import { type FakeApp, RUN, startFakeApp } from './fake-app.ts';

let app: FakeApp;
let child: ChildProcess;
let output = '';

afterEach(async () => {
  child.kill('SIGKILL');
  await app.close();
});

/** Starts the command as a process and waits until it shows `until`. */
async function startCommand(args: readonly string[], until: string): Promise<void> {
  output = '';
  const entry = fileURLToPath(new URL('./entry.ts', import.meta.url));
  child = spawn(process.execPath, [entry, ...args, '--url', app.url], { stdio: ['pipe', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (output += text));
  child.stdin?.end(JSON.stringify(aSpecBody()));
  for (let waited = 0; !output.includes(until); waited += 20) {
    if (waited > 20_000) throw new Error(`"${until}" did not show: ${output}`);
    await wait(20);
  }
}

const cancels = () => app.calls.filter((call) => call.path.endsWith('/cancel')).length;

describe('Ctrl-C', () => {
  it('cancels a run that the command started, waits for its end, and ends with 130', async () => {
    app = await startFakeApp({ states: ['measuring'] });
    await startCommand(['run', '-f', '-', '--watch'], 'measuring');
    child.kill('SIGINT');
    // npm passes on what the terminal has sent already.
    await wait(50);
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    expect(code).toBe(130);
    expect(cancels()).toBe(1);
    expect(output).toContain('canceled');
    expect(output).toContain('Best throughput');
  });

  it('a second time leaves at once and says what it leaves', async () => {
    app = await startFakeApp({
      states: ['measuring'],
      override: ({ path }) => (path.endsWith('/cancel') ? { status: 202, body: { id: RUN.id } } : null),
    });
    await startCommand(['run', '-f', '-', '--watch'], 'measuring');
    child.kill('SIGINT');
    await wait(700);
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    expect(code).toBe(130);
    expect(output).toContain('endpoint fb-0123456789abcdef-a1 may still be alive and billed');
  });

  it('does not cancel a run that is only watched', async () => {
    app = await startFakeApp({ states: ['measuring'] });
    await startCommand(['watch', RUN.id], 'measuring');
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    expect(code).toBe(130);
    expect(cancels()).toBe(0);
    expect(output).toContain(`Run ${RUN.id} goes on`);
  });
});
