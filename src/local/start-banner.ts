/** What `npm start` says when it is up: where things are, and what Azure ML is here. */
import { relative } from 'node:path';
import { printable } from '../cli/printable.ts';
import { readConfig } from '../config.ts';
import { watchdogOf } from './azure-settings.ts';
import type { RunningSimulator } from './cloud/launch.ts';
import type { Settings } from './local-settings.ts';

interface UpFacts {
  readonly baseUrl: string;
  readonly statePath: string;
  readonly hasKey: boolean;
}

interface SimulatorFacts {
  /** It ran already when the host came. */
  readonly adopted: boolean;
  readonly wantedGpuSpeed: string | undefined;
}

export function composeSimulatedBanner(
  up: UpFacts,
  { port, gpuSpeed }: RunningSimulator,
  { adopted, wantedGpuSpeed }: SimulatorFacts,
): string[] {
  const otherSpeed = wantedGpuSpeed !== undefined && Number(wantedGpuSpeed) !== gpuSpeed;
  return [
    '',
    `foundry-bench is up. Azure ML is simulated: nothing is rented, nothing is billed, and no number is Azure's.`,
    '',
    `  Page        ${up.baseUrl}/`,
    `  Simulator   http://127.0.0.1:${port}/simulator/books${adopted ? '  (it ran already and is resumed)' : ''}`,
    ...(gpuSpeed === 1 ? [] : [`  GPU speed   ${gpuSpeed} x: times are not those of a real GPU`]),
    ...(otherSpeed
      ? [`              (not the ${wantedGpuSpeed} x asked for: the cloud that runs keeps its own)`]
      : []),
    stateLine(up),
    '',
    ...howToStart(up),
  ];
}

/** `settings` are the app's, complete. */
export function composeAzureBanner(up: UpFacts, settings: Settings): string[] {
  const { owner, workspaces, armEndpoint } = readConfig({ ...settings });
  const watchdog = watchdogOf(settings);
  const places = Object.entries(workspaces).map(
    ([name, { subscriptionId, resourceGroup, workspace }]) =>
      `${name}: ${subscriptionId}/${resourceGroup}/${workspace}`,
  );
  return [
    '',
    'foundry-bench is up against real Azure ML: what a run deploys is rented and billed until it is deleted.',
    '',
    `  Page        ${up.baseUrl}/`,
    `  Azure       ${armEndpoint}, as whom \`az login\` or the environment says`,
    ...places.map((place, index) => `  ${index === 0 ? 'Workspaces' : '          '}  ${printable(place)}`),
    `  Owner tag   ${owner}`,
    stateLine(up),
    '',
    '  Safeguards stop with this laptop: runs, their bounds and the reaper do nothing while it sleeps, is offline or',
    '  this process is stopped, and endpoints that are alive then are billed.',
    watchdog === null
      ? '  No watchdog is named: you said that you will reap. `npx foundry-bench reap --all --wait` deletes everything.'
      : `  The watchdog app ${watchdog} deletes by the tags alone what is past its time; it must run with this owner tag.`,
    '',
    ...howToStart(up),
  ];
}

function stateLine({ statePath }: UpFacts): string {
  return `  State       ${relative(process.cwd(), statePath) || statePath}`;
}

function howToStart({ baseUrl, hasKey }: UpFacts): string[] {
  const key = hasKey ? ` -H 'x-functions-key: <key>'` : '';
  return [
    '  Start a run:',
    `    curl -s ${baseUrl}/api/runs${key} -H 'content-type: application/json' \\`,
    `      -d '{"model":{"name":"Phi-4","version":"7"},"target":{"kind":"managed","sku":"Standard_NC24ads_A100_v4"}}'`,
    '',
    '  Ctrl-C stops it.',
    '',
  ];
}
