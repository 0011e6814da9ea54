/**
 * The only reader of the environment. `readConfig` gives every setting with its default filled in, or throws one
 * `ConfigError` that names every fault at once; no message repeats a value that may be a secret.
 */
import { z } from 'zod';

export interface Config {
  /** This installation's name on everything it creates; another installation's endpoints are never touched. */
  readonly owner: string;
  /** Azure ML workspaces by the name that specs use. */
  readonly workspaces: Readonly<Record<string, WorkspaceAddress>>;
  readonly tables: TablesAddress;
  readonly armEndpoint: string;
  readonly pricesEndpoint: string;
  /** Where registries of models are looked up; any region knows them all. */
  readonly registryEndpoint: string;
  readonly maxConnectionsPerInstance: number;
  readonly pollSeconds: number;
  /** What the app may rent in all: a spec can ask for less and never for more. */
  readonly ceilings: CeilingSettings;
  /** Six fields, seconds first. */
  readonly reapSchedule: string;
  /** Lower case; with a leading dot every host below it, without one exactly that host. */
  readonly scoringHosts: readonly string[];
  readonly allowLoopbackScoring: boolean;
  /** CIDRs of private addresses that a scoring host or a webhook's host may resolve to. */
  readonly allowedPrivateRanges: readonly string[];
  /** As scoringHosts; none by default. */
  readonly webhookHosts: readonly string[];
  readonly allowLoopbackWebhooks: boolean;
  /** The value of a setting that a webhook names for its signature, see `secretReader`. */
  readonly readWebhookSecret: (name: string) => string;
  /** The schedule that the settings define; null where they define none. */
  readonly defaultSchedule: DefaultSchedule | null;
  readonly region: string | null;
  /** Whether Azure may run this app's activities on several machines; it names each with WEBSITE_INSTANCE_ID. */
  readonly scalesOut: boolean;
  /** The simulator's speed factor where the local cloud runs; null against Azure. */
  readonly simulatorGpuSpeed: number | null;
  /** Client id of a user-assigned identity; null uses the system-assigned one, or `az login` on a laptop. */
  readonly identityClientId: string | null;
  /** The value of a setting that a spec names, see `secretReader`. */
  readonly readSecret: (name: string) => string;
}

export interface DefaultSchedule {
  /** NCRONTAB of six fields. */
  readonly schedule: string;
  /** The body of a comparison or of a run. */
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface CeilingSettings {
  readonly maxUsdPerRun: number;
  readonly maxUsdPerDay: number;
  readonly maxGpusAlive: number;
}

export interface WorkspaceAddress {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly workspace: string;
}

export interface TablesAddress {
  readonly endpoint: string;
  /** Only for a local table server on http; Azure is reached by identity. */
  readonly account: { readonly name: string; readonly key: string } | null;
}

export class ConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `The settings have ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}: ${faults.join(' ')}`,
    );
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** Hosts under which Azure serves models. Anything else must be named in SCORING_HOSTS. */
export const AZURE_SCORING_HOSTS = [
  '.inference.ml.azure.com',
  '.inference.ai.azure.com',
  '.models.ai.azure.com',
  '.services.ai.azure.com',
  '.openai.azure.com',
] as const;

/** One installation measures in a handful of workspaces; 50 keeps the setting readable. */
const WORKSPACES_LIMIT = 50;
/** A list of hosts that nobody could review any more is not an allow-list. */
const SCORING_HOSTS_LIMIT = 100;
/** Address spaces of virtual networks that hold private endpoints are a few. */
const PRIVATE_RANGES_LIMIT = 50;

const workspaceSchema = z.strictObject({
  subscriptionId: z.guid('must be a GUID'),
  resourceGroup: z.string().regex(/^[\w.()-]{1,90}$/, 'must be the name of a resource group'),
  workspace: z
    .string()
    .regex(/^[A-Za-z0-9][\w-]{1,32}$/, 'must be the name of a workspace, 2 to 33 characters'),
});

