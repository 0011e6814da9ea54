/** Loads an app's compiled entry as the Functions worker does, and sorts what it registered by trigger. */
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../../core/failure.ts';
import {
  type Binding,
  type FunctionCallback,
  type FunctionMetadata,
  type HookName,
  installCore,
  type LogFunction,
  type ProgrammingModel,
  type Registrations,
} from './core-shim.ts';

export type AppFunctionKind = 'http' | 'timer' | 'orchestration' | 'activity';

/** A registered function: its trigger, and the inputs beside it that the host must fill. */
export interface AppFunction {
  readonly name: string;
  readonly kind: AppFunctionKind;
  readonly trigger: Binding;
  readonly clientBindings: readonly Binding[];
  readonly metadata: FunctionMetadata;
  readonly callback: FunctionCallback;
}

export interface App {
  readonly directory: string;
  readonly functions: readonly AppFunction[];
  readonly model: ProgrammingModel;
  hooks: Registrations['hooks'];
  /** Shared by every hook of this app; `hookData` is seen by appStart and appTerminate only. */
  readonly appHookData: Record<string, unknown>;
  readonly hookData: Record<string, unknown>;
}

const KINDS: Readonly<Record<string, AppFunctionKind>> = {
  httptrigger: 'http',
  timertrigger: 'timer',
  orchestrationtrigger: 'orchestration',
  activitytrigger: 'activity',
};

const CLIENT_TYPES = ['durableclient', 'orchestrationclient'];

/** One app per process: the library keeps the core module, and Node keeps loaded files, until the process ends. */
let loaded: { readonly directory: string; readonly app: Promise<App> } | undefined;

/** Where the library's messages outside of an invocation go; a later start in this process replaces it. */
let log: LogFunction = () => {};

/**
 * Loads the app in `appDirectory` and gives its functions; a second call for the same directory gives the same app.
 * Throws a sentence when the entry is missing, a file throws, or a function needs what this host does not have.
 */
export async function loadApp(appDirectory: string, logOutside: LogFunction): Promise<App> {
  const directory = resolve(appDirectory);
  log = logOutside;
  if (loaded !== undefined && loaded.directory !== directory) {
    throw new Error(
      `This process has loaded the app in ${loaded.directory}; start another process for ${directory}.`,
    );
  }
  loaded ??= { directory, app: load(directory) };
  return loaded.app;
}

/** Runs the appStart or appTerminate hooks, in order. */
export async function runAppHooks(
  app: App,
  name: Extract<HookName, 'appStart' | 'appTerminate'>,
): Promise<void> {
  const context = {
    hookData: app.hookData,
    appHookData: app.appHookData,
    functionAppDirectory: app.directory,
  };
  for (const hook of app.hooks(name)) await hook(context);
}

async function load(directory: string): Promise<App> {
  const registrations = installCore((level, category, message) => log(level, category, message));
  const { main, type } = readPackage(directory);
  const files = globSync(main, { cwd: directory }).sort();
  if (files.length === 0) {
    throw new Error(
      `No file matches "main": "${main}" of ${join(directory, 'package.json')}; build the app first.`,
    );
  }
  for (const file of files) await loadFile(join(directory, file), type);

  const { model } = registrations;
  if (model === undefined) {
    throw new Error(
      `The app in ${directory} registered nothing: it does not import @azure/functions, or something imported that before the host was started.`,
    );
  }
  const capabilities =
    (await model.getCapabilities?.({ RpcHttpBodyOnly: 'true', RawHttpBodyBytes: 'true' })) ?? {};
  if (capabilities.HttpUri !== undefined) {
    throw new Error(
      'The app calls app.setup({ enableHttpStream: true }); the local host has no HTTP streams. Remove it, or use Core Tools.',
    );
  }
  registrations.lock();
  return {
    directory,
    functions: registrations.functions
      .filter(({ metadata }) => !isDisabled(metadata.name))
      .map(({ metadata, callback }) => sortFunction(metadata, callback)),
    model,
    hooks: registrations.hooks,
    appHookData: {},
    hookData: {},
  };
}

function readPackage(directory: string): { readonly main: string; readonly type: unknown } {
  const file = join(directory, 'package.json');
  let document: { readonly main?: unknown; readonly type?: unknown };
  try {
    document = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Error(`${file} cannot be read; it names the app's entry under "main".`, { cause });
  }
  if (typeof document.main !== 'string' || document.main === '') {
    throw new Error(
      `${file} has no "main"; it must name the app's compiled entry, e.g. "dist/functions/*.js".`,
    );
  }
  return { main: document.main, type: document.type };
}

/** The worker's rule: `.mjs`, or a package of type module unless `.cjs`, is imported; anything else is required. */
async function loadFile(file: string, packageType: unknown): Promise<void> {
  const isModule = extname(file) === '.mjs' || (packageType === 'module' && extname(file) !== '.cjs');
  try {
    if (isModule) await import(pathToFileURL(file).href);
    else createRequire(file)(file);
  } catch (cause) {
    const message = messageOf(cause);
    throw new Error(
      `The app's file ${relative(process.cwd(), file)} failed while it was loaded: ${message}`,
      { cause },
    );
  }
}

/** `AzureWebJobs.<name>.Disabled`, as on Azure; there a dot may be spelled as two underscores. */
function isDisabled(name: string): boolean {
  const setting =
    process.env[`AzureWebJobs.${name}.Disabled`] ?? process.env[`AzureWebJobs__${name}__Disabled`];
  return setting === '1' || setting?.toLowerCase() === 'true';
}

function sortFunction(metadata: FunctionMetadata, callback: FunctionCallback): AppFunction {
  const bindings = Object.values(metadata.bindings);
  const trigger = bindings.find((binding) => /trigger$/i.test(binding.type));
  const kind = trigger === undefined ? undefined : KINDS[trigger.type.toLowerCase()];
  if (trigger === undefined || kind === undefined) {
    throw new Error(unsupported(metadata.name, `trigger ${trigger?.type ?? '(none)'}`));
  }
  const inputs = bindings.filter((binding) => binding.direction === 'in' && binding !== trigger);
  const foreign =
    inputs.find((binding) => !CLIENT_TYPES.includes(binding.type.toLowerCase())) ??
    bindings.find((binding) => binding.direction === 'out' && binding.type.toLowerCase() !== 'http');
  if (foreign !== undefined) throw new Error(unsupported(metadata.name, `binding ${foreign.type}`));
  return { name: metadata.name, kind, trigger, clientBindings: inputs, metadata, callback };
}

function unsupported(name: string, what: string): string {
  return `Function '${name}' uses the ${what}, which the local host does not have; disable it with AzureWebJobs.${name}.Disabled=true, or use Core Tools.`;
}
