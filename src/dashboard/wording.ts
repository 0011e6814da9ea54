/** How the page writes numbers, money and times. What is rounded for the eye stands exactly beside it, in `<data>`. */

/** What stands where no value exists. */
export const NONE = '–';

export function writeDigits(value: number, significant = 3): string {
  return value.toLocaleString('en-US', {
    minimumSignificantDigits: significant,
    maximumSignificantDigits: significant,
  });
}

/** A tick of an axis: no digit more than it needs. */
export function writeTick(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 4 });
}

export function writeCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** Four digits below ten cents, since a short run costs less. */
export function writeUsd(usd: number | null | undefined): string {
  if (usd === null || usd === undefined) return 'unknown';
  return `$${usd.toFixed(usd !== 0 && Math.abs(usd) < 0.1 ? 4 : 2)}`;
}

export function writeShare(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}

export function writeDuration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}

/** `in 54 min`, or since when it is over. */
export function writeUntil(iso: string, nowMs: number): string {
  const seconds = (Date.parse(iso) - nowMs) / 1_000;
  return seconds >= 0 ? `in ${writeDuration(seconds)}` : `${writeDuration(-seconds)} ago`;
}

export function writeTime(iso: string): string {
  return new Date(iso).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** `1 cell`, `2 cells`. */
export function writeAmount(count: number, noun: string): string {
  return `${writeCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
