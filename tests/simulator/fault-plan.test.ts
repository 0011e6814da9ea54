/** Which calls fail, by rules and by chance; how sentinels and the wire do it is tested over http. */
import { expect, test } from 'vitest';
import { type Call, FaultPlan } from '../../src/simulator/fault-plan.ts';

const call = (fields: Partial<Call> = {}): Call => ({
  operation: 'GET endpoint',
  resource: '/subscriptions/s/onlineEndpoints/one',
  aliases: ['one'],
  names: [],
  exists: true,
  ...fields,
});

test('without rules, sentinels and chaos nothing fails', () => {
  const plan = new FaultPlan(undefined, {});
  for (let n = 0; n < 100; n += 1) {
    expect(plan.judge(call())).toEqual({ fault: undefined, asked: '' });
    expect(plan.judgeScoring('one')).toBeNull();
  }
  expect(plan.counts).toEqual({});
});

test('chaos fails its share of the calls, the same ones for the same seed, in whatever order resources are called', () => {
  const names = Array.from({ length: 40 }, (_, n) => `e${n}`);
  const run = (seed: number, order: readonly string[]) => {
    const plan = new FaultPlan({ percent: 20, seed }, {});
    const faults = new Map<string, unknown[]>();
    for (let nth = 0; nth < 25; nth += 1) {
      for (const resource of order) {
        const verdicts = [plan.judge(call({ resource })).fault, plan.judgeScoring(resource)];
        faults.set(resource, [...(faults.get(resource) ?? []), ...verdicts]);
      }
    }
    return faults;
  };
  const first = run(7, names);
  expect(run(7, names.toReversed())).toEqual(new Map([...first].toReversed()));
  expect([...run(8, names).values()]).not.toEqual([...first.values()]);
  const all = [...first.values()].flat();
  const failed = all.filter((fault) => fault !== undefined && fault !== null);
  expect(failed.length / all.length).toBeGreaterThan(0.16);
  expect(failed.length / all.length).toBeLessThan(0.24);
  expect(new Set(failed)).toEqual(
    new Set(
      ['arm', 'score'].flatMap((kind) => ['429', '500', '503', 'reset'].map((how) => `${kind}-${how}`)),
    ),
  );
});

test('chaos goes on where it was after a restart', () => {
  const chaos = { percent: 50, seed: 3 };
  const whole = new FaultPlan(chaos, {});
  const expected = Array.from({ length: 20 }, () => whole.judge(call()).fault);
  const before = new FaultPlan(chaos, {});
  const head = Array.from({ length: 9 }, () => before.judge(call()).fault);
  const after = new FaultPlan(chaos, before.counts);
  const tail = Array.from({ length: 11 }, () => after.judge(call()).fault);
  expect([...head, ...tail]).toEqual(expected);
});

test.each([-1, 101, Number.NaN])('%d percent of chaos is refused', (percent) => {
  expect(() => new FaultPlan({ percent, seed: 1 }, {})).toThrow(RangeError);
});

test.each([
  ['the second call only', { nth: 2 }, [undefined, 'arm-500', undefined]],
  ['from the second call on', { nth: '2+' }, [undefined, 'arm-500', 'arm-500']],
  ['every call', {}, ['arm-500', 'arm-500', 'arm-500']],
  ['an alias in capitals', { resource: 'ONE', nth: 1 }, ['arm-500', undefined, undefined]],
  ['the beginning of an id', { resource: '/subscriptions/*', nth: 3 }, [undefined, undefined, 'arm-500']],
  ['another resource', { resource: 'two' }, [undefined, undefined, undefined]],
  ['another operation', { operation: 'PUT endpoint' }, [undefined, undefined, undefined]],
])('a rule for %s', (_case, fields, expected) => {
  const plan = new FaultPlan(undefined, {});
  expect(plan.replaceRules([{ operation: 'GET endpoint', ...fields, fault: 'arm-500' }])).toBeUndefined();
  expect([1, 2, 3].map(() => plan.judge(call()).fault)).toEqual(expected);
});

test('a rule whose word refuses no call is read as a sentinel of that call, and scoring has to be named', () => {
  const plan = new FaultPlan(undefined, {});
  plan.replaceRules([
    { fault: 'deploy-outofquota' },
    { fault: 'delete-slow.7' },
    { operation: 'score', fault: 'masked' },
  ]);
  expect(plan.judge(call()).asked).toBe('fault-deploy-outofquota-fault-delete-slow.7');
  expect(plan.judgeScoring('any')).toBe('masked');
  plan.replaceRules([{ fault: 'arm-500' }]);
  expect(plan.judgeScoring('any')).toBeNull();
});

test.each([
  [{}],
  [[{}]],
  [[{ fault: 'Nonsense!' }]],
  [[{ fault: 'arm-500', nth: 0 }]],
  [[{ fault: 'arm-500', nth: '1-3' }]],
  [[{ fault: 'arm-500', resource: 7 }]],
  [Array.from({ length: 201 }, () => ({ fault: 'arm-500' }))],
])('rules that cannot be read are refused and change nothing: %j', (rules) => {
  const plan = new FaultPlan(undefined, {});
  plan.replaceRules([{ fault: 'arm-503' }]);
  expect(plan.replaceRules(rules)).toMatch(/^(Send a list|Rule \d)/);
  expect(plan.judge(call()).fault).toBe('arm-503');
  plan.clear();
  expect(plan.judge(call()).fault).toBeUndefined();
});
