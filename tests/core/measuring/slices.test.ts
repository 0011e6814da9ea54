import { expect, test } from 'vitest';
import {
  FIRST_SLICE_MS,
  MAX_SLICES,
  mergeTraces,
  SliceRecorder,
  type SliceTrace,
} from '../../../src/core/measuring/slices.ts';

test('time in flight is spread over the slices it lies in', () => {
  const recorder = new SliceRecorder(2, 1_000);
  recorder.enter(1_050);
  recorder.enter(1_120);
  recorder.leave(1_170);
  recorder.complete(1_170, 120, 10);
  recorder.leave(1_320);
  recorder.complete(1_320, 200, 12);
  expect(recorder.trace(1_350)).toEqual({
    connections: 2,
    sliceMs: 100,
    window: null,
    // 50 of one; 100 of one and 50 of another; 100 of one; 20 of one.
    inFlightMs: [50, 150, 100, 20],
    completions: [0, 1, 0, 1],
    e2eMs: [0, 120, 0, 200],
    outputTokens: [0, 10, 0, 12],
  });
});

test('the window is told from the beginning of the shard, and opens and closes once', () => {
  const recorder = new SliceRecorder(1, 500);
  recorder.closeWindow(550);
  expect(recorder.trace(560).window).toBeNull();
  recorder.openWindow(700);
  recorder.openWindow(800);
  expect(recorder.trace(900).window).toEqual({ beginMs: 200, endMs: 400 });
  recorder.closeWindow(1_000);
  recorder.closeWindow(1_100);
  expect(recorder.trace(1_200).window).toEqual({ beginMs: 200, endMs: 500 });
});

test('slices become longer and never more, and lose nothing', () => {
  const recorder = new SliceRecorder(1, 0);
  const requests = 3_000;
  for (let index = 0; index < requests; index += 1) {
    recorder.enter(index * 500);
    recorder.leave(index * 500 + 400);
    recorder.complete(index * 500 + 400, 400, 7);
  }
  const trace = recorder.trace(requests * 500);
  expect(trace.inFlightMs.length).toBeLessThanOrEqual(MAX_SLICES);
  expect(Math.log2(trace.sliceMs / FIRST_SLICE_MS) % 1).toBe(0);
  expect(sum(trace.inFlightMs)).toBeCloseTo(requests * 400, 3);
  expect(sum(trace.completions)).toBe(requests);
  expect(sum(trace.outputTokens)).toBe(7 * requests);
  // Even load stays even: 80 % in flight in each whole slice.
  for (const inFlightMs of trace.inFlightMs.slice(0, -1))
    expect(inFlightMs / trace.sliceMs).toBeCloseTo(0.8, 1);
  expect(JSON.stringify(trace).length).toBeLessThan(6_000);
});

test('a silence of an hour does not need an hour of slices', () => {
  const recorder = new SliceRecorder(1, 0);
  recorder.enter(0);
  recorder.leave(3_600_000);
  const trace = recorder.trace(3_600_000);
  expect(trace.inFlightMs.length).toBeLessThanOrEqual(MAX_SLICES);
  expect(sum(trace.inFlightMs)).toBeCloseTo(3_600_000, 3);
});

test('moments that come late or before the beginning are taken for the latest known', () => {
  const recorder = new SliceRecorder(1, 1_000);
  recorder.enter(900);
  recorder.leave(1_050);
  recorder.enter(1_040);
  recorder.leave(1_090);
  expect(sum(recorder.trace(1_100).inFlightMs)).toBeCloseTo(90, 9);
});

test('shards add up slice by slice, the finer made as coarse as the coarser', () => {
  const fine: SliceTrace = {
    connections: 1,
    sliceMs: 100,
    window: { beginMs: 100, endMs: 480 },
    inFlightMs: [90, 100, 100, 80, 50],
    completions: [1, 0, 2, 0, 1],
    e2eMs: [10, 0, 20, 0, 5],
    outputTokens: [4, 0, 8, 0, 2],
  };
  const coarse: SliceTrace = {
    connections: 3,
    sliceMs: 200,
    window: { beginMs: 50, endMs: 400 },
    inFlightMs: [600, 500],
    completions: [6, 5],
    e2eMs: [60, 50],
    outputTokens: [24, 20],
  };
  expect(mergeTraces([fine, coarse])).toEqual({
    connections: 4,
    sliceMs: 200,
    window: { beginMs: 100, endMs: 400 },
    inFlightMs: [790, 680, 50],
    completions: [7, 7, 1],
    e2eMs: [70, 70, 5],
    outputTokens: [28, 28, 2],
  });
  expect(mergeTraces([coarse, fine])).toEqual(mergeTraces([fine, coarse]));
});

test('a shard without a window leaves the repeat without one', () => {
  const shard = new SliceRecorder(1, 0);
  shard.openWindow(10);
  const windowed = shard.trace(100);
  expect(mergeTraces([windowed, new SliceRecorder(1, 0).trace(100)]).window).toBeNull();
  expect(mergeTraces([windowed, { ...windowed, window: { beginMs: 100, endMs: 200 } }]).window).toBeNull();
  expect(() => mergeTraces([])).toThrow('no trace');
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
