import { mkdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { close } from '../../kernel/sys.ts';
import { pipe } from '../../kernel/sys-files.ts';
import type { IdMaps } from '../../model/id-map.ts';
import type { SnapshotMount } from '../spec/root.ts';
import type { PathChange, PathStat, RootView, UnpackOptions } from './job.ts';
import { FileWorkers, type Work } from './workers.ts';

/**
 * Reads and writes containers' files. Every operation is done by a thread whose root is the container's meanwhile, in a mount
 * namespace of its own (jail.ts): a container that changes links under its hands changes nothing but its own result.
 */
export class ContainerFiles {
  readonly #scratch: string;
  readonly #workers = new FileWorkers();

  constructor(execRoot: string) {
    this.#scratch = join(execRoot, 'files');
  }

  /** @throws EngineError notFound */
  stat(root: RootView, path: string): Promise<PathStat> {
    return this.#workers.run<PathStat>({ kind: 'stat', root, path, scratch: this.#place() }).done;
  }

  /** A tar of what lies there. Destroying the stream ends the work. @throws EngineError notFound */
  async pack(root: RootView, path: string): Promise<{ readonly stat: PathStat; readonly tar: Readable }> {
    const { reader, writer } = pipe();
    const work = this.#workers.run<void, PathStat>({
      kind: 'pack',
      root,
      path,
      output: writer,
      scratch: this.#place(),
    });
    return this.#stream(reader, work, (stat, tar) => ({ stat, tar }));
  }

  /** The whole root as a tar. Destroying the stream ends the work. */
  async export(root: RootView): Promise<Readable> {
    const { reader, writer } = pipe();
    const work = this.#workers.run<void>({ kind: 'export', root, output: writer, scratch: this.#place() });
    return this.#stream(reader, work, (_, tar) => tar);
  }

  /** Lays the archive down in a directory. @throws EngineError notFound, invalidArgument */
  async unpack(root: RootView, path: string, tar: Readable, options: UnpackOptions): Promise<void> {
    const { reader, writer } = pipe();
    const work = this.#workers.run<void>({
      kind: 'unpack',
      root,
      path,
      options,
      input: reader,
      scratch: this.#place(),
    });
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
    return this.#workers.run<void>({ kind: 'copyUp', root, scratch: this.#place() }).done;
  }

  /** And those above it, where they are missing; they are root's. @throws EngineError internal in Docker's words when a file is in the way */
  makeDirectory(root: RootView, path: string): Promise<void> {
    return this.#workers.run<void>({ kind: 'makeDirectory', root, path, scratch: this.#place() }).done;
  }

  /** What a container changed of its image. */
  changes(layers: readonly SnapshotMount[]): Promise<PathChange[]> {
    return this.#workers.run<PathChange[]>({ kind: 'changes', layers, scratch: this.#place() }).done;
  }

  /** Bytes of the files in each directory. */
  sizes(directories: readonly string[]): Promise<number[]> {
    if (directories.length === 0) return Promise.resolve([]);
    return this.#workers.run<number[]>({ kind: 'sizes', directories, scratch: this.#place() }).done;
  }

  /** Gives the files of a layer, as its tar says them, to the remapped containers. @throws EngineError invalidArgument */
  own(directory: string, maps: IdMaps): Promise<void> {
    return this.#workers.run<void>({ kind: 'own', directory, maps, scratch: this.#place() }).done;
  }

  /** Nothing may be asked for afterwards. */
  close(): void {
    this.#workers.close();
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
      const tar = Readable.from(untilDone(source, work.done), { objectMode: false });
      // Also of one that nobody ever reads.
      tar.once('close', () => source.destroy());
      return make(value, tar);
    } catch (error) {
      close(reader);
      throw error;
    }
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