const workspacesSchema = z.record(
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'must be a name of letters, digits, dashes and underscores'),
  workspaceSchema,
);

type Environment = Readonly<Record<string, string | undefined>>;

/** All settings, or a `ConfigError` with every fault. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const reader = new SettingReader(env);
  const config: Config = {
    owner: readOwner(reader),
    workspaces: readWorkspaces(reader),
    tables: readTables(reader),
    armEndpoint: reader.address('ARM_ENDPOINT', 'https://management.azure.com'),
    pricesEndpoint: reader.address('PRICES_ENDPOINT', 'https://prices.azure.com'),
    registryEndpoint: readRegistryEndpoint(reader),
    maxConnectionsPerInstance: reader.whole('MAX_CONNECTIONS_PER_INSTANCE', 512, 1, 4_096),
    pollSeconds: reader.whole('POLL_SECONDS', 10, 1, 60),
    ceilings: {
      maxUsdPerRun: reader.whole('MAX_USD_PER_RUN', 500, 1, 100_000),
      maxUsdPerDay: reader.whole('MAX_USD_PER_DAY', 1_000, 1, 1_000_000),
      maxGpusAlive: reader.whole('MAX_GPUS_ALIVE', 32, 1, 10_000),
    },
    reapSchedule: readSchedule(reader),
    scoringHosts: readHosts(reader, 'SCORING_HOSTS', AZURE_SCORING_HOSTS),
    allowLoopbackScoring: reader.flag('ALLOW_LOOPBACK_SCORING', false),
    allowedPrivateRanges: readPrivateRanges(reader),
    webhookHosts: readHosts(reader, 'WEBHOOK_HOSTS', []),
    allowLoopbackWebhooks: reader.flag('ALLOW_LOOPBACK_WEBHOOKS', false),
    readWebhookSecret: secretReader(env, WEBHOOK_SECRETS),
    defaultSchedule: readDefaultSchedule(reader),
    region: reader.text('REGION_NAME'),
    scalesOut: reader.text('WEBSITE_INSTANCE_ID') !== null,
    simulatorGpuSpeed: readSimulatorGpuSpeed(reader),
    identityClientId: readIdentityClientId(reader),
    readSecret: secretReader(env, SCORING_KEYS),
  };
  if (reader.faults.length > 0) throw new ConfigError(reader.faults);
  return config;
}

/** Which of the two apps a deployed package is: one that measures, or one that only deletes what is past its time. */
export type Role = 'app' | 'watchdog';

/** Throws a `ConfigError` for a role that there is not: a watchdog that ran as a second app would watch nothing. */
export function readRole(env: NodeJS.ProcessEnv): Role {
  const role = env.FOUNDRY_BENCH_ROLE?.trim() || 'app';
  if (role === 'app' || role === 'watchdog') return role;
  throw new ConfigError(['FOUNDRY_BENCH_ROLE must be app or watchdog; without it the app is meant.']);
}

/** All that the watchdog reads: no table, no price, no scoring address. */
export type WatchdogConfig = Pick<
  Config,
  'owner' | 'workspaces' | 'armEndpoint' | 'identityClientId' | 'reapSchedule'
>;

/** The watchdog's settings, or a `ConfigError` with every fault. */
export function readWatchdogConfig(env: NodeJS.ProcessEnv): WatchdogConfig {
  const reader = new SettingReader(env);
  const config: WatchdogConfig = {
    owner: readOwner(reader),
    workspaces: readWorkspaces(reader),
    armEndpoint: reader.address('ARM_ENDPOINT', 'https://management.azure.com'),
    identityClientId: readIdentityClientId(reader),
    reapSchedule: readSchedule(reader),
  };
  if (reader.faults.length === 0 && Object.keys(config.workspaces).length === 0)
    reader.faults.push(
      'WORKSPACES is empty, so the watchdog would watch nothing; give it those of the app it watches over.',
    );
  if (reader.faults.length > 0) throw new ConfigError(reader.faults);
  return config;
}

/** What the name of a setting must begin with that a spec may send to a scoring address. */
export const SECRET_PREFIX = 'SCORING_KEY_';

