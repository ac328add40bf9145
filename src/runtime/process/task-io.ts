import { constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { makeFifo } from '../../kernel/fifo.ts';
import { Checkpoint } from '../logs/checkpoint.ts';
import { Output } from './output.ts';
import { openFifo, SocketSource } from './output-source.ts';
import type { OutputListener, OutputStream, ProcessIo } from './process.ts';
import { calmShim } from './shims.ts';
import { SpooledSource } from './spooled-source.ts';
import { type OutputPipes, REFUSING, reopenPipes, takePipes } from './task-pipes.ts';

/** Which streams a process has. */
export interface IoChoice {
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Keep output beside the pipes until a log has it, see Checkpoint. Of a restored process its files tell */
  readonly spool?: boolean;
}

/** Beside the FIFOs: how far the log is, and where a container's own pipes are to be found */
const CHECKPOINT = 'logged';
const PIPES = 'pipes';

/** Paths for containerd; '' for a stream that is left out. */
export interface IoPaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A process's streams. Its shim holds the other ends of FIFOs, or the pipes themselves, so that they outlive the daemon. A FIFO's
 * reader opened without blocking sees the end only after a writer was there (fifo(7)), so it may be open before the shim is.
 */
export class TaskIo implements ProcessIo {
  readonly paths: IoPaths;
  readonly stdin?: Writable;
  readonly ended: Promise<void>;
  readonly checkpoint?: Checkpoint;
  readonly #directory: string;
  readonly #outputs: ReadonlyMap<OutputStream, Output>;
  readonly #listeners = new Set<OutputListener>();

  private constructor(
    directory: string,
    paths: IoPaths,
    checkpoint: Checkpoint | undefined,
    closeInput: () => Promise<void>,
  ) {
    this.#directory = directory;
    this.paths = paths;
    if (checkpoint !== undefined) this.checkpoint = checkpoint;
    // A terminal is one stream.
    const streams = (['stdout', 'stderr'] as const).filter((stream) => paths[stream] !== '');
    this.#outputs = new Map(
      streams.map((stream) => {
        const logged = () => checkpoint?.last[stream] ?? 0;
        return [stream, new Output((chunk) => this.#deliver(stream, chunk), logged)];
      }),
    );
    const outputs = [...this.#outputs.values()];
    this.ended = Promise.all(outputs.map((output) => output.ended)).then(() => undefined);
    if (paths.stdin !== '') this.stdin = new InputFifo(paths.stdin, closeInput);
  }

  /** Through FIFOs. @param closeInput tells the shim to close its end, once all input was written */
  static create(directory: string, choice: IoChoice, closeInput: () => Promise<void>): TaskIo {
    const made = TaskIo.#make(directory, fifosIn(directory, choice), choice, closeInput);
    made.#openFifos(false);
    return made;
  }

  /** Straight from the pipes of a container, which takePipes() takes when they are there; a terminal has none. */
  static prepare(directory: string, choice: IoChoice, closeInput: () => Promise<void>): TaskIo {
    if (choice.tty) return TaskIo.create(directory, choice, closeInput);
    const { stdin } = fifosIn(directory, choice);
    return TaskIo.#make(directory, { stdin, stdout: REFUSING, stderr: REFUSING }, choice, closeInput);
  }

  /** Of a process that a former daemon started. @throws Error ENOENT when its FIFOs or pipes are gone */
  static restore(directory: string, choice: IoChoice, closeInput: () => Promise<void>): TaskIo {
    const checkpoint = Checkpoint.restore(join(directory, CHECKPOINT));
    const restored = new TaskIo(directory, fifosIn(directory, choice), checkpoint, closeInput);
    if (choice.tty) restored.#openFifos(true);
    else restored.#connectPipes(reopenPipes(join(directory, PIPES)), true);
    return restored;
  }

  /** The FIFOs of one whose shim may not have opened its ends yet: the end is seen only after it did. */
  static reopen(directory: string, choice: IoChoice, closeInput: () => Promise<void>): TaskIo {
    const reopened = new TaskIo(directory, fifosIn(directory, choice), undefined, closeInput);
    reopened.#openFifos(false);
    return reopened;
  }

  static #make(directory: string, paths: IoPaths, choice: IoChoice, closeInput: () => Promise<void>): TaskIo {
    TaskIo.removeDirectory(directory);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const path of Object.values(paths)) if (path !== '' && path !== REFUSING) makeFifo(path, 0o600);
    const checkpoint = choice.spool === true ? Checkpoint.create(join(directory, CHECKPOINT)) : undefined;
    return new TaskIo(directory, paths, checkpoint, closeInput);
  }

  /** Before the process is started. @param pid of what is to become it @throws Error when it is gone */
  async takePipes(pid: number): Promise<void> {
    if (this.paths.stdout === REFUSING) this.#connectPipes(await takePipes(pid, join(this.#directory, PIPES)), false);
  }

  #openFifos(restored: boolean): void {
    for (const stream of this.#outputs.keys()) this.#connect({ [stream]: openFifo(this.paths[stream]) }, restored);
  }

  #connectPipes({ ends, shim }: OutputPipes, restored: boolean): void {
    this.#connect(ends, restored, () => calmShim(shim));
  }

  #connect(
    descriptors: Partial<Record<OutputStream, number>>,
    restored: boolean,
    onFlood: () => void = () => undefined,
  ): void {
    const { checkpoint } = this;
    for (const [stream, output] of this.#outputs) {
      const descriptor = descriptors[stream];
      if (descriptor === undefined) continue;
      const spool = join(this.#directory, `${stream}.spool`);
      output.connect((receiver) =>
        checkpoint === undefined
          ? new SocketSource(descriptor, receiver, restored)
          : new SpooledSource(receiver, {
              pipe: descriptor,
              spool,
              restored,
              logged: () => checkpoint.last[stream],
              onFlood,
            }),
      );
    }
  }

  subscribe(listener: OutputListener): () => void {
    this.#listeners.add(listener);
    this.begin();
    return () => this.#listeners.delete(listener);
  }

  /** Starts reading. What nobody listens to is thrown away, so that the process is not held up. */
  begin(): void {
    for (const output of this.#outputs.values()) output.begin();
  }

  async settled(): Promise<void> {
    this.begin();
    await Promise.all([...this.#outputs.values()].map((output) => output.settled()));
  }

  /** Closes everything; `ended` settles. */
  close(): void {
    this.stdin?.destroy();
    for (const output of this.#outputs.values()) output.close();
  }

  /** Closes everything and removes the FIFOs. */
  remove(): void {
    this.close();
    this.checkpoint?.close();
    TaskIo.removeDirectory(this.#directory);
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

function fifosIn(directory: string, { tty, stdin }: IoChoice): IoPaths {
  return {
    stdin: stdin ? join(directory, 'stdin') : '',
    stdout: join(directory, 'stdout'),
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
