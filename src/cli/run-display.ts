/**
 * Shows a run as it goes: a line per stage, and below them a progress line that is drawn over on a terminal, or is a
 * line of its own now and then where the output is a file or a pipe.
 */
import type { RunView } from '../http/run-view.ts';
import { writeDuration } from './figure.ts';
import { describeProgress, describeStage, renderProgress } from './run-text.ts';

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

export class RunDisplay {
  readonly #screen: Screen;
  readonly #unicode: boolean;
  readonly #startedMs = performance.now();
  #shown: RunView | null = null;
  #plainLineMs = Number.NEGATIVE_INFINITY;
  #drawn = false;

  constructor(screen: Screen, unicode: boolean) {
    this.#screen = screen;
    this.#unicode = unicode;
  }

  /** Shows what changed since the last time. */
  show(run: RunView): void {
    if (run.state !== this.#shown?.state) this.note(`${run.state.padEnd(12)} ${describeStage(run)}`);
    if (run.state === 'measuring') this.#showProgress(run);
    this.#shown = run;
  }

  /** A line of its own, with the time since the start. */
  note(text: string): void {
    this.clear();
    const elapsed = writeDuration((performance.now() - this.#startedMs) / 1000);
    this.#screen.write(`${elapsed.padStart(5)}  ${text}\n`);
  }

  /** Takes the progress line away, so that other lines may follow. */
  clear(): void {
    if (this.#drawn) this.#screen.write(CLEAR_LINE);
    this.#drawn = false;
  }

  #showProgress(run: RunView): void {
    const width = widthOf(this.#screen);
    if (this.#screen.isTTY === true && width >= LEAST_BAR_WIDTH) {
      this.#screen.write(
        `${CLEAR_LINE}       ${renderProgress(run, { width: width - 7, unicode: this.#unicode })}`,
      );
      this.#drawn = true;
      return;
    }
    const nowMs = performance.now();
    const moved = run.progress.cellsDone !== this.#shown?.progress.cellsDone && run.progress.cellsDone > 0;
    if (!moved || nowMs - this.#plainLineMs < PLAIN_LINE_EVERY_MS) return;
    this.#plainLineMs = nowMs;
    this.note(describeProgress(run));
  }
}

/** The width that lines may have: a terminal's own; in a pipe or a file, where `grep` reads, a row stays one line. */
export function widthOf(screen: Screen): number {
  return screen.columns ?? Number.POSITIVE_INFINITY;
}

/** Whether the terminal is said to show more than ASCII. */
export function isUnicode(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return process.platform === 'darwin' || /utf-?8/i.test(locale) || env.WT_SESSION !== undefined;
}
