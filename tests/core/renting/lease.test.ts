import { describe, expect, test } from 'vitest';
import {
  endpointName,
  HEARTBEAT_LIMIT_MS,
  isOurs,
  LEASE_TAGS,
  leaseTags,
  reapReason,
} from '../../../src/core/renting/lease.ts';
import { A_MOMENT_MS, aLease } from '../../support/builders.ts';

const RUN = 'r251634412799999-0123abcd';

describe('the name of an endpoint', () => {
  test('is a DNS label of Azure ML: 3 to 32 characters, a letter first, single dashes', () => {
    for (const owner of ['a', 'Some Owner / with: odd ö characters', 'x'.repeat(200)]) {
      for (const attempt of [1, 9, 999])
        for (const index of [0, 7])
          expect(endpointName(owner, RUN, attempt, index)).toMatch(
            /^(?=.{3,32}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
          );
    }
  });

  test('is the same for the same step, and another for another run, owner or attempt', () => {
    expect(endpointName('a', RUN, 1)).toBe(endpointName('a', RUN, 1));
    const names = [
      endpointName('a', RUN, 1),
      endpointName('b', RUN, 1),
      endpointName('a', 'r2', 1),
      endpointName('a', RUN, 2),
      endpointName('a', RUN, 1, 1),
    ];
    expect(new Set(names).size).toBe(5);
  });
});

describe('whose an endpoint is', () => {
  const tags = leaseTags({ owner: 'bench-1', runId: RUN, expiresAtMs: A_MOMENT_MS });

  test('the tags name tool, owner, run and expiry', () => {
    expect(tags).toEqual({
      [LEASE_TAGS.tool]: 'foundry-bench',
      [LEASE_TAGS.owner]: 'bench-1',
      [LEASE_TAGS.run]: RUN,
      [LEASE_TAGS.expires]: '2026-01-15T12:00:00.000Z',
    });
  });

  test.each<[name: string, tags: Record<string, string>, ours: boolean]>([
    ['ours', tags, true],
    ["another installation's", { ...tags, [LEASE_TAGS.owner]: 'bench-2' }, false],
    ["another tool's", { ...tags, [LEASE_TAGS.tool]: 'other' }, false],
    ['of our owner without the tool', { [LEASE_TAGS.owner]: 'bench-1' }, false],
    ['without tags', {}, false],
  ])('%s', (_, given, ours) => {
    expect(isOurs(given, 'bench-1')).toBe(ours);
  });
});

describe('what the reaper deletes', () => {
  const silent = A_MOMENT_MS + HEARTBEAT_LIMIT_MS;
  const expired = A_MOMENT_MS + 60 * 60_000;

  test.each<[name: string, nowMs: number, orchestrationRuns: boolean, fields: object, reason: RegExp | null]>(
    [
      ['a lease that lives', A_MOMENT_MS, true, {}, null],
      ['at its expiry', expired, true, {}, null],
      ['past its expiry', expired + 1, true, {}, /expired/],
      ['past its expiry, closed', expired + 1, false, { closedAtMs: A_MOMENT_MS }, null],
      ['silent as long as it may', silent, false, {}, null],
      ['silent for longer, with its orchestration alive', silent + 1, true, {}, null],
      ['silent for longer, lost', silent + 1, false, {}, /silent for nine minutes/],
      ['silent for longer, lost, closed', silent + 1, false, { closedAtMs: A_MOMENT_MS }, null],
    ],
  )('%s', (_, nowMs, orchestrationRuns, fields, reason) => {
    const given = reapReason(aLease(fields), nowMs, orchestrationRuns);
    if (reason === null) expect(given).toBeNull();
    else expect(given).toMatch(reason);
  });
});
