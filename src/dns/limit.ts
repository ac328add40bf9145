/**
 * A bound on what all sandboxes may hold together, shared fairly: one may hold as much as is still free, so a single
 * greedy one gets half of it, and a newcomer always finds a place (dynamic thresholds, Choudhury and Hahne 1998).
 */
export class FairLimit<Holder> {
  readonly #total: number;
  readonly #held = new Map<Holder, number>();
  #sum = 0;

  constructor(total: number) {
    this.#total = total;
  }

  get held(): number {
    return this.#sum;
  }

  /** @returns false when the holder has its share already; each true is paired with one `leave` */
  enter(holder: Holder): boolean {
    const held = this.#held.get(holder) ?? 0;
    if (held >= this.#total - this.#sum) return false;
    this.#held.set(holder, held + 1);
    this.#sum++;
    return true;
  }

  leave(holder: Holder): void {
    const held = this.#held.get(holder) ?? 0;
    if (held === 0) return;
    this.#sum--;
    if (held === 1) this.#held.delete(holder);
    else this.#held.set(holder, held - 1);
  }
}
