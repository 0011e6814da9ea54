/** Who may rent, who waits, and what the day has cost: the sums of the ledger. */
import { describe, expect, it } from 'vitest';
import {
  askForRoom,
  type Ceilings,
  ceilingFaults,
  EMPTY_LEDGER,
  holdUntil,
  type Ledger,
  markDeployed,
  type Place,
  type RoomQuestion,
  settle,
} from '../../../src/core/renting/ledger.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ceilings: Ceilings = { maxUsdPerRun: 100, maxUsdPerDay: 1_000, maxGpusAlive: 100 };
const east: Place = { pool: 's/east/nc', cores: 24, usedCores: 0, limitCores: 48, name: 'NC24 in east' };
const west: Place = { ...east, pool: 's/west/nc', name: 'NC24 in west' };

const question = (runId: string, fields: Partial<RoomQuestion> = {}): RoomQuestion => ({
  runId,
  gpus: 1,
  boundUsd: 10,
  untilMs: 4 * HOUR,
  places: [east],
  ...fields,
});

/** Asks for each in turn; gives the ledger and the answers' states. */
function ask(questions: readonly RoomQuestion[], from: Ledger = EMPTY_LEDGER, nowMs = 0, limits = ceilings) {
  let ledger = from;
  const answers = questions.map((one) => {
    const asked = askForRoom(ledger, one, limits, nowMs);
    ledger = asked.ledger;
    return asked.answer;
  });
  return { ledger, answers, states: answers.map(({ state }) => state) };
}

describe('the quota of a pool', () => {
  it('is taken by those who hold it: fifty at once are two that rent and forty-eight that wait', () => {
    const { states, answers } = ask(Array.from({ length: 50 }, (_, index) => question(`r${index}`)));
    expect(states.filter((state) => state === 'admitted')).toHaveLength(2);
    expect(states.filter((state) => state === 'waiting')).toHaveLength(48);
    expect(answers[2]).toMatchObject({ reason: 'NC24 in east needs 24 cores, and 48 of 48 are taken' });
  });

  it('is asked again without being taken twice', () => {
    expect(ask([question('a'), question('a'), question('a'), question('b')]).states).toEqual(
      new Array(4).fill('admitted'),
    );
  });

  it('counts what others use, and what we have asked for and Azure does not count yet', () => {
    const used = (cores: number) => question('b', { places: [{ ...east, usedCores: cores }] });
    const one = ask([question('a')]).ledger;
    expect(ask([used(0)], one).states).toEqual(['admitted']);
    expect(ask([used(24)], one).states).toEqual(['waiting']); // 24 of somebody else, 24 of ours not counted.
    const deployed = markDeployed(one, 'a', 0) ?? one;
    expect(ask([used(24)], deployed, MINUTE).states).toEqual(['waiting']);
    expect(ask([used(24)], deployed, 6 * MINUTE).states).toEqual(['admitted']); // Those 24 are ours by now.
    expect(ask([used(48)], deployed, 6 * MINUTE).states).toEqual(['waiting']);
  });

  it('of another place is used where the first has no room, and the answer says which', () => {
    const { answers } = ask([question('a'), question('b'), question('c', { places: [east, west] })]);
    expect(answers[2]).toEqual({ state: 'admitted', placement: 1 });
  });

  it('that is too small altogether refuses, and one that is unknown does not', () => {
    const needs = (limitCores: number | null) => question('a', { places: [{ ...east, limitCores }] });
    expect(ask([needs(23)]).answers[0]).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('23'),
    });
    expect(ask([needs(null)]).states).toEqual(['admitted']);
    expect(ask([question('a', { places: [{ ...east, limitCores: 23 }, west] })]).states).toEqual([
      'admitted',
    ]);
  });

  it('goes to who has waited longest, and not past somebody who still waits', () => {
    const full = ask([question('a'), question('b')]).ledger;
    const queue = ask([question('c')], full, MINUTE).ledger;
    const freed = settle(ask([question('d')], queue, 2 * MINUTE).ledger, 'a', 1, 3 * MINUTE) ?? full;
    expect(ask([question('d')], freed, 4 * MINUTE).answers[0]).toMatchObject({
      state: 'waiting',
      reason: expect.stringContaining('a run waited'),
    });
    expect(ask([question('c')], freed, 4 * MINUTE).states).toEqual(['admitted']);
    // Who has not asked for a quarter of an hour is not waited for.
    expect(ask([question('d')], freed, 20 * MINUTE).states).toEqual(['admitted']);
  });
});

