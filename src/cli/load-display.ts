/** One line that shows how far a load is, drawn over on a terminal and absent where the output is a file or a pipe. */
import { writeDuration } from './figure.ts';
import type { Screen } from './progress-lines.ts';
import { widthOf } from './run-display.ts';

/** Often enough to look alive. */
const EVERY_MS = 200;
const BAR_CELLS = 24;
const CLEAR_LINE = '\r\u001b[2K';

/** How much of the whole is done, and words beside it. */
export interface LoadProgress {
  /** 0 to 1. */
  readonly share: number;
  readonly completed: number;
  readonly failed: number;
}

export class LoadDisplay {
  readonly #screen: Screen;
  readonly #unicode: boolean;
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout | null;

  constructor(screen: Screen, unicode: boolean, label: string, progress: () => LoadProgress) {
    this.#screen = screen;
    this.#unicode = unicode;
    const draw = () => screen.write(`${CLEAR_LINE}${this.#line(label, progress())}`);
    this.#timer = screen.isTTY === true ? setInterval(draw, EVERY_MS) : null;
  }

  /** Takes the line away. */
  close(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#screen.write(CLEAR_LINE);
  }

  #line(label: string, { share, completed, failed }: LoadProgress): string {
    const filled = Math.round(Math.min(1, Math.max(0, share)) * BAR_CELLS);
    const [full, empty] = this.#unicode ? ['█', '░'] : ['#', '.'];
    const elapsed = writeDuration((performance.now() - this.#startedMs) / 1_000);
    const parts = [
      label,
      full.repeat(filled) + empty.repeat(BAR_CELLS - filled),
      elapsed,
      `${completed} done`,
      ...(failed > 0 ? [`${failed} failed`] : []),
    ];
    // A line that wraps could not be drawn over.
    return parts.join('  ').slice(0, Math.max(0, widthOf(this.#screen) - 1));
  }
}
