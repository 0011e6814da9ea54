/** A loop over `fetch` as most clients are written: a reader, a text decoder, JSON.parse for each event. */
import type { Client, ClientRun } from '../client.ts';
import { writeRequestBody } from '../client-order.ts';
import { StampBook } from '../stamp-book.ts';

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export const run: Client = async (order, requests, idPrefix) => {
  const body = writeRequestBody(order.tokens);
  const state = { succeeded: 0, failed: 0, events: 0 };
  const stamps = new StampBook(order.stamps ? requests : 0, order.tokens);
  let sent = 0;
  const send = async (id: string): Promise<void> => {
    const sentMs = nowMs();
    const headers = { 'content-type': 'application/json', 'x-ms-client-request-id': id };
    const response = await fetch(order.url, { method: 'POST', headers, body });
    if (order.tokens === 0) {
      await response.json();
      state.succeeded += 1;
      return;
    }
    const contentMs: number[] = [];
    for await (const data of readEvents(response)) {
      if (data === '[DONE]') break;
      const event = JSON.parse(data) as { choices: { delta: { content?: string } }[] };
      if (!event.choices[0]?.delta.content) continue;
      state.events += 1;
      if (order.stamps) contentMs.push(nowMs());
    }
    state.succeeded += 1;
    if (order.stamps) stamps.add(id, sentMs, contentMs);
  };
  const runWorker = async () => {
    while (sent < requests) {
      const id = `${idPrefix}-${sent}`;
      sent += 1;
      await send(id).catch(() => {
        state.failed += 1;
      });
    }
  };
  await Promise.all(Array.from({ length: order.connections }, runWorker));
  return { ...state, stamps: stamps.read() } satisfies ClientRun;
};

async function* readEvents(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk, { stream: true });
    const events = rest.split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) if (event.startsWith('data: ')) yield event.slice(6);
  }
}
