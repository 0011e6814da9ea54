import { describe, expect, test } from 'vitest';
import { SCENARIOS } from '../../../src/core/spec/scenarios.ts';
import { type Workload, workloadId, workloads } from '../../../src/core/spec/workload.ts';

const parse = (input: unknown): Workload[] => workloads.parse(input);

const faultsOf = (input: unknown) => {
  const parsed = workloads.safeParse(input);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => ({ path, message }));
};

const PAIR = { promptTokens: 512, outputTokens: 128 };

describe('a workload is stored in one way, however it was written', () => {
  test.each<[name: string, input: unknown, stored: Workload[]]>([
    ['nothing', undefined, [PAIR]],
    ['a pair', [PAIR], [PAIR]],
    [
      'a distribution of prompts',
      [{ promptTokens: { p50: 512, p95: 2048 }, outputTokens: 128 }],
      [{ ...PAIR, promptTokensP95: 2048 }],
    ],
    [
      'a distribution as it is stored',
      [{ ...PAIR, promptTokensP95: 2048, outputTokensP95: 300 }],
      [{ ...PAIR, promptTokensP95: 2048, outputTokensP95: 300 }],
    ],
    ['a distribution of one length', [{ promptTokens: { p50: 512, p95: 512 }, outputTokens: 128 }], [PAIR]],
    ['a scenario', ['chatbot'], [{ name: 'chatbot', promptTokens: 80, outputTokens: 200 }]],
    [
      'a scenario in an object',
      [{ name: 'sentiment' }],
      [{ name: 'sentiment', promptTokens: 500, outputTokens: 8 }],
    ],
    ['a shared prefix', [{ ...PAIR, sharedPrefixTokens: 256 }], [{ ...PAIR, sharedPrefixTokens: 256 }]],
    ['no shared prefix', [{ ...PAIR, sharedPrefixTokens: 0 }], [PAIR]],
    ['requests', [{ requests: 'mine' }], [{ ...PAIR, requests: 'mine' }]],
    [
      'requests with a length for lines without one',
      [{ requests: 'mine', outputTokens: 64, requestsDigest: '0123456789abcdef' }],
      [{ promptTokens: 512, outputTokens: 64, requests: 'mine', requestsDigest: '0123456789abcdef' }],
    ],
    [
      'every combination',
      { promptTokens: [64, { p50: 512, p95: 900 }], outputTokens: [8, 16], sharedPrefixTokens: 32 },
      [
        { promptTokens: 64, outputTokens: 8, sharedPrefixTokens: 32 },
        { promptTokens: 64, outputTokens: 16, sharedPrefixTokens: 32 },
        { promptTokens: 512, promptTokensP95: 900, outputTokens: 8, sharedPrefixTokens: 32 },
        { promptTokens: 512, promptTokensP95: 900, outputTokens: 16, sharedPrefixTokens: 32 },
      ],
    ],
    [
      'all scenarios',
      Object.keys(SCENARIOS),
      Object.entries(SCENARIOS).map(([name, sizes]) => ({ name, ...sizes })),
    ],
  ])('%s', (_, input, stored) => {
    const parsed = parse(input);
    expect(parsed).toEqual(stored);
    expect(parse(JSON.parse(JSON.stringify(parsed)))).toEqual(parsed);
  });
});

test('the eight scenarios have the lengths that their prompts speak of', () => {
  expect(Object.values(SCENARIOS).map((one) => `${one.promptTokens}/${one.outputTokens}`)).toEqual([
    '120/500',
    '2000/500',
    '90/300',
    '3000/200',
    '120/1000',
    '80/200',
    '500/8',
    '3000/1000',
  ]);
});

