import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError, Unreachable } from './failure.ts';

/** Seconds: after a first failure, doubled after each further one */
const FIRST_WAIT = 1;
const LONGEST_WAIT = 16;
/** A registry that asks for more is not waited for: its refusal is told at once. */
const LONGEST_WISH = 60;

/** Counts failures of one thing and decides whether, and when, it is tried again. */
export class Patience {
  readonly #attempts: number;
  #failures = 0;

  /** @param attempts in all, the first included */
  constructor(attempts: number) {
    this.#attempts = attempts;
  }

  /** It got further: what failed before does not count any more. */
  restore(): void {
    this.#failures = 0;
  }

  /**
   * Waits until it is time for another try.
   *
   * @param told gets the seconds left, each second
   * @throws what was thrown, when trying again is no use
   */
  async after(error: unknown, signal: AbortSignal, told: (seconds: number) => void = () => undefined): Promise<void> {
    signal.throwIfAborted();
    this.#failures++;
    if (!isPassing(error) || this.#failures >= this.#attempts) throw error;
    const wish = error instanceof RegistryError ? error.retryAfter : undefined;
    const wait = wish ?? Math.min(FIRST_WAIT * 2 ** (this.#failures - 1), LONGEST_WAIT);
    for (let left = wait; left > 0; left--) {
      told(left);
      await sleep(1000, undefined, { signal });
    }
  }
}

/** Tries until it works, or trying is no use. */
export async function persist<T>(attempts: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const patience = new Patience(attempts);
  while (true) {
    try {
      return await work();
    } catch (error) {
      await patience.after(error, signal);
    }
  }
}

/** The server was busy or broken, or the connection was. */
function isPassing(error: unknown): boolean {
  if (error instanceof Unreachable) return true;
  if (!(error instanceof RegistryError) || (error.retryAfter ?? 0) > LONGEST_WISH) return false;
  // Those who count pulls want hours, unless they say otherwise.
  if (error.status === 429) return error.retryAfter !== undefined;
  return [408, 500, 502, 503, 504].includes(error.status);
}
