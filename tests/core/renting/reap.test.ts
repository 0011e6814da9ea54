import { describe, expect, test } from 'vitest';
import { HEARTBEAT_LIMIT_MS, LEASE_TAGS, type Lease, leaseTags } from '../../../src/core/renting/lease.ts';
import {
  chooseReapTargets,
  type ReapView,
  readExpiryMs,
  type SeenEndpoint,
  silentLeases,
  UNDATED_LIFE_MS,
} from '../../../src/core/renting/reap.ts';
import { A_MOMENT_MS, aLease } from '../../support/builders.ts';

const OWNER = 'bench-1';
const EXPIRES_MS = A_MOMENT_MS + 60 * 60_000;
const TAGS = leaseTags({ owner: OWNER, runId: 'r1', expiresAtMs: EXPIRES_MS });

function anEndpoint(fields: Partial<SeenEndpoint> = {}): SeenEndpoint {
  return { name: 'fb-1', workspace: 'default', tags: TAGS, createdAtMs: A_MOMENT_MS, ...fields };
}

function choose(fields: Partial<ReapView>): string[] {
  const view: ReapView = {
    nowMs: A_MOMENT_MS,
    owner: OWNER,
    endpoints: [],
    openLeases: [],
    aliveRuns: new Set(),
    ...fields,
  };
  return chooseReapTargets(view).map(({ endpoint, reason }) => `${endpoint}: ${reason}`);
}

const without = (tag: string) => Object.fromEntries(Object.entries(TAGS).filter(([name]) => name !== tag));

describe('by the leases', () => {
  const lease = (fields: Partial<Lease> = {}) => aLease({ endpoint: 'fb-1', owner: OWNER, ...fields });

  test.each<[name: string, view: Partial<ReapView>, chosen: string[]]>([
    [
      'an endpoint of ours without an open lease is a leak at once',
      { endpoints: [anEndpoint()] },
      ['fb-1: no open lease covers it'],
    ],
    [
      'an endpoint whose lease is open is none, whatever its tag says',
      {
        nowMs: A_MOMENT_MS + 1,
        endpoints: [anEndpoint({ tags: { ...TAGS, [LEASE_TAGS.expires]: '2020-01-01' } })],
        openLeases: [lease()],
      },
      [],
    ],
    [
      'the lease of another endpoint covers nothing',
      { endpoints: [anEndpoint()], openLeases: [lease({ endpoint: 'fb-2' })] },
      ['fb-1: no open lease covers it'],
    ],
    [
      'a lease past its expiry ends, with its orchestration alive',
      { nowMs: EXPIRES_MS + 1, openLeases: [lease()], aliveRuns: new Set([lease().runId]) },
      ['fb-1: its lease has expired'],
    ],
    [
      'a lease that is silent and lost ends, though no workspace lists its endpoint',
      { nowMs: A_MOMENT_MS + HEARTBEAT_LIMIT_MS + 1, openLeases: [lease()] },
      ['fb-1: its run has been silent for nine minutes and no orchestration runs it'],
    ],
    [
      'a lease that is silent with its orchestration alive goes on',
      {
        nowMs: A_MOMENT_MS + HEARTBEAT_LIMIT_MS + 1,
        openLeases: [lease()],
        aliveRuns: new Set([lease().runId]),
      },
      [],
    ],
    [
      'what could not be deleted last time comes last',
      {
        nowMs: EXPIRES_MS + 1,
        endpoints: [anEndpoint({ name: 'fb-9' })],
        openLeases: [lease({ releaseError: 'Refused.' }), lease({ endpoint: 'fb-2' })],
      },
      ['fb-9: no open lease covers it', 'fb-2: its lease has expired', 'fb-1: its lease has expired'],
    ],
  ])('%s', (_, view, chosen) => {
    expect(choose(view)).toEqual(chosen);
  });
});

describe('by the tags alone', () => {
  test.each<[name: string, nowMs: number, endpoint: Partial<SeenEndpoint>, chosen: boolean]>([
    ['before its time', EXPIRES_MS - 1, {}, false],
    ['at its time', EXPIRES_MS, {}, false],
    ['past its time', EXPIRES_MS + 1, {}, true],
    [
      'undated, a day and an hour after it was created',
      A_MOMENT_MS + UNDATED_LIFE_MS + 1,
      { tags: without(LEASE_TAGS.expires) },
      true,
    ],
    ['undated, before that', A_MOMENT_MS + UNDATED_LIFE_MS, { tags: without(LEASE_TAGS.expires) }, false],
    [
      'with a date that is none, long ago',
      A_MOMENT_MS + UNDATED_LIFE_MS + 1,
      { tags: { ...TAGS, [LEASE_TAGS.expires]: 'soon' } },
      true,
    ],
    [
      'that nothing dates at all',
      A_MOMENT_MS,
      { tags: without(LEASE_TAGS.expires), createdAtMs: null },
      true,
    ],
  ])('an endpoint %s', (_, nowMs, endpoint, chosen) => {
    expect(choose({ nowMs, endpoints: [anEndpoint(endpoint)], openLeases: null })).toHaveLength(
      chosen ? 1 : 0,
    );
  });
});

describe('what is not ours', () => {
  test.each<[name: string, tags: Record<string, string>]>([
    ["another installation's", { ...TAGS, [LEASE_TAGS.owner]: 'bench-2' }],
    ['with the tool tag only', { [LEASE_TAGS.tool]: 'foundry-bench', [LEASE_TAGS.expires]: '2020-01-01' }],
    ['with the owner tag only', { [LEASE_TAGS.owner]: OWNER, [LEASE_TAGS.expires]: '2020-01-01' }],
    ["another tool's of the same owner", { ...TAGS, [LEASE_TAGS.tool]: 'other' }],
    ['of an owner whose name begins like ours', { ...TAGS, [LEASE_TAGS.owner]: `${OWNER}0` }],
    ['without tags', {}],
  ])('is left alone, %s, by the leases and by the tags', (_, tags) => {
    const view = { nowMs: EXPIRES_MS * 2, endpoints: [anEndpoint({ tags })] };
    expect(choose({ ...view, openLeases: [] })).toEqual([]);
    expect(choose({ ...view, openLeases: null })).toEqual([]);
  });
});

test('the orchestration is asked about silent leases only: an expired one ends whatever it says', () => {
  const fresh = aLease({ endpoint: 'fresh', heartbeatAtMs: EXPIRES_MS - 60_000 });
  const silent = aLease({ endpoint: 'silent' });
  const expired = aLease({ endpoint: 'expired', expiresAtMs: EXPIRES_MS - 1 });
  const found = silentLeases([fresh, silent, expired], EXPIRES_MS).map(({ endpoint }) => endpoint);
  expect(found).toEqual(['silent']);
});

test('the tag dates an endpoint before its age does', () => {
  expect(readExpiryMs(anEndpoint())).toBe(EXPIRES_MS);
  expect(readExpiryMs({ tags: {}, createdAtMs: 5 })).toBe(5 + UNDATED_LIFE_MS);
  expect(readExpiryMs({ tags: {}, createdAtMs: null })).toBeNull();
});
