import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { viewRun } from '../../src/http/run-view.ts';
import { describeLeft, readBooks } from '../../src/local/books.ts';
import { findFaults } from '../../src/local/demo.ts';
import { composeSettings } from '../../src/local/local-settings.ts';
import { decideCloud, explainSecondHost } from '../../src/local/neighbour.ts';
import { explainNodeVersion } from '../../src/local/node-version.ts';
import { describeChanges } from '../../src/local/run-watch.ts';
import { readArguments } from '../../src/local/start.ts';
import { A_MOMENT_MS, aRun } from '../support/builders.ts';

const RECORD = { pid: 12, root: '/a', ports: { http: 7071 }, startedAt: '2026-01-15T12:00:00Z' };

describe('the version of Node', () => {
  it.each(['v22.19.0', 'v22.20.1', 'v24.21.0', 'v26.0.0'])('%s will do', (version) => {
    expect(explainNodeVersion(version)).toBeNull();
  });
  it.each(['v20.20.2', 'v22.18.9', 'v18.0.0'])('%s is refused with the way to a newer one', (version) => {
    expect(explainNodeVersion(version)).toContain(version);
    expect(explainNodeVersion(version)).toContain('npm rebuild node');
  });
  it('is the one that package.json asks for', () => {
    const file = path.join(import.meta.dirname, '..', '..', 'package.json');
    const { engines } = JSON.parse(readFileSync(file, 'utf8')) as { engines: { node: string } };
    expect(explainNodeVersion('v1.0.0')).toContain(`Node ${engines.node.replace('>=', '')} or later`);
  });
});

describe('what to do about a cloud that may run', () => {
  it.each([
    ['nothing was ever there', { locked: false, record: null }, { kind: 'start' }],
    ['a killed one left its file', { locked: false, record: RECORD }, { kind: 'start' }],
    [
      'a killed one of another folder left its file',
      { locked: false, record: { ...RECORD, root: '/b' } },
      { kind: 'start' },
    ],
    ['one is starting or stopping', { locked: true, record: null }, { kind: 'wait' }],
    ['one of this folder runs', { locked: true, record: RECORD }, { kind: 'adopt', record: RECORD }],
    ['one of another folder runs', { locked: true, record: { ...RECORD, root: '/b' } }, { kind: 'refuse' }],
  ])('%s', (_, sighting, decision) => {
    expect(decideCloud({ ...sighting, root: '/a' })).toMatchObject(decision);
  });

  it('a second host is refused with the pid and address of the first', () => {
    expect(explainSecondHost(RECORD, '/s')).toMatch(
      /of \/a runs already at http:\/\/127\.0\.0\.1:7071 \(pid 12\)/,
    );
    expect(explainSecondHost(null, '/s')).toContain('starting or stopping in /s');
  });
});

describe("the app's settings", () => {
  const addresses = { tablesPort: 1, simulatorPort: 2, gpuSpeed: 20, installationId: 'local-1' };

  it('are complete with nothing given, and point at the local cloud', () => {
    expect(composeSettings({}, {}, addresses)).toMatchObject({
      INSTALLATION_ID: 'local-1',
      TABLES_ENDPOINT: 'http://127.0.0.1:1/devstoreaccount1',
      ARM_ENDPOINT: 'http://127.0.0.1:2',
      PRICES_ENDPOINT: 'http://127.0.0.1:2',
      SIMULATOR_GPU_SPEED: '20',
      POLL_SECONDS: '1',
      ALLOW_LOOPBACK_SCORING: 'true',
      WORKSPACES: expect.stringContaining('00000000-0000-0000-0000-000000000000'),
    });
  });

  it('take the environment before the file, and the file before the default; an empty value counts as none', () => {
    const settings = composeSettings(
      { POLL_SECONDS: '3', REGION_NAME: '' },
      { POLL_SECONDS: '5', ALLOW_LOOPBACK_SCORING: 'false', REGION_NAME: 'eastus2' },
      addresses,
    );
    expect(settings).toMatchObject({
      POLL_SECONDS: '3',
      ALLOW_LOOPBACK_SCORING: 'false',
      REGION_NAME: 'eastus2',
    });
  });

  it('never point at Azure, whatever the shell and the file say', () => {
    const azure = {
      ARM_ENDPOINT: 'https://management.azure.com',
      PRICES_ENDPOINT: 'https://prices.azure.com',
      REGISTRY_ENDPOINT: 'https://eastus.api.azureml.ms',
      TABLES_ENDPOINT: 'https://x.table.core.windows.net',
    };
    const settings = composeSettings(azure, azure, addresses);
    expect(Object.keys(azure).map((name) => settings[name])).toEqual([
      'http://127.0.0.1:2',
      'http://127.0.0.1:2',
      'http://127.0.0.1:2',
      'http://127.0.0.1:1/devstoreaccount1',
    ]);
  });

  it('leave the default workspace out where the short form names it', () => {
    expect(composeSettings({ AZURE_ML_WORKSPACE: 'w' }, {}, addresses)).not.toHaveProperty('WORKSPACES');
  });
});

