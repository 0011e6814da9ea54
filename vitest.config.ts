import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // Real servers, Azurite and child processes take seconds on a busy two-core machine; a hang must still end.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    maxWorkers: 2,
    reporters: ['default', './tests/support/closing-line-reporter.ts'],
  },
});
