/** What is here by its name, and may be asked for before it has come. */
export class Arrivals<T> {
  readonly #patience: number;
  readonly #here = new Map<string, T>();
  readonly #waiting = new Set<() => void>();

  /** @param patience how long it is waited for, in ms */
  constructor(patience: number) {
    this.#patience = patience;
  }

  has(name: string): boolean {
    return this.#here.has(name);
  }

  add(name: string, one: T): void {
    this.#here.set(name, one);
    for (const wake of this.#waiting) wake();
  }

  /** @returns whether it was here */
  remove(name: string): boolean {
    return this.#here.delete(name);
  }

  /** @returns undefined when none of this name comes in time, or nobody waits any more */
  async find(name: string, signal: AbortSignal): Promise<T | undefined> {
    const late = AbortSignal.any([signal, AbortSignal.timeout(this.#patience)]);
    for (;;) {
      const found = this.#here.get(name);
      if (found !== undefined || late.aborted) return found;
      await this.#another(late);
    }
  }

  /** Fulfilled when there is one more, or it is too late. */
  #another(late: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        late.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      late.addEventListener('abort', wake, { once: true });
    });
  }
}
