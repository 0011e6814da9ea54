/**
 * A bare loop over undici's dispatch: what a client costs that does nothing but count. One keep-alive client a
 * worker, a stamp first thing in the callback, and a search for the bytes that begin a content; no SSE, no JSON, no
 * checks, no histograms.
 */
import { type Dispatcher, Client as HttpClient } from 'undici';
import type { Client, ClientRun } from '../client.ts';
import { writeRequestBody } from '../client-order.ts';
import { StampBook } from '../stamp-book.ts';

const CONTENT = Buffer.from('"content":" ');

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export const run: Client = async (order, requests, idPrefix) => {
  const url = new URL(order.url);
  const body = writeRequestBody(order.tokens);
  const state = { succeeded: 0, failed: 0, events: 0 };
  const stamps = new StampBook(order.stamps ? requests : 0, order.tokens);
  let sent = 0;
  const runWorker = async () => {
    const client = new HttpClient(url.origin, { pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
    while (sent < requests) {
      const id = `${idPrefix}-${sent}`;
      sent += 1;
      await new Promise<void>((resolve) => {
        let sentMs = 0;
        const contentMs: number[] = [];
        const handler: Dispatcher.DispatchHandler = {
          onRequestStart() {
            sentMs = nowMs();
          },
          onResponseStart() {},
          onResponseData(_, chunk) {
            const atMs = nowMs();
            for (let at = chunk.indexOf(CONTENT); at >= 0; at = chunk.indexOf(CONTENT, at + CONTENT.length)) {
              state.events += 1;
              if (order.stamps) contentMs.push(atMs);
            }
          },
          onResponseEnd() {
            state.succeeded += 1;
            if (order.stamps) stamps.add(id, sentMs, contentMs);
            resolve();
          },
          onResponseError() {
            state.failed += 1;
            resolve();
          },
        };
        client.dispatch(
          {
            path: `${url.pathname}${url.search}`,
            method: 'POST',
            headers: ['content-type', 'application/json', 'x-ms-client-request-id', id],
            body,
          },
          handler,
        );
      });
    }
    await client.close();
  };
  await Promise.all(Array.from({ length: order.connections }, runWorker));
  return { ...state, stamps: stamps.read() } satisfies ClientRun;
};
