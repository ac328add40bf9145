import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { parseTime } from './clock.ts';
import { decodeEntry } from './entry.ts';
import type { LogQuery, LogRecord } from './record.ts';

/** Bytes read at a time */
const BLOCK = 64 << 10;
/** An entry is at most 16 KiB of text, at worst six characters for each byte, and a frame: longer is no entry. */
const MAX_ENTRY = 128 << 10;
const NEWLINE = 0x0a;

/**
 * The entries of a log, oldest first. A log that does not exist has none. With `follow`, goes on until `signal` is aborted or an
 * entry is later than `until`; a log that is not there yet is made, as the one who writes it would.
 */
export async function* readLogs(path: string, query: LogQuery): AsyncGenerator<LogRecord, void, undefined> {
  const file = await openOrNothing(path, query.follow);
  if (file === undefined) return;
  const changes = query.follow ? new Changes(path, query.signal) : undefined;
  try {
    const { tail = 'all' } = query;
    const start = tail === 'all' ? 0 : await startOfTail(file, tail);
    for await (const block of readBlocks(file, start, changes)) {
      for (const record of entriesIn(block)) {
        const when = placeInTime(record, query);
        if (when === 'late') return;
        if (when === 'wanted' && query[record.stream]) yield record;
      }
    }
  } finally {
    changes?.close();
    await file.close();
  }
}

/** Entries are in the order of their times, so that a late one ends the reading. */
function placeInTime({ time }: LogRecord, { since, until }: LogQuery): 'early' | 'wanted' | 'late' {
  if (since === undefined && until === undefined) return 'wanted';
  const nanoseconds = parseTime(time);
  if (nanoseconds === undefined || (since !== undefined && nanoseconds < since)) return 'early';
  return until !== undefined && nanoseconds > until ? 'late' : 'wanted';
}

async function openOrNothing(path: string, make: boolean): Promise<FileHandle | undefined> {
  try {
    return await open(path, make ? 'a+' : 'r', 0o640);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
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

/** Runs of whole lines from `start` on; at the end of the file waits for more as long as `changes` says so. */
async function* readBlocks(file: FileHandle, start: number, changes: Changes | undefined): AsyncGenerator<Buffer> {
  let position = start;
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    changes?.reset();
    const block = Buffer.allocUnsafe(BLOCK);
    const { bytesRead } = await file.read(block, 0, BLOCK, position);
    position += bytesRead;
    if (bytesRead === 0) {
      if (changes === undefined || !(await changes.wait())) return;
      continue;
    }
    const bytes = Buffer.concat([rest, block.subarray(0, bytesRead)]);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield bytes.subarray(0, end);
    rest = bytes.subarray(end);
    if (rest.length > MAX_ENTRY) rest = Buffer.alloc(0);
  }
}

/** Where the last `count` lines begin. Reads backwards, only as far as needed. */
async function startOfTail(file: FileHandle, count: number): Promise<number> {
  const { size } = await file.stat();
  if (count <= 0) return size;
  const block = Buffer.allocUnsafe(BLOCK);
  let missing = count;
  for (let end = size; end > 0; ) {
    const begin = Math.max(0, end - BLOCK);
    const { bytesRead } = await file.read(block, 0, end - begin, begin);
    // The newline at the very end closes the last line, it does not begin another.
    let from = Math.min(bytesRead, end === size ? size - begin - 1 : bytesRead) - 1;
    for (; from >= 0; from -= 1) {
      from = block.lastIndexOf(NEWLINE, from);
      if (from < 0) break;
      missing -= 1;
      if (missing === 0) return begin + from + 1;
    }
    end = begin;
  }
  return 0;
}

/** Tells when a file has changed, until it is told to stop. */
class Changes {
  readonly #watcher: FSWatcher;
  readonly #signal: AbortSignal | undefined;
  #over: boolean;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string, signal: AbortSignal | undefined) {
    this.#over = signal?.aborted ?? false;
    this.#signal = signal;
    this.#watcher = watch(path, () => this.#notify());
    this.#watcher.on('error', this.#end);
    signal?.addEventListener('abort', this.#end);
  }

  /** To be called before each read: what is written from then on is a change. */
  reset(): void {
    this.#changed = false;
  }

  /** True: read again, there may be more. False: nothing was written since the last read, and nothing will be. */
  async wait(): Promise<boolean> {
    if (this.#changed) return true;
    if (this.#over) return false;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return true;
  }

  close(): void {
    this.#signal?.removeEventListener('abort', this.#end);
    this.#watcher.close();
  }

  readonly #end = () => {
    this.#over = true;
    this.#notify();
  };

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
    this.#wake = undefined;
  }
}
