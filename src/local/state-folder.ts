/** Where the local host and the local cloud keep what they know: `.local` under the project's root. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface StateFolder {
  readonly path: string;
  /** Who the running host is, see pid-file.ts; its lock says whether it runs. */
  readonly hostFile: string;
  readonly hostLock: string;
  readonly hostLog: string;
  readonly cloudFile: string;
  readonly cloudLock: string;
  readonly cloudLog: string;
  readonly installationIdFile: string;
  /** The durable history of the embedded host. */
  readonly historyFile: string;
  readonly tablesFolder: string;
  readonly simulatorFile: string;
}

/** The project's root: this file is compiled from `src/local` to `dist/local`, two levels below it in both. */
export const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]+$/, '');

/** The state folder, created where it is missing. `FOUNDRY_BENCH_STATE` names another one. */
export function openStateFolder(env: Readonly<Record<string, string | undefined>>): StateFolder {
  const named = env.FOUNDRY_BENCH_STATE?.trim();
  const path = named === undefined || named === '' ? join(PROJECT_ROOT, '.local') : resolve(named);
  try {
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    throw new Error(`The state folder ${path} cannot be created; name another with FOUNDRY_BENCH_STATE.`, {
      cause,
    });
  }
  return layOutStateFolder(path);
}

export function layOutStateFolder(path: string): StateFolder {
  return {
    path,
    hostFile: join(path, 'host.json'),
    hostLock: join(path, 'host.lock'),
    hostLog: join(path, 'host.log'),
    cloudFile: join(path, 'cloud.json'),
    cloudLock: join(path, 'cloud.lock'),
    cloudLog: join(path, 'cloud.log'),
    installationIdFile: join(path, 'installation-id'),
    historyFile: join(path, 'history.sqlite'),
    tablesFolder: join(path, 'azurite'),
    simulatorFile: join(path, 'simulator.json'),
  };
}
