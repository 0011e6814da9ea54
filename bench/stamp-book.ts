/**
 * Where clients of the bench keep their stamps while they run: in memory that was taken before, so that no collection
 * of garbage has to walk over them. What a client is charged with is its own garbage and not the bench's.
 */
import type { ClientStamps } from './client-order.ts';

export class StampBook {
  readonly #ids: string[] = [];
  /** Of each answer: when it was sent, how many contents it had, and when each of them came. */
  readonly #numbers: Float64Array;
  readonly #width: number;

  /** Room for so many answers of at most so many contents each. */
  constructor(answers: number, contents: number) {
    this.#width = 2 + contents;
    this.#numbers = new Float64Array(answers * this.#width);
  }

  /** Notes an answer. Throws where it has more contents, or comes after more answers, than there is room for. */
  add(id: string, sentMs: number, contentMs: readonly number[]): void {
    const room = this.#width - 2;
    if (contentMs.length > room)
      throw new Error(`Answer ${id} has ${contentMs.length} contents where ${room} were asked for.`);
    const at = this.#ids.length * this.#width;
    this.#numbers[at] = sentMs;
    this.#numbers[at + 1] = contentMs.length;
    this.#numbers.set(contentMs, at + 2);
    this.#ids.push(id);
  }

  read(): ClientStamps[] {
    return this.#ids.map((id, answer) => {
      const at = answer * this.#width;
      const contents = this.#numbers[at + 1] ?? 0;
      return {
        id,
        sentMs: this.#numbers[at] ?? Number.NaN,
        contentMs: [...this.#numbers.subarray(at + 2, at + 2 + contents)],
      };
    });
  }
}
