/**
 * The environment of the app when it runs on this machine against real Azure ML: what the environment and
 * `local.settings.json` say, as in Azure, with the local tables. What may cost money is refused before anything starts.
 */
import { type Config, ConfigError, isLoopbackHttp, readConfig } from '../config.ts';
import type { Places } from './azure-mark.ts';
import { localTables, NOBODYS_SUBSCRIPTION, present, type Settings } from './local-settings.ts';

export interface AzureWishes {
  readonly env: Settings;
  /** The values of `local.settings.json`. */
  readonly file: Settings;
  /** The user says to look after what is left behind without a watchdog. */
  readonly willReap: boolean;
}

export interface AzureAddresses {
  readonly tablesPort: number;
  /** Made for this laptop; a setting of that name comes before it. */
  readonly installationId: string;
}

/** What `local.settings.json.example` calls every installation: two laptops that kept it would delete each other's. */
const EVERYBODYS_ID = 'local';

/** Settings that name the simulator where they are the example's. */
const ADDRESSES = ['ARM_ENDPOINT', 'PRICES_ENDPOINT', 'REGISTRY_ENDPOINT'] as const;

/** A function app's name, as Azure has it. */
const APP_NAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]$/;

/** Values with which every other fault of the settings shows, too. */
const ANY_ADDRESSES: AzureAddresses = { tablesPort: 1, installationId: 'any' };

/** The app's settings; they stand above the environment, and an empty one takes away what the shell has. */
export function composeAzureSettings(
  { env, file }: Pick<AzureWishes, 'env' | 'file'>,
  { tablesPort, installationId }: AzureAddresses,
): Record<string, string> {
  return {
    WORKSPACES: '',
    INSTALLATION_ID: installationId,
    ...realOnes(env, file),
    ...localTables(tablesPort),
    // Against Azure no row is simulated, and no schedule is made up.
    SIMULATOR_GPU_SPEED: '',
  };
}

/** Everything that is missing or wrong, in a sentence; null where the app may start. */
export function refuseAzure({ env, file, willReap }: AzureWishes): string | null {
  const given = realOnes(env, file);
  const faults = [
    ...findSettingFaults(composeAzureSettings({ env, file }, ANY_ADDRESSES), given),
    ...findSafeguardFaults(given, willReap),
  ];
  if (faults.length === 0) return null;
  return `Not started against Azure: ${faults.join(' ')}`;
}

/** Where runs rent; the settings must be free of faults. */
export function placesOf({ env, file }: Pick<AzureWishes, 'env' | 'file'>): Places {
  const { workspaces, armEndpoint } = readConfig(composeAzureSettings({ env, file }, ANY_ADDRESSES));
  return Object.fromEntries(
    Object.entries(workspaces).map(([name, { subscriptionId, resourceGroup, workspace }]) => [
      name,
      `${subscriptionId}/${resourceGroup}/${workspace} at ${armEndpoint}`,
    ]),
  );
}

/** The watchdog that the settings name; null where they name none. */
export function watchdogOf(settings: Settings): string | null {
  return settings.WATCHDOG_APP?.trim() || null;
}

/** What starts the app again as it was started, with what it is refused without. */
export function azureStartCommand(settings: Settings): string {
  return `npm start -- --azure${watchdogOf(settings) === null ? ' --i-will-reap' : ''}`;
}

function findSettingFaults(settings: Record<string, string>, given: Settings): string[] {
  let workspaces: Config['workspaces'];
  try {
    ({ workspaces } = readConfig(settings));
  } catch (error) {
    if (error instanceof ConfigError) return [...error.faults];
    throw error;
  }
  if (Object.keys(workspaces).length > 0)
    return Object.entries(workspaces)
      .filter(([, { subscriptionId }]) => subscriptionId === NOBODYS_SUBSCRIPTION)
      .map(([name]) => `The workspace "${name}" is in the subscription of zeros, which is nobody's.`);
  const names = ['AZURE_SUBSCRIPTION_ID', 'AZURE_RESOURCE_GROUP', 'AZURE_ML_WORKSPACE'];
  const missing = names.filter((name) => given[name] === undefined);
  return [
    `No workspace is named; set ${missing.join(', ')} (or WORKSPACES) in the environment or in local.settings.json.`,
  ];
}

function findSafeguardFaults(given: Settings, willReap: boolean): string[] {
  const watchdog = watchdogOf(given);
  if (watchdog === null) {
    if (willReap) return [];
    return [
      'No watchdog is named, and the safeguards here stop with this laptop; set WATCHDOG_APP to the watchdog app that deletes what this laptop leaves behind, or say with --i-will-reap that you will.',
    ];
  }
  return [
    ...(APP_NAME.test(watchdog) ? [] : ['WATCHDOG_APP must be the name of a function app.']),
    ...(given.INSTALLATION_ID === undefined
      ? [
          "INSTALLATION_ID is missing; set it to the watchdog's own, since it deletes nothing that carries another.",
        ]
      : []),
  ];
}

/** The environment before the file, without what the example has for the local cloud. */
function realOnes(env: Settings, file: Settings): Record<string, string> {
  const fromFile = present(file);
  for (const name of ADDRESSES) if (isLoopbackHttp(fromFile[name] ?? '')) delete fromFile[name];
  const given = { ...fromFile, ...present(env) };
  if (given.INSTALLATION_ID === EVERYBODYS_ID) delete given.INSTALLATION_ID;
  if (given.WORKSPACES !== undefined && isNobodys(given.WORKSPACES)) delete given.WORKSPACES;
  return given;
}

/** Whether the subscription of the example is all that it names. */
function isNobodys(workspaces: string): boolean {
  const subscriptions = [...workspaces.matchAll(/"subscriptionId"\s*:\s*"([^"]*)"/g)].map(([, id]) => id);
  return subscriptions.length > 0 && subscriptions.every((id) => id === NOBODYS_SUBSCRIPTION);
}
