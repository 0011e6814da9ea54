#!/usr/bin/env node
// The foundry-bench command: checks that it can run, and puts the command line together with the local host and the
// demo, which are no part of the product.
import { existsSync } from 'node:fs';

const built = new URL('../dist/cli/program.js', import.meta.url);
if (!existsSync(built)) {
  console.error('foundry-bench is not built yet; run `npm ci` (or `npm run build`) in its folder first.');
  process.exit(2);
}
const { explainNodeVersion } = await import('../dist/local/node-version.js');
const refusal = explainNodeVersion(process.version);
if (refusal !== null) {
  console.error(refusal);
  process.exit(2);
}
// A reader such as `head` may close the pipe before everything is written.
process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 2));

const { runCli } = await import('../dist/cli/program.js');
const exitCode = await runCli(process.argv.slice(2), process, {
  start: async (args) => (await import('../dist/local/start.js')).startLocal(args),
  demo: async (what) => (await import('../dist/local/demo.js')).runDemo(what),
});
// Ends at once what still holds the process, but only when a pipe has got everything that was written.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
