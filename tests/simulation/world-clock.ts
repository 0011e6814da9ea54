/** A world's clock: the machine's, ahead by what nobody had to wait for. */
export class WorldClock {
  #aheadMs = 0;

  /** Epoch milliseconds. */
  readonly now = (): number => Date.now() + this.#aheadMs;

  /** Jumps to that moment; one that has passed changes nothing, because time goes on while something is in flight. */
  advanceTo(epochMs: number): void {
    this.#aheadMs += Math.max(0, epochMs - this.now());
  }

  /** The same moment on the machine's clock, by which sockets and timers go. */
  toMachineMs(epochMs: number): number {
    return epochMs - this.#aheadMs;
  }
}
