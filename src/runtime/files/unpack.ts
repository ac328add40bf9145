import {
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { posix } from 'node:path';
import { setImmediate as immediately } from 'node:timers/promises';
import { extract as createExtract, type Extract, type ExtractEvents, type Header } from 'tar-stream';
import { lsetxattr, mknod } from '../../kernel/sys-files.ts';
import { drained } from '../../model/drained.ts';
import { EngineError } from '../../model/errors.ts';
import { type IdMaps, type IdRange, toHost } from '../../model/id-map.ts';
import { makeDirectories } from './directories.ts';
import type { UnpackOptions } from './job.ts';
import { asBytes, asText, bytePath } from './paths.ts';
import { tarError } from './tar-error.ts';
import { checkEntry, TarGuard } from './tar-guard.ts';

const CHUNK = 256 << 10;
type Entry = ExtractEvents['entry'][1];

const ATTRIBUTE = 'SCHILY.xattr.';
/** mknod(2) */
const FILE_TYPES: Readonly<Record<string, number>> = {
  'character-device': constants.S_IFCHR,
  'block-device': constants.S_IFBLK,
  fifo: constants.S_IFIFO,
};

/**
 * Lays a tar down in a directory. In the jail, so that whatever the archive or the container does with links stays in the
 * container; names that lead out of the directory are refused all the same, as by Docker.
 * @param input descriptor, read to its end @throws EngineError invalidArgument for what is no archive
 */
export async function unpack(
  input: number,
  directory: string,
  options: UnpackOptions,
  maps: IdMaps | undefined,
): Promise<void> {
  const extract = createExtract({ filenameEncoding: 'latin1' } as Parameters<typeof createExtract>[0]);
  const feeding = feed(input, extract).catch((error: Error) => extract.destroy(error));
  const unpacker = new Unpacker(asBytes(directory), options, maps);
  try {
    for await (const entry of extract) await unpacker.add(entry);
  } catch (error) {
    extract.destroy();
    throw tarError(error);
  }
  await feeding;
  unpacker.finish();
}

/** The thread has nothing else to do than to wait for the archive, so it reads without further ado. */
async function feed(input: number, extract: Extract): Promise<void> {
  const guard = new TarGuard();
  while (!extract.destroyed) {
    const chunk = Buffer.allocUnsafe(CHUNK);
    const size = readSync(input, chunk, 0, CHUNK, null);
    if (size === 0) break;
    guard.check(chunk.subarray(0, size));
    await (extract.write(chunk.subarray(0, size)) ? immediately() : drained(extract));
  }
  if (!extract.destroyed) extract.end(undefined);
}

class Unpacker {
  readonly #directory: string;
  readonly #options: UnpackOptions;
  readonly #maps: IdMaps | undefined;
  /** What is written into a directory changes its time: those come last */
  readonly #directories: [string, Date][] = [];

  constructor(directory: string, options: UnpackOptions, maps: IdMaps | undefined) {
    this.#directory = directory;
    this.#options = options;
    this.#maps = maps;
  }

  async add(entry: Entry): Promise<void> {
    const { header } = entry;
    checkEntry(header);
    const name = nameOf(header);
    const path = this.#place(name);
    if (path !== undefined && this.#makeRoom(path, header)) await this.#create(path, entry);
    entry.resume();
  }

  finish(): void {
    for (const [path, time] of this.#directories.reverse()) lutimesSync(bytePath(path), time, time);
  }

  /** @returns undefined for the directory itself @throws EngineError invalidArgument */
  #place(name: string): string | undefined {
    const relative = posix.normalize(`./${name}`).replace(/\/$/, '');
    if (relative === '..' || relative.startsWith('../')) {
      throw invalid(`"${asText(posix.join(this.#directory, name))}" is outside of "${asText(this.#directory)}"`);
    }
    if (relative === '.') return undefined;
    const path = posix.join(this.#directory, relative);
    makeDirectories(posix.dirname(path), this.#maps);
    return path;
  }

  /** What stands in the way is taken away. @throws EngineError invalidArgument where types must be kept */
  #makeRoom(path: string, { type }: Header): boolean {
    const there = lstatSync(bytePath(path), { throwIfNoEntry: false });
    if (there === undefined) return true;
    const isDirectory = type === 'directory';
    if (this.#options.keepTypes) this.#refuseOther(path, there, isDirectory);
    if (!(there.isDirectory() && isDirectory)) rmSync(bytePath(path), { recursive: true, force: true });
    return true;
  }

  #refuseOther(path: string, there: Stats, isDirectory: boolean): void {
    const place = `"${asText(path)}"`;
    const into = `"${asText(this.#directory)}"`;
    if (there.isDirectory() && !isDirectory) {
      throw invalid(`cannot overwrite directory ${place} with non-directory ${into}`);
    }
    if (!there.isDirectory() && isDirectory) {
      throw invalid(`cannot overwrite non-directory ${place} with directory ${into}`);
    }
  }

  async #create(path: string, entry: Entry): Promise<void> {
    const { header } = entry;
    const target = linkOf(header);
    switch (header.type) {
      case 'directory':
        if (statSync(bytePath(path), { throwIfNoEntry: false }) === undefined) mkdirSync(bytePath(path), 0o700);
        break;
      case 'symlink':
        symlinkSync(bytePath(target), bytePath(path));
        break;
      case 'link':
        linkSync(bytePath(this.#linked(target)), bytePath(path));
        return;
      case 'file':
      case 'contiguous-file':
        await writeFile(path, entry);
        break;
      case 'character-device':
      case 'block-device':
      case 'fifo':
        mknod(path, FILE_TYPES[header.type] ?? 0, deviceNumber(header.devmajor ?? 0, header.devminor ?? 0));
        break;
      default:
        throw invalid(`unhandled tar header type ${header.type}`);
    }
    this.#describe(path, header);
  }

  /** A second name of a file of this archive, or of one that is there. */
  #linked(target: string): string {
    const path = this.#place(target);
    if (path === undefined) throw invalid(`invalid hardlink "${asText(target)}"`);
    return path;
  }

  #describe(path: string, header: Header): void {
    const { owner } = this.#options;
    const uid = hostId(this.#maps?.uids, owner?.uid ?? numberOf(header, 'uid'));
    const gid = hostId(this.#maps?.gids, owner?.gid ?? numberOf(header, 'gid'));
    lchownSync(bytePath(path), uid, gid);
    if (header.type !== 'symlink') chmodSync(bytePath(path), (header.mode ?? 0o644) & 0o7777);
    for (const [name, value] of attributesOf(header)) lsetxattr(path, name, value);
    const time = header.mtime ?? new Date();
    if (header.type === 'directory') this.#directories.push([path, time]);
    else lutimesSync(bytePath(path), time, time);
  }
}

/** O_EXCL: whatever was put there meanwhile is not written through. */
async function writeFile(path: string, content: Entry): Promise<void> {
  const file = openSync(bytePath(path), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    for await (const data of content) {
      const chunk = data as Uint8Array;
      for (let offset = 0; offset < chunk.length; ) offset += writeSync(file, chunk, offset);
    }
  } finally {
    closeSync(file);
  }
}

function paxOf(header: Header): Readonly<Record<string, string>> {
  return (header.pax ?? {}) as Readonly<Record<string, string>>;
}

/** tar-stream reads pax records as UTF-8, and everything else as it is told to. */
function nameOf(header: Header): string {
  const path = paxOf(header)['path'];
  return path === undefined ? header.name : asBytes(path);
}

function linkOf(header: Header): string {
  const path = paxOf(header)['linkpath'];
  return path === undefined ? (header.linkname ?? '') : asBytes(path);
}

function numberOf(header: Header, name: 'uid' | 'gid'): number {
  const value = Number(paxOf(header)[name] ?? header[name] ?? 0);
  if (!Number.isSafeInteger(value) || value < 0 || value > 0xffff_fffe) throw invalid(`invalid ${name} in the archive`);
  return value;
}

/** @throws EngineError invalidArgument in Docker's words */
function hostId(ranges: readonly IdRange[] | undefined, id: number): number {
  const host = ranges === undefined ? id : toHost(ranges, id);
  if (host === undefined) throw invalid(`Container ID ${id} cannot be mapped to a host ID`);
  return host;
}

/** @throws EngineError invalidArgument for a value that did not survive being read as UTF-8 */
function attributesOf(header: Header): [string, Buffer][] {
  return Object.entries(paxOf(header))
    .filter(([key]) => key.startsWith(ATTRIBUTE))
    .map(([key, value]) => {
      const name = key.slice(ATTRIBUTE.length);
      if (value.includes('\ufffd')) throw invalid(`Cannot read the attribute ${name} of "${asText(nameOf(header))}"`);
      return [name, Buffer.from(value)];
    });
}

/** makedev(3) */
function deviceNumber(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8)) + (minor & 0xfff00) * 0x1000;
}

function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
