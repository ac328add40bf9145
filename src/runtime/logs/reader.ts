import { closeSync, createReadStream, fstatSync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { hasCode } from '../../model/errors.ts';
import { parseTime } from './clock.ts';
import { decodeEntry } from './entry.ts';
import { generations } from './files.ts';
import { Following } from './follower.ts';
import type { LogFile } from './logfile.ts';
import type { LogQuery, LogRecord } from './record.ts';

const readAsync = promisify(read);
/** Bytes read at a time */
const BLOCK = 64 << 10;
/** An entry is at most 16 KiB of text, at worst six characters for each byte, and a frame with its attributes: longer is no entry. */
const MAX_ENTRY = 1 << 20;
const NEWLINE = 0x0a;

/** A file of the log, and what of its beginning is not wanted. */
interface Part {
  readonly descriptor: number;
  readonly compressed: boolean;
  /** Bytes, of a plain one */
  start: number;
  /** Lines, of a compressed one */
  skip: number;
}

/**
 * The entries of a log, oldest first, over all its files. A log that does not exist has none. With `follow`, goes on until `signal`
 * is aborted or an entry is later than `until`.
 * @param live the one who writes it; without it there is nothing to follow
 */
export async function* readLogFiles(
  path: string,
  query: LogQuery,
  live: LogFile | undefined,
): AsyncGenerator<LogRecord, void, undefined> {
  // Both in one turn, so that no rotation comes between.
  const parts = openParts(path);
  using following = query.follow && live !== undefined ? new Following(live, query.signal) : undefined;
  try {
    if (query.tail !== undefined && query.tail !== 'all') await skipToTail(parts, query.tail);
    for await (const block of readBlocks(parts, following)) {
      for (const record of entriesIn(block)) {
        const when = placeInTime(record, query);
        if (when === 'late') return;
        if (when === 'wanted' && query[record.stream]) yield record;
      }
    }
  } finally {
    for (const { descriptor } of parts) closeSync(descriptor);
  }
}

function openParts(path: string): Part[] {
  const parts: Part[] = [];
  const add = (file: string, compressed: boolean) => {
    try {
      parts.push({ descriptor: openSync(file, 'r'), compressed, start: 0, skip: 0 });
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  };
  try {
    for (const { path: older, compressed } of generations(path)) add(older, compressed);
    add(path, false);
    return parts;
  } catch (error) {
    for (const { descriptor } of parts) closeSync(descriptor);
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Entries are in the order of their times, so that a late one ends the reading. */
export function placeInTime({ time }: LogRecord, { since, until }: LogQuery): 'early' | 'wanted' | 'late' {
  if (since === undefined && until === undefined) return 'wanted';
  const nanoseconds = parseTime(time);
  if (nanoseconds === undefined || (since !== undefined && nanoseconds < since)) return 'early';
  return until !== undefined && nanoseconds > until ? 'late' : 'wanted';
}

/** What is no entry is passed over. */
function* entriesIn(block: Buffer): Generator<LogRecord> {
  let begin = 0;
  for (let end = block.indexOf(NEWLINE); end >= 0; end = block.indexOf(NEWLINE, begin)) {
    const record = decodeEntry(block.subarray(begin, end));
    if (record !== undefined) yield record;
    begin = end + 1;
  }
}

/** Runs of whole lines; at the end of the last file waits for more as long as `following` says so. */
async function* readBlocks(parts: Part[], following: Following | undefined): AsyncGenerator<Buffer> {
  while (parts.length > 0) {
    const part = parts.shift();
    if (part === undefined) return;
    try {
      const last = parts.length === 0;
      yield* wholeLines(part.compressed ? unpacked(part) : growing(part, last ? following : undefined), part.skip);
    } finally {
      closeSync(part.descriptor);
    }
    const next = parts.length === 0 ? following?.takeNext() : undefined;
    if (next !== undefined) parts.push({ descriptor: next, compressed: false, start: 0, skip: 0 });
  }
}

/** The bytes of a file, and those that are added to it until it has a successor. */
async function* growing(part: Part, following: Following | undefined): AsyncGenerator<Buffer> {
  // Without following, a log that grows faster than it is read would have no end.
  const end = following === undefined ? fstatSync(part.descriptor).size : Number.POSITIVE_INFINITY;
  for (let position = part.start; position < end; ) {
    const complete = following?.hasNext ?? true;
    following?.reset();
    const length = Math.min(BLOCK, end - position);
    const { bytesRead, buffer } = await readAsync(part.descriptor, Buffer.allocUnsafe(length), 0, length, position);
    position += bytesRead;
    if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
    else if (complete || following === undefined || !(await following.wait())) return;
  }
}

/** The descriptor stays open and can be read again from its beginning. */
function unpacked({ descriptor }: Part): AsyncIterable<Buffer> {
  const packed = createReadStream('', { fd: descriptor, autoClose: false, start: 0, highWaterMark: BLOCK });
  const plainText = createGunzip({ chunkSize: BLOCK });
  // What was cut off ends early, and what came before it is good.
  packed.on('error', (error) => plainText.destroy(error));
  return packed.pipe(plainText);
}

/** @param skip so many lines are left out first */
async function* wholeLines(source: AsyncIterable<Buffer>, skip: number): AsyncGenerator<Buffer> {
  let missing = skip;
  let rest: Buffer = Buffer.alloc(0);
  for await (const block of source) {
    let bytes = rest.length === 0 ? block : Buffer.concat([rest, block]);
    for (; missing > 0; missing--) {
      const end = bytes.indexOf(NEWLINE);
      if (end < 0) break;
      bytes = bytes.subarray(end + 1);
    }
    const end = missing > 0 ? 0 : bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield bytes.subarray(0, end);
    rest = bytes.subarray(end);
    if (rest.length > MAX_ENTRY) rest = Buffer.alloc(0);
  }
}

/** Leaves only what holds the last `count` lines, from the newest file backwards. */
async function skipToTail(parts: Part[], count: number): Promise<void> {
  let missing = count;
  for (let index = parts.length - 1; index >= 0; index -= 1) {
    const part = parts[index];
    if (part === undefined) return;
    if (missing === 0 && index < parts.length - 1) {
      for (const { descriptor } of parts.splice(0, index + 1)) closeSync(descriptor);
      return;
    }
    missing = part.compressed ? await skipInPacked(part, missing) : await skipInPlain(part, missing);
  }
}

/** @returns how many lines are still missing */
async function skipInPacked(part: Part, count: number): Promise<number> {
  let lines = 0;
  for await (const block of unpacked(part)) {
    for (let at = block.indexOf(NEWLINE); at >= 0; at = block.indexOf(NEWLINE, at + 1)) lines += 1;
  }
  part.skip = Math.max(0, lines - count);
  return Math.max(0, count - lines);
}

/** Reads backwards, only as far as needed. @returns how many lines are still missing */
async function skipInPlain(part: Part, count: number): Promise<number> {
  const { size } = fstatSync(part.descriptor);
  part.start = size;
  if (count === 0 || size === 0) return count;
  let missing = count;
  for (let end = size; end > 0; ) {
    const begin = Math.max(0, end - BLOCK);
    const { bytesRead, buffer } = await readAsync(part.descriptor, Buffer.allocUnsafe(BLOCK), 0, end - begin, begin);
    // The newline at the very end closes the last line, it does not begin another.
    let from = Math.min(bytesRead, end === size ? size - begin - 1 : bytesRead) - 1;
    for (; from >= 0; from -= 1) {
      from = buffer.lastIndexOf(NEWLINE, from);
      if (from < 0) break;
      missing -= 1;
      if (missing > 0) continue;
      part.start = begin + from + 1;
      return 0;
    }
    end = begin;
  }
  part.start = 0;
  // Nothing stands before the first line.
  return missing - 1;
}
