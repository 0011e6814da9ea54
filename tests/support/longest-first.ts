/**
 * Files that start installations, browsers and simulated worlds begin first. Vitest would order files by their size where
 * it has no times of an earlier run, and leave a short file that lasts two minutes to the end.
 */
import type { TestSpecification } from 'vitest/node';
import { BaseSequencer } from 'vitest/node';

/** The longest first; measured with an idle machine. What is not named comes after. */
const LONG = [
  'tests/local/system/',
  'tests/simulation/',
  'tests/dashboard/',
  'tests/docs/',
  'tests/examples/',
  'tests/statistics/',
  'tests/activities/',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rankOf(one) - rankOf(other));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONG.findIndex((folder) => moduleId.includes(folder));
  return rank < 0 ? LONG.length : rank;
}
