/** Random draws that anyone can repeat: the same parts always give the same number. */
import { deriveSeed } from '../statistics/seed.ts';

/**
 * A number from 0 (inclusive) to 1 (exclusive), evenly spread. A derived seed alone is not: seeds of neighbouring
 * indexes are neighbours too, so its bits are mixed (the finaliser of MurmurHash3, 32 bits).
 */
export function drawShare(seed: number, ...parts: readonly (string | number)[]): number {
  let bits = deriveSeed(seed, ...parts);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
}

/** A draw from the standard normal (Box and Muller). */
export function drawNormal(seed: number, ...parts: readonly (string | number)[]): number {
  // Never 0, whose logarithm is infinite.
  const radius = Math.sqrt(-2 * Math.log(1 - drawShare(seed, ...parts, 'radius')));
  return radius * Math.cos(2 * Math.PI * drawShare(seed, ...parts, 'angle'));
}
