/**
 * The serving settings of a deployment that a run may measure one after the other: how many requests an instance works
 * on at once, and how long it may take for one. Rows of different settings are never one group.
 */

export interface ServingSettings {
  /** Null where they are not ours and nobody told them. */
  readonly maxConcurrentRequestsPerInstance: number | null;
  readonly requestTimeoutSeconds: number;
}

export function sameSettings(one: ServingSettings, other: ServingSettings): boolean {
  return (
    one.maxConcurrentRequestsPerInstance === other.maxConcurrentRequestsPerInstance &&
    one.requestTimeoutSeconds === other.requestTimeoutSeconds
  );
}

/**
 * What tells a run's settings apart in the names of its cells: `m10`, and `m10t60` where two differ in the timeout
 * alone. Empty where there are no others.
 */
export function settingsLabel(all: readonly ServingSettings[], index: number): string {
  const mine = all[index];
  if (mine === undefined || all.length < 2) return '';
  const max = mine.maxConcurrentRequestsPerInstance;
  const alike = all.filter((one) => one.maxConcurrentRequestsPerInstance === max);
  return `m${max ?? ''}${alike.length > 1 ? `t${mine.requestTimeoutSeconds}` : ''}`;
}

/** What names a row's settings in a sentence beside its workload; empty where all rows have the same. */
export function nameGroup(
  mine: ServingSettings,
  rows: readonly { readonly provenance: ServingSettings }[],
): string {
  if (rows.every(({ provenance }) => sameSettings(provenance, mine))) return '';
  const max = mine.maxConcurrentRequestsPerInstance ?? 'unknown';
  return ` at ${max} concurrent requests per instance and ${mine.requestTimeoutSeconds} s`;
}

/** Values in groups of the same settings, groups and values in their order. */
export function groupBySettings<Value>(
  values: readonly Value[],
  settingsOf: (value: Value) => ServingSettings,
): (readonly Value[])[] {
  const groups: Value[][] = [];
  for (const value of values) {
    const group = groups.find(
      ([first]) => first !== undefined && sameSettings(settingsOf(first), settingsOf(value)),
    );
    if (group === undefined) groups.push([value]);
    else group.push(value);
  }
  return groups;
}
