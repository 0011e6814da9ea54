/** A relay between a client and the simulator that keeps every exchange as it went over the wire. */
import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly requestBody: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface RecordingRelay {
  /** Where clients find ARM; the simulator's links lead here too, since they follow the Host header. */
  readonly baseUrl: string;
  readonly exchanges: readonly Exchange[];
  close(): Promise<void>;
}

export async function startRecordingRelay(simulatorUrl: string): Promise<RecordingRelay> {
  const exchanges: Exchange[] = [];
  const server = createServer((request, response) => {
    const sent: Buffer[] = [];
    request.on('data', (chunk: Buffer) => sent.push(chunk));
    request.on('end', () => {
      const { method = '', headers } = request;
      const url = new URL(request.url ?? '/', simulatorUrl);
      const onward = send(url, { method, headers }, (answer) => {
        const received: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => received.push(chunk));
        answer.on('end', () => {
          const status = answer.statusCode ?? 0;
          const body = Buffer.concat(received);
          exchanges.push({
            method,
            url,
            requestBody: Buffer.concat(sent).toString('utf8'),
            status,
            headers: answer.headers,
            body: body.toString('utf8'),
          });
          response.writeHead(status, answer.headers).end(body);
        });
      });
      onward.on('error', () => response.destroy());
      onward.end(Buffer.concat(sent));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // listening on TCP
    exchanges,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