describe('the arguments of start', () => {
  it('are none, or --azure with or without --i-will-reap', () => {
    expect(readArguments([])).toEqual({ azure: false, willReap: false });
    expect(readArguments(['--azure'])).toEqual({ azure: true, willReap: false });
    expect(readArguments(['--i-will-reap', '--azure'])).toEqual({ azure: true, willReap: true });
    expect(readArguments(['--i-will-reap'])).toContain('belongs to `--azure`');
    expect(readArguments(['--azure', '--port'])).toContain('--port');
  });
});

describe('what the host tells of its runs', () => {
  const view = (state: 'measuring' | 'completed') => viewRun(aRun({ state }), A_MOMENT_MS);
  const id = aRun().id;

  it.each([
    ['an old run at the first look is no news', null, 'completed', 0],
    ['a run that goes on at the first look is', null, 'measuring', 1],
    ['a new run is', new Map(), 'measuring', 1],
    ['a run in the same state is not', new Map([[id, 'measuring' as const]]), 'measuring', 0],
    ['a run in another state is', new Map([[id, 'measuring' as const]]), 'completed', 1],
  ] as const)('%s', (_, known, state, lines) => {
    expect(describeChanges(known, [view(state)])).toHaveLength(lines);
  });
});

describe("the demo's proof", () => {
  const run = viewRun(aRun({ state: 'completed' }), A_MOMENT_MS);
  const report = (cells: number) => ({
    rows: Array.from({ length: cells }, () => ({ succeeded: 9 })) as never[],
  });
  const clean = { created: 1, alive: [] };

  it('accepts twelve cells, a completed run and nothing left', () => {
    expect(findFaults(run, report(12), clean)).toEqual([]);
  });

  it.each([
    ['a missing cell', run, report(11), clean, '11 of 12'],
    ['an endpoint that is left', run, report(12), { created: 1, alive: ['fb-1'] }, 'fb-1'],
    ['books that saw nothing', run, report(12), { created: 0, alive: [] }, 'no endpoint at all'],
    [
      'a run that failed',
      viewRun(aRun({ state: 'failed', failure: { code: 'internal', message: 'Why.' } }), A_MOMENT_MS),
      report(12),
      clean,
      'Why.',
    ],
  ])('finds %s', (_, seen, rows, books, told) => {
    expect(findFaults(seen, rows, books).join()).toContain(told);
  });

  it('counts an endpoint as left until the books have its end', () => {
    const books = readBooks({
      endpoints: [
        { name: 'a', deletedAt: '2026-01-15T12:00:00Z' },
        { name: 'b', deletedAt: null },
      ],
    });
    expect(books).toEqual({ created: 2, alive: ['b'] });
    expect(describeLeft(books)).toBe(
      "Endpoints left: b (asked the simulator's books: 2 created, 1 deleted).",
    );
    expect(describeLeft({ created: 1, alive: [] })).toBe(
      "Endpoints left: none (asked the simulator's books: 1 created, 1 deleted).",
    );
    expect(() => readBooks('no')).toThrow('no list');
  });
});
