/** The host process: what `npm start` runs and what the demo spawns. */
import { explainNodeVersion } from './node-version.ts';

const refusal = explainNodeVersion(process.version);
if (refusal !== null) {
  console.error(refusal);
  process.exit(2);
}
// Loaded only now: an older Node could not even load it.
const { startLocal } = await import('./start.ts');
process.exit(await startLocal(process.argv.slice(2)));
