/** What the local host takes from an app's `host.json`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../core/failure.ts';

export interface HostConfig {
  readonly routePrefix: string;
  /** Milliseconds an invocation may take; undefined means unlimited (`-1`, or the setting is absent). */
  readonly functionTimeoutMs: number | undefined;
  readonly durable: DurableConfig;
}

export interface DurableConfig {
  readonly hubName: string;
  readonly maxConcurrentActivities: number;
  readonly maxConcurrentOrchestrations: number;
  /** The version that a new orchestration gets; empty when the app does not use versions. */
  readonly defaultVersion: string;
  readonly versionMatchStrategy: 'None' | 'Strict' | 'CurrentOrOlder';
  readonly versionFailureStrategy: 'Reject' | 'Fail';
}

/** Azure derives its default from the machine's cores; ten is what a small Flex Consumption instance gets. */
const DEFAULT_CONCURRENCY = 10;

/** More in one process would only starve the others of its single thread. */
const MAX_CONCURRENCY = 1000;

/** The `host.json` in `appDirectory`, with defaults; throws a sentence when it is missing or cannot be read. */
export function readHostConfig(appDirectory: string): HostConfig {
  const file = join(appDirectory, 'host.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Error(`The app in ${appDirectory} has no readable host.json; every Functions app needs one.`, {
      cause,
    });
  }
  try {
    return parseHostConfig(JSON.parse(text), process.env);
  } catch (cause) {
    throw new Error(`${file} cannot be used: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Reads a parsed `host.json`. `settings` resolves `%NAME%` in the hub's name. Throws a sentence on a bad value. */
export function parseHostConfig(
  document: unknown,
  settings: Readonly<Record<string, string | undefined>>,
): HostConfig {
  const root = section(document);
  const extensions = section(root.extensions);
  const http = section(extensions.http);
  const durable = section(extensions.durableTask);
  const defaultVersion = text(durable.defaultVersion, '', 'defaultVersion');
  return {
    routePrefix: text(http.routePrefix, 'api', 'routePrefix').replace(/^\/+|\/+$/g, ''),
    functionTimeoutMs: timeoutMs(root.functionTimeout),
    durable: {
      hubName: expandSettings(text(durable.hubName, 'TestHubName', 'hubName'), settings),
      maxConcurrentActivities: concurrency(
        durable.maxConcurrentActivityFunctions,
        'maxConcurrentActivityFunctions',
      ),
      maxConcurrentOrchestrations: concurrency(
        durable.maxConcurrentOrchestratorFunctions,
        'maxConcurrentOrchestratorFunctions',
      ),
      defaultVersion,
      versionMatchStrategy: oneOf(
        durable.versionMatchStrategy,
        ['None', 'Strict', 'CurrentOrOlder'] as const,
        // Azure's own default, which only bites when the app has a version.
        defaultVersion === '' ? 'None' : 'CurrentOrOlder',
        'versionMatchStrategy',
      ),
      versionFailureStrategy: oneOf(
        durable.versionFailureStrategy,
        ['Reject', 'Fail'] as const,
        'Reject',
        'versionFailureStrategy',
      ),
    },
  };
}

/** Replaces each `%NAME%` by the setting of that name; throws a sentence when there is none. */
export function expandSettings(
  value: string,
  settings: Readonly<Record<string, string | undefined>>,
): string {
  return value.replace(/%([^%]+)%/g, (_, name: string) => {
    const setting = settings[name];
    if (setting === undefined) throw new Error(`the setting ${name}, named in '${value}', is not set.`);
    return setting;
  });
}

function section(value: unknown): Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
}

function text(value: unknown, fallback: string, name: string): string {
  if (value === undefined) return fallback;
  if (typeof value !== 'string') throw new Error(`${name} must be a string.`);
  return value;
}

function concurrency(value: unknown, name: string): number {
  if (value === undefined) return DEFAULT_CONCURRENCY;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MAX_CONCURRENCY) {
    throw new Error(`${name} must be a whole number from 1 to ${MAX_CONCURRENCY}.`);
  }
  return value;
}

function timeoutMs(value: unknown): number | undefined {
  if (value === undefined || value === '-1') return undefined;
  const parts = typeof value === 'string' ? /^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})$/.exec(value) : null;
  if (parts === null) throw new Error('functionTimeout must be "hh:mm:ss", "d.hh:mm:ss" or "-1".');
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], fallback: T, name: string): T {
  if (value === undefined) return fallback;
  const found = allowed.find((option) => option.toLowerCase() === String(value).toLowerCase());
  if (found === undefined) throw new Error(`${name} must be one of ${allowed.join(', ')}.`);
  return found;
}