/** What the name of a setting must begin with that signs a webhook. */
export const WEBHOOK_SECRET_PREFIX = 'WEBHOOK_SECRET_';

interface SecretKind {
  readonly who: string;
  readonly prefix: string;
  readonly what: string;
}

const SCORING_KEYS: SecretKind = { who: 'A spec', prefix: SECRET_PREFIX, what: 'the key of the endpoint' };
const WEBHOOK_SECRETS: SecretKind = {
  who: 'A webhook',
  prefix: WEBHOOK_SECRET_PREFIX,
  what: 'what its receiver checks signatures with',
};

/**
 * Reads a secret that a spec or a schedule names. Whoever may start a run chooses the name and the address, so only
 * settings that were put there for this purpose are given out: `SCORING_KEY_...`, `WEBHOOK_SECRET_...`. Our own account
 * keys, connection strings and the platform's secrets can never be named.
 */
function secretReader(env: Environment, { who, prefix, what }: SecretKind): (name: string) => string {
  const pattern = new RegExp(`^${prefix}[A-Za-z0-9_]{1,100}$`);
  return (name) => {
    if (!pattern.test(name)) {
      throw new Error(
        `${who} may only name settings that begin with ${prefix}; store the secret under such a name, as in ${prefix}PROD.`,
      );
    }
    const value = env[name]?.trim();
    if (value === undefined || value === '') {
      throw new Error(`The setting ${name} is missing; add it to the app's settings with ${what}.`);
    }
    // A line break or a space would break the header that carries it, and the client's error might quote it.
    if (!/^[\x21-\x7e]+$/.test(value)) {
      throw new Error(
        `The setting ${name} holds characters that no key has, such as spaces; store the key alone.`,
      );
    }
    return value;
  };
}

function readOwner(reader: SettingReader): string {
  const owner = reader.text('INSTALLATION_ID') ?? '';
  if (!/^[A-Za-z0-9-]{1,40}$/.test(owner)) {
    reader.faults.push(
      'INSTALLATION_ID must name this installation with 1 to 40 letters, digits and dashes; endpoints are tagged with it and only those are ever deleted.',
    );
  }
  return owner;
}

/**
 * WORKSPACES, and AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZURE_ML_WORKSPACE as the short form of "default".
 * The last of the three decides: other tools set the first two for purposes of their own.
 */
function readWorkspaces(reader: SettingReader): Config['workspaces'] {
  const listed = readListedWorkspaces(reader);
  const workspace = reader.text('AZURE_ML_WORKSPACE');
  if (workspace === null) return listed;
  const parsed = workspaceSchema.safeParse({
    subscriptionId: reader.text('AZURE_SUBSCRIPTION_ID') ?? '',
    resourceGroup: reader.text('AZURE_RESOURCE_GROUP') ?? '',
    workspace,
  });
  if (!parsed.success) {
    reader.faults.push(
      'AZURE_ML_WORKSPACE needs AZURE_SUBSCRIPTION_ID (a GUID) and AZURE_RESOURCE_GROUP beside it, and must be the name of a workspace.',
    );
    return listed;
  }
  if (listed.default !== undefined) {
    reader.faults.push(
      'AZURE_ML_WORKSPACE and WORKSPACES both name the workspace "default"; remove one of them.',
    );
    return listed;
  }
  return { ...listed, default: parsed.data };
}

/** The simulator answers for registries too, so a local ARM_ENDPOINT serves as both unless told otherwise. */
function readRegistryEndpoint(reader: SettingReader): string {
  const arm = reader.text('ARM_ENDPOINT');
  const local = arm !== null && isLoopbackHttp(arm);
  return reader.address('REGISTRY_ENDPOINT', local ? arm : 'https://eastus.api.azureml.ms');
}

