/** A scoring server that means harm: one request to it ends in bounded time and memory, with the class that fits. */
import { setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Sample } from '../../src/core/measuring/sample.ts';
import { sendOnce } from '../../src/load/probe.ts';
import type { TargetOrder } from '../../src/load/request.ts';
import {
  event,
  finish,
  goodStream,
  SECRET,
  scoreAnswer,
  scoreRoute,
  targetOrder,
  usage,
} from './fake-endpoint.ts';
import {
  type Attack,
  chunk,
  flood,
  type HostileServer,
  head,
  JSON_CHUNKED,
  LAST_CHUNK,
  openHostile,
  peakGrowth,
  SSE,
} from './hostile-server.ts';

/** The bound of an answer (32 MiB) with what is copied of it while it is read, and what is not collected yet. */
const GROWTH_LIMIT = 128 * 1024 * 1024;
/** Only to tell an end from none: what takes longer hangs. */
const SHORT_TIMEOUT_MS = 700;

interface Asked {
  readonly sample: Sample;
  readonly bytes: number;
  readonly server: HostileServer;
}

async function ask(
  attack: Attack,
  change: Partial<TargetOrder> & { readonly score?: boolean; readonly prompt?: string } = {},
  when: 'after-request' | 'at-first-byte' | 'at-connection' = 'after-request',
): Promise<Asked> {
  const server = await openHostile(attack, when);
  const { score = false, prompt = 'a prompt', ...others } = change;
  const order = targetOrder(server.origin, {
    ...(score ? { route: scoreRoute(server.origin) } : {}),
    ...others,
  });
  const { result: sample, bytes } = await peakGrowth(() => sendOnce(order, 8, prompt, 0));
  expect(JSON.stringify(sample)).not.toContain(SECRET);
  return { sample, bytes, server };
}

const MEGABYTE = Buffer.alloc(1024 * 1024, 'a');

