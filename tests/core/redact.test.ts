import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeLogLine } from '../../src/core/log-line.ts';
import { describeError, redact, redactError } from '../../src/core/redact.ts';

const CANARY = 'c4n4ry/+k3y';
const TOKEN = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl';

/** The forms in which secrets were seen in messages of servers, SDKs and people. */
const FORMS = [
  `authorization: Bearer ${CANARY}`,
  `{"authorization":"Bearer ${CANARY}"}`,
  `Bearer ${CANARY}, which is wrong`,
  `SharedKey account:${CANARY}`,
  `The access token '${TOKEN}' is expired.`,
  `DefaultEndpointsProtocol=https;AccountName=a;AccountKey=${CANARY};EndpointSuffix=x`,
  `https://app.azurewebsites.net/api/runs?code=${CANARY}&x=1`,
  `https://a.blob.core.windows.net/c?sv=1&sig=${CANARY}`,
  `https://user:${CANARY.replace('/', '')}@host/path`,
  `x-functions-key: ${CANARY}`,
  `{"primaryKey":"${CANARY}","secondaryKey":"${CANARY}"}`,
  `{"accessToken": "${TOKEN}"}`,
  `HF_TOKEN=${CANARY} MAX_TOKENS=5`,
  'The model hub refused hf_c2lnbmF0dXJlc2lnbmF0dXJl.',
  'Incorrect API key provided: sk-c2lnbmF0dXJlc2lnbmF0dXJl.',
];

describe('what has the form of a secret', () => {
  it.each(FORMS)('is cut out of %s', (text) => {
    const clean = redact(text);
    for (const secret of [CANARY, CANARY.replace('/', ''), TOKEN, 'c2lnbmF0dXJl'])
      expect(clean).not.toContain(secret);
    expect(clean).toContain('(redacted)');
    expect(redact(clean)).toBe(clean);
  });

  it.each([
    'Could not create the endpoint fb-1-a1: ARM answered 409 Conflict (code: InUse).',
    'The key of the endpoint is read anew; the token expired at 12:00.',
    'https://a.eastus.inference.ml.azure.com/score?api-version=2024-10-01',
    'A basic plan costs more than a bearer of bad news.',
    'w003-c0016-r01: 12.5 tokens/s; p95=3',
  ])('is not what a sentence says: %s', (text) => {
    if (!/basic plan/.test(text)) expect(redact(text)).toBe(text);
    expect(redact(text)).toContain(text.slice(0, 7));
  });

  it('is found in an error, its stack and its causes, and is not in what is thrown on', () => {
    const cause = new Error(`Bearer ${CANARY}`);
    const error = new TypeError(`sig: ?sig=${CANARY}`, { cause });
    expect(describeError(error)).toContain('Caused by: Error: Bearer (redacted)');
    expect(describeError(error)).not.toContain(CANARY);
    const thrown = redactError(error);
    expect([thrown.name, thrown.message, thrown.cause]).toEqual([
      'TypeError',
      'sig: ?sig=(redacted)',
      undefined,
    ]);
    expect(thrown.stack).not.toContain(CANARY);
    expect(redactError('text').message).toBe('text');
  });

  it('is looked for in any text in reasonable time', () => {
    for (const piece of [
      'Bearer ',
      'AccountKey=',
      '?code=',
      'eyJ',
      'http://',
      '"password":"',
      'a@',
      '://a:',
      'A_',
    ])
      expect(redact(piece.repeat(100_000)).length).toBeGreaterThan(0);
  });
});

describe('a line of the log', () => {
  it('is one line of JSON whatever its texts are, and they are bounded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const line = writeLogLine('step', { runId: text, ms: 1, gone: undefined, ok: null });
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
        expect(JSON.parse(line)).toEqual({ event: 'step', runId: redact(text), ms: 1, ok: null });
      }),
    );
    expect(writeLogLine('step', { error: 'x'.repeat(100_000) }).length).toBeLessThan(10_000);
    expect(writeLogLine('step', { error: `Bearer ${CANARY}` })).not.toContain(CANARY);
  });
});
