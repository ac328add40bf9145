import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { bytesIn, forgetBeginning, moveToFile, resizePipe } from '../../kernel/pipe.ts';
import { onFirstReadable, watchReadable } from '../../kernel/poll.ts';
import { type OutputSource, type Receiver, readNow } from './output-source.ts';

/** So much is given to the receiver at once; and what a pipe holds at most by default, pipe(7). Bytes */
const CHUNK = 64 << 10;
const SMALL = 4 << 10;
/** What the pipe of one that prints a lot holds, so that writer and reader take turns less often, and yet what is read is still in the cache. Bytes */
const ROOMY = 512 << 10;
/** Output that follows so soon on other output is left to gather, for so long. Milliseconds */
const BUSY = 20;
const GATHERING = 1;
/** So much of the spool may lie behind what is logged before it is given back. Bytes */
const WORN = 1 << 20;

export interface SpooledOptions {
  /** Not blocking, and the source's to close */
  readonly pipe: number;
  /** Path of the spool */
  readonly spool: string;
  /** As for SocketSource */
  readonly restored: boolean;
  /** How far the log is by now; the receiver gets what comes after it */
  logged(): number;
  /** Told once, of one that fills its pipe */
  onFlood(): void;
}

/**
 * Reads a pipe through a file, the spool: the kernel moves bytes from one to the other, and they stay in the spool until
 * they are in the log. A daemon that is killed at any instruction has lost none of them.
 */
export class SpooledSource implements OutputSource {
  readonly #receiver: Receiver;
  readonly #pipe: number;
  readonly #spool: number;
  readonly #options: SpooledOptions;
  /** Where the receiver is, where the spool ends, and up to where it was given back. Offsets in the stream */
  #taken: number;
  #end: number;
  #worn: number;
  /** A former daemon had a FIFO open: perhaps its writers are gone, which a poll would never tell */
  #unsure: boolean;
  #watch: Disposable | undefined;
  /** Whether it was waited for before: most containers never say a word on most of their streams */
  #awaited = false;
  /** When it is looked at next, if it is not watched */
  #next: Disposable | undefined;
  /** When something was last moved, by performance.now() */
  #lastMove = 0;
  #flowing = false;
  #over = false;
  #full = false;
  /** Read into again and again */
  #chunk: Buffer = Buffer.alloc(0);
  /** Whether the pipe holds more than at first, as it does unless it was refused once */
  #room: 'usual' | 'roomy' | 'refused' = 'usual';

  constructor(receiver: Receiver, options: SpooledOptions) {
    this.#receiver = receiver;
    this.#options = options;
    this.#unsure = options.restored;
    this.#taken = options.logged();
    this.#worn = this.#taken;
    this.#pipe = options.pipe;
    this.#spool = openSync(options.spool, constants.O_RDWR | constants.O_CREAT, 0o600);
    this.#end = Math.max(fstatSync(this.#spool).size, this.#taken);
  }

  resume(): void {
    this.#flowing = true;
    // Not at once: the receiver may just be at work on a chunk.
    setImmediate(() => this.#go());
  }

  pause(): void {
    this.#flowing = false;
    this.#rest();
  }

  /** Waits for nothing. */
  #rest(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    this.#next?.[Symbol.dispose]();
    this.#next = undefined;
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.pause();
    closeSync(this.#pipe);
    closeSync(this.#spool);
    this.#receiver.end();
  }

  /** What was spooled before comes first; then whatever the pipe holds, and what will come. */
  #go(): void {
    while (this.#flowing && !this.#over && this.#taken < this.#end) this.#deliver();
    if (this.#unsure && this.#flowing) {
      this.#unsure = false;
      this.#move();
    }
    this.#await();
  }

  #await(): void {
    if (!this.#flowing || this.#over || this.#next !== undefined) return;
    this.#watch ??= this.#awaited ? watchReadable(this.#pipe, () => this.#move()) : this.#awaitFirst();
  }

  #awaitFirst(): Disposable {
    this.#awaited = true;
    return onFirstReadable([this.#pipe], () => {
      this.#watch = undefined;
      this.#move();
      this.#await();
    });
  }

  /** One that prints without a pause is woken for less often, unless it has filled the pipe meanwhile and waits. */
  #gather(): void {
    const now = performance.now();
    const busy = now - this.#lastMove < BUSY;
    this.#lastMove = now;
    // A small pipe is full at once, and its writer would wait longer than it writes.
    if (!busy || this.#room === 'refused' || !this.#flowing || this.#over) return;
    this.#rest();
    const next = () => {
      this.#next = undefined;
      this.#move();
      this.#await();
    };
    const isFull = bytesIn(this.#pipe) >= (this.#room === 'roomy' ? ROOMY : CHUNK) / 2;
    this.#next = isFull ? setImmediate(next) : setTimeout(next, GATHERING);
  }

  #move(): void {
    if (!this.#flowing || this.#over) return;
    if (this.#full) {
      this.#read();
      return;
    }
    let moved: number | undefined;
    try {
      moved = moveToFile(this.#pipe, this.#spool, this.#end, ROOMY);
    } catch {
      // No room for a spool: go on without it rather than hold up the process.
      this.#full = true;
      this.#read();
      return;
    }
    if (moved === undefined) return;
    if (moved === 0) this.close();
    else {
      this.#end += moved;
      if (moved >= CHUNK / 2) this.#widen();
      while (this.#flowing && !this.#over && this.#taken < this.#end) this.#deliver();
      if (this.#options.logged() - this.#worn > WORN) this.#giveBack();
      this.#gather();
    }
  }

  /** Only the pipe of one that fills it: the kernel holds a user's pipes against each other (pipe(7), pipe-user-pages-soft). */
  #widen(): void {
    if (this.#room !== 'usual') return;
    this.#options.onFlood();
    try {
      resizePipe(this.#pipe, ROOMY);
      this.#room = 'roomy';
    } catch {
      this.#room = 'refused';
    }
  }

  #deliver(): void {
    const waiting = Math.min(this.#end - this.#taken, CHUNK);
    if (this.#chunk.length < waiting) this.#chunk = Buffer.allocUnsafeSlow(waiting < SMALL ? SMALL : CHUNK);
    const length = readSync(this.#spool, this.#chunk, 0, waiting, this.#taken);
    this.#taken += length;
    this.#receiver.take(this.#chunk.subarray(0, length));
  }

  #read(): void {
    const chunk = readNow(this.#pipe, CHUNK);
    if (chunk === undefined) return;
    if (chunk.length === 0) this.close();
    else {
      this.#end += chunk.length;
      this.#taken = this.#end;
      this.#receiver.take(chunk);
    }
  }

  #giveBack(): void {
    this.#worn = this.#options.logged();
    try {
      forgetBeginning(this.#spool, this.#worn);
    } catch {
      // A file system without holes keeps it until the process has ended.
      this.#worn = Number.POSITIVE_INFINITY;
    }
  }
}
