// Runs on `npm install` / `npm ci`: compiles src to dist and bundles the page where the compiler is installed, and does
// nothing where it is not (`npm ci --omit=dev`: whoever installs so has built before, or has a package that holds dist).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));

if (existsSync(compiler)) {
  const { status } = spawnSync(process.execPath, [compiler, '--project', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
  if (status === 0) await (await import('./build-page.js')).writePage();
}
