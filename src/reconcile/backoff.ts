/** Milliseconds before the same thing is repaired again: 0, 0, then 200 doubling up to 30,000. */
const PATIENCE = { freely: 2, first: 200, longest: 30_000 } as const;

interface Streak {
  readonly count: number;
  /** When it was last repaired, and when it may be repaired again; milliseconds of the caller's clock */
  readonly last: number;
  readonly next: number;
}

/**
 * Keeps two programs that undo each other's work from doing so at full speed. What stayed whole for as long as it would
 * have had to wait, and at least half a minute, starts afresh.
 */
export class Backoff {
  readonly #streaks = new Map<string, Streak>();

  /** When this may be repaired: `now` or later. */
  readyAt(key: string, now: number): number {
    return Math.max(now, this.#streaks.get(key)?.next ?? now);
  }

  /** @param longest milliseconds it waits at most */
  repaired(key: string, now: number, longest: number = PATIENCE.longest): void {
    const before = this.#streaks.get(key);
    const count = before === undefined || now - before.last > 2 * PATIENCE.longest ? 1 : before.count + 1;
    const doublings = Math.min(count - PATIENCE.freely, 10);
    const wait = count <= PATIENCE.freely ? 0 : Math.min(longest, PATIENCE.first * 2 ** (doublings - 1));
    this.#streaks.set(key, { count, last: now, next: now + wait });
    this.#forgetOld(now);
  }

  #forgetOld(now: number): void {
    for (const [key, { last }] of this.#streaks) {
      if (now - last > 2 * PATIENCE.longest) this.#streaks.delete(key);
    }
  }
}