describe('an answer without end', () => {
  test('of good events is cut at the bound of an answer: oversized, and none of it is in a figure', async () => {
    const events = chunk(Array.from({ length: 500 }, () => event({ content: ' word' })).join(''));
    const { sample, bytes } = await ask(async (socket) => {
      socket.write(head(200, SSE));
      await flood(socket, events);
    });
    expect(sample).toMatchObject({ failure: 'oversized', ttftMs: null, outputTokens: 0, gapsMs: [] });
    expect(bytes).toBeLessThan(GROWTH_LIMIT);
  });

  test('of good events that drip ends with the request’s timeout', async () => {
    const { sample } = await ask(
      async (socket) => {
        socket.write(head(200, SSE));
        while (!socket.destroyed) {
          socket.write(chunk(event({ content: ' word' })));
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      },
      { requestTimeoutMs: SHORT_TIMEOUT_MS },
    );
    expect(sample).toMatchObject({ failure: 'client-timeout', ttftMs: null, outputTokens: 0 });
  });

  test.each([
    ['one event', 'data: ', MEGABYTE],
    ['comments', '', Buffer.alloc(1024 * 1024, ': x\n')],
    ['one event of empty lines of data', 'data: x\n', Buffer.alloc(1024 * 1024, 'data\n')],
    ['blank lines', '', Buffer.alloc(1024 * 1024, '\n')],
    ['a field that nobody knows', 'x: ', MEGABYTE],
  ])('of %s is cut at the bound', async (_, begin, piece) => {
    const { sample, bytes } = await ask(async (socket) => {
      socket.write(head(200, SSE));
      socket.write(chunk(`${begin} `));
      await flood(socket, chunk(piece));
    });
    expect(sample.failure).toBe('oversized');
    expect(bytes).toBeLessThan(GROWTH_LIMIT);
  });

  test.each([
    [
      'that says it is a gigabyte',
      { 'content-type': 'application/json', 'content-length': 1024 ** 3 },
      false,
    ],
    ['that says nothing of its length', { 'content-type': 'application/json' }, false],
    ['in chunks', JSON_CHUNKED, true],
  ] as const)('of JSON %s is cut at the bound', async (_, fields, chunked) => {
    const { sample, bytes } = await ask(
      async (socket) => {
        socket.write(head(200, fields));
        await flood(socket, chunked ? chunk(MEGABYTE) : MEGABYTE);
      },
      { score: true },
    );
    expect(sample).toMatchObject({ failure: 'oversized', outputTokens: 0 });
    expect(bytes).toBeLessThan(GROWTH_LIMIT);
  });

  test('of an error page keeps its beginning only', async () => {
    const { sample, bytes } = await ask(async (socket) => {
      socket.write(head(500, { 'content-type': 'text/html' }));
      await flood(socket, MEGABYTE, 16 * 1024 * 1024);
      socket.end();
    });
    expect(sample.failure).toBe('server-error');
    expect(sample.failureDetail?.length).toBeLessThanOrEqual(300);
    expect(bytes).toBeLessThan(GROWTH_LIMIT);
  });

  test('of interim answers ends with the request’s timeout and grows nothing', async () => {
    const interim = Buffer.from(head(103, { link: '</a>' }).repeat(1_000));
    const { sample, bytes } = await ask(async (socket) => flood(socket, interim), {
      requestTimeoutMs: SHORT_TIMEOUT_MS,
    });
    expect(sample.failure).toBe('client-timeout');
    expect(bytes).toBeLessThan(GROWTH_LIMIT);
  });

  test('that never begins, or stops in the middle, ends with the request’s timeout', async () => {
    for (const written of [
      '',
      'HTTP/1.1 200',
      head(200, SSE),
      head(200, SSE) + chunk(event({ content: 'a' })),
    ]) {
      const { sample } = await ask((socket) => void socket.write(written), {
        requestTimeoutMs: SHORT_TIMEOUT_MS,
      });
      expect(sample.failure).toBe('client-timeout');
    }
  });

  test('after its own end changes nothing about a stream that told all', async () => {
    const { sample } = await ask(
      (socket) => void socket.write(Buffer.concat([Buffer.from(head(200, SSE)), chunk(goodStream(8))])),
      { requestTimeoutMs: SHORT_TIMEOUT_MS },
    );
    expect(sample).toMatchObject({ failure: null, outputTokens: 8 });
  });
});

describe('a head that is an attack', () => {
  test.each([
    ['a million fields', Buffer.from(Array.from({ length: 1_000 }, (_, at) => `x-${at}: 1\r\n`).join(''))],
    ['one endless field', MEGABYTE],
    ['an endless status line', Buffer.alloc(65_536, ' ')],
  ])('of %s is cut early: oversized', async (name, piece) => {
    const { sample, bytes } = await ask(async (socket) => {
      socket.write(name.includes('status') ? 'HTTP/1.1 200 ' : 'HTTP/1.1 200 OK\r\nx: ');
      await flood(socket, piece);
    });
    expect(sample.failure).toBe('oversized');
    expect(bytes).toBeLessThan(16 * 1024 * 1024);
  });

  test('of names of every object’s own is a field like any other', async () => {
    const { sample } = await ask((socket) => {
      const fields = {
        __proto__x: 'a',
        constructor: 'b',
        hasOwnProperty: 'c',
        'content-type': 'text/event-stream',
      };
      socket.write(
        `HTTP/1.1 200 OK\r\n__proto__: polluted\r\n${head(200, fields).split('\r\n').slice(1).join('\r\n')}`,
      );
      socket.end(goodStream(8));
    });
    expect(sample).toMatchObject({ failure: null, outputTokens: 8 });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test.each([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['HTTP/2', 'HTTP/2 200\r\n\r\n'],
    ['another protocol', head(101, { upgrade: 'h2c' })],
    ['a folded field', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc'],
    ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n'],
    ['a chunk of no size', `${head(200, SSE)}zz\r\n`],
    ['a chunk of 16 digits', `${head(200, SSE)}ffffffffffffffff\r\n`],
    ['a chunk that is longer than its size', `${head(200, SSE)}1\r\nabc\r\n`],
  ])('as %s is malformed-answer', async (_, written) => {
    const { sample } = await ask((socket) => void socket.write(written));
    expect(sample.failure).toBe('malformed-answer');
  });
});

describe('a length that is a lie', () => {
  const body = scoreAnswer(8);

  test('too long, and then closed: reset', async () => {
    const { sample } = await ask(
      (socket) => {
        socket.write(head(200, { 'content-type': 'application/json', 'content-length': body.length + 50 }));
        socket.end(body);
      },
      { score: true },
    );
    expect(sample).toMatchObject({ failure: 'reset', outputTokens: 0 });
  });

  test('too long, and held open: client-timeout', async () => {
    const { sample } = await ask(
      (socket) => {
        socket.write(head(200, { 'content-type': 'application/json', 'content-length': body.length + 50 }));
        socket.write(body);
      },
      { score: true, requestTimeoutMs: SHORT_TIMEOUT_MS },
    );
    expect(sample.failure).toBe('client-timeout');
  });

  test('too short: what was promised is read, and is no JSON', async () => {
    const { sample } = await ask(
      (socket) => {
        socket.write(head(200, { 'content-type': 'application/json', 'content-length': body.length - 5 }));
        socket.end(body);
      },
      { score: true },
    );
    expect(sample.failure).toBe('malformed-answer');
  });
});

describe('an answer in an encoding that was not asked for', () => {
  test('is never unpacked: a bomb costs what came over the wire', async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(512 * 1024);
    for (const score of [true, false]) {
      const { sample, bytes } = await ask(
        (socket) => {
          const type = score ? 'application/json' : 'text/event-stream';
          socket.write(
            head(200, { 'content-type': type, 'content-encoding': 'gzip', 'content-length': bomb.length }),
          );
          socket.end(bomb);
        },
        { score },
      );
      expect(sample).toMatchObject({ failure: 'malformed-answer' });
      expect(sample.failureDetail).toContain('gzip');
      expect(bytes).toBeLessThan(32 * 1024 * 1024);
    }
  });
});

describe('bytes that are no text', () => {
  test('in the content are read as the sign for them, and counted as events', async () => {
    const [before = '', after = ''] = event({ content: 'XX' }).split('XX');
    for (const wrong of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0x80, 0x80]]) {
      const { sample } = await ask((socket) => {
        const one = Buffer.concat([Buffer.from(before), Buffer.from(wrong), Buffer.from(after)]);
        socket.write(Buffer.from(head(200, { 'content-type': 'text/event-stream' })));
        socket.end(Buffer.concat([one, one, one, one, Buffer.from(`${finish + usage(4)}data: [DONE]\n\n`)]));
      });
      expect(sample).toMatchObject({ failure: null, outputTokens: 4 });
      expect(sample.gapsMs).toHaveLength(3);
    }
  });

  test('in an error message come out without control characters', async () => {
    const { sample } = await ask((socket) => {
      socket.write(head(500, { 'content-type': 'text/plain' }));
      socket.end(Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0xff, 0xfe, 0x00, 0x07, 0x9b, 0x41]));
    });
    expect(sample.failureDetail).toMatch(/A$/);
    expect(sample.failureDetail).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});

describe('an answer in pieces', () => {
  const framed = Buffer.concat([
    Buffer.from(`HTTP/1.1 100 Continue\r\n\r\n${head(200, SSE)}`),
    ...goodStream(8)
      .split(/(?<=\n\n)/)
      .map((one) => chunk(one)),
    Buffer.from(LAST_CHUNK),
  ]);

  test('is the same answer wherever it is cut, at every single byte', async () => {
    const { sample } = await ask(async (socket) => {
      for (const byte of framed) {
        socket.write(Buffer.from([byte]));
        await turn();
      }
    });
    expect(sample).toMatchObject({ failure: null, outputTokens: 8, promptTokens: 40 });
    expect(sample.gapsMs).toHaveLength(7);
  });

  test('is the same answer wherever it is cut in two or three', async () => {
    const places = fc.integer({ min: 1, max: framed.length - 1 });
    await fc.assert(
      fc.asyncProperty(places, places, async (one, other) => {
        const [first, second] = [Math.min(one, other), Math.max(one, other)];
        const server = await openHostile(async (socket) => {
          for (const piece of [
            framed.subarray(0, first),
            framed.subarray(first, second),
            framed.subarray(second),
          ]) {
            socket.write(piece);
            await new Promise((resolve) => setTimeout(resolve, 2));
          }
        });
        const sample = await sendOnce(targetOrder(server.origin), 8, 'p', 0);
        await server.close();
        expect(sample).toMatchObject({ failure: null, outputTokens: 8 });
        expect(sample.gapsMs).toHaveLength(7);
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    ['for one endless event', false],
    ['for one endless text of JSON', true],
  ])('of one byte each, %s, costs its bytes and not a hundred times as much', async (_, score) => {
    const bytewise = Buffer.concat(Array.from({ length: 4_096 }, () => chunk('a')));
    const { sample, bytes } = await ask(
      async (socket) => {
        socket.write(head(200, score ? JSON_CHUNKED : SSE));
        socket.write(chunk(score ? '{"output":"' : 'data: '));
        await flood(socket, bytewise, 12 * 1024 * 1024);
        socket.end();
      },
      { score, requestTimeoutMs: 30_000 },
    );
    expect(sample.failure).toBe('reset');
    // Two million pieces: as objects they would be 200 MB.
    expect(bytes).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('JSON that is an attack', () => {
  const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  const inDeepObjects = (levels: number) => `${'{"error":'.repeat(levels)}1${'}'.repeat(levels)}`;

  test.each([
    ['a million levels deep', deep(1_000_000), 'malformed-answer'],
    ['an error of a million levels', `{"error":${deep(1_000_000)}}`, 'masked-error'],
    ['errors within errors', inDeepObjects(500_000), 'masked-error'],
    ['an output of a million levels', `{"output":${deep(1_000_000)}}`, 'empty-output'],
    [
      'fields of every object’s own',
      '{"__proto__":{"output":"x"},"constructor":{"prototype":{"polluted":1}}}',
      'malformed-answer',
    ],
    [
      'numbers beyond all numbers',
      '{"output":"a","usage":{"completion_tokens":1e999,"prompt_tokens":-1e999}}',
      null,
    ],
  ] as const)('as an answer %s ends at once with the class that fits', async (_, body, failure) => {
    const answers: Attack[] = [
      (socket) => {
        socket.write(head(200, { 'content-type': 'application/json', 'content-length': body.length }));
        socket.write(body);
      },
      (socket) => {
        socket.write(head(500, { 'content-type': 'application/json', 'content-length': body.length }));
        socket.write(body);
      },
    ];
    for (const [index, answer] of answers.entries()) {
      const { sample } = await ask(answer, { score: true });
      expect(sample.failure).toBe(index === 0 ? failure : 'server-error');
      expect(sample.failureDetail?.length ?? 0).toBeLessThanOrEqual(300);
      expect(sample.outputTokens).toBeLessThan(10);
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    }
  });

  test.each([
    ['a million levels deep', `data: ${deep(1_000_000)}\n\n`],
    ['an error of a million levels', `data: {"error":${deep(1_000_000)}}\n\n`],
    ['an event of errors', `event: error\ndata: ${inDeepObjects(500_000)}\n\n`],
  ])('as an event %s is a failure at once', async (_, text) => {
    const { sample } = await ask((socket) => {
      socket.write(head(200, { 'content-type': 'text/event-stream', 'content-length': text.length }));
      socket.write(text);
    });
    expect(['masked-error', 'truncated-stream', 'malformed-answer']).toContain(sample.failure);
  });
});

describe('an answer that does not wait', () => {
  test('for the end of the request is taken as what it says', async () => {
    const { sample } = await ask(
      (socket) => {
        socket.write(head(413, { 'content-type': 'text/plain', 'content-length': 9 }));
        socket.write('too large');
      },
      { prompt: 'word '.repeat(400_000) },
      'at-first-byte',
    );
    expect(sample.failure).toBe('bad-request');
    expect(sample.failureDetail).toContain('too large');
  });
});

describe('a redirect', () => {
  test.each([
    'http://169.254.169.254/metadata/identity/oauth2/token?resource=x',
    'file:///etc/passwd',
    '//[::1]/',
  ])('to %s is not followed, and its query is not repeated', async (location) => {
    for (const status of [301, 302, 303, 307, 308]) {
      const { sample, server } = await ask((socket) => {
        socket.end(head(status, { location, 'content-length': 0, connection: 'close' }));
      });
      expect(sample).toMatchObject({ failure: 'redirect', status });
      expect(sample.failureDetail).not.toContain('resource=x');
      expect(server.requests()).toBe(1);
    }
  });
});
