/**
 * What README and docs tell a reader to type. Commands that need no Azure and less than a minute are run, in the order
 * of the documents, against one installation; each of the others stands in a list with its reason. A new command fails
 * here until it is put into one of the two.
 */
import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../cli/run-command.ts';
import { answerStream, goodStream } from '../load/fake-endpoint.ts';
import { openFake } from '../load/open-fake.ts';
import { type Installation, openInstallation } from '../support/installation.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const DOCUMENTS = ['README.md', ...readdirSync(path.join(ROOT, 'docs')).map((file) => `docs/${file}`)]
  .filter((file) => file.endsWith('.md'))
  .map((file) => ({ file, text: readFileSync(path.join(ROOT, file), 'utf8') }));

/** What is run, and what it prints. */
const RUN: Readonly<Record<string, RegExp>> = {
  'cat > spec.json': /^$/,
  'npx foundry-bench models phi': /Phi-4/,
  'npx foundry-bench skus': /Standard_NC24ads_A100_v4/,
  'npx foundry-bench plan -f spec.json': /At most .* minutes/,
  'npx foundry-bench run -f spec.json --watch': /c16-p512-o64|16 +512/,
  'npx foundry-bench results <id> -o report.html': /Wrote report\.html/,
  'npx foundry-bench results <id> --format vllm': /^\{"date":"\d{8}-\d{6}".*"mean_ttft_ms":/m,
  'npx foundry-bench endpoints': /./,
  'npx foundry-bench reap': /./,
  "curl -s -X POST http://127.0.0.1:7071/api/plans -H 'content-type: application/json' -d @spec.json":
    /"boundUsd":\d/,
  "curl -s -X POST http://127.0.0.1:7071/api/runs  -H 'content-type: application/json' -H 'Idempotency-Key: monday-1' -d @spec.json":
    /"state":"queued"/,
  'curl -s http://127.0.0.1:7071/api/runs': /"runs":\[\{"id"/,
  'curl -s http://127.0.0.1:7071/api/runs/<id>': /"progress":/,
  'curl -s "http://127.0.0.1:7071/api/runs/<id>/results?format=csv"': /^concurrency,prompt_size/,
  'curl -s -X POST http://127.0.0.1:7071/api/runs/<id>/cancel': /"cancelRequestedAt":/,
  'curl -s http://127.0.0.1:7071/api/endpoints': /"endpoints":/,
  'curl -s "http://127.0.0.1:7071/api/models?search=phi"': /"Phi-4"/,
  'curl -s "http://127.0.0.1:7071/api/skus?region=eastus2"': /"limitCores":\d/,
  'curl -s http://127.0.0.1:7071/api/openapi.json': /"openapi":"3\.1/,
  "curl -s -X PUT http://127.0.0.1:7071/api/request-sets/evening -H 'content-type: application/x-ndjson' --data-binary @evening.ndjson":
    /"requests":1/,
  'cat > compare.json': /^$/,
  'npx foundry-bench load --url http://127.0.0.1:8000/v1/chat/completions --concurrency 16 --requests 500':
    /500/,
  'npm run simulate -- --seed 39 --runs 1': /0 broke an invariant/,
};

/** What is not run, by how it begins, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'git clone <this repository>': 'It needs the address of the repository.',
  'npm ci && npm run demo': 'It installs, and the demo takes its minute.',
  'npm start': 'It stays; the installation that these commands talk to is started by the same file.',
  'npx foundry-bench compare compare.json --watch':
    'Ten repeats a target take over a minute; it is planned here.',
  'npx foundry-bench load --url https://<endpoint>/score': 'It needs an endpoint on Azure.',
  'npm ci && npm test': 'That is what runs this.',
  'npm run check': 'That is what runs this.',
  'npm run bench': 'Minutes; tests/bench runs its quick form.',
  'npm run simulate -- --seed 1': 'Twenty minutes; tests/simulation plays thirty seeds.',
  'npm run simulate -- --matrix': 'About a minute; tests/simulation plays a part of it.',
  'azd ': 'Azure.',
  'az ': 'Azure.',
  'export FOUNDRY_BENCH_URL=$(azd ': 'Azure.',
  'export FOUNDRY_BENCH_KEY=$(az ': 'Azure.',
};

interface Command {
  /** As it is told, with what follows a here-document's mark left out. */
  readonly name: string;
  /** As a shell takes it. */
  readonly text: string;
}

const blocks = DOCUMENTS.flatMap(({ file, text }) =>
  [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, language = '']) => ['', 'sh', 'bash', 'console'].includes(language))
    .map(([, , body = '']) => ({ file, body })),
);
const commands = blocks.flatMap(({ body }) => commandsOf(body));

/** One a line, but for lines that are continued and here-documents. */
function commandsOf(block: string): Command[] {
  const found: Command[] = [];
  const lines = block.replace(/\\\n\s*/g, '').split('\n');
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const text = line.replace(/(^|\s+)# .*$/, '').trim();
    if (text === '') continue;
    const mark = /<<'(\w+)'$/.exec(text)?.[1];
    const end = mark === undefined ? 0 : lines.indexOf(mark) + 1;
    const inside = lines.splice(0, end);
    found.push({ name: text.replace(/\s*<<.*$/, ''), text: [text, ...inside].join('\n') });
  }
  return found;
}

