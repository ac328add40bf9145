import { constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { makeFifo } from '../../kernel/fifo.ts';
import { Checkpoint } from '../logs/checkpoint.ts';
import { OutputFifo } from './output-fifo.ts';
import { SocketSource } from './output-source.ts';
import type { OutputListener, OutputStream, ProcessIo } from './process.ts';
import { SpooledSource } from './spooled-source.ts';

/** Which streams a process has. */
export interface IoChoice {
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Keep output beside the FIFOs until a log has it, see Checkpoint. Of a restored process its files tell */
  readonly spool?: boolean;
}

const CHECKPOINT = 'logged';

/** Paths for containerd; '' for a stream that is left out. */
export interface IoPaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A process's streams through FIFOs that its shim holds open at the other end, so that they outlive the daemon. A FIFO's reader
 * opened without blocking sees the end only after a writer was there (fifo(7)), so it may be open before the shim is.
 */
export class FifoIo implements ProcessIo {
  readonly paths: IoPaths;
  readonly stdin?: Writable;
  readonly ended: Promise<void>;
  readonly checkpoint?: Checkpoint;
  readonly #directory: string;
  readonly #outputs: readonly OutputFifo[];
  readonly #listeners = new Set<OutputListener>();

  private constructor(
    directory: string,
    choice: IoChoice,
    restored: boolean,
    checkpoint: Checkpoint | undefined,
    closeInput: () => Promise<void>,
  ) {
    this.#directory = directory;
    this.paths = pathsIn(directory, choice);
    if (checkpoint !== undefined) this.checkpoint = checkpoint;
    const streams = choice.tty ? (['stdout'] as const) : (['stdout', 'stderr'] as const);
    this.#outputs = streams.map((stream) => {
      const path = this.paths[stream];
      return new OutputFifo(
        (chunk) => this.#deliver(stream, chunk),
        (receiver) =>
          checkpoint === undefined
            ? new SocketSource(path, receiver, restored)
            : new SpooledSource(path, receiver, restored, () => checkpoint.last[stream]),
      );
    });
    this.ended = Promise.all(this.#outputs.map((output) => output.ended)).then(() => undefined);
    if (choice.stdin) this.stdin = new InputFifo(this.paths.stdin, closeInput);
  }

  /** @param closeInput tells the shim to close its end, once all input was written */
  static create(directory: string, choice: IoChoice, closeInput: () => Promise<void>): FifoIo {
    FifoIo.removeDirectory(directory);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const path of Object.values(pathsIn(directory, choice))) if (path !== '') makeFifo(path, 0o600);
    const checkpoint = choice.spool === true ? Checkpoint.create(join(directory, CHECKPOINT)) : undefined;
    return new FifoIo(directory, choice, false, checkpoint, closeInput);
  }

  /** Of a process that a former daemon started. @throws Error ENOENT when its FIFOs are gone */
  static restore(directory: string, choice: IoChoice, closeInput: () => Promise<void>): FifoIo {
    return new FifoIo(directory, choice, true, Checkpoint.restore(join(directory, CHECKPOINT)), closeInput);
  }

  /** The same where the shim may not have opened its ends yet: the end is seen only after it did. */
  static reopen(directory: string, choice: IoChoice, closeInput: () => Promise<void>): FifoIo {
    return new FifoIo(directory, choice, false, undefined, closeInput);
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
    this.checkpoint?.close();
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
