/** What a command reads and writes; a test gives its own. */
import type { Readable } from 'node:stream';
import type { Screen } from './progress-lines.ts';

export interface Terminal {
  readonly stdin: Readable;
  /** Results. */
  readonly stdout: Screen;
  /** Progress and errors, so that results can be piped. */
  readonly stderr: Screen;
  readonly env: Readonly<Record<string, string | undefined>>;
}