describe('the app’s ceilings', () => {
  it('hold over all pools', () => {
    const two: Ceilings = { ...ceilings, maxGpusAlive: 2 };
    const { states, answers } = ask(
      [question('a'), question('b', { places: [west] }), question('c', { places: [west] })],
      EMPTY_LEDGER,
      0,
      two,
    );
    expect(states).toEqual(['admitted', 'admitted', 'waiting']);
    expect(answers[2]).toMatchObject({ reason: expect.stringContaining('MAX_GPUS_ALIVE') });
  });

  it('set aside what a run may cost, and keep only what it did cost', () => {
    const day: Ceilings = { ...ceilings, maxUsdPerDay: 15 };
    const first = ask([question('a'), question('b', { places: [west] })], EMPTY_LEDGER, 0, day);
    expect(first.answers[1]).toMatchObject({
      state: 'waiting',
      reason: expect.stringContaining('MAX_USD_PER_DAY'),
    });
    const cheap = settle(first.ledger, 'a', 0.5, MINUTE) ?? first.ledger;
    expect(ask([question('b')], cheap, MINUTE, day).states).toEqual(['admitted']);
    const dear = settle(first.ledger, 'a', 9, MINUTE) ?? first.ledger;
    const keptAsking = Array.from({ length: 24 * 12 }, (_, index) => (index + 1) * 5 * MINUTE).reduce(
      (ledger, atMs) => ask([question('b')], ledger, atMs, day).ledger,
      dear,
    );
    expect(ask([question('b')], keptAsking, 24 * HOUR, day).states).toEqual(['waiting']);
    expect(ask([question('b')], keptAsking, 24 * HOUR + 2 * MINUTE, day).states).toEqual(['admitted']);
  });

  it('refuse at once what no waiting helps, with the setting’s name', () => {
    expect(ask([question('a', { gpus: 101 })]).answers[0]).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('MAX_GPUS_ALIVE'),
    });
    expect(ask([question('a', { boundUsd: 101 })]).answers[0]).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('MAX_USD_PER_RUN'),
    });
    expect(ceilingFaults({ gpus: 1, boundUsd: 100 }, ceilings)).toEqual([]);
    expect(ceilingFaults({ gpus: 101, boundUsd: 101 }, ceilings).map(({ path }) => path)).toEqual([
      'target.instances',
      'limits.maxUsd',
    ]);
  });

  it('take a run without a price for the dearest there may be', () => {
    const { ledger } = ask([question('a', { boundUsd: null })]);
    expect(ledger.entries[0]?.usd).toBe(100);
  });
});

describe('a run under way', () => {
  it('that finds its next place full keeps its money and its GPUs, and takes nobody’s cores', () => {
    const { ledger } = ask([
      question('a'),
      question('b', { places: [west] }),
      question('c', { places: [west] }),
    ]);
    const moved = ask([question('a', { places: [west] })], ledger);
    expect(moved.answers[0]).toMatchObject({ state: 'waiting' });
    expect(moved.ledger.entries.find(({ runId }) => runId === 'a')).toMatchObject({
      state: 'holding',
      cores: 0,
      gpus: 1,
      usd: 10,
    });
    expect(settle(moved.ledger, 'a', 2, 0)?.entries.find(({ runId }) => runId === 'a')).toMatchObject({
      state: 'spent',
      usd: 2,
    });
    expect(ask([question('d'), question('e')], moved.ledger).states).toEqual(['admitted', 'admitted']);
  });
});

describe('an entry', () => {
  it('holds until its run’s bound at the most, and costs its bound then', () => {
    const { ledger } = ask([question('a', { untilMs: HOUR }), question('b', { untilMs: HOUR })]);
    expect(ask([question('c')], ledger, HOUR).states).toEqual(['waiting']);
    const later = ask([question('c')], ledger, HOUR + 1);
    expect(later.states).toEqual(['admitted']);
    expect(later.ledger.entries.filter(({ state, usd }) => state === 'spent' && usd === 10)).toHaveLength(2);
  });

  it('of an endpoint that is kept holds for so long', () => {
    const { ledger } = ask([question('a'), question('b')]);
    const later = { untilMs: 9 * HOUR };
    const kept = holdUntil(ledger, 'a', 5 * HOUR) ?? ledger;
    expect(ask([question('c', later), question('d', later)], kept, 4 * HOUR + 1).states).toEqual([
      'admitted',
      'waiting',
    ]);
  });

  it('is settled once, and one that never held anything has cost nothing', () => {
    const { ledger } = ask([question('a'), question('b'), question('c')]);
    const settled = settle(ledger, 'a', 3, 0);
    expect(settled?.entries.find(({ runId }) => runId === 'a')).toMatchObject({
      state: 'spent',
      usd: 3,
      cores: 0,
      gpus: 0,
    });
    expect(settle(settled ?? ledger, 'a', 4, 0)).toBeNull();
    expect(settle(ledger, 'c', null, 0)?.entries.map(({ runId }) => runId)).toEqual(['a', 'b']);
    expect(settle(ledger, 'x', 1, 0)).toBeNull();
  });
});
