/** Samples as lines of JSON in a file, written as they come. */
import { type FileHandle, open } from 'node:fs/promises';
import type { Sample } from '../core/measuring/sample.ts';
import { writeSampleLine } from '../core/measuring/sample-line.ts';
import { ApiError } from './api-client.ts';

/** A disk that takes longer for a batch of 100 kB is not writing. */
const WRITE_LIMIT_MS = 30_000;

export class SampleFile {
  readonly #path: string;
  readonly #file: FileHandle;
  #failure: string | null = null;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Empties the file or makes it. Throws a sentence where it cannot be written. */
  static async open(path: string): Promise<SampleFile> {
    try {
      return new SampleFile(path, await open(path, 'w'));
    } catch (cause) {
      throw new ApiError(explain(path, cause), null, [], cause);
    }
  }

  /** Why the file is not complete; null while everything has been written. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Resolves when the lines are with the system; after a failure nothing is written any more. */
  async write(samples: readonly Sample[]): Promise<void> {
    if (this.#failure !== null) return;
    try {
      const lines = samples.map((sample) => `${writeSampleLine(sample)}\n`).join('');
      await this.#file.writeFile(lines, { signal: AbortSignal.timeout(WRITE_LIMIT_MS) });
    } catch (error) {
      this.#failure = explain(this.#path, error);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function explain(path: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return `The samples cannot be written to ${path} (${code ?? message}).`;
}
