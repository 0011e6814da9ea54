import { describe, expect, test } from 'vitest';
import { ACTION, type Action } from '../../../../src/local/host/durable/answer.ts';
import { EVENT, type HistoryEvent, stampEvent } from '../../../../src/local/host/durable/history.ts';
import { reenact } from '../../../../src/local/host/durable/reenact.ts';

const START = Date.parse('2026-01-01T00:00:00Z');

// --- histories: each helper gives one event, stamped by `history`

type Body = Parameters<typeof stampEvent>[0];

const started: Body = {
  EventType: EVENT.ExecutionStarted,
  Name: 'test',
  Version: '',
  Input: null,
  OrchestrationInstance: { InstanceId: 'i', ExecutionId: 'exec' },
  ParentInstance: null,
};
const scheduled = (EventId: number, Name: string): Body => ({
  EventType: EVENT.TaskScheduled,
  EventId,
  Name,
  Input: null,
});
const timerCreated = (EventId: number): Body => ({ EventType: EVENT.TimerCreated, EventId, FireAt: '' });
const done = (id: number): Body => ({ EventType: EVENT.TaskCompleted, TaskScheduledId: id, Result: null });
const failed = (id: number): Body => ({
  EventType: EVENT.TaskFailed,
  TaskScheduledId: id,
  Reason: '',
  Details: '',
});
const fired = (TimerId: number): Body => ({ EventType: EVENT.TimerFired, TimerId, FireAt: '' });
const raised = (Name: string, Input: string | null = null): Body => ({
  EventType: EVENT.EventRaised,
  Name,
  Input,
});

/** Episodes a second apart. */
function history(...episodes: readonly (readonly Body[])[]): readonly HistoryEvent[] {
  return episodes.flatMap((bodies, index) => {
    const timestamp = new Date(START + index * 1000).toISOString();
    return [{ EventType: EVENT.OrchestratorStarted } as Body, ...bodies].map((body) =>
      stampEvent(body, timestamp),
    );
  });
}

// --- actions

const call = (functionName: string): Action => ({ actionType: ACTION.CallActivity, functionName });
const retried = (functionName: string, maxNumberOfAttempts: number): Action => ({
  actionType: ACTION.CallActivityWithRetry,
  functionName,
  retryOptions: {
    firstRetryIntervalInMilliseconds: 100,
    maxNumberOfAttempts,
    backoffCoefficient: 2,
    maxRetryIntervalInMilliseconds: 300,
  },
});
const timer = (afterMs: number, isCanceled = false): Action => ({
  actionType: ACTION.CreateTimer,
  fireAt: new Date(START + afterMs).toISOString(),
  isCanceled,
});
const wait = (externalEventName: string): Action => ({
  actionType: ACTION.WaitForExternalEvent,
  externalEventName,
});
const all = (...compoundActions: Action[]): Action => ({ actionType: ACTION.WhenAll, compoundActions });
const any = (...compoundActions: Action[]): Action => ({ actionType: ACTION.WhenAny, compoundActions });
const again: Action = { actionType: ACTION.ContinueAsNew, input: { n: 1 } };

/** What is to be started, as `id name` or `id +ms`. */
function fresh(events: readonly HistoryEvent[], actions: readonly Action[]): readonly string[] {
  return reenact(events, actions).fresh.map((event) =>
    event.EventType === EVENT.TimerCreated
      ? `${event.EventId} +${Date.parse(event.FireAt) - START}`
      : `${event.EventId} ${event.Name}`,
  );
}

