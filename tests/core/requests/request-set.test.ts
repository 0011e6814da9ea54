import { describe, expect, test } from 'vitest';
import {
  arrivalTimes,
  parseRequestSet,
  REQUEST_SET_BOUNDS,
  type RequestLine,
  shareOfLines,
  writeRequestSet,
} from '../../../src/core/requests/request-set.ts';
import { type KnownRequestSet, settleRequests } from '../../../src/core/spec/settle-requests.ts';

function linesOf(text: string) {
  const parsed = parseRequestSet(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

const faultsOf = (text: string) => {
  const parsed = parseRequestSet(text);
  return parsed.ok ? [] : parsed.faults;
};

const USER = '{"role":"user","content":"Hello"}';

describe('a request set', () => {
  test('is read line by line, with empty lines, CRLF and a byte order mark between', () => {
    const { lines, description } = linesOf(
      `\ufeff{"prompt":"one"}\r\n\n  \n{"messages":[{"role":"system","content":"Be short."},${USER}],"outputTokens":7}\r\n`,
    );
    expect(lines).toEqual([
      { prompt: 'one' },
      {
        prompt: [
          { role: 'system', content: 'Be short.' },
          { role: 'user', content: 'Hello' },
        ],
        outputTokens: 7,
      },
    ]);
    expect(description).toEqual({
      digest: expect.stringMatching(/^[0-9a-f]{16}$/),
      requests: 2,
      characters: 17,
      estimatedPromptTokens: { p50: 1, p95: 4, most: 4 },
      outputTokens: { p50: 7, p95: 7, most: 7, lines: 1 },
      traceSeconds: null,
    });
  });

  test('is a trace where every line has its time', () => {
    const { lines, description } = linesOf(
      '{"prompt":"a","atSeconds":1.5}\n{"prompt":"b","atSeconds":1.5}\n{"prompt":"c","atSeconds":9}',
    );
    expect(description.traceSeconds).toBe(7.5);
    expect(arrivalTimes(lines, 1)).toEqual([0, 0, 7.5]);
    expect(arrivalTimes(lines, 3)).toEqual([0, 0, 2.5]);
  });

  test('is written as text that reads as the same set, whatever its white space was', () => {
    const set = linesOf(` {"outputTokens": 3 , "prompt" : "ü\\n\ud83d\ude00"}\n{"messages": [${USER}]}`);
    const again = linesOf(writeRequestSet(set.lines));
    expect(again).toEqual(set);
    expect(linesOf('{"prompt":"other"}').description.digest).not.toBe(set.description.digest);
  });
});

describe('a faulty line is named with what is wrong', () => {
  test.each<[line: string, message: RegExp]>([
    ['{"prompt":', /is not JSON/],
    ['"text"', /must be an object/],
    ['[]', /must be an object/],
    ['null', /must be an object/],
    ['{}', /neither a "prompt" nor "messages"/],
    [`{"prompt":"a","messages":[${USER}]}`, /give one of them/],
    ['{"prompt":""}', /no text, or an empty one/],
    ['{"prompt":" \\n "}', /no text, or an empty one/],
    ['{"prompt":5}', /no text/],
    ['{"messages":[]}', /list of 1 to 200/],
    [`{"messages":[${Array(201).fill(USER).join(',')}]}`, /list of 1 to 200/],
    [`{"messages":[${USER},{"role":"robot","content":"x"}]}`, /number 2\) that is not/],
    ['{"messages":[{"role":"user","content":[{"type":"text"}]}]}', /number 1\) that is not/],
    ['{"messages":[{"role":"user","content":"x","name":"y"}]}', /number 1\) that is not/],
    ['{"prompt":"a","outputTokens":0}', /no whole number from 1 to 32768/],
    ['{"prompt":"a","outputTokens":1.5}', /no whole number/],
    ['{"prompt":"a","atSeconds":-1}', /no number from 0 to 86400/],
    ['{"prompt":"a","atSeconds":"1"}', /no number/],
    [
      '{"prompt":"a","max_tokens":5}',
      /"max_tokens", which is none of prompt, messages, outputTokens, atSeconds/,
    ],
    ['{"prompt":"a","__proto__":{"outputTokens":5}}', /"__proto__"/],
  ])('%s', (line, message) => {
    expect(faultsOf(`{"prompt":"good"}\n\n${line}\n{"prompt":"good"}`)).toEqual([
      { path: 'line 3', message: expect.stringMatching(message) },
    ]);
  });

  test('times must ascend, and be on all lines or on none', () => {
    expect(faultsOf('{"prompt":"a","atSeconds":5}\n{"prompt":"b","atSeconds":4}')).toEqual([
      { path: 'line 2', message: expect.stringMatching(/before the line above it \(5 s\)/) },
    ]);
    expect(faultsOf('{"prompt":"a"}\n{"prompt":"b","atSeconds":4}')).toHaveLength(1);
    expect(faultsOf('{"prompt":"a","atSeconds":4}\n{"prompt":"b"}')).toHaveLength(1);
  });

  test('the first fifty are named, and how many more there are', () => {
    const faults = faultsOf(Array(70).fill('{}').join('\n'));
    expect(faults).toHaveLength(51);
    expect(faults.at(-1)).toEqual({
      path: '(body)',
      message: expect.stringMatching(/has 20 more faulty lines/),
    });
  });

  test('a set is neither empty nor without bound', () => {
    expect(faultsOf('\n \n')).toEqual([{ path: '(body)', message: expect.stringMatching(/at least one/) }]);
    const many = Array(REQUEST_SET_BOUNDS.lines + 5)
      .fill('{"prompt":"a"}')
      .join('\n');
    expect(faultsOf(many)).toEqual([
      { path: `line ${REQUEST_SET_BOUNDS.lines + 1}`, message: expect.stringMatching(/may have 20000/) },
    ]);
    expect(faultsOf(`{"prompt":"${'ü'.repeat(REQUEST_SET_BOUNDS.bytes / 2)}"}`)).toEqual([
      { path: '(body)', message: expect.stringMatching(/at most 10000000 bytes/) },
    ]);
  });
});

