/** autocannon as it is used from code: a number of requests over a number of connections, without pipelining. */
import autocannon from 'autocannon';
import type { Client } from '../client.ts';
import { writeRequestBody } from '../client-order.ts';

export const run: Client = async (order, requests, idPrefix) => {
  const result = await autocannon({
    url: order.url,
    method: 'POST',
    connections: order.connections,
    pipelining: 1,
    amount: requests,
    // autocannon's own "[<id>]" makes each id different at a price; the server needs to tell bursts apart only.
    headers: { 'content-type': 'application/json', 'x-ms-client-request-id': idPrefix },
    body: writeRequestBody(order.tokens),
  });
  return { succeeded: result['2xx'], failed: result.non2xx + result.errors, events: 0, stamps: [] };
};