describe('what is started', () => {
  test.each<[string, readonly HistoryEvent[], readonly Action[], readonly string[]]>([
    ['nothing before the start', history([]), [call('a')], []],
    ['the first action only', history([started]), [call('a'), call('b')], ['0 a']],
    [
      'what follows an answer',
      history([started, scheduled(0, 'a')], [done(0)]),
      [call('a'), call('b')],
      ['1 b'],
    ],
    [
      'what follows a failure',
      history([started, scheduled(0, 'a')], [failed(0)]),
      [call('a'), call('b')],
      ['1 b'],
    ],
    ['nothing twice', history([started, scheduled(0, 'a')]), [call('a')], []],
    [
      'nothing after a second answer',
      history([started, scheduled(0, 'a')], [done(0), done(0)]),
      [call('a'), call('b'), call('c')],
      ['1 b'],
    ],
    [
      'all members in order of depth',
      history([started]),
      [all(call('a'), any(call('b'), wait('e'), call('c')), call('d'))],
      ['0 a', '1 b', '2 c', '3 d'],
    ],
    [
      'what follows the first of any',
      history([started, scheduled(0, 'a'), scheduled(1, 'b')], [done(1)]),
      [any(call('a'), call('b')), call('c')],
      ['2 c'],
    ],
    [
      'nothing while a member is open, failure or not',
      history([started, scheduled(0, 'a'), scheduled(1, 'b')], [failed(1)]),
      [all(call('a'), call('b')), call('c')],
      [],
    ],
    [
      'what follows when all members have ended',
      history([started, scheduled(0, 'a'), scheduled(1, 'b')], [failed(1), done(0)]),
      [all(call('a'), call('b')), call('c')],
      ['2 c'],
    ],
    [
      'what follows an event',
      history([started], [raised('E'), raised('e')]),
      [wait('e'), call('a')],
      ['0 a'],
    ],
    [
      'what follows an event that came before its wait',
      history([started, scheduled(0, 'a'), raised('e')], [done(0)]),
      [call('a'), wait('e'), call('b')],
      ['1 b'],
    ],
    [
      'a thousand waits that are all served already',
      history([started, ...Array.from({ length: 5000 }, () => raised('e'))]),
      [...Array.from({ length: 5000 }, () => wait('e')), call('a')],
      ['0 a'],
    ],
    ['a timer', history([started]), [timer(5000)], ['0 +5000']],
  ])('%s', (_, events, actions, expected) => {
    expect(fresh(events, actions)).toEqual(expected);
  });

  test('retries take an id for each timer and each attempt, the last timer is due at once', () => {
    const actions = [retried('a', 3), call('b')];
    const episodes: Body[][] = [[started]];
    const step = (...bodies: Body[]): readonly string[] => {
      episodes.push(bodies);
      return fresh(history(...episodes), actions);
    };
    expect(fresh(history([started]), actions)).toEqual(['0 a']);
    expect(step(scheduled(0, 'a'), failed(0))).toEqual(['1 +1100']);
    expect(step(timerCreated(1), fired(1))).toEqual(['2 a']);
    expect(step(scheduled(2, 'a'), failed(2))).toEqual(['3 +3200']);
    expect(step(timerCreated(3), fired(3))).toEqual(['4 a']);
    expect(step(scheduled(4, 'a'), failed(4))).toEqual(['5 +5000']);
    expect(step(timerCreated(5), fired(5))).toEqual(['6 b']);
  });

  test('the delay between retries grows to its maximum', () => {
    const events: Body[] = [started];
    for (const id of [0, 2, 4, 6])
      events.push(scheduled(id, 'a'), failed(id), ...(id < 6 ? [timerCreated(id + 1), fired(id + 1)] : []));
    expect(fresh(history(events), [retried('a', 9)])).toEqual(['7 +300']);
  });

  test('waits for one name are served last come, first served', () => {
    const actions = [any(all(wait('e'), call('a')), all(wait('e'), call('b')))];
    const events = history([started, scheduled(0, 'a'), scheduled(1, 'b')], [done(1), raised('e')]);
    const withNext = [...actions, call('c')];
    expect(fresh(events, withNext)).toEqual(['2 c']);
  });

  test('a child without an id of its own gets one from execution and task', () => {
    const action: Action = { actionType: ACTION.CallSubOrchestrator, functionName: 'c', input: 'text' };
    expect(reenact(history([started]), [action]).fresh).toEqual([
      { EventType: 7, EventId: 0, Name: 'c', Version: '', InstanceId: 'exec:0', Input: '"text"' },
    ]);
  });

  test('text inputs of activities are JSON already, other values become it', () => {
    const inputs = ['"text"', { a: 1 }, null, undefined, 0].map(
      (input): Action => ({ actionType: ACTION.CallActivity, functionName: 'a', input }),
    );
    const texts = reenact(history([started]), [all(...inputs)]).fresh.map((event) =>
      event.EventType === 4 ? event.Input : '',
    );
    expect(texts).toEqual(['"text"', '{"a":1}', null, null, '0']);
  });
});

