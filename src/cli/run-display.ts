/** Shows a run as it goes: a line per stage, and below them its progress. */
import type { RunView } from '../http/run-view.ts';
import { ProgressLines, type Screen } from './progress-lines.ts';
import { describeProgress, describeStage, renderProgress } from './run-text.ts';

export class RunDisplay {
  readonly #lines: ProgressLines;
  readonly #unicode: boolean;
  #shown: RunView | null = null;

  constructor(screen: Screen, unicode: boolean) {
    this.#lines = new ProgressLines(screen);
    this.#unicode = unicode;
  }

  /** Shows what changed since the last time. */
  show(run: RunView): void {
    if (run.state !== this.#shown?.state) this.note(`${run.state.padEnd(12)} ${describeStage(run)}`);
    if (run.state === 'measuring') {
      this.#lines.progress({
        draw: (width) => renderProgress(run, { width, unicode: this.#unicode }),
        plain: describeProgress(run),
        moved: run.progress.cellsDone !== this.#shown?.progress.cellsDone && run.progress.cellsDone > 0,
      });
    }
    this.#shown = run;
  }

  /** A line of its own, with the time since the start. */
  note(text: string): void {
    this.#lines.note(text);
  }

  /** Takes the progress line away, so that other lines may follow. */
  clear(): void {
    this.#lines.clear();
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
