/**
 * How busy a deployment's GPUs were while a cell was measured, as Azure Monitor tells it by the minute. It counts the
 * time in which anything ran on a GPU, so a high figure does not say that the GPU was full.
 */

export interface GpuUse {
  /** Mean of the minutes that lie wholly in the measurement, 0 to 1; null with the reason. */
  readonly utilisation: number | null;
  /** Minutes that were told. */
  readonly minutes: number;
  readonly reason: string | null;
}

/** What is told of a minute that began then, in epoch milliseconds. */
export interface GpuMinute {
  readonly atMs: number;
  /** 0 to 1, the mean over instances. */
  readonly utilisation: number;
}

/** A repeat that is shorter holds one whole minute at the most, and often none. */
export const LEAST_GPU_SECONDS = 120;
const MINUTE_MS = 60_000;

/** Of the minutes that lie wholly between the first send and the last answer. */
export function gpuUseOf(
  { startedAtMs, endedAtMs }: { readonly startedAtMs: number; readonly endedAtMs: number },
  minutes: readonly GpuMinute[],
): GpuUse {
  const inside = minutes.filter(({ atMs }) => atMs >= startedAtMs && atMs + MINUTE_MS <= endedAtMs);
  if (inside.length === 0)
    return noGpuUse(
      'Azure Monitor had not told of its minutes when the report was made; it lags by some minutes.',
    );
  const sum = inside.reduce((total, { utilisation }) => total + utilisation, 0);
  return { utilisation: sum / inside.length, minutes: inside.length, reason: null };
}

export function noGpuUse(reason: string): GpuUse {
  return { utilisation: null, minutes: 0, reason };
}

/** Of a row's repeats, each minute alike; the first reason where none was told. Null where none was asked about. */
export function poolGpuUse(uses: readonly (GpuUse | undefined)[]): GpuUse | null {
  const asked = uses.filter((use) => use !== undefined);
  const minutes = asked.reduce((sum, use) => sum + use.minutes, 0);
  if (minutes === 0) return asked[0] ?? null;
  const busy = asked.reduce((sum, use) => sum + (use.utilisation ?? 0) * use.minutes, 0);
  return { utilisation: busy / minutes, minutes, reason: null };
}
