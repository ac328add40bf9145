import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs';
import { lgetxattr, llistxattr } from '../../kernel/sys-files.ts';
import { hasCode, KernelError } from '../../model/errors.ts';
import { type IdMaps, toContainer } from '../../model/id-map.ts';
import { bytePath } from './paths.ts';
import { type TarType, TarWriter } from './tar-writer.ts';

/** Read and written at once. */
const CHUNK = 256 << 10;
/** The one attribute Docker carries along: what a program may do without being root (capabilities(7)). */
const CAPABILITY = 'security.capability';

/** Writes what lies at a path as a tar, to a descriptor. In the jail. Paths hold one byte in each character. */
export class Packer {
  readonly #tar: TarWriter;
  readonly #maps: IdMaps | undefined;
  readonly #links = new Map<string, string>();
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK);

  /** @param maps owners are told as they are in the container */
  constructor(output: number, maps?: IdMaps) {
    this.#tar = new TarWriter(output);
    this.#maps = maps;
  }

  /** @param name in the archive; '' for a directory whose content alone is meant */
  add(path: string, name: string): void {
    const stats = lstatSync(bytePath(path));
    if (stats.isDirectory()) this.#addDirectory(path, name, stats);
    else if (!stats.isSocket()) this.#addOther(path, name, stats);
  }

  end(): void {
    this.#tar.end();
  }

  #addDirectory(path: string, name: string, stats: Stats): void {
    const prefix = name === '' || name.endsWith('/') ? name : `${name}/`;
    if (prefix !== '') this.#tar.entry({ ...this.#describe(stats), name: prefix, type: 'directory', size: 0 });
    for (const child of list(path)) {
      ignoreVanished(() => this.add(`${path === '/' ? '' : path}/${child}`, `${prefix}${child}`));
    }
  }

  #addOther(path: string, name: string, stats: Stats): void {
    const key = `${stats.dev}:${stats.ino}`;
    const linkName = this.#links.get(key);
    const about = { ...this.#describe(stats), name, size: 0 };
    if (linkName !== undefined) this.#tar.entry({ ...about, type: 'link', linkName });
    else if (stats.isFile()) this.#addFile(path, name);
    else if (stats.isSymbolicLink()) {
      this.#tar.entry({ ...about, type: 'symlink', linkName: readlinkSync(bytePath(path), { encoding: 'latin1' }) });
    } else this.#tar.entry({ ...about, type: specialType(stats), device: deviceOf(stats.rdev) });
    if (stats.nlink > 1) this.#links.set(key, name);
  }

  /** Opened once and looked at through the descriptor, so that the size in the header is the size of what follows. */
  #addFile(path: string, name: string): void {
    const file = openSync(bytePath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      const size = stats.isFile() ? stats.size : 0;
      this.#tar.entry({ ...this.#describe(stats), name, type: 'file', size, attributes: attributesOf(path) });
      this.#copy(file, size);
      this.#tar.pad(size);
    } finally {
      closeSync(file);
    }
  }

  #describe({ mode, uid, gid, mtimeMs }: Stats) {
    const maps = this.#maps;
    const owner =
      maps === undefined ? { uid, gid } : { uid: toContainer(maps.uids, uid), gid: toContainer(maps.gids, gid) };
    return { mode, ...owner, modified: Math.floor(mtimeMs / 1000) };
  }

  /** A file that becomes shorter meanwhile is filled up with zeros: the header is out already. */
  #copy(file: number, size: number): void {
    for (let rest = size; rest > 0; ) {
      const wanted = Math.min(rest, CHUNK);
      const read = readSync(file, this.#chunk, 0, wanted, null);
      if (read === 0) this.#chunk.fill(0);
      const usable = read === 0 ? wanted : read;
      this.#tar.write(this.#chunk.subarray(0, usable));
      rest -= usable;
    }
  }
}

/** In the order of their bytes, so that the same files make the same archive. */
function list(path: string): string[] {
  return readdirSync(bytePath(path), { encoding: 'latin1' }).sort();
}

/** A running container removes files while they are listed. */
function ignoreVanished(work: () => void): void {
  try {
    work();
  } catch (error) {
    // ELOOP: a link took the file's place
    if (!hasCode(error, 'ENOENT', 'ELOOP')) throw error;
  }
}

function specialType(stats: Stats): TarType {
  if (stats.isFIFO()) return 'fifo';
  return stats.isBlockDevice() ? 'block' : 'character';
}

/** makedev(3): glibc's encoding in 64 bits; the high halves are beyond any device there is. */
function deviceOf(device: number) {
  return { major: (device >> 8) & 0xfff, minor: (device & 0xff) | ((device >> 12) & 0xfff00) };
}

function attributesOf(path: string): Record<string, Buffer> {
  try {
    return llistxattr(path).includes(CAPABILITY) ? { [CAPABILITY]: lgetxattr(path, CAPABILITY) } : {};
  } catch (error) {
    if (error instanceof KernelError) return {};
    throw error;
  }
}
