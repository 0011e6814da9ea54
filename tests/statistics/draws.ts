/** Seeded draws for simulations: the same seed and part always give the same numbers. */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { deriveSeed } from '../../src/core/statistics/seed.ts';

/** Draws from 0 (included) to 1 (excluded). */
export function uniformDraws(seed: number, part: string): () => number {
  const generator = xoroshiro128plus(deriveSeed(seed, part));
  return () => uniformFloat64(generator);
}

/** Standard normal draws, by Box and Muller's transform. */
export function normalDraws(seed: number, part: string): () => number {
  const uniform = uniformDraws(seed, part);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
