import { expect, test } from 'vitest';
import { measurePlan, watchClientCore } from '../../bench/measure.ts';
import { QUICK, type Row, requestsOf } from '../../bench/rows.ts';

/** Fourteen processes one after the other, on a machine that may be busy. */
const LIMIT_MS = 180_000;

test(
  'every row runs with every client, each request is answered, and each figure is a number',
  async () => {
    const skipped: Row[] = [];
    const measured = await measurePlan(
      QUICK,
      () => {},
      (row) => skipped.push(row),
    );
    expect(measured.map(({ row }) => row)).toEqual(QUICK.rows.filter((row) => !skipped.includes(row)));
    expect(skipped.every((row) => row.tls)).toBe(true);
    for (const { row, results } of measured) {
      expect(results.map(({ client }) => client)).toEqual(row.clients);
      for (const { client, succeeded, failed, figures } of results) {
        expect([row.name, client, succeeded, failed]).toEqual([row.name, client, requestsOf(row, client), 0]);
        for (const [name, value] of Object.entries(figures))
          expect([name, Number.isFinite(value)]).toEqual([name, true]);
        // A stamp before the write that it is of would mean that the clocks are not one; 0.2 ms is their error.
        if (row.kind === 'latency') {
          expect(figures.requests).toBe(succeeded);
          expect(figures.lagP50Ms).toBeGreaterThan(-0.2);
        }
        // Memory may shrink.
        if (row.kind !== 'latency' && row.kind !== 'memory')
          expect(Math.min(...Object.values(figures))).toBeGreaterThan(0);
      }
    }
  },
  LIMIT_MS,
);

test("what other work takes of the client's core is told as a share of the time and as the longest stop", async () => {
  const { lostShare, longestMs } = await watchClientCore(200);
  expect(lostShare).toBeGreaterThanOrEqual(0);
  expect(lostShare).toBeLessThan(1);
  expect(longestMs).toBeGreaterThan(0);
});
