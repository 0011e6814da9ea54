/**
 * The rules that keep the folder listing an explanation: who may import whom, who may read the environment, and what
 * orchestrations may not touch. It reads the source, so a new import fails here before it becomes a habit.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = path.join(import.meta.dirname, '..', 'src');

/** What each room may import: rooms of ours, and packages. Node's own modules are free but for core and simulator. */
const RULES: Readonly<
  Record<string, { readonly rooms: readonly string[]; readonly packages: readonly string[] }>
> = {
  core: {
    rooms: [],
    packages: ['zod', 'hdr-histogram-js', 'pure-rand', 'csv-stringify', 'croner', 'node:crypto'],
  },
  load: { rooms: ['core'], packages: ['node:*'] },
  orchestrations: { rooms: ['core'], packages: ['durable-functions'] },
  activities: { rooms: ['core', 'load', 'orchestrations', 'services'], packages: ['node:*'] },
  azure: {
    rooms: ['core', 'services', 'config'],
    packages: ['@azure/*', 'undici', 'ipaddr.js', 'node:*'],
  },
  http: { rooms: ['core', 'services', 'activities', 'dashboard'], packages: ['zod', 'node:*'] },
  dashboard: {
    rooms: ['core'],
    packages: ['preact', 'preact/*', 'node:*'],
  },
  cli: { rooms: ['core', 'load', 'config', 'http'], packages: ['commander', 'node:*'] },
  services: { rooms: ['core', 'load'], packages: [] },
  config: { rooms: [], packages: ['zod'] },
  main: { rooms: ['core', 'load', 'azure', 'config', 'services'], packages: ['node:*'] },
  functions: {
    rooms: ['core', 'load', 'orchestrations', 'activities', 'azure', 'http', 'services', 'config', 'main'],
    packages: ['@azure/functions', 'durable-functions'],
  },
  simulator: { rooms: [], packages: ['node:*'] },
  local: {
    rooms: ['simulator', 'cli', 'core', 'http', 'config'],
    packages: ['azurite/*', 'croner', 'commander', 'undici', 'node:*'],
  },
};

const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => path.relative(SRC, path.join(entry.parentPath, entry.name)));

describe('the folders of src', () => {
  it('holds the rooms that the rules know, and no other', () => {
    expect([...new Set(files.map(roomOf))].sort()).toEqual(Object.keys(RULES).sort());
  });

  it.each(files)('%s imports only what its room may', (file) => {
    const room = roomOf(file);
    const rule = RULES[room];
    const forbidden = importsOf(file).filter((specifier) => {
      if (!specifier.startsWith('.')) return !rule?.packages.some((allowed) => matches(specifier, allowed));
      const other = roomOf(path.join(path.dirname(file), specifier));
      return other !== room && !rule?.rooms.includes(other);
    });
    expect(forbidden).toEqual([]);
  });

  it('reads the environment in config.ts only, and in the processes of the local cloud and the command line', () => {
    const readers = files.filter((file) => /process\.env\b/.test(source(file)));
    const allowed = (file: string) =>
      ['functions/register.ts', 'config.ts'].includes(file) || ['local', 'cli'].includes(roomOf(file));
    expect(readers.filter((file) => !allowed(file))).toEqual([]);
  });

  it('keeps orchestrations free of clock, randomness and waiting of their own', () => {
    const impure = /Date\.now|new Date\(\)|Math\.random|setTimeout|randomUUID|process\.|await\b|console\./;
    const found = files.filter(
      (file) => roomOf(file) === 'orchestrations' && impure.test(withoutComments(source(file))),
    );
    expect(found).toEqual([]);
  });

  it('has no drawer: no utils, helpers, common, types or index file', () => {
    expect(files.filter((file) => /(^|\/)(utils?|helpers?|common|types|index)\.ts$/.test(file))).toEqual([]);
  });
});

function roomOf(file: string): string {
  const [first = ''] = file.split(path.sep);
  return first.replace(/\.ts$/, '');
}

function source(file: string): string {
  return readFileSync(path.join(SRC, file), 'utf8');
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}

/** Static, dynamic and re-exporting imports. */
function importsOf(file: string): string[] {
  const pattern = /(?:from\s+|import\s*\(\s*|import\s+)['"]([^'"]+)['"]/g;
  return [...withoutComments(source(file)).matchAll(pattern)].map((match) => match[1] ?? '');
}

function matches(specifier: string, allowed: string): boolean {
  if (allowed.endsWith('*')) return specifier.startsWith(allowed.slice(0, -1));
  return specifier === allowed || specifier.startsWith(`${allowed}/`);
}
