/**
 * The origin's algorithm in JavaScript: every worker opens a new connection for each request and reads the whole
 * answer (the origin: a thread each, urllib without keep-alive). Threads and their lock are not rebuilt, so this is
 * kinder than the original.
 */
import { Agent, request } from 'node:http';
import type { Client, ClientRun } from '../client.ts';
import { writeRequestBody } from '../client-order.ts';

export const run: Client = async (order, requests, idPrefix) => {
  const body = writeRequestBody(order.tokens);
  const agent = new Agent({ keepAlive: false });
  const state = { succeeded: 0, failed: 0, events: 0 };
  let sent = 0;
  const send = (id: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        'content-length': body.length,
        'x-ms-client-request-id': id,
      };
      const outgoing = request(order.url, { method: 'POST', agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          JSON.parse(text);
          state.succeeded += 1;
          resolve();
        });
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
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
  return { ...state, stamps: [] } satisfies ClientRun;
};