function readListedWorkspaces(reader: SettingReader): Config['workspaces'] {
  const text = reader.text('WORKSPACES');
  if (text === null) return {};
  const example = '{"default":{"subscriptionId":"...","resourceGroup":"...","workspace":"..."}}';
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch {
    reader.faults.push(`WORKSPACES is not JSON; write it like ${example}.`);
    return {};
  }
  const parsed = workspacesSchema.safeParse(input);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const path = ['WORKSPACES', ...issue.path.map(String)].join('.');
      reader.faults.push(`${path}: ${issue.message}; write it like ${example}.`);
    }
    return {};
  }
  if (Object.keys(parsed.data).length > WORKSPACES_LIMIT) {
    reader.faults.push(
      `WORKSPACES names more than ${WORKSPACES_LIMIT} workspaces; give the others an installation of their own.`,
    );
  }
  return parsed.data;
}

function readTables(reader: SettingReader): TablesAddress {
  const endpoint = reader.address('TABLES_ENDPOINT', null);
  const name = reader.text('TABLES_ACCOUNT_NAME');
  const key = reader.text('TABLES_ACCOUNT_KEY');
  if ((name === null) !== (key === null)) {
    reader.faults.push('TABLES_ACCOUNT_NAME and TABLES_ACCOUNT_KEY belong together; set both or neither.');
  } else if (endpoint.startsWith('http:') && key === null) {
    reader.faults.push(
      'A TABLES_ENDPOINT on http needs TABLES_ACCOUNT_NAME and TABLES_ACCOUNT_KEY: an identity is never sent in clear.',
    );
  } else if (endpoint.startsWith('https:') && key !== null) {
    reader.faults.push(
      'TABLES_ACCOUNT_KEY is only for a local table server on http; remove it and give the identity the role Storage Table Data Contributor.',
    );
  }
  return { endpoint, account: name === null || key === null ? null : { name, key } };
}

function readSchedule(reader: SettingReader): string {
  const schedule = reader.text('REAP_SCHEDULE') ?? '0 */5 * * * *';
  if (!SIX_FIELDS.test(schedule)) {
    reader.faults.push(
      'REAP_SCHEDULE must be an NCRONTAB expression of six fields, seconds first, such as "0 */5 * * * *".',
    );
  }
  return schedule;
}

const SIX_FIELDS = /^([\w*/,-]+\s+){5}[\w*/,-]+$/;

