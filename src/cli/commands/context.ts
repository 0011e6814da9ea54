/** What every command gets. */
import type { ApiClient } from '../api-client.ts';
import { EXIT } from '../exit-code.ts';
import { type Paint, paintFor } from '../paint.ts';
import { printable } from '../printable.ts';
import type { Terminal } from '../terminal.ts';
import type { Verdict } from '../verdict.ts';

export interface CommandContext {
  readonly client: ApiClient;
  readonly terminal: Terminal;
  /** Print the answer as JSON. */
  readonly json: boolean;
}

/** The colours of the results. */
export function paintOf({ terminal }: CommandContext): Paint {
  return paintFor(terminal.stdout, terminal.env);
}

export function printLines({ terminal }: CommandContext, lines: readonly string[]): void {
  terminal.stdout.write(`${lines.join('\n')}\n`);
}

export function printJson({ terminal }: CommandContext, value: unknown): void {
  terminal.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Says why a result is not good, and gives the exit code. */
export function tellVerdict({ terminal }: CommandContext, verdict: Verdict): number {
  if (verdict === null) return EXIT.good;
  const paint = paintFor(terminal.stderr, terminal.env);
  for (const sentence of verdict) terminal.stderr.write(`${paint('bad', printable(sentence))}\n`);
  return EXIT.runFailed;
}
