/** Milliseconds before the same thing is repaired again: five times at once, then 200 doubling up to 30,000. */
const PATIENCE = { freely: 5, first: 200, longest: 30_000 } as const;
/** Milliseconds: what stayed whole for so long after it could have been repaired again is nobody's quarrel any more. */
const WHOLE = 10_000;

/** Something that somebody undoes again and again, or that cannot be mended. Times are of the caller's clock, in ms. */
export interface Streak {
  readonly key: string;
  readonly count: number;
  readonly since: number;
  /** Not repaired again before */
  readonly next: number;
  /** Why the last repair failed */
  readonly failure?: string;
}

/** Keeps two programs that undo each other's work from doing so at full speed. */
export class Backoff {
  readonly #streaks = new Map<string, Streak>();

  /** When this may be repaired: `now` or later. */
  readyAt(key: string, now: number): number {
    return Math.max(now, this.#streaks.get(key)?.next ?? now);
  }

  /**
   * @param failure why it could not be done
   * @param longest milliseconds it waits at most
   * @returns true when it waits for the first time
   */
  repaired(key: string, now: number, { failure, longest = PATIENCE.longest }: Attempt = {}): boolean {
    this.#forgetWhole(now);
    const before = this.#streaks.get(key);
    const count = (before?.count ?? 0) + 1;
    const doublings = Math.min(count - PATIENCE.freely, 10);
    const wait = count <= PATIENCE.freely ? 0 : Math.min(longest, PATIENCE.first * 2 ** (doublings - 1));
    const since = before?.since ?? now;
    this.#streaks.set(key, { key, count, since, next: now + wait, ...(failure === undefined ? {} : { failure }) });
    return count === PATIENCE.freely + 1;
  }

  /** What waits, and what could not be mended. */
  contested(now: number): Streak[] {
    this.#forgetWhole(now);
    return [...this.#streaks.values()].filter(({ count, failure }) => count > PATIENCE.freely || failure !== undefined);
  }

  #forgetWhole(now: number): void {
    for (const [key, { next }] of this.#streaks) if (now - next > WHOLE) this.#streaks.delete(key);
  }
}

interface Attempt {
  readonly failure?: string | undefined;
  readonly longest?: number | undefined;
}
