/**
 * Keeps a container from being frozen while a process is being added to it: runc's exec would be frozen half-way, and
 * containerd's shim, which waits for it, would answer nothing about the container any more.
 */
export class FreezeGate {
  readonly #adding = new Set<Promise<unknown>>();
  #freezing: Promise<unknown> | undefined;

  /** Adds a process. While the container is being frozen this waits; afterwards runc refuses by itself. */
  async add<T>(work: () => Promise<T>): Promise<T> {
    while (this.#freezing !== undefined) await Promise.allSettled([this.#freezing]);
    const added = work();
    this.#adding.add(added);
    try {
      return await added;
    } finally {
      this.#adding.delete(added);
    }
  }

  /** Freezes when nothing is being added any more. For one caller at a time. */
  async freeze(work: () => Promise<void>): Promise<void> {
    const frozen = Promise.allSettled(this.#adding).then(work);
    this.#freezing = frozen;
    try {
      await frozen;
    } finally {
      this.#freezing = undefined;
    }
  }
}
