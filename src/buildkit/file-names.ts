import { posix } from 'node:path';
import { GrpcError } from '../grpc/error.ts';
import type { SyncedType } from './file-mode.ts';
import type { Stat } from './protos/session.ts';

/** Bytes, as Linux has it: NAME_MAX and PATH_MAX (limits.h). */
const LONGEST_NAME = 255;
const LONGEST_PATH = 4095;

/** The folder that files are in which come now, and those it is in: a client walks a tree depth-first. */
export class Trail {
  readonly #folders: string[] = ['.'];

  /** @throws GrpcError for a file whose folder was not described before, or was left */
  enter(path: string, type: SyncedType): void {
    const parent = posix.dirname(path);
    while (this.#folders.length > 0 && this.#folders.at(-1) !== parent) this.#folders.pop();
    if (this.#folders.length === 0) throw invalid(`the client sent ${quote(path)} without the folder it is in`);
    if (type === 'directory') this.#folders.push(path);
  }
}

/** Names as fsutil's sender makes them: clean, and relative. @throws GrpcError */
export function checkPath({ path, linkName, size }: Stat, type: SyncedType): void {
  if (!isClean(path)) throw invalid(`the client sent a file with the name ${quote(path)}`);
  if (type === 'link' && !isClean(linkName))
    throw invalid(`the client sent ${quote(path)} as a link to ${quote(linkName)}`);
  if (type === 'symlink' && (linkName === '' || !isText(linkName))) {
    throw invalid(`the client sent ${quote(path)} as a link to ${quote(linkName)}`);
  }
  if (size < 0) throw invalid(`the client sent ${quote(path)} with a size of ${size} bytes`);
}

function isClean(path: string): boolean {
  if (!isText(path) || path === '') return false;
  return path
    .split('/')
    .every((name) => name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= LONGEST_NAME);
}

function isText(path: string): boolean {
  return !path.includes('\0') && Buffer.byteLength(path) <= LONGEST_PATH;
}

/** The beginning, for errors. */
function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** What no client sends of its files. */
export function invalid(message: string): GrpcError {
  return new GrpcError('INVALID_ARGUMENT', 'DiffCopy', message);
}
