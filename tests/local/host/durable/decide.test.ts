import { describe, expect, test } from 'vitest';
import {
  ACTION,
  type Action,
  type Answer,
  parseAnswer,
  parseThrown,
} from '../../../../src/local/host/durable/answer.ts';
import { decide, planEpisode } from '../../../../src/local/host/durable/decide.ts';
import {
  EVENT,
  type HistoryEvent,
  type Message,
  stampEvent,
} from '../../../../src/local/host/durable/history.ts';

const NOW = '2026-01-01T00:00:00.000Z';
const start: Message = {
  EventType: EVENT.ExecutionStarted,
  Name: 'run',
  Version: '',
  Input: null,
  OrchestrationInstance: { InstanceId: 'i', ExecutionId: 'e' },
  ParentInstance: null,
};
const history = (...bodies: Parameters<typeof stampEvent>[0][]): readonly HistoryEvent[] =>
  [{ EventType: EVENT.OrchestratorStarted } as const, start, ...bodies].map((body) => stampEvent(body, NOW));

const call: Action = { actionType: ACTION.CallActivity, functionName: 'a' };
const scheduled = { EventType: EVENT.TaskScheduled, EventId: 0, Name: 'a', Input: null } as const;
const done = { EventType: EVENT.TaskCompleted, TaskScheduledId: 0, Result: null } as const;
const state = (fields: Partial<Extract<Answer, { kind: 'state' }>>): Answer => ({
  kind: 'state',
  isDone: false,
  actions: [],
  output: undefined,
  ...fields,
});
const registered = {
  isActivity: (name: string) => name === 'a',
  isOrchestrator: (name: string) => name === 'child',
};
const outcome = (events: readonly HistoryEvent[], answer: Answer) =>
  decide('run', events, answer, registered).outcome;

describe('the outcome of an episode', () => {
  test('a result counts when nothing is open', () => {
    const answer = state({ isDone: true, output: { a: 1 }, actions: [call] });
    expect(outcome(history(scheduled), answer)).toEqual({ kind: 'running' });
    expect(outcome(history(scheduled, done), answer)).toEqual({ kind: 'completed', output: '{"a":1}' });
  });

  test('no result is null', () => {
    expect(outcome(history(), state({ isDone: true }))).toEqual({ kind: 'completed', output: 'null' });
  });

  test('an error waits, too', () => {
    const answer = state({ error: 'no', actions: [call] });
    expect(outcome(history(scheduled), answer)).toEqual({ kind: 'running' });
    expect(outcome(history(scheduled, done), answer)).toMatchObject({
      kind: 'failed',
      reason: "Orchestrator function 'run' failed: no",
    });
  });

  test('and so does continueAsNew', () => {
    const answer = state({ isDone: true, actions: [call, { actionType: ACTION.ContinueAsNew, input: 5 }] });
    expect(outcome(history(scheduled), answer)).toEqual({ kind: 'running' });
    expect(outcome(history(scheduled, done), answer)).toEqual({
      kind: 'continued',
      input: '5',
      carriedOver: [],
    });
  });

  test('what cannot be run fails at once, and starts nothing', () => {
    const unknown: Action = { actionType: ACTION.CallActivity, functionName: 'b' };
    const answer = state({ actions: [{ actionType: ACTION.WhenAll, compoundActions: [call, unknown] }] });
    expect(decide('run', history(), answer, registered)).toMatchObject({
      outcome: { kind: 'failed', reason: expect.stringContaining("function 'b' doesn't exist") },
      scheduled: [],
    });
  });

  test('a crash fails', () => {
    expect(outcome(history(), { kind: 'crash', message: 'boom', stack: 's' })).toEqual({
      kind: 'failed',
      reason: "Orchestrator function 'run' failed: boom",
      details: 's',
    });
  });

  test('a history without end fails', () => {
    const endless = history(
      ...Array.from(
        { length: 20_000 },
        () => ({ EventType: EVENT.EventRaised, Name: 'e', Input: null }) as const,
      ),
    );
    expect(outcome(endless, state({}))).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('continueAsNew'),
    });
  });

  test.each([
    ['absent', undefined, undefined],
    ['a text', 'x', '"x"'],
    ['just short enough', 'x'.repeat(8190), JSON.stringify('x'.repeat(8190))],
  ])('a custom status that is %s', (_, customStatus, expected) => {
    const answer = state(customStatus === undefined ? {} : { customStatus });
    expect(decide('run', history(), answer, registered).customStatus).toBe(expected);
  });
});

describe('the messages of an episode', () => {
  const event: Message = { EventType: EVENT.EventRaised, Name: 'e', Input: null };
  const suspend: Message = { EventType: EVENT.ExecutionSuspended, Reason: '' };
  const resume: Message = { EventType: EVENT.ExecutionResumed, Reason: '' };
  const terminate: Message = { EventType: EVENT.ExecutionTerminated, Input: 'why' };
  const numbered = (...messages: Message[]) => messages.map((message, seq) => ({ seq, message }));

  test.each<[string, boolean, Message[], object]>([
    [
      'all, when it runs',
      false,
      [event, event],
      { seqs: [0, 1], isSuspended: false, needsOrchestrator: true },
    ],
    [
      'none but control messages, when it is suspended',
      true,
      [event, event],
      { seqs: [], isSuspended: true, needsOrchestrator: false },
    ],
    [
      'those before a suspend',
      false,
      [event, suspend, event],
      { seqs: [0, 1], isSuspended: true, needsOrchestrator: true },
    ],
    [
      'those after a resume',
      true,
      [resume, event],
      { seqs: [0, 1], isSuspended: false, needsOrchestrator: true },
    ],
    ['a resume alone', true, [resume], { seqs: [0], isSuspended: false, needsOrchestrator: false }],
  ])('%s', (_, wasSuspended, messages, expected) => {
    const episode = planEpisode(wasSuspended, numbered(...messages));
    if (episode.kind !== 'run') throw new Error('expected a run');
    const { taken, isSuspended, needsOrchestrator } = episode;
    expect({ seqs: taken.map(({ seq }) => seq), isSuspended, needsOrchestrator }).toEqual(expected);
  });

  test('a terminate overtakes all', () => {
    expect(planEpisode(true, numbered(event, suspend, terminate))).toEqual({
      kind: 'terminate',
      reason: 'why',
    });
  });
});

describe('what an orchestrator answers', () => {
  test('the state is found in what it throws, whatever the user wrote', () => {
    const error = 'bad\n\n$OutOfProcData$:{"x"';
    const thrown = `false\n\n$OutOfProcData$:${JSON.stringify({ isDone: false, actions: [[]], error })}`;
    expect(parseThrown(thrown, '')).toMatchObject({ kind: 'state', isDone: false, error });
  });

  test('anything else that is thrown is a crash', () => {
    expect(parseThrown('plain', 'at x')).toEqual({ kind: 'crash', message: 'plain', stack: 'at x' });
  });

  test.each([null, '5', '"text"', '{}'])('%s is not the state of an orchestration', (json) => {
    expect(parseAnswer(json)).toMatchObject({ kind: 'crash' });
  });
});