describe('a fault names its path and what to do', () => {
  test.each<[name: string, input: unknown, path: (string | number)[], message: RegExp]>([
    ['an unknown scenario', ['chatbots'], [0], /"text-generation", .*"chatbot".*"multi-turn-reasoning"/],
    ["every object's own name", ['constructor'], [0], /not a scenario/],
    ['a number', [7], [0], /object such as/],
    ['a text', 'chatbot', [], /must be a list/],
    ['null', null, [], /must be a list/],
    ['an empty list', [], [], /at least one workload/],
    ['a workload twice', [PAIR, PAIR], [], /twice \(p512-o128\)/],
    ['a scenario twice', ['chatbot', { name: 'chatbot' }], [], /twice \(chatbot\)/],
    ['no output', [{ promptTokens: 1 }], [0, 'outputTokens'], /is missing; it must be a whole number/],
    ['half a token', [{ ...PAIR, promptTokens: 0.5 }], [0, 'promptTokens'], /whole number from 1 to 1048576/],
    ['too long an answer', [{ ...PAIR, outputTokens: 32_769 }], [0, 'outputTokens'], /from 1 to 32768/],
    [
      'a p95 below the median',
      [{ promptTokens: { p50: 512, p95: 100 }, outputTokens: 1 }],
      [0, 'promptTokens', 'p95'],
      /not be below the median of 512/,
    ],
    [
      'a stored p95 below the median',
      [{ ...PAIR, outputTokensP95: 1 }],
      [0, 'outputTokensP95'],
      /not be below/,
    ],
    ['no p95', [{ promptTokens: { p50: 512 }, outputTokens: 1 }], [0, 'promptTokens', 'p95'], /whole number/],
    [
      'an odd percentile',
      [{ promptTokens: { p50: 5, p95: 9, p99: 10 }, outputTokens: 1 }],
      [0, 'promptTokens', 'p99'],
      /not a field/,
    ],
    [
      'a p95 said twice',
      [{ promptTokens: { p50: 1, p95: 2 }, promptTokensP95: 3, outputTokens: 1 }],
      [0, 'promptTokensP95'],
      /said twice/,
    ],
    ['a name of its own', [{ ...PAIR, name: 'mine' }], [0, 'name'], /must be the name of a scenario/],
    [
      'a scenario at other lengths',
      [{ ...PAIR, name: 'chatbot' }],
      [0, 'name'],
      /has 80 prompt and 200 output/,
    ],
    [
      'nothing but a prefix',
      [{ ...PAIR, sharedPrefixTokens: 512 }],
      [0, 'sharedPrefixTokens'],
      /below the prompt/,
    ],
    [
      'a prefix longer than the shortest prompt',
      { promptTokens: [64, 512], outputTokens: [1], sharedPrefixTokens: 128 },
      ['sharedPrefixTokens'],
      /below the prompt's 64 tokens/,
    ],
    ['a set with a slash', [{ requests: 'a/b' }], [0, 'requests'], /lower-case letters, digits and dashes/],
    [
      'a set with a prefix',
      [{ requests: 'a', sharedPrefixTokens: 5 }],
      [0, 'sharedPrefixTokens'],
      /does not go with/,
    ],
    [
      'a digest that is none',
      [{ requests: 'a', requestsDigest: 'x' }],
      [0, 'requestsDigest'],
      /16 hexadecimal/,
    ],
    [
      'a digest of nothing',
      [{ ...PAIR, requestsDigest: '0123456789abcdef' }],
      [0, 'requestsDigest'],
      /goes with/,
    ],
    ['an unknown field', [{ ...PAIR, tokens: 5 }], [0, 'tokens'], /not a field/],
    [
      'one size that is no list',
      { promptTokens: 5, outputTokens: [1] },
      ['promptTokens'],
      /must be a list of sizes/,
    ],
    ['sizes without outputs', { promptTokens: [5] }, ['outputTokens'], /is missing/],
    ['no size', { promptTokens: [], outputTokens: [1] }, ['promptTokens'], /at least one size/],
    ['a size of 0', { promptTokens: [1, 0], outputTokens: [1] }, ['promptTokens', 1], /from 1 to/],
  ])('%s', (_, input, path, message) => {
    expect(faultsOf(input)).toContainEqual({ path, message: expect.stringMatching(message) });
  });

  test('all faults come at once', () => {
    const faults = faultsOf([{ promptTokens: 0 }, 'none', { requests: '-' }]);
    expect(faults.map((fault) => fault.path.join('.'))).toEqual([
      '0.promptTokens',
      '0.outputTokens',
      '1',
      '2.requests',
    ]);
  });

  test('more than a hundred are told as such, combinations counted', () => {
    const sizes = Array.from({ length: 101 }, (_, index) => index + 1);
    expect(faultsOf(sizes.map((promptTokens) => ({ promptTokens, outputTokens: 1 })))).toEqual([
      { path: [], message: expect.stringMatching(/at most 100 workloads/) },
    ]);
    expect(faultsOf({ promptTokens: sizes, outputTokens: [1] })).toEqual([
      { path: ['promptTokens'], message: expect.stringMatching(/at most 100 sizes/) },
    ]);
    expect(faultsOf({ promptTokens: sizes.slice(0, 11), outputTokens: sizes.slice(0, 10) })).toHaveLength(1);
    expect(parse({ promptTokens: sizes.slice(0, 10), outputTokens: sizes.slice(0, 10) })).toHaveLength(100);
  });
});

describe('the name of a workload', () => {
  test.each<[Workload, string]>([
    [PAIR, 'p512-o128'],
    [{ ...PAIR, promptTokensP95: 2048 }, 'p512to2048-o128'],
    [{ ...PAIR, outputTokensP95: 300, sharedPrefixTokens: 64 }, 'p512-o128to300-s64'],
    [{ name: 'chatbot', promptTokens: 80, outputTokens: 200 }, 'chatbot'],
    [{ name: 'chatbot', promptTokens: 80, outputTokens: 200, sharedPrefixTokens: 40 }, 'chatbot-s40'],
    [{ ...PAIR, requests: 'my-set' }, 'requests-my-set-o128'],
  ])('%j is %s', (workload, id) => {
    expect(workloadId(workload)).toBe(id);
    expect(id).toMatch(/^[a-z0-9-]+$/);
  });
});
