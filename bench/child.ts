/** The processes of the bench: started on a core of their own where the system can pin, and always ended. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { ClientOrder, ClientResult } from './client-order.ts';
import type { CoreJitter } from './core-jitter.ts';
import type { FromTruth, ToTruth, TruthOrder, TruthRecord } from './truth-server.ts';

/** A client that has not ended by then is stuck: the longest row takes a tenth of it. */
const CLIENT_TIMEOUT_MS = 120_000;
const SERVER_START_TIMEOUT_MS = 20_000;

/** Whether processes can be bound to a core here (`taskset` of Linux). */
export const CAN_PIN = spawnSync('taskset', ['-c', '0', 'true']).status === 0;

export interface TruthProcess {
  readonly origin: string;
  readonly tlsOrigin: string | null;
  /** What was recorded since the last time, which is then forgotten; and the server's share of one core. */
  take(): Promise<{ readonly records: readonly TruthRecord[]; readonly busyShare: number }>;
  end(): Promise<void>;
}

export async function startTruth(order: TruthOrder, core: number): Promise<TruthProcess> {
  const child = startChild('./truth-server.ts', order, core, {});
  const tell = (message: ToTruth) => child.send(message);
  const listening = await nextMessage<FromTruth>(child, SERVER_START_TIMEOUT_MS);
  if (listening.kind !== 'listening')
    throw new Error('The truth server began with another message than its ports.');
  return {
    origin: `http://127.0.0.1:${listening.port}`,
    tlsOrigin: listening.tlsPort === null ? null : `https://127.0.0.1:${listening.tlsPort}`,
    take: async () => {
      tell({ kind: 'take' });
      const taken = await nextMessage<FromTruth>(child, SERVER_START_TIMEOUT_MS);
      if (taken.kind !== 'taken')
        throw new Error('The truth server answered with another message than its records.');
      return taken;
    },
    end: () => endChild(child),
  };
}

/** Runs one client to its end. `certificateFile` is what it shall trust over TLS. */
export function runClient(
  order: ClientOrder,
  core: number,
  certificateFile: string | null,
): Promise<ClientResult> {
  return askChild('./client.ts', order, core, {
    ...(certificateFile === null ? {} : { NODE_EXTRA_CA_CERTS: certificateFile }),
  });
}

/** Looks at a core for so long, with nothing of the bench on it but the looking. */
export function watchCore(core: number, forMs: number): Promise<CoreJitter> {
  return askChild('./core-jitter.ts', forMs, core, {});
}

/** A process that is told what to do, says one thing when it is done, and ends. */
async function askChild<Answer>(
  file: string,
  order: unknown,
  core: number,
  env: Record<string, string>,
): Promise<Answer> {
  const child = startChild(file, order, core, env);
  try {
    return await nextMessage<Answer>(child, CLIENT_TIMEOUT_MS);
  } finally {
    await endChild(child);
  }
}

function startChild(file: string, order: unknown, core: number, env: Record<string, string>): ChildProcess {
  const script = new URL(file, import.meta.url).pathname;
  const command = [process.execPath, script, JSON.stringify(order)];
  const [program = '', ...args] = CAN_PIN ? ['taskset', '-c', String(core), ...command] : command;
  return spawn(program, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
    env: { ...process.env, ...env },
  });
}

function nextMessage<T>(child: ChildProcess, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => settle(() => reject(new Error(`A process of the bench said nothing for ${timeoutMs} ms.`))),
      timeoutMs,
    );
    const onMessage = (message: unknown) => settle(() => resolve(message as T));
    const onExit = (code: number | null) =>
      settle(() => reject(new Error(`A process of the bench ended with code ${code} before its result.`)));
    const settle = (then: () => void) => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      then();
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill();
  await ended;
}
