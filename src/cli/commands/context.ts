/** What every command gets. */
import type { ApiClient } from '../api-client.ts';
import type { Terminal } from '../terminal.ts';

export interface CommandContext {
  readonly client: ApiClient;
  readonly terminal: Terminal;
  /** Print the answer as JSON. */
  readonly json: boolean;
}

export function printLines({ terminal }: CommandContext, lines: readonly string[]): void {
  terminal.stdout.write(`${lines.join('\n')}\n`);
}

export function printJson({ terminal }: CommandContext, value: unknown): void {
  terminal.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
