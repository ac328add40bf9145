import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  write,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import type { Rotation } from './settings.ts';

const writeAsync = promisify(write);
const NEWLINE = 0x0a;
/** What a compression leaves that was cut off. */
const UNFINISHED = '.gz.tmp';

/** A file that is no longer written: "…-json.log.2.gz" */
export interface Generation {
  readonly number: number;
  readonly path: string;
  readonly compressed: boolean;
}

/** The files before the current one, oldest first. One that is there both plain and compressed was being compressed. */
export function generations(path: string): Generation[] {
  const prefix = `${basename(path)}.`;
  const byNumber = new Map<number, Generation>();
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix)) continue;
    const [, digits, gz] = /^(\d+)(\.gz)?$/.exec(name.slice(prefix.length)) ?? [];
    if (digits === undefined) continue;
    const found = { number: Number(digits), path: join(dirname(path), name), compressed: gz !== undefined };
    if (!found.compressed || !byNumber.has(found.number)) byNumber.set(found.number, found);
  }
  return [...byNumber.values()].sort((a, b) => b.number - a.number);
}

/**
 * The file a log is written to, and its turning over into numbered ones. Renaming and opening happen in one turn, so that a reader
 * that opens all files in one turn of its own never misses one or sees one twice.
 */
export class RotatingFile {
  readonly #path: string;
  readonly #rotation: Rotation;
  #descriptor: number;
  #size: number;
  #inode: number;
  #compressing: Promise<void> = Promise.resolve();

  /** @param path made when missing, mode 0640; its directory exists @throws Error as open(2) says */
  constructor(path: string, rotation: Rotation) {
    this.#path = path;
    this.#rotation = rotation;
    this.#descriptor = openSync(path, 'a+', 0o640);
    const { size, ino } = fstatSync(this.#descriptor);
    this.#size = size;
    this.#inode = ino;
    rmSync(`${path}.1${UNFINISHED}`, { force: true });
    this.#closeTornLine();
  }

  /** Bytes of whole entries */
  get size(): number {
    return this.#size;
  }

  get inode(): number {
    return this.#inode;
  }

  /** Bytes until it is to be rotated; none or fewer: now */
  get room(): number {
    const { maxSize } = this.#rotation;
    return maxSize === undefined ? Number.POSITIVE_INFINITY : maxSize - this.#size;
  }

  /** @param bytes whole entries @throws Error ENOSPC and the like; then only the first of them may have been written */
  writeNow(bytes: Buffer): void {
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(this.#descriptor, bytes, at);
    } finally {
      this.#keep(bytes, at);
    }
  }

  /** The same in the background. */
  async write(bytes: Buffer): Promise<void> {
    let at = 0;
    try {
      while (at < bytes.length) at += (await writeAsync(this.#descriptor, bytes, at)).bytesWritten;
    } finally {
      this.#keep(bytes, at);
    }
  }

  /** Forgets what was written behind `size`. */
  cut(size: number): void {
    if (size >= this.#size) return;
    this.#size = size;
    ftruncateSync(this.#descriptor, size);
  }

  /** Begins a new file; the oldest one goes when there are too many. @param renamed called in the same turn */
  async rotate(renamed: () => void): Promise<void> {
    // A file cannot move on while it is read for being compressed.
    await this.#compressing;
    this.#shift();
    const former = this.#descriptor;
    this.#descriptor = openSync(this.#path, 'a+', 0o640);
    closeSync(former);
    this.#size = 0;
    this.#inode = fstatSync(this.#descriptor).ino;
    renamed();
    if (this.#rotation.compress) this.#compressing = compress(`${this.#path}.1`);
  }

  async close(): Promise<void> {
    closeSync(this.#descriptor);
    await this.#compressing;
  }

  #shift(): void {
    const kept = this.#rotation.maxFiles - 1;
    for (const { number, path, compressed } of generations(this.#path)) {
      if (number >= kept) rmSync(path);
      else renameSync(path, `${this.#path}.${number + 1}${compressed ? '.gz' : ''}`);
    }
    // Not emptied but replaced: who reads it reads it to its end.
    if (kept === 0) rmSync(this.#path);
    else renameSync(this.#path, `${this.#path}.1`);
  }

  /** Of what was written before a failure, the whole entries. */
  #keep(bytes: Buffer, written: number): void {
    const kept = written === bytes.length ? written : bytes.subarray(0, written).lastIndexOf(NEWLINE) + 1;
    this.#size += kept;
    if (kept < written) ftruncateSync(this.#descriptor, this.#size);
  }

  /** A crash may have cut off the last entry: what follows must not be glued to it. */
  #closeTornLine(): void {
    const last = Buffer.alloc(1);
    if (this.#size === 0 || readSync(this.#descriptor, last, 0, 1, this.#size - 1) !== 1) return;
    if (last[0] !== NEWLINE) this.writeNow(Buffer.from('\n'));
  }
}

/** A failure leaves the file as it was, which is good enough. */
async function compress(path: string): Promise<void> {
  const unfinished = `${path}${UNFINISHED}`;
  try {
    await pipeline(createReadStream(path), createGzip(), createWriteStream(unfinished, { mode: 0o640 }));
    renameSync(unfinished, `${path}.gz`);
    rmSync(path);
  } catch {
    rmSync(unfinished, { force: true });
  }
}
