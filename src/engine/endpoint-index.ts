import type { Endpoint } from '../model/network.ts';

/** Whose endpoints there are, written down with every change, so that nobody has to go through all of them. */
export class EndpointIndex {
  /** By container, then by id */
  readonly #owned = new Map<string, Map<string, Endpoint>>();

  /** In the order they came up. */
  of(container: string): Endpoint[] {
    return [...(this.#owned.get(container)?.values() ?? [])];
  }

  /** An endpoint is another now. @param before undefined: it is new @param after undefined: it is gone */
  note(before: Endpoint | undefined, after: Endpoint | undefined): void {
    if (before !== undefined && before.container !== after?.container) {
      const owned = this.#owned.get(before.container);
      owned?.delete(before.id);
      if (owned?.size === 0) this.#owned.delete(before.container);
    }
    if (after === undefined) return;
    const owned = this.#owned.get(after.container) ?? new Map<string, Endpoint>();
    this.#owned.set(after.container, owned.set(after.id, after));
  }
}