describe('shares of a set', () => {
  const lines: RequestLine[] = Array.from({ length: 10 }, (_, index) => ({ prompt: `p${index}` }));

  test('hold every request once over all shards, wherever the repeat begins', () => {
    for (const startShare of [0, 0.31, 0.999]) {
      const shares = [0, 1, 2].map((shard) => shareOfLines(lines, { shard, shards: 3, startShare }));
      expect(
        shares
          .flat()
          .map((line) => line.prompt)
          .toSorted(),
      ).toEqual(lines.map((line) => line.prompt));
      expect(Math.max(...shares.map((share) => share.length))).toBe(4);
    }
    expect(shareOfLines(lines, { shard: 0, shards: 2, startShare: 0.5 })[0]).toEqual({ prompt: 'p5' });
  });

  test('of a trace stay in the order of their times', () => {
    const trace = lines.map((line, index) => ({ ...line, atSeconds: index }));
    const share = shareOfLines(trace, { shard: 1, shards: 2, startShare: 0.7 });
    expect(share.map((line) => line.atSeconds)).toEqual([1, 3, 5, 7, 9]);
  });

  test('of more shards than requests are empty for some', () => {
    expect(shareOfLines(lines.slice(0, 1), { shard: 1, shards: 2, startShare: 0 })).toEqual([]);
  });
});

describe('settling the request sets of a spec', () => {
  const known = (name: string, text: string): KnownRequestSet => ({ name, ...linesOf(text).description });
  const sets = [
    known('short', `{"prompt":"${'x'.repeat(400)}"}`),
    known('trace', '{"prompt":"abcdefgh","outputTokens":9,"atSeconds":0}'),
  ];
  const settle = (workload: object, isTrace = false) =>
    settleRequests([{ promptTokens: 512, outputTokens: 128, ...workload }], sets, { isTrace });

  test('fills in the median prompt, the length of its answers and what content is meant', () => {
    expect(settle({ requests: 'short' })).toEqual({
      ok: true,
      value: [{ promptTokens: 100, outputTokens: 128, requests: 'short', requestsDigest: sets[0]?.digest }],
    });
    expect(settle({ requests: 'trace' }, true)).toMatchObject({
      ok: true,
      value: [{ promptTokens: 2, outputTokens: 9 }],
    });
    const settled = settle({ requests: 'short' });
    expect(settled.ok && settleRequests(settled.value, sets, { isTrace: false })).toEqual(settled);
    expect(settle({})).toEqual({ ok: true, value: [{ promptTokens: 512, outputTokens: 128 }] });
  });

  test.each<[name: string, workload: object, isTrace: boolean, path: string, message: RegExp]>([
    [
      'a set that is not there',
      { requests: 'none' },
      false,
      'workloads[0].requests',
      /there are short, trace/,
    ],
    [
      'one that was replaced',
      { requests: 'short', requestsDigest: '0123456789abcdef' },
      false,
      'workloads[0].requestsDigest',
      /was replaced/,
    ],
    ['a trace of made prompts', {}, true, 'workloads[0]', /is not a trace/],
    ['a trace without times', { requests: 'short' }, true, 'workloads[0].requests', /no arrival times/],
  ])('%s is a fault', (_, workload, isTrace, path, message) => {
    expect(settle(workload, isTrace)).toEqual({
      ok: false,
      faults: [{ path, message: expect.stringMatching(message) }],
    });
  });

  test('says how to store one where there is none', () => {
    const settled = settleRequests([{ promptTokens: 1, outputTokens: 1, requests: 'a' }], [], {
      isTrace: false,
    });
    expect(settled).toMatchObject({
      faults: [{ message: expect.stringMatching(/PUT \/api\/request-sets/) }],
    });
  });
});
