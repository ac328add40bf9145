import { closeSync, openSync } from 'node:fs';
import type { LogFile } from './logfile.ts';

/** So many files that were replaced meanwhile are kept for a follower that lags; it misses the oldest beyond. */
const LAG = 16;

/** Tells when a log has grown, and keeps hold of the files it goes on in, until it is told to stop. */
export class Following implements Disposable {
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  readonly #leave: () => void;
  readonly #next: number[] = [];
  #over: boolean;
  #changed = false;
  #wake: (() => void) | undefined;

  /** To be made in the turn in which the current file is opened. */
  constructor(log: LogFile, signal: AbortSignal | undefined) {
    this.#path = log.path;
    this.#signal = signal;
    this.#over = signal?.aborted ?? false;
    this.#leave = log.follow({ written: () => this.#notify(), rotated: () => this.#rotated() });
    signal?.addEventListener('abort', this.#end);
  }

  /** To be called before each read: what is written from then on is a change. */
  reset(): void {
    this.#changed = false;
  }

  /** Whether the file under reading has a successor: then it does not grow any more. */
  get hasNext(): boolean {
    return this.#next.length > 0;
  }

  /** Descriptor of the successor; the caller closes it. */
  takeNext(): number | undefined {
    return this.#next.shift();
  }

  /** True: read again, there may be more. False: nothing was written since the last read, and nothing will be. */
  async wait(): Promise<boolean> {
    if (this.#changed) return true;
    if (this.#over) return false;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return true;
  }

  [Symbol.dispose](): void {
    this.#signal?.removeEventListener('abort', this.#end);
    this.#leave();
    for (const descriptor of this.#next.splice(0)) closeSync(descriptor);
  }

  readonly #end = () => {
    this.#over = true;
    this.#notify();
  };

  #rotated(): void {
    this.#next.push(openSync(this.#path, 'r'));
    if (this.#next.length > LAG) {
      const missed = this.#next.shift();
      if (missed !== undefined) closeSync(missed);
    }
    this.#notify();
  }

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
    this.#wake = undefined;
  }
}
