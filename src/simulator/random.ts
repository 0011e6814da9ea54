/**
 * Randomness without state: a draw depends on the seed and on what it is drawn for, and on nothing else. So the
 * order in which clients call changes no number, and a restarted simulator draws the same again.
 */

/** A 32-bit seed for these parts (FNV-1a with a final mix; the mix makes neighbours such as "e1", "e2" unlike). */
export function deriveSeed(seed: number, ...parts: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const part of [seed, ...parts]) {
    const text = `${part}/`;
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A number in [from, to), uniform over what it is drawn for. */
export function drawBetween(
  from: number,
  to: number,
  seed: number,
  ...parts: readonly (string | number)[]
): number {
  return from + (to - from) * (deriveSeed(seed, ...parts) / 2 ** 32);
}

/** A number from the standard normal distribution (Box and Muller). */
export function drawNormal(seed: number, ...parts: readonly (string | number)[]): number {
  // 1 - u is in (0, 1]: the logarithm of 0 never happens.
  const radius = Math.sqrt(-2 * Math.log(1 - drawBetween(0, 1, seed, 'radius', ...parts)));
  return radius * Math.cos(2 * Math.PI * drawBetween(0, 1, seed, 'angle', ...parts));
}
