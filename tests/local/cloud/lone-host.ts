/** A process that brings the local cloud of FOUNDRY_BENCH_STATE up, says its pid, and stays until it is killed. */
import { adoptOrStartCloud } from '../../../src/local/cloud/launch.ts';
import { takeProcessLock } from '../../../src/local/process-lock.ts';
import { openStateFolder, PROJECT_ROOT } from '../../../src/local/state-folder.ts';

const folder = openStateFolder(process.env);
takeProcessLock(folder.hostLock);
console.log((await adoptOrStartCloud(folder, PROJECT_ROOT, process.env)).pid);
setInterval(() => {}, 60_000);
