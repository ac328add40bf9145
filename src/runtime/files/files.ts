import { mkdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { close } from '../../kernel/sys.ts';
import { pipe } from '../../kernel/sys-files.ts';
import { EngineError, errorMessage } from '../../model/errors.ts';
import type { SnapshotMount } from '../spec/root.ts';
import type { Answer, Job, PathChange, PathStat, RootView, UnpackOptions } from './job.ts';

/** Of Docker's 404 for a path that is not there. */
const MISSING: readonly string[] = ['ENOENT', 'ENOTDIR'];

/**
 * Reads and writes containers' files. Every operation is done by a thread of its own whose root is the container's, in a
 * mount namespace of its own (jail.ts): a container that changes links under its hands changes nothing but its own result.
 */
export class ContainerFiles {
  readonly #scratch: string;

  constructor(execRoot: string) {
    this.#scratch = join(execRoot, 'files');
  }

  /** @throws EngineError notFound */
  stat(root: RootView, path: string): Promise<PathStat> {
    return this.#run<PathStat>({ kind: 'stat', root, path, scratch: this.#place() }).done;
  }

  /** A tar of what lies there. Destroying the stream ends the work. @throws EngineError notFound */
  async pack(root: RootView, path: string): Promise<{ readonly stat: PathStat; readonly tar: Readable }> {
    const { reader, writer } = pipe();
    const work = this.#run<void, PathStat>({ kind: 'pack', root, path, output: writer, scratch: this.#place() });
    return this.#stream(reader, work, (stat, tar) => ({ stat, tar }));
  }

  /** The whole root as a tar. Destroying the stream ends the work. */
  async export(root: RootView): Promise<Readable> {
    const { reader, writer } = pipe();
    const work = this.#run<void>({ kind: 'export', root, output: writer, scratch: this.#place() });
    return this.#stream(reader, work, (_, tar) => tar);
  }

  /** Lays the archive down in a directory. @throws EngineError notFound, invalidArgument */
  async unpack(root: RootView, path: string, tar: Readable, options: UnpackOptions): Promise<void> {
    const { reader, writer } = pipe();
    const work = this.#run<void>({ kind: 'unpack', root, path, options, input: reader, scratch: this.#place() });
    const sink = new Socket({ fd: writer, readable: false, writable: true });
    try {
      await work.ready;
      // A worker that gave up no longer reads: its own words say why.
      const fed = new Promise<void>((resolve, reject) => {
        pipeline(tar, sink, (error) => (error === undefined || error === null ? resolve() : reject(error)));
      });
      const results = await Promise.allSettled([work.done, fed]);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    } finally {
      sink.destroy();
    }
  }

  /** What the image has at the mounts' destinations goes into those of their sources that are empty. */
  copyUp(root: RootView): Promise<void> {
    return this.#run<void>({ kind: 'copyUp', root, scratch: this.#place() }).done;
  }

  /** What a container changed of its image. */
  changes(layers: readonly SnapshotMount[]): Promise<PathChange[]> {
    return this.#run<PathChange[]>({ kind: 'changes', layers, scratch: this.#place() }).done;
  }

  /** Bytes of the files in each directory. */
  sizes(directories: readonly string[]): Promise<number[]> {
    if (directories.length === 0) return Promise.resolve([]);
    return this.#run<number[]>({ kind: 'sizes', directories, scratch: this.#place() }).done;
  }

  /** Where the workers mount, each in its own namespace: here it stays empty. */
  #place(): string {
    mkdirSync(this.#scratch, { recursive: true, mode: 0o700 });
    return this.#scratch;
  }

  /** Errors before the first byte are the caller's; later ones break the stream. */
  async #stream<V, T>(reader: number, work: Work<void, V>, make: (value: V, tar: Readable) => T): Promise<T> {
    try {
      const value = await work.ready;
      const source = new Socket({ fd: reader, readable: true, writable: false });
      return make(value, Readable.from(untilDone(source, work.done), { objectMode: false }));
    } catch (error) {
      close(reader);
      throw error;
    }
  }

  #run<Done, Ready = void>(workerData: Job): Work<Done, Ready> {
    const ready = Promise.withResolvers<Ready>();
    const done = Promise.withResolvers<Done>();
    const worker = new Worker(new URL('./files.worker.ts', import.meta.url), { workerData });
    const fail = (error: Error) => {
      ready.reject(error);
      done.reject(error);
    };
    worker.on('message', (answer: Answer) => {
      if (answer.kind === 'ready') ready.resolve(answer.value as Ready);
      else if (answer.kind === 'done') {
        ready.resolve(undefined as Ready);
        done.resolve(answer.value as Done);
      } else fail(explain(answer));
    });
    worker.on('error', (error) => fail(new EngineError('internal', errorMessage(error))));
    worker.on('exit', () => fail(new EngineError('internal', 'the work on the container’s files broke off')));
    // Whoever waits for one of them may never look at the other.
    ready.promise.catch(() => undefined);
    done.promise.catch(() => undefined);
    return { ready: ready.promise, done: done.promise };
  }
}

/** The end of the bytes is the end only when the worker says so. */
async function* untilDone(source: Socket, done: Promise<void>): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of source) yield chunk as Buffer;
    await done;
  } finally {
    source.destroy();
  }
}

interface Work<Done, Ready> {
  /** Fulfilled before the first byte goes through a pipe */
  readonly ready: Promise<Ready>;
  readonly done: Promise<Done>;
}

function explain({ code, message }: Answer & { kind: 'failed' }): EngineError {
  if (MISSING.includes(code)) return new EngineError('notFound', message);
  if (code === 'invalidArgument' || code === 'forbidden') return new EngineError(code, message);
  if (code === 'EROFS') return new EngineError('forbidden', 'mounted volume is marked read-only');
  return new EngineError('internal', message);
}
