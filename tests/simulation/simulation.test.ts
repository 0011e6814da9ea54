/** A few dozen seeds of `npm run simulate`: the release plays a thousand. */
import { expect, it } from 'vitest';
import type { Played } from './play.ts';
import { playSeeds } from './seeds.ts';

/** Worlds side by side in this process. */
const AT_ONCE = 16;
const SEEDS = Array.from({ length: 30 }, (_, index) => 1_001 + index);

it('leaks nothing and lies about nothing, whatever fails, whoever cancels and whenever the host dies', async () => {
  const played: Played[] = [];
  await playSeeds(SEEDS, AT_ONCE, (one) => played.push(one));
  const broken = played.filter(({ violations }) => violations.length > 0);
  expect(
    broken.map(
      ({ seed, violations }) => `npm run simulate -- --seed ${seed} --runs 1: ${violations.join(' ')}`,
    ),
  ).toEqual([]);
  // Days that are bad in one way only would prove little.
  const states = new Set(played.map(({ outcome }) => outcome.split(' ')[0]));
  expect([...states]).toEqual(expect.arrayContaining(['completed', 'failed', 'canceled']));
}, 300_000);
