import { setTimeout as sleep } from 'node:timers/promises';
import type { OutputSource, Receiver } from './output-source.ts';

/** After the process has ended: so long without output, and there will be none. Milliseconds, as Docker waits */
const SILENCE = 2000;
/** So long a listener may keep us waiting then. Milliseconds */
const PATIENCE = 5000;
/** More than all pipes together hold: what comes then is written by a process left behind. Bytes */
const PIPES = 1 << 20;

/** Hands a chunk to the listeners. A returned promise asks to wait with the next. */
type Deliver = (chunk: Buffer) => Promise<unknown> | undefined;

/** One stream of a process, read a chunk at a time, no faster than it is taken. */
export class Output {
  readonly ended: Promise<void>;
  readonly #deliver: Deliver;
  readonly #end: () => void;
  readonly #logged: () => number;
  #source: OutputSource | undefined;
  #begun = false;
  #closed = false;
  #pausedFor: Promise<unknown> | undefined;
  #bytes = 0;

  /** @param logged how many of its bytes a log has by now */
  constructor(deliver: Deliver, logged: () => number) {
    this.#deliver = deliver;
    this.#logged = logged;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise.then(() => this.#pausedFor).then(() => undefined);
    this.#end = resolve;
  }

  /** Where it comes from, once that is there. */
  connect(open: (receiver: Receiver) => OutputSource): void {
    const source = open({ take: (chunk) => this.#take(chunk), end: this.#end });
    this.#source = source;
    if (this.#closed) source.close();
    else if (this.#begun) source.resume();
  }

  /** Reads from now on. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#source?.resume();
  }

  /** See ProcessIo.settled. Each chunk, and what a slow log gets done, starts the waiting anew, up to what the pipes can hold. */
  async settled(): Promise<void> {
    const start = this.#bytes;
    const progress = () => this.#bytes + this.#logged();
    for (let seen = -1; seen !== progress() && this.#bytes - start < PIPES; ) {
      seen = progress();
      const timer = new AbortController();
      const limit = this.#pausedFor === undefined ? SILENCE : PATIENCE;
      const waited = sleep(limit, undefined, { ref: false, signal: timer.signal }).catch(() => undefined);
      const done = await Promise.race([this.ended.then(() => true), waited.then(() => false)]);
      timer.abort();
      if (done) return;
    }
  }

  close(): void {
    this.#closed = true;
    if (this.#source === undefined) this.#end();
    else this.#source.close();
  }

  /** While a listener works on a chunk, no further one is read: memory holds one, and the process waits in write(2). */
  #take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    const pause = this.#deliver(chunk);
    if (pause === undefined) return;
    this.#source?.pause();
    this.#pausedFor = pause.then(() => {
      this.#pausedFor = undefined;
      this.#source?.resume();
    });
  }
}
