/** The command as a process, from source: what bin/foundry-bench.js does after its checks. */
import { runCli } from '../../src/cli/program.ts';

process.exitCode = await runCli(process.argv.slice(2), process, {
  start: async () => 0,
  demo: async () => 0,
});
