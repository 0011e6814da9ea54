import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { markAsAzure } from '../../src/local/azure-mark.ts';
import { placesOf } from '../../src/local/azure-settings.ts';
import { readInstallationId } from '../../src/local/installation-id.ts';
import { readSettingsFile } from '../../src/local/local-settings.ts';
import { openLogFile } from '../../src/local/log-file.ts';
import { readPidFile, removePidFile, writePidFile } from '../../src/local/pid-file.ts';
import { choosePort, noteHolder, readPort, removeNote } from '../../src/local/port.ts';
import { isProcessLocked, takeProcessLock } from '../../src/local/process-lock.ts';
import { layOutStateFolder, openStateFolder, PROJECT_ROOT } from '../../src/local/state-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'foundry-bench-state-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => path.join(folder, name);
const RECORD = { pid: 4, root: '/p', ports: { http: 1 }, startedAt: '2026-01-15T12:00:00Z' };

describe('a process lock', () => {
  it('is held by one at a time and free after its release', () => {
    const lock = takeProcessLock(at('l'));
    expect([isProcessLocked(at('l')), takeProcessLock(at('l'))]).toEqual([true, null]);
    lock?.release();
    expect(isProcessLocked(at('l'))).toBe(false);
    takeProcessLock(at('l'))?.release();
  });

  it('is freed by a kill -9 of its holder', async () => {
    const module = new URL('../../src/local/process-lock.ts', import.meta.url);
    const code = `const { takeProcessLock } = await import(${JSON.stringify(module.href)}); takeProcessLock(${JSON.stringify(at('l'))}); console.log('held'); setInterval(() => {}, 60000);`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(holder.stdout, 'data');
      expect(isProcessLocked(at('l'))).toBe(true);
    } finally {
      holder.kill('SIGKILL');
    }
    if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'exit');
    expect(isProcessLocked(at('l'))).toBe(false);
    expect(readdirSync(folder)).toEqual(['l']);
  });
});

describe('a pid file', () => {
  it('gives what was written, and null where there is none or another file', () => {
    expect(readPidFile(at('f'))).toBeNull();
    writePidFile(at('f'), RECORD);
    expect(readPidFile(at('f'))).toEqual(RECORD);
    expect(readdirSync(folder)).toEqual(['f']);
    removePidFile(at('f'));
    for (const broken of [
      '',
      '{"pid":',
      'null',
      '{"pid":-1,"root":"/","ports":{},"startedAt":""}',
      '{"pid":4}',
    ]) {
      writeFileSync(at('f'), broken);
      expect(readPidFile(at('f'))).toBeNull();
    }
  });
});

describe('a port', () => {
  it('is any free one for 0', async () => {
    const port = await choosePort(0, 'PORT');
    expect(port).toBeGreaterThan(1023);
    expect(await choosePort(port, 'PORT')).toBe(port);
  });

  it('that is taken is refused, naming its holder only while that holder lives', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      await expect(choosePort(port, 'PORT')).rejects.toThrow(
        `Port ${port} is held by another program; name another with PORT`,
      );
      const lock = takeProcessLock(at('lock'));
      writePidFile(at('file'), { ...RECORD, ports: { http: port } });
      noteHolder(port, { role: 'host', pidFile: at('file'), lockFile: at('lock') });
      await expect(choosePort(port, 'PORT')).rejects.toThrow(
        `Port ${port} is held by the local host of /p (pid 4)`,
      );
      lock?.release();
      await expect(choosePort(port, 'PORT')).rejects.toThrow('another program');
    } finally {
      removeNote(port);
      server.close();
    }
  });

  it('is read from a setting, and refused where it is none', () => {
    expect([
      readPort({}, 'PORT', 7),
      readPort({ PORT: '0' }, 'PORT', 7),
      readPort({ PORT: ' ' }, 'PORT', 7),
    ]).toEqual([7, 0, 7]);
    for (const wrong of ['-1', '65536', 'x', '1.5', '1e3']) {
      expect(() => readPort({ PORT: wrong }, 'PORT', 7)).toThrow('PORT must be a port');
    }
  });
});

describe('the installation id', () => {
  it('is random at first and the same ever after', () => {
    const id = readInstallationId(at('id'));
    expect(id).toMatch(/^local-[0-9a-f]{12}$/);
    expect(readInstallationId(at('id'))).toBe(id);
    expect(readInstallationId(at('other'))).not.toBe(id);
  });

  it('of a broken file is refused, not replaced: endpoints may carry the old one', () => {
    writeFileSync(at('id'), 'a b');
    expect(() => readInstallationId(at('id'))).toThrow('remove it to get a new id');
  });
});

