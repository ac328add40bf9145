/** Mutual exclusion by key: work under one key runs one after the other, in the order it came. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>();

  /** Fails as the work fails; what waits behind it runs all the same. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#tails.get(key);
    this.#tails.set(key, promise);
    try {
      await before;
      return await work();
    } finally {
      resolve();
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
    }
  }
}
