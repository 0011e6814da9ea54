/** A list of runs is read page by page: what a page takes does not depend on how many there are. */
import { expect, it } from 'vitest';
import { pageThroughRuns } from './paged-runs.ts';

/** Twice what a page of 200 views of runs takes; all of the rows at once would be more. */
const MOST_BYTES_PER_PAGE = 10e6;
const MOST_KEPT_BYTES = 2e6;

it('gives each of 600 runs once, newest first, and keeps none of them', async () => {
  const { pages, ids, mostPerPage, kept } = await pageThroughRuns(600);
  expect(pages).toBe(3);
  expect(new Set(ids).size).toBe(600);
  expect(ids).toEqual([...ids].sort());
  expect(mostPerPage).toBeLessThan(MOST_BYTES_PER_PAGE);
  expect(kept).toBeLessThan(MOST_KEPT_BYTES);
});
