import { constants, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFifo } from '../../kernel/fifo.ts';
import type { OutputListener, OutputStream, ProcessIo } from './process.ts';

/** Which streams a process has. */
export interface IoChoice {
  readonly tty: boolean;
  readonly stdin: boolean;
}

/** Paths for containerd; '' for a stream that is left out. */
export interface IoPaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** After the process has ended: so long without output, and there will be none. Milliseconds, as Docker waits */
const SILENCE = 2000;
/** So long a listener may keep us waiting then. Milliseconds */
const PATIENCE = 5000;
/** More than all pipes together hold: what comes then is written by a process left behind. Bytes */
const PIPES = 1 << 20;
const PROBE = 64 << 10;

/**
 * A process's streams through FIFOs that its shim holds open at the other end, so that they outlive the daemon. A FIFO's reader
 * opened without blocking sees the end only after a writer was there (fifo(7)), so it may be open before the shim is.
 */
export class FifoIo implements ProcessIo {
  readonly paths: IoPaths;
  readonly stdin?: Writable;
  readonly ended: Promise<void>;
  readonly #directory: string;
  readonly #outputs: readonly OutputFifo[];
  readonly #listeners = new Set<OutputListener>();

  private constructor(directory: string, choice: IoChoice, restored: boolean, closeInput: () => Promise<void>) {
    this.#directory = directory;
    this.paths = pathsIn(directory, choice);
    const deliver = (stream: OutputStream, chunk: Buffer) => this.#deliver(stream, chunk);
    const streams = choice.tty ? (['stdout'] as const) : (['stdout', 'stderr'] as const);
    this.#outputs = streams.map((stream) => new OutputFifo(this.paths[stream], stream, deliver, restored));
    this.ended = Promise.all(this.#outputs.map((output) => output.ended)).then(() => undefined);
    if (choice.stdin) this.stdin = new InputFifo(this.paths.stdin, closeInput);
  }

  /** @param closeInput tells the shim to close its end, once all input was written */
  static create(directory: string, choice: IoChoice, closeInput: () => Promise<void>): FifoIo {
    FifoIo.removeDirectory(directory);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const path of Object.values(pathsIn(directory, choice))) if (path !== '') makeFifo(path, 0o600);
    return new FifoIo(directory, choice, false, closeInput);
  }

  /** Of a process that a former daemon started. @throws Error ENOENT when its FIFOs are gone */
  static restore(directory: string, choice: IoChoice, closeInput: () => Promise<void>): FifoIo {
    return new FifoIo(directory, choice, true, closeInput);
  }

  subscribe(listener: OutputListener): () => void {
    this.#listeners.add(listener);
    this.begin();
    return () => this.#listeners.delete(listener);
  }

  /** Starts reading. What nobody listens to is thrown away, so that the process is not held up. */
  begin(): void {
    for (const output of this.#outputs) output.begin();
  }

  /** For a process that has ended: resolves when its output is read, or when no more of it is to be expected. */
  async settled(): Promise<void> {
    this.begin();
    await Promise.all(this.#outputs.map((output) => output.settled()));
  }

  /** Closes everything; `ended` settles. */
  close(): void {
    this.stdin?.destroy();
    for (const output of this.#outputs) output.close();
  }

  /** Closes everything and removes the FIFOs. */
  remove(): void {
    this.close();
    FifoIo.removeDirectory(this.#directory);
  }

  static removeDirectory(directory: string): void {
    rmSync(directory, { recursive: true, force: true });
  }

  #deliver(stream: OutputStream, chunk: Buffer): Promise<unknown> | undefined {
    const pauses: Promise<void>[] = [];
    for (const listener of this.#listeners) {
      const pause = listener(stream, chunk);
      if (pause !== undefined) pauses.push(pause);
    }
    return pauses.length === 0 ? undefined : Promise.allSettled(pauses);
  }
}

function pathsIn(directory: string, { tty, stdin }: IoChoice): IoPaths {
  return {
    stdin: stdin ? join(directory, 'stdin') : '',
    stdout: join(directory, 'stdout'),
    // A terminal is one stream.
    stderr: tty ? '' : join(directory, 'stderr'),
  };
}

/** Hands a chunk to the listeners. A returned promise asks to wait with the next. */
type Deliver = (stream: OutputStream, chunk: Buffer) => Promise<unknown> | undefined;

/** Reads one FIFO, a chunk at a time, no faster than it is taken. */
class OutputFifo {
  readonly ended: Promise<void>;
  readonly #stream: OutputStream;
  readonly #deliver: Deliver;
  readonly #socket: Socket;
  /** What a restored FIFO held when it was looked at */
  #held: Buffer | undefined;
  #begun = false;
  #pausedFor: Promise<unknown> | undefined;
  #bytes = 0;

  constructor(path: string, stream: OutputStream, deliver: Deliver, restored: boolean) {
    this.#stream = stream;
    this.#deliver = deliver;
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const closed = restored && this.#probe(descriptor);
    this.#socket = new Socket({ fd: descriptor, readable: true, writable: false });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.pause();
    // An error ends the stream as its end does: there is no more to be had.
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', resolve);
    this.ended = promise.then(() => this.#pausedFor).then(() => undefined);
    if (closed) this.#socket.destroy();
  }

  /** Reads from now on, first what a probe has read already. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#socket.resume();
    if (this.#held !== undefined) this.#take(this.#held);
  }

  /** See FifoIo.settled. Each chunk starts the waiting anew, up to what the pipes can hold. */
  async settled(): Promise<void> {
    const start = this.#bytes;
    for (let seen = -1; seen !== this.#bytes && this.#bytes - start < PIPES; ) {
      seen = this.#bytes;
      const timer = new AbortController();
      const limit = this.#pausedFor === undefined ? SILENCE : PATIENCE;
      const waited = sleep(limit, undefined, { ref: false, signal: timer.signal }).catch(() => undefined);
      const done = await Promise.race([this.ended.then(() => true), waited.then(() => false)]);
      timer.abort();
      if (done) return;
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  /** While a listener works on a chunk, no further one is read: memory holds one, and the process waits in write(2). */
  #take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    const pause = this.#deliver(this.#stream, chunk);
    if (pause === undefined) return;
    this.#socket.pause();
    this.#pausedFor = pause.then(() => {
      this.#pausedFor = undefined;
      this.#socket.resume();
    });
  }

  /** Whether no writer is left, which a poll would never tell of a FIFO opened after the last one went. */
  #probe(descriptor: number): boolean {
    const buffer = Buffer.allocUnsafe(PROBE);
    try {
      const length = readSync(descriptor, buffer, 0, PROBE, null);
      if (length > 0) this.#held = buffer.subarray(0, length);
      return length === 0;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return false;
      throw error;
    }
  }
}

/** Writes a FIFO. Open for reading too, so that the open never blocks and a write never meets a missing reader. */
class InputFifo extends Writable {
  readonly #socket: Socket;
  readonly #closeInput: () => Promise<void>;

  constructor(path: string, closeInput: () => Promise<void>) {
    super();
    this.#closeInput = closeInput;
    const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd: descriptor, readable: false, writable: true });
    this.#socket.on('error', (error) => this.destroy(error));
    // Who writes to a process that has ended learns it from the write.
    this.on('error', () => undefined);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    // The reader sees the end when our descriptor and the shim's are both closed. Ours last: while the shim has not opened its
    // own, the FIFO would forget what it holds.
    this.#closeInput()
      .finally(() => this.#socket.destroy())
      .then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
