import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { hasCode } from '../../model/errors.ts';

/** How far a process's output has come into its log. */
export interface Progress {
  /** Bytes of each stream that the log holds, or that were dropped on purpose */
  readonly stdout: number;
  readonly stderr: number;
  /** Which file the log's current one was, and how long it was by then */
  readonly inode: number;
  readonly size: number;
}

const FIELDS = 4;

/**
 * A note kept beside a process's FIFOs, rewritten after each piece of log. The page it lies in outlives the daemon, and one
 * small write is never half done: a successor cuts the log there and goes on with the bytes that follow.
 */
export class Checkpoint {
  readonly #descriptor: number;
  readonly #page = new Float64Array(FIELDS);
  readonly #bytes = new Uint8Array(this.#page.buffer);
  #last: Progress;
  #closed = false;

  private constructor(descriptor: number, last: Progress) {
    this.#descriptor = descriptor;
    this.#last = last;
  }

  static create(path: string): Checkpoint {
    const made = new Checkpoint(openSync(path, 'wx+', 0o600), { stdout: 0, stderr: 0, inode: 0, size: 0 });
    made.note(made.last);
    return made;
  }

  /** @returns undefined when there is none @throws Error as open(2) says otherwise */
  static restore(path: string): Checkpoint | undefined {
    let descriptor: number;
    try {
      descriptor = openSync(path, constants.O_RDWR);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
    const page = new Float64Array(FIELDS);
    readSync(descriptor, new Uint8Array(page.buffer), 0, page.byteLength, 0);
    const [stdout = 0, stderr = 0, inode = 0, size = 0] = page;
    return new Checkpoint(descriptor, { stdout, stderr, inode, size });
  }

  get last(): Progress {
    return this.#last;
  }

  /** @throws Error ENOSPC */
  note(progress: Progress): void {
    this.#last = progress;
    if (this.#closed) return;
    this.#page.set([progress.stdout, progress.stderr, progress.inode, progress.size]);
    writeSync(this.#descriptor, this.#bytes, 0, this.#bytes.length, 0);
  }

  /** What is noted afterwards is not written. */
  close(): void {
    if (!this.#closed) closeSync(this.#descriptor);
    this.#closed = true;
  }
}
