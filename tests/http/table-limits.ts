/**
 * A relay before the table service that keeps the service's own limits, which the emulator does not: each string and
 * binary property 64 KiB, each entity 1 MiB and 252 properties, keys 1 KiB and without forbidden characters.
 */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TableRelay {
  readonly origin: string;
  /** Where calls go on to; to be set before the first. */
  target: string;
  /** What was refused, one line each. */
  readonly refused: string[];
  readonly writes: () => number;
  close(): Promise<void>;
}

const PROPERTY_BYTES = 65_536;
const ENTITY_BYTES = 1_048_576;
const KEY_BYTES = 1_024;
const MOST_PROPERTIES = 252;

export async function startTableRelay(): Promise<TableRelay> {
  let writes = 0;
  const refused: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks);
      const isEntity = body.length > 0 && !/\/Tables\b/.test(incoming.url ?? '');
      if (isEntity) writes += 1;
      const fault = isEntity ? faultOf(body.toString('utf8')) : null;
      if (fault !== null) {
        refused.push(fault);
        outgoing.writeHead(400, { 'content-type': 'application/json' });
        outgoing.end(
          JSON.stringify({ 'odata.error': { code: 'PropertyValueTooLarge', message: { value: fault } } }),
        );
        return;
      }
      const on = request(
        new URL(incoming.url ?? '/', relay.target),
        { method: incoming.method, headers: incoming.headers, agent: false },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
        },
      );
      on.on('error', () => outgoing.destroy());
      on.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const relay: TableRelay = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: '',
    refused,
    writes: () => writes,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return relay;
}

function faultOf(text: string): string | null {
  const entity = JSON.parse(text) as Record<string, unknown>;
  const names = Object.keys(entity).filter((name) => !name.includes('@odata'));
  if (names.length > MOST_PROPERTIES) return `An entity has ${names.length} properties.`;
  let all = 0;
  for (const name of names) {
    const value = entity[name];
    const isBinary = entity[`${name}@odata.type`] === 'Edm.Binary';
    const bytes =
      typeof value !== 'string' ? 8 : isBinary ? Buffer.from(value, 'base64').length : 2 * value.length;
    all += bytes + 2 * name.length;
    if (bytes > PROPERTY_BYTES) return `${name} has ${bytes} bytes.`;
    if (/^(Partition|Row)Key$/.test(name)) {
      if (bytes > KEY_BYTES) return `${name} has ${bytes} bytes.`;
      if (/[/\\#?\u0000-\u001f\u007f-\u009f]/.test(String(value)))
        return `${name} holds a character that no key may.`;
    }
  }
  return all > ENTITY_BYTES ? `An entity has ${all} bytes.` : null;
}