let installation: Installation;
const folder = mkdtempSync(path.join(tmpdir(), 'foundry-bench-docs-'));

beforeAll(async () => {
  // As `npm ci` leaves it for npx, in a folder where commands may write.
  mkdirSync(path.join(folder, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(
    path.join(ROOT, 'bin', 'foundry-bench.js'),
    path.join(folder, 'node_modules', '.bin', 'foundry-bench'),
  );
  writeFileSync(path.join(folder, 'evening.ndjson'), '{"prompt":"Where is my order?","outputTokens":64}\n');
  installation = await openInstallation({ SIMULATOR_SPEED: '60', SIMULATOR_GPU_SPEED: '20' });
});

afterAll(async () => {
  await installation.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the commands of the documents', () => {
  it('are each in one of the two lists, and the lists name no other', () => {
    const names = [...new Set(commands.map(({ name }) => name))];
    const reasonOf = (name: string) => Object.keys(NOT_RUN).filter((begin) => name.startsWith(begin));
    const unlisted = names.filter((name) => RUN[name] === undefined && reasonOf(name).length === 0);
    const twice = names.filter((name) => RUN[name] !== undefined && reasonOf(name).length > 0);
    const stale = [
      ...Object.keys(RUN).filter((name) => !names.includes(name)),
      ...Object.keys(NOT_RUN).filter((begin) => !names.some((name) => name.startsWith(begin))),
    ];
    expect({ unlisted, twice, stale }).toEqual({ unlisted: [], twice: [], stale: [] });
  });

  it('are what a shell can read', async () => {
    for (const { file, body } of blocks) {
      const filled = body.replaceAll(/<[a-z ]+>/g, 'something');
      expect(await sh(filled, folder, ['-n']), `${file}:\n${body}`).toEqual({ code: 0, output: '' });
    }
  });

  it('name subcommands and options that the command has, in sentences too', async () => {
    const told = DOCUMENTS.flatMap(({ text }) =>
      [...text.matchAll(/npx foundry-bench ([a-z]+)([^\n`|#]*)/g)].map(([, command = '', rest = '']) => ({
        command,
        options: rest.match(/(?<=\s)--?[a-z][a-z-]*/g) ?? [],
      })),
    );
    expect(told.length).toBeGreaterThan(10);
    for (const { command, options } of told) {
      const { code, stdout } = await runCommand([command, '--help']);
      expect([command, code]).toEqual([command, 0]);
      for (const option of options)
        expect(stdout, command).toMatch(new RegExp(`(^|[\\s,])${option}\\b`, 'm'));
    }
  });

  it('do what they say', async () => {
    const { origin } = await openFake(({ body }, response) =>
      answerStream(response, goodStream(JSON.parse(body).max_tokens)),
    );
    const told = [...new Map(commands.map((command) => [command.name, command])).values()];
    const check = async ({ name, text }: Command) => {
      const filled = text
        .replaceAll('http://127.0.0.1:7071', installation.url)
        .replaceAll('http://127.0.0.1:8000', origin)
        .replaceAll('<id>', await newestRun());
      const { code, output } = await sh(filled, name.startsWith('npm ') ? ROOT : folder);
      expect(output, name).toMatch(RUN[name] ?? /^$/);
      expect(code, `${name}\n${output}`).toBe(0);
    };
    const checkInOrder = async (list: readonly Command[]) => {
      for (const command of list) await check(command);
    };
    const run = told.filter(({ name }) => RUN[name] !== undefined);
    // Those of npm talk to no installation, and take their time beside the others.
    const apart = run.filter(({ name }) => name.startsWith('npm '));
    await Promise.all([checkInOrder(run.filter((command) => !apart.includes(command))), checkInOrder(apart)]);
    expect(readFileSync(path.join(folder, 'report.html'), 'utf8')).toContain('<svg');
    const planned = await sh('npx foundry-bench plan -f compare.json', folder);
    expect(planned).toMatchObject({ code: 0, output: expect.stringContaining('1xNC40') });
  }, 150_000);
});

async function newestRun(): Promise<string> {
  const { json } = await installation.get('/api/runs?limit=1');
  return json.runs[0]?.id ?? 'none';
}

/** Long for any of them, on a machine that is busy. */
const COMMAND_MS = 100_000;

/** Both streams together. */
function sh(
  text: string,
  cwd: string,
  options: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn('bash', [...options, '-c', text], {
    cwd,
    env: {
      ...process.env,
      FOUNDRY_BENCH_URL: installation.url,
      NO_COLOR: '1',
      // Without it `npm run simulate` would build first, under the feet of the tests beside this one.
      npm_config_ignore_scripts: 'true',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: COMMAND_MS,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
    });
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}
