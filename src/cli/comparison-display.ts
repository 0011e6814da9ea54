/** Shows a comparison as it goes: a line for each stage of each target, and below them the progress of all. */
import type { ComparisonView, TargetView } from '../http/comparison-view.ts';
import { describeComparisonProgress, describeTarget, renderComparisonProgress } from './comparison-text.ts';
import { printable } from './printable.ts';
import { ProgressLines, type Screen } from './progress-lines.ts';

/** A label takes this much before its state is moved out of line. */
const LABEL_WIDTH = 12;

export class ComparisonDisplay {
  readonly #lines: ProgressLines;
  readonly #unicode: boolean;
  #states = new Map<string, TargetView['state']>();
  #cellsDone = 0;

  constructor(screen: Screen, unicode: boolean) {
    this.#lines = new ProgressLines(screen);
    this.#unicode = unicode;
  }

  /** Shows what changed since the last time. */
  show(view: ComparisonView): void {
    for (const target of view.targets) {
      const before = this.#states.get(target.label) ?? 'waiting';
      if (target.state === before) continue;
      this.#states.set(target.label, target.state);
      const label = printable(target.label).padEnd(LABEL_WIDTH);
      this.note(`${label} ${target.state.padEnd(12)} ${printable(describeTarget(target))}`);
    }
    const { cellsDone } = view.progress;
    if (view.state === 'running') {
      this.#lines.progress({
        draw: (width) => renderComparisonProgress(view, { width, unicode: this.#unicode }),
        plain: describeComparisonProgress(view),
        moved: cellsDone !== this.#cellsDone,
      });
    }
    this.#cellsDone = cellsDone;
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
