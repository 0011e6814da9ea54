import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EVENT, type Message } from '../../../../src/local/host/durable/history.ts';
import { createInstance } from '../../../../src/local/host/durable/instances.ts';
import { HistoryStore } from '../../../../src/local/host/durable/store.ts';

let folder: string;
let store: HistoryStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'host-store-'));
  store = new HistoryStore(join(folder, 'below', 'history.db'));
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const event: Message = { EventType: EVENT.EventRaised, Name: 'e', Input: null };
const resume: Message = { EventType: EVENT.ExecutionResumed, Reason: '' };

function create(id: string, nowMs: number): void {
  store.transact(() =>
    createInstance(store, { id, name: 'run', version: '', input: null, parent: null }, nowMs),
  );
}

/** Takes the start away, as the first episode does. */
function begin(id: string, status: 'Running' | 'Suspended'): void {
  store.deleteMessages(store.readMessages(id, Number.MAX_SAFE_INTEGER).map(({ seq }) => seq));
  const instance = store.readInstance(id);
  if (instance !== undefined) store.saveInstance({ ...instance, status });
}

describe('what is due', () => {
  test('the one that waits longest comes first, what is not due yet has a time', () => {
    create('b', 20);
    create('a', 10);
    create('late', 5000);
    expect(store.readyInstances(100, 10)).toEqual(['a', 'b']);
    expect(store.readyInstances(100, 1)).toEqual(['a']);
    expect(store.nextDueMs(100)).toBe(5000);
    expect(store.nextDueMs(5000)).toBeUndefined();
  });

  test('messages and timers of a suspended instance are not due, until something resumes it', () => {
    create('a', 10);
    begin('a', 'Suspended');
    store.addMessage('a', null, 20, event);
    store.addMessage('a', null, 500, event);
    expect(store.readyInstances(100, 10)).toEqual([]);
    expect(store.nextDueMs(100)).toBeUndefined();
    store.addMessage('a', null, 30, resume);
    expect(store.readyInstances(100, 10)).toEqual(['a']);
  });

  test('a start is read first, then what controls the instance, then the rest in the order of arrival', () => {
    create('a', 10);
    for (const Name of ['1', '2', '3']) store.addMessage('a', null, 5, { ...event, Name });
    store.addMessage('a', null, 30, resume);
    const read = store
      .readMessages('a', 100)
      .map(({ message }) => ('Name' in message ? message.Name : 'resume'));
    expect(read).toEqual(['run', 'resume', '1', '2', '3']);
  });
});

describe('transactions', () => {
  test('a failure in the middle leaves nothing behind', () => {
    expect(() =>
      store.transact(() => {
        createInstance(store, { id: 'a', name: 'run', version: '', input: null, parent: null }, 1);
        throw new Error('half way');
      }),
    ).toThrow('half way');
    expect(store.readInstance('a')).toBeUndefined();
    create('a', 1);
    expect(store.readInstance('a')?.status).toBe('Pending');
  });

  test('deleting an instance deletes what belongs to it, and nothing else', () => {
    create('a', 1);
    create('b', 1);
    store.addTask({ instanceId: 'a', executionId: 'x', taskId: 0, name: 'n', input: null });
    store.addTask({ instanceId: 'b', executionId: 'x', taskId: 0, name: 'n', input: null });
    store.deleteInstance('a');
    expect(store.readTasks(10).map(({ instanceId }) => instanceId)).toEqual(['b']);
    expect(store.readyInstances(100, 10)).toEqual(['b']);
  });
});

describe('lists', () => {
  const ids = (...args: Parameters<HistoryStore['listInstances']>): readonly string[] =>
    store.listInstances(...args).map(({ id }) => id);

  test('are in the order of creation, and a page begins where the one before it ended', () => {
    for (const id of ['c', 'a', 'b']) create(id, 7);
    create('first', 1);
    expect(ids({}, 10)).toEqual(['first', 'a', 'b', 'c']);
    expect(ids({}, 2, { createdMs: 7, id: 'a' })).toEqual(['b', 'c']);
  });

  test('filter by prefix as it is written, by time and by status', () => {
    for (const [index, id] of ['x%1', 'x_2', 'X3', 'é4'].entries()) create(id, index);
    begin('X3', 'Running');
    expect(ids({ idPrefix: 'x' }, 10)).toEqual(['x%1', 'x_2']);
    expect(ids({ idPrefix: 'x%' }, 10)).toEqual(['x%1']);
    expect(ids({ idPrefix: 'é' }, 10)).toEqual(['é4']);
    expect(ids({ createdFromMs: 1, createdToMs: 2 }, 10)).toEqual(['x_2', 'X3']);
    expect(ids({ statuses: ['Running'] }, 10)).toEqual(['X3']);
    expect(ids({ statuses: [] }, 10)).toEqual([]);
  });
});

test('a second store on the same file is refused in the same process, too', () => {
  expect(() => new HistoryStore(join(folder, 'below', 'history.db'))).toThrow(
    `another host with pid ${process.pid}`,
  );
});
