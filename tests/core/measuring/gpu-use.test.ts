import { expect, test } from 'vitest';
import { gpuUseOf, noGpuUse, poolGpuUse } from '../../../src/core/measuring/gpu-use.ts';
import { buildReport } from '../../../src/core/report/report.ts';
import { aCell, aRun } from '../../support/builders.ts';

const MINUTE = 60_000;
const minutes = (...utilisations: readonly number[]) =>
  utilisations.map((utilisation, index) => ({ atMs: index * MINUTE, utilisation }));

test('only minutes that lie wholly in the measurement count: those at its ends hold idle time too', () => {
  const use = gpuUseOf({ startedAtMs: 30_000, endedAtMs: 3.5 * MINUTE }, minutes(0.1, 0.9, 0.7, 0.1, 0.1));
  expect(use).toEqual({ utilisation: expect.closeTo(0.8), minutes: 2, reason: null });
  expect(gpuUseOf({ startedAtMs: MINUTE, endedAtMs: 2 * MINUTE }, minutes(0, 0.5, 0))).toMatchObject({
    utilisation: 0.5,
    minutes: 1,
  });
});

test('minutes that are not told yet are no idle GPU', () => {
  const use = gpuUseOf({ startedAtMs: 10 * MINUTE, endedAtMs: 13 * MINUTE }, minutes(0, 0, 0));
  expect(use).toMatchObject({ utilisation: null, minutes: 0, reason: expect.stringContaining('lags') });
});

test('a row has the mean of all minutes of its repeats, or the reason that there is none', () => {
  const told = (utilisation: number, minutes: number) => ({ utilisation, minutes, reason: null });
  expect(poolGpuUse([told(0.9, 3), noGpuUse('late'), told(0.5, 1), undefined])).toEqual({
    utilisation: expect.closeTo(0.8),
    minutes: 4,
    reason: null,
  });
  expect(poolGpuUse([undefined, noGpuUse('late')])).toEqual(noGpuUse('late'));
  expect(poolGpuUse([undefined])).toBeNull();
});

test('the report shows it in the row and in what holds the row back', () => {
  const gpu = { utilisation: 0.96, minutes: 4, reason: null };
  const { rows, findings } = buildReport(aRun(), [aCell({ gpu }), aCell({ repeat: 2 })]);
  expect(rows[0]?.gpu).toEqual(gpu);
  expect(findings.bottlenecks).toMatchObject([{ cause: 'gpu', certainty: 'consistent-with' }]);
});