describe('local.settings.json', () => {
  it('gives its values as text, and nothing where it is absent', () => {
    expect(readSettingsFile(at('s'))).toEqual({});
    writeFileSync(at('s'), '{"IsEncrypted":false,"Values":{"A":"x","B":2}}');
    expect(readSettingsFile(at('s'))).toEqual({ A: 'x', B: '2' });
  });

  it.each([
    ['{', 'is not JSON'],
    ['{"IsEncrypted":true,"Values":{}}', 'is encrypted'],
    ['{"Values":null}', 'has no "Values"'],
  ])('%s is refused with a sentence', (text, told) => {
    writeFileSync(at('s'), text);
    expect(() => readSettingsFile(at('s'))).toThrow(told);
  });
});

describe('a log file', () => {
  it('never grows past its bound, and keeps the one before', () => {
    const log = openLogFile(at('log'), 1_000);
    for (let line = 0; line < 200; line += 1) log.write(`line ${line}\nof two`);
    log.close();
    expect(readdirSync(folder).sort()).toEqual(['log', 'log.1']);
    expect(Math.max(statSync(at('log')).size, statSync(at('log.1')).size)).toBeLessThan(1_100);
    expect(readFileSync(at('log'), 'utf8').trimEnd().split('\n').at(-1)).toMatch(/^\S+Z line 199\\nof two$/);
  });
});

describe('the state folder', () => {
  it('is .local under the project, or what FOUNDRY_BENCH_STATE names', () => {
    expect(openStateFolder({ FOUNDRY_BENCH_STATE: at('made') }).hostFile).toBe(at('made/host.json'));
    expect(PROJECT_ROOT).toBe(path.join(import.meta.dirname, '..', '..'));
  });
});

describe('the host process', () => {
  const start = (env: Record<string, string>, args: readonly string[] = []) =>
    spawnSync(
      process.execPath,
      [fileURLToPath(new URL('../../src/local/main.ts', import.meta.url)), ...args],
      {
        env: { ...process.env, FOUNDRY_BENCH_STATE: folder, SIMULATOR_PORT: '0', ...env },
        encoding: 'utf8',
        timeout: 30_000,
      },
    );

  it('is refused in a folder where one runs, naming its pid, and touches nothing', () => {
    const state = layOutStateFolder(folder);
    const lock = takeProcessLock(state.hostLock);
    writePidFile(state.hostFile, RECORD);
    const { status, stderr } = start({});
    lock?.release();
    expect(status).toBe(2);
    expect(stderr).toContain('(pid 4)');
    expect(readdirSync(folder).sort()).toEqual(['host.json', 'host.lock']);
  });

  it('is refused where its port is held, before a cloud is started', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { status, stderr } = start({ PORT: String(port) });
    server.close();
    expect(status).toBe(2);
    expect(stderr).toContain(`Port ${port} is held by another program`);
    expect(readdirSync(folder)).not.toContain('cloud.lock');
  });

  it('is refused with the simulator in a folder whose runs are on real Azure', () => {
    writeFileSync(at('real-azure'), '');
    const { status, stderr } = start({});
    expect(status).toBe(2);
    expect(stderr).toContain('runs on real Azure');
    expect(readdirSync(folder)).toEqual(['real-azure']);
  });

  it('refuses --azure where a name of the state means another workspace, before a cloud is started', () => {
    const azure = {
      AZURE_SUBSCRIPTION_ID: '11111111-2222-3333-4444-555555555555',
      AZURE_RESOURCE_GROUP: 'group',
      AZURE_ML_WORKSPACE: 'lab',
      WORKSPACES: '',
    };
    mkdirSync(at('azure'));
    markAsAzure(at('azure'), placesOf({ env: azure, file: {} }));
    const { status, stderr } = start({ ...azure, AZURE_ML_WORKSPACE: 'other' }, ['--azure', '--i-will-reap']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/group\/lab at .* as "default".*group\/other at .*go on to be billed/);
    expect(readdirSync(at('azure'))).not.toContain('cloud.lock');
  });

  it('refuses --azure without workspace and watchdog, naming both, before anything is made', () => {
    const azure = { AZURE_ML_WORKSPACE: '', WORKSPACES: '', WATCHDOG_APP: '' };
    const { status, stderr } = start(azure, ['--azure']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^Not started against Azure: No workspace is named; set AZURE_.*WATCHDOG_APP/);
    expect(readdirSync(folder)).toEqual([]);
  });
});
