/** Orchestration versions: whether this host may go on with an instance that another release has started. Pure. */
import type { DurableConfig } from '../host-config.ts';

/**
 * A sentence when the app's version must not run an instance of `version`, undefined when it may. `Strict` wants the
 * same version, `CurrentOrOlder` one that is not newer, `None` does not look.
 */
export function refuseVersion(
  version: string,
  { defaultVersion, versionMatchStrategy }: DurableConfig,
): string | undefined {
  const difference = compareVersions(version, defaultVersion);
  const isAccepted =
    versionMatchStrategy === 'None' ||
    difference === 0 ||
    (versionMatchStrategy === 'CurrentOrOlder' && difference < 0);
  if (isAccepted) return undefined;
  return `The orchestration has version '${version}', which this app of version '${defaultVersion}' does not run (versionMatchStrategy ${versionMatchStrategy} in host.json).`;
}

/** Below zero when `a` is older: dotted numbers by number, other texts by text; no version is older than any. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parseVersion(a), parseVersion(b)];
  if (left === null || right === null) {
    const [x, y] = [a.toLowerCase(), b.toLowerCase()];
    return x < y ? -1 : x > y ? 1 : 0;
  }
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    // .NET counts a part that is not there as less than zero.
    const difference = (left[index] ?? -1) - (right[index] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** .NET's `System.Version`: two to four numbers. */
function parseVersion(text: string): readonly number[] | null {
  return /^\d+(\.\d+){1,3}$/.test(text) ? text.split('.').map(Number) : null;
}
