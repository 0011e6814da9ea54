import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { answerJson, scoreAnswer, startFake } from '../load/fake-endpoint.ts';
import { runCommand } from './run-command.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'foundry-bench-requests-'));
afterAll(() => rmSync(folder, { recursive: true }));

function aFile(text: string): string {
  const file = path.join(folder, 'requests.ndjson');
  writeFileSync(file, text);
  return file;
}

async function load(file: string) {
  const fake = await startFake(({ body }, response) =>
    answerJson(response, scoreAnswer(JSON.parse(body).input_data.parameters.max_tokens)),
  );
  try {
    const args = [
      'load',
      '--url',
      `${fake.origin}/score`,
      '--requests',
      '5',
      '--output-tokens',
      '8',
      '--json',
    ];
    const ran = await runCommand([...args, '--requests-file', file]);
    return { ...ran, bodies: fake.received.map(({ body }) => JSON.parse(body).input_data) };
  } finally {
    await fake.close();
  }
}

test('a file of requests is sent line by line, again from its start where more are asked for', async () => {
  const { code, stdout, bodies } = await load(
    aFile('{"prompt":"One","outputTokens":3}\n{"messages":[{"role":"user","content":"Two"}]}\n'),
  );
  expect(code).toBe(0);
  expect(bodies.map((body) => [body.input_string[0].content, body.parameters.max_tokens])).toEqual([
    ['One', 3],
    ['Two', 8],
    ['One', 3],
    ['Two', 8],
    ['One', 3],
  ]);
  expect(JSON.parse(stdout)).toMatchObject({ succeeded: 5, outputLengthFidelity: 1, promptTokensAsked: 1 });
});

test('a faulty line is told with its number, and nothing is sent', async () => {
  const { code, stderr, bodies } = await load(aFile('{"prompt":"One"}\n{"promt":"Two"}\n'));
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/line 2/);
  expect(bodies).toEqual([]);
});

test('a file that is not there is told', async () => {
  const { code, stderr, bodies } = await load(path.join(folder, 'none.ndjson'));
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/none\.ndjson cannot be read/);
  expect(bodies).toEqual([]);
});
