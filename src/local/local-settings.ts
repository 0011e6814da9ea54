/**
 * The environment of the app when it runs on the local cloud: where the cloud is, and the settings of
 * `local.settings.json`. What every Functions host sets, the embedded host sets itself.
 */
import { existsSync, readFileSync } from 'node:fs';

/** Azurite's well-known account: it opens nothing but an emulator. */
const EMULATOR_ACCOUNT = {
  name: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
} as const;

/** The simulator takes any subscription; this one is nobody's. */
export const NOBODYS_SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';

const LOCAL_WORKSPACES = JSON.stringify({
  default: {
    subscriptionId: NOBODYS_SUBSCRIPTION,
    resourceGroup: 'local',
    workspace: 'local',
  },
});

export type Settings = Readonly<Record<string, string | undefined>>;

export interface LocalAddresses {
  readonly tablesPort: number;
  readonly simulatorPort: number;
  readonly gpuSpeed: number;
  readonly installationId: string;
}

/**
 * What to add to the environment. The addresses of the local cloud stand above everything, so that a shell or a
 * settings file made for Azure never sends a "simulated" run there; then the environment, then the file, then ours.
 */
export function composeSettings(
  env: Settings,
  file: Settings,
  addresses: LocalAddresses,
): Record<string, string> {
  const given = { ...present(file), ...present(env) };
  const simulatorUrl = `http://127.0.0.1:${addresses.simulatorPort}`;
  const fixed = {
    ...localTables(addresses.tablesPort),
    INSTALLATION_ID: addresses.installationId,
    ARM_ENDPOINT: simulatorUrl,
    PRICES_ENDPOINT: simulatorUrl,
    REGISTRY_ENDPOINT: simulatorUrl,
    SIMULATOR_GPU_SPEED: String(addresses.gpuSpeed),
  };
  // AZURE_ML_WORKSPACE is the short form of the same setting; both would be two workspaces of one name.
  const workspaces = 'AZURE_ML_WORKSPACE' in given ? {} : { WORKSPACES: LOCAL_WORKSPACES };
  const defaults = {
    ...workspaces,
    POLL_SECONDS: '1',
    ALLOW_LOOPBACK_SCORING: 'true',
  };
  return { ...defaults, ...given, ...fixed };
}

/** The tables are Azurite's, whatever Azure ML is. */
export function localTables(port: number): Record<string, string> {
  return {
    TABLES_ENDPOINT: `http://127.0.0.1:${port}/${EMULATOR_ACCOUNT.name}`,
    TABLES_ACCOUNT_NAME: EMULATOR_ACCOUNT.name,
    TABLES_ACCOUNT_KEY: EMULATOR_ACCOUNT.key,
  };
}

/** The `Values` of `local.settings.json`, nothing where there is no such file; throws a sentence where it is broken. */
export function readSettingsFile(path: string): Settings {
  if (!existsSync(path)) return {};
  let document: { readonly IsEncrypted?: unknown; readonly Values?: unknown };
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Error(`${path} is not JSON; correct or remove it.`, { cause });
  }
  if (document.IsEncrypted === true)
    throw new Error(`${path} is encrypted; decrypt it with \`func settings decrypt\`.`);
  if (document.Values === null || typeof document.Values !== 'object') {
    throw new Error(`${path} has no "Values"; local.settings.json.example shows its shape.`);
  }
  return Object.fromEntries(Object.entries(document.Values).map(([name, value]) => [name, String(value)]));
}

/** An empty value counts as none. */
export function present(settings: Settings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).filter((entry): entry is [string, string] => !!entry[1]?.trim()),
  );
}