describe('what is open', () => {
  test.each<[string, readonly HistoryEvent[], readonly Action[], object]>([
    ['a call without an answer', history([started]), [call('a')], { open: [0], walked: false }],
    [
      'nothing after the answer',
      history([started, scheduled(0, 'a')], [done(0)]),
      [call('a')],
      { open: [], walked: true },
    ],
    [
      'the loser of any',
      history([started, scheduled(0, 'a'), timerCreated(1)], [done(0)]),
      [any(call('a'), timer(9000))],
      { open: [1], walked: true },
    ],
    [
      'not a canceled timer',
      history([started, scheduled(0, 'a'), timerCreated(1)], [done(0)]),
      [any(call('a'), timer(9000, true))],
      { open: [], canceledTimers: [1], walked: true },
    ],
    [
      'an event is no open task, but the walk has not ended',
      history([started]),
      [wait('e')],
      { open: [], walked: false },
    ],
    ['no actions at all', history([started]), [], { open: [], walked: true }],
  ])('%s', (_, events, actions, expected) => {
    expect(reenact(events, actions)).toMatchObject(expected);
  });
});

describe('continueAsNew', () => {
  test('carries over the events that arrive after it, and drops those before', () => {
    const events = history(
      [started, raised('e', '1'), raised('e', '2')],
      [raised('e', '3'), raised('f', '4')],
    );
    const { continueAsNew } = reenact([...events.slice(0, 4)], [wait('e'), again]);
    expect(continueAsNew?.carriedOver).toEqual([{ EventType: 15, Name: 'e', Input: '2' }]);
    expect(reenact(events, [wait('e'), again]).continueAsNew).toEqual({
      input: '{"n":1}',
      carriedOver: [
        { EventType: 15, Name: 'e', Input: '2' },
        { EventType: 15, Name: 'e', Input: '3' },
        { EventType: 15, Name: 'f', Input: '4' },
      ],
    });
    const late = reenact(
      history([started, raised('e', '1'), raised('e', '2'), scheduled(0, 'a')], [done(0)]),
      [call('a'), wait('e'), again],
    );
    expect(late.continueAsNew?.carriedOver).toEqual([]);
  });
});

describe('faults', () => {
  const elsewhere: Action = { actionType: ACTION.CallSubOrchestrator, functionName: 'a' };
  test.each<[string, readonly HistoryEvent[], readonly Action[], string]>([
    [
      'another name',
      history([started, scheduled(0, 'a')]),
      [call('b')],
      "task 0 was the activity 'a' when it was first run, and is the activity 'b'",
    ],
    ['another kind', history([started, scheduled(0, 'a')]), [elsewhere], "is the sub-orchestration 'a'"],
    ['a timer instead', history([started, timerCreated(0)]), [call('b')], 'was a timer'],
    ['nothing any more', history([started, scheduled(0, 'a')]), [], 'is nothing'],
    ['an entity', history([started]), [{ actionType: ACTION.CallEntity }], 'does not support callEntity'],
    ['a signal', history([started]), [{ actionType: ACTION.SignalEntity }], 'does not support signalEntity'],
    [
      'HTTP inside of all',
      history([started]),
      [all(call('a'), { actionType: ACTION.CallHttp })],
      'does not support callHttp',
    ],
    [
      'an action of the future',
      history([started]),
      [{ actionType: 99 } as unknown as Action],
      'does not support action 99',
    ],
    [
      'a timer without a time',
      history([started]),
      [{ actionType: ACTION.CreateTimer, fireAt: 'never', isCanceled: false }],
      'no valid time',
    ],
  ])('%s', (_, events, actions, sentence) => {
    expect(reenact(events, actions).fault).toContain(sentence);
  });
});
