import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { EngineError, hasCode } from '../../model/errors.ts';

/** A containerd mount, as Snapshots gives it: overlay, or one bind. */
export interface SnapshotMount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** open(2): the descriptor is only a place to start from. Not among Node's constants. */
const O_PATH = 0o10000000;
/** As the kernel's MAXSYMLINKS */
const MAX_LINKS = 40;

/** A file or directory of one layer, held open. */
interface Entry {
  readonly descriptor: number;
  readonly stats: Stats;
}

/** A directory as the overlay shows it: the same directory of several layers, uppermost first. */
type Directory = readonly number[];

/**
 * Reads single files of a container's root without mounting it, layer by layer. Every step is taken from a directory's
 * descriptor and never follows a link by itself, so that nothing leads out of the root, even while the container
 * changes it. A directory that an upper layer replaced whole (overlay's "opaque", an attribute Node cannot read) still shows
 * the lower one's files where it has none of that name itself.
 */
export class RootFilesystem implements Disposable {
  readonly #open: number[] = [];
  readonly #root: Directory;

  private constructor(layers: readonly string[]) {
    try {
      this.#root = layers.map((layer) => this.#keep(openSync(layer, O_PATH | constants.O_DIRECTORY)));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** @throws EngineError internal when the mounts are of an unknown kind */
  static open(mounts: readonly SnapshotMount[]): RootFilesystem {
    return new RootFilesystem(layersOf(mounts));
  }

  /**
   * @param path absolute in the container
   * @returns undefined when there is no such regular file
   * @throws EngineError internal when it is longer than `limit` bytes
   */
  readFile(path: string, limit: number): Buffer | undefined {
    const entry = this.#resolve(path);
    if (entry === 'directory' || entry?.stats.isFile() !== true) return undefined;
    if (entry.stats.size > limit)
      throw new EngineError('internal', `${path} in the container is longer than ${limit} bytes`);
    // O_PATH cannot be read from: opened again through the kernel's own link to it, which leads nowhere else.
    const descriptor = this.#keep(openSync(`/proc/self/fd/${entry.descriptor}`, constants.O_RDONLY));
    const bytes = Buffer.alloc(entry.stats.size);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0));
  }

  isDirectory(path: string): boolean {
    return this.#resolve(path) === 'directory';
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#open.splice(0)) closeSync(descriptor);
  }

  /** Walks a path as the kernel would with the container's root for a root: ".." never leads above it. */
  #resolve(path: string): Entry | 'directory' | undefined {
    const waiting = path.split('/').reverse();
    const above: Directory[] = [];
    let here = this.#root;
    let links = 0;
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        here = above.pop() ?? this.#root;
        continue;
      }
      const found = this.#find(here, name);
      if (found === undefined) return undefined;
      if (found.entry.stats.isSymbolicLink()) {
        links += 1;
        const target = readlinkSync(`/proc/self/fd/${found.parent}/${name}`);
        if (links > MAX_LINKS) return undefined;
        if (target.startsWith('/')) {
          above.length = 0;
          here = this.#root;
        }
        waiting.push(...target.split('/').reverse());
      } else if (found.entry.stats.isDirectory()) {
        above.push(here);
        here = found.directory;
      } else {
        return waiting.every((rest) => rest === '') ? found.entry : undefined;
      }
    }
    return 'directory';
  }

  /** The uppermost layer's entry; for a directory, also those it is merged with. */
  #find(directory: Directory, name: string) {
    let first: { entry: Entry; parent: number } | undefined;
    const merged: number[] = [];
    for (const parent of directory) {
      const entry = this.#entry(parent, name);
      if (entry === undefined) continue;
      // A whiteout, as overlayfs marks what was removed: a character device 0/0.
      if (entry.stats.isCharacterDevice() && entry.stats.rdev === 0) break;
      if (first !== undefined && !entry.stats.isDirectory()) break;
      first ??= { entry, parent };
      if (!entry.stats.isDirectory()) break;
      merged.push(entry.descriptor);
    }
    return first === undefined ? undefined : { ...first, directory: merged };
  }

  #entry(parent: number, name: string): Entry | undefined {
    try {
      const descriptor = this.#keep(openSync(`/proc/self/fd/${parent}/${name}`, O_PATH | constants.O_NOFOLLOW));
      return { descriptor, stats: fstatSync(descriptor) };
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  #keep(descriptor: number): number {
    this.#open.push(descriptor);
    return descriptor;
  }
}

/** The directory of the host that takes what the container writes. @throws EngineError internal for unknown mounts */
export function writableLayer(mounts: readonly SnapshotMount[]): string {
  return layersOf(mounts)[0] ?? '';
}

/** Directories of the host, uppermost first, as overlayfs (Documentation/filesystems/overlayfs.rst) orders lowerdir too. */
export function layersOf(mounts: readonly SnapshotMount[]): string[] {
  const [mount] = mounts;
  if (mount?.type === 'bind') return [mount.source];
  if (mount?.type !== 'overlay')
    throw new EngineError('internal', `Cannot read a snapshot of type "${mount?.type ?? ''}"`);
  const value = (name: string) => mount.options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
  const upper = value('upperdir');
  return [...(upper === undefined ? [] : [upper]), ...(value('lowerdir') ?? '').split(':')];
}
