/** One hostile answer in a shard is that request's failure: the connections beside it go on and measure what is true. */
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { RequestFailure } from '../../src/core/failure.ts';
import type { ShardSummary } from '../../src/core/measuring/shard.ts';
import { startShard } from '../../src/load/shard-runner.ts';
import { event, goodStream, shardOrder } from './fake-endpoint.ts';
import { chunk, flood, head, LAST_CHUNK, openHostile, SSE } from './hostile-server.ts';

const CONNECTIONS = 8;
const REQUESTS = 64;
/** Every eighth request is attacked: few enough that no level is stopped for its failures. */
const EVERY = 8;
const TOKENS = 8;
/** For attacks that end by it alone; nothing else comes near the other. */
const SHORT_TIMEOUT_MS = 2_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** The bound of an answer is 32 MiB; the rest is what buffers on the way hold, ours in this process among them. */
const READ_LIMIT_BYTES = 256 * 1024 * 1024;

const BOMB = gzipSync(Buffer.alloc(64 * 1024 * 1024));
const MEGABYTE = Buffer.alloc(1024 * 1024, 'a');
const goodAnswer = (tokens: number) =>
  Buffer.concat([Buffer.from(head(200, SSE)), chunk(goodStream(tokens)), Buffer.from(LAST_CHUNK)]);

async function loadUnder(
  attack: (socket: Socket) => unknown,
  requestTimeoutMs = REQUEST_TIMEOUT_MS,
): Promise<ShardSummary> {
  const server = await openHostile((socket, index) =>
    index % EVERY === EVERY - 1 ? attack(socket) : socket.write(goodAnswer(TOKENS)),
  );
  return startShard(
    shardOrder(server.origin, {
      connections: CONNECTIONS,
      requestTimeoutMs,
      load: { mode: 'count', requests: REQUESTS, maxSeconds: 60 },
    }),
  ).summary;
}

const attacks: readonly (readonly [string, RequestFailure, (socket: Socket) => unknown])[] = [
  ['never answers', 'client-timeout', () => {}],
  [
    'streams for ever',
    'client-timeout',
    async (socket) => {
      socket.write(head(200, SSE));
      while (!socket.destroyed) {
        socket.write(chunk(event({ content: ' word' })));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  ],
  [
    'compresses a bomb',
    'malformed-answer',
    (socket) => {
      socket.write(
        head(200, {
          'content-type': 'application/json',
          'content-encoding': 'gzip',
          'content-length': BOMB.length,
        }),
      );
      socket.write(BOMB);
    },
  ],
  ['resets', 'reset', (socket) => socket.resetAndDestroy()],
  ['speaks another language', 'malformed-answer', (socket) => socket.write('220 smtp ready\r\n\r\n')],
  [
    'sends a head without end',
    'oversized',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx: ');
      return flood(socket, MEGABYTE);
    },
  ],
  [
    'redirects to the metadata address',
    'redirect',
    (socket) => socket.write(head(307, { location: 'http://169.254.169.254/x', 'content-length': 0 })),
  ],
  [
    'answers a hundred thousand levels deep',
    'masked-error',
    (socket) => {
      const body = `{"error":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
      socket.write(head(200, { 'content-type': 'application/json', 'content-length': body.length }) + body);
    },
  ],
];

describe('a server of whose answers every eighth is an attack', () => {
  test.each(attacks)('and %s costs those requests and no other: %s', async (_, failure, attack) => {
    const timeoutMs = failure === 'client-timeout' ? SHORT_TIMEOUT_MS : REQUEST_TIMEOUT_MS;
    const summary = await loadUnder(attack, timeoutMs);
    const attacked = REQUESTS / EVERY;
    expect(summary).toMatchObject({ attempted: REQUESTS, succeeded: REQUESTS - attacked });
    expect(summary.failures).toEqual({ [failure]: attacked });
    expect(summary.whole).toMatchObject({ outputTokens: (REQUESTS - attacked) * TOKENS });
  });

  test('and sends a gigabyte is read to the bound of an answer and not further', async () => {
    const written: Promise<number>[] = [];
    const summary = await loadUnder((socket) => {
      socket.write(head(200, { 'content-type': 'application/json', 'content-length': 1024 ** 3 }));
      written.push(flood(socket, MEGABYTE, 1024 ** 3));
    });
    expect(summary.succeeded).toBe(REQUESTS - REQUESTS / EVERY);
    expect(summary.failures).toEqual({ oversized: REQUESTS / EVERY });
    expect(Math.max(...(await Promise.all(written)))).toBeLessThan(READ_LIMIT_BYTES);
  });

  test('and says something else in 100 kB each time leaves a row of a few kilobytes', async () => {
    const server = await openHostile((socket, index) => {
      const words = `Reason ${index} ${'<b>é</b> '.repeat(11_000)}`;
      const status = 400 + (index % 150);
      socket.write(
        head(status, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(words) }),
      );
      socket.write(words);
    });
    const summary = await startShard(
      shardOrder(server.origin, {
        connections: 200,
        load: { mode: 'burst', maxRetries: 0 },
      }),
    ).summary;
    const failed = Object.values(summary.failures).reduce((sum, one) => sum + one, 0);
    expect(failed).toBe(summary.attempted);
    for (const example of Object.values(summary.failureExamples))
      expect(example.length).toBeLessThanOrEqual(300);
    expect(Object.keys(summary.failureExamples)).toEqual(Object.keys(summary.failures));
    expect(JSON.stringify(summary).length).toBeLessThan(20_000);
  });

  test('and answers twice at once loses that connection, and no later request gets the second answer', async () => {
    const summary = await loadUnder((socket) =>
      socket.write(Buffer.concat([goodAnswer(TOKENS), goodAnswer(999)])),
    );
    expect(summary).toMatchObject({ succeeded: REQUESTS, failures: {} });
    expect(summary.whole.outputTokens).toBe(REQUESTS * TOKENS);
  });
});
