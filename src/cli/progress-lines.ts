/**
 * Lines that say what happens, each with the time since the start, and below them a progress line that is drawn over
 * on a terminal, or is a line of its own now and then where the output is a file or a pipe.
 */
import { writeDuration } from './figure.ts';

/** What is written to: `process.stdout`, or a test's. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Where nothing is drawn over, a line every ten seconds shows that it is alive and fills no log. */
const PLAIN_LINE_EVERY_MS = 10_000;

/** Below this a bar says nothing. */
const LEAST_BAR_WIDTH = 40;

const CLEAR_LINE = '\r\u001b[2K';
/** What stands before each line: the time, and two blanks. */
const INDENT = 7;

export class ProgressLines {
  readonly #screen: Screen;
  readonly #startedMs = performance.now();
  #plainLineMs = Number.NEGATIVE_INFINITY;
  #drawn = false;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** A line of its own, with the time since the start. */
  note(text: string): void {
    this.clear();
    const elapsed = writeDuration((performance.now() - this.#startedMs) / 1000);
    this.#screen.write(`${elapsed.padStart(5)}  ${text}\n`);
  }

  /** `draw` gives the line for a terminal of that width, `plain` for a log, where only what moved is worth a line. */
  progress({
    draw,
    plain,
    moved,
  }: {
    readonly draw: (width: number) => string;
    readonly plain: string;
    readonly moved: boolean;
  }): void {
    const width = this.#screen.columns ?? Number.POSITIVE_INFINITY;
    if (this.#screen.isTTY === true && width >= LEAST_BAR_WIDTH) {
      this.#screen.write(`${CLEAR_LINE}${' '.repeat(INDENT)}${draw(width - INDENT)}`);
      this.#drawn = true;
      return;
    }
    const nowMs = performance.now();
    if (!moved || nowMs - this.#plainLineMs < PLAIN_LINE_EVERY_MS) return;
    this.#plainLineMs = nowMs;
    this.note(plain);
  }

  /** Takes the progress line away, so that other lines may follow. */
  clear(): void {
    if (this.#drawn) this.#screen.write(CLEAR_LINE);
    this.#drawn = false;
  }
}