/** What is compared against the simulator each Monday unless the settings say otherwise; in Azure nothing is. */
const SIMULATED_SCHEDULE: DefaultSchedule = {
  schedule: '0 0 6 * * 1',
  spec: {
    base: { model: { name: 'Phi-4', version: '7' }, concurrency: { levels: [1, 8] } },
    targets: [
      { label: '1xNC24', target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' } },
      { label: '1xNC40', target: { kind: 'managed', sku: 'Standard_NC40ads_H100_v5' } },
    ],
  },
};

/** COMPARISON_SCHEDULE and COMPARISON_SPEC. Without them one runs against the simulator, and none in Azure. */
function readDefaultSchedule(reader: SettingReader): DefaultSchedule | null {
  const schedule = reader.text('COMPARISON_SCHEDULE');
  const text = reader.text('COMPARISON_SPEC');
  if (schedule?.toLowerCase() === 'off') return null;
  if (schedule === null && text === null)
    return reader.text('SIMULATOR_GPU_SPEED') === null ? null : SIMULATED_SCHEDULE;
  if (schedule === null || text === null) {
    reader.faults.push('COMPARISON_SCHEDULE and COMPARISON_SPEC belong together; set both or neither.');
    return null;
  }
  if (!SIX_FIELDS.test(schedule))
    reader.faults.push(
      'COMPARISON_SCHEDULE must be an NCRONTAB expression of six fields, seconds first, such as "0 0 6 * * 1", or off.',
    );
  const parsed = z.record(z.string(), z.unknown()).safeParse(parseJson(text));
  if (!parsed.success)
    reader.faults.push(
      'COMPARISON_SPEC must be the body of a comparison as JSON, such as {"base":{...},"targets":[...]}.',
    );
  return { schedule, spec: parsed.data ?? {} };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readHosts(
  reader: SettingReader,
  setting: 'SCORING_HOSTS' | 'WEBHOOK_HOSTS',
  otherwise: readonly string[],
): readonly string[] {
  const text = reader.text(setting);
  if (text === null) return otherwise;
  const hosts = text
    .split(',')
    .map((host) => host.trim().toLowerCase())
    .filter((host) => host !== '');
  if (hosts.length > SCORING_HOSTS_LIMIT)
    reader.faults.push(`${setting} names more than ${SCORING_HOSTS_LIMIT} hosts.`);
  for (const host of hosts) {
    // Two labels at least, the last beginning with a letter: neither a whole top-level domain nor an IP address.
    if (!/^\.?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/.test(host) || host.length > 254) {
      reader.faults.push(
        `${setting} holds ${JSON.stringify(host.slice(0, 80))}, which is neither a host such as "llm.example.com" nor a suffix such as ".example.com"; separate entries with commas.`,
      );
    }
  }
  return hosts;
}

/** What a range may be is checked where addresses are: azure/address-guard.ts. */
function readPrivateRanges(reader: SettingReader): readonly string[] {
  const ranges = (reader.text('ALLOWED_PRIVATE_RANGES') ?? '')
    .split(',')
    .map((range) => range.trim())
    .filter((range) => range !== '');
  if (ranges.length > PRIVATE_RANGES_LIMIT)
    reader.faults.push(`ALLOWED_PRIVATE_RANGES names more than ${PRIVATE_RANGES_LIMIT} ranges.`);
  return ranges;
}

function readSimulatorGpuSpeed(reader: SettingReader): number | null {
  const text = reader.text('SIMULATOR_GPU_SPEED');
  if (text === null) return null;
  const speed = Number(text);
  if (!(speed >= 0.01 && speed <= 1_000)) {
    reader.faults.push(
      'SIMULATOR_GPU_SPEED must be a number from 0.01 to 1000; 1 gives times as of the real GPU.',
    );
    return null;
  }
  return speed;
}

function readIdentityClientId(reader: SettingReader): string | null {
  const clientId = reader.text('AZURE_CLIENT_ID');
  if (clientId !== null && !z.guid().safeParse(clientId).success) {
    reader.faults.push('AZURE_CLIENT_ID must be the client id (a GUID) of the user-assigned identity.');
  }
  return clientId;
}

/** Reads single settings and gathers their faults. An empty setting counts as absent, as the portal leaves them. */
class SettingReader {
  readonly faults: string[] = [];
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  text(name: string): string | null {
    const value = this.#env[name]?.trim();
    return value === undefined || value === '' ? null : value;
  }

  whole(name: string, otherwise: number, least: number, most: number): number {
    const text = this.text(name);
    if (text === null) return otherwise;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      this.faults.push(
        `${name} must be a whole number from ${least} to ${most}; without it the value is ${otherwise}.`,
      );
      return otherwise;
    }
    return value;
  }

  flag(name: string, otherwise: boolean): boolean {
    const text = this.text(name)?.toLowerCase() ?? null;
    if (text === null) return otherwise;
    if (text !== 'true' && text !== 'false') this.faults.push(`${name} must be true or false.`);
    return text === 'true';
  }

  /** An https address, or http on loopback; without a slash at its end. */
  address(name: string, otherwise: string | null): string {
    const text = this.text(name) ?? otherwise;
    if (text === null) {
      this.faults.push(`${name} is missing; it must be an https address, or an http address on 127.0.0.1.`);
      return '';
    }
    const url = URL.canParse(text) ? new URL(text) : null;
    const plain =
      url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
    if (!plain || !(url.protocol === 'https:' || isLoopbackHttp(text))) {
      this.faults.push(
        `${name} must be an https address, or an http address on 127.0.0.1, without user, query or fragment.`,
      );
      return '';
    }
    return url.href.replace(/\/+$/, '');
  }
}

/** Whether the address is plain http on this machine, the only place where http is spoken. */
export function isLoopbackHttp(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  return url.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
}
