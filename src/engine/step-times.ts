/** How long the steps of the network's part of one start took, in milliseconds. */
export class StepTimes {
  readonly #steps = new Map<string, number>();

  /** For the reconciler, which tells of every step. What is not within `measure` is nobody's start. */
  record(step: string, milliseconds: number): void {
    this.#steps.set(step, (this.#steps.get(step) ?? 0) + milliseconds);
  }

  /**
   * Work on the kernel is synchronous, and so is all that leads to it: what is recorded while `work` is called is its own,
   * however many starts are under way.
   * @param into the steps are added to those it holds, and all together as "total"
   */
  async measure<T>(into: Record<string, number>, work: () => Promise<T>): Promise<T> {
    this.#steps.clear();
    const start = performance.now();
    const working = work();
    const total = performance.now() - start;
    for (const [step, milliseconds] of this.#steps) into[step] = round((into[step] ?? 0) + milliseconds);
    into['total'] = round((into['total'] ?? 0) + total);
    return working;
  }
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
