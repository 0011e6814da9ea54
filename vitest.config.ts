import { defineConfig } from 'vitest/config';
import { LongestFirst } from './tests/support/longest-first.ts';

const PURE = ['tests/core/**/*.test.ts', 'tests/statistics/**/*.test.ts', 'tests/architecture.test.ts'];
/** They measure, so that little else may run beside them. */
const TIMED = ['tests/load/**/*.test.ts', 'tests/bench/**/*.test.ts', 'tests/cli/load.test.ts'];

export default defineConfig({
  test: {
    // Real servers, Azurite and child processes take seconds on a busy two-core machine; a hang must still end.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: ['default', './tests/support/closing-line-reporter.ts'],
    sequence: { sequencer: LongestFirst },
    // One after the other, by what the tests spend their time on.
    projects: [
      {
        extends: true,
        test: { name: 'pure', include: PURE, isolate: false, maxWorkers: 2, sequence: { groupOrder: 0 } },
      },
      { extends: true, test: { name: 'timed', include: TIMED, maxWorkers: 2, sequence: { groupOrder: 1 } } },
      {
        extends: true,
        test: {
          name: 'whole',
          include: ['tests/**/*.test.ts'],
          exclude: [...PURE, ...TIMED],
          // Most of the time they wait for deployments, polls and browsers.
          maxWorkers: 4,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
