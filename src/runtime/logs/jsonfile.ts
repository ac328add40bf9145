import { writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errorMessage } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { formatTime, NanosecondClock } from './clock.ts';
import { encodeEntries } from './entry.ts';
import { LineCutter } from './lines.ts';

export { readLogs } from './reader.ts';
export type { LogQuery, LogRecord } from './record.ts';

/** With more than this waiting for the disk, the writer is asked to pause. Characters, about as many bytes */
const HIGH_WATER = 1 << 20;
/** So little is written on the spot, in some 5 µs: a daemon that is killed has then lost nothing. Characters */
const AT_ONCE = 8 << 10;

/**
 * A container's log in Docker's json-file format. Little is written on the spot; more, and what comes while that is written, in the
 * background and in one go. A disk that refuses loses the log, not the container: it is warned of once.
 */
export class LogFile {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #clock = new NanosecondClock();
  readonly #cutters = { stdout: new LineCutter(), stderr: new LineCutter() };
  readonly #file: Promise<FileHandle | undefined>;
  #descriptor: number | undefined;
  #waiting: string[] = [];
  #waitingLength = 0;
  #writing: Promise<void> | undefined;
  #warned = false;
  #closed = false;

  /** @param path made when missing, mode 0640; its directory exists */
  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
    this.#file = this.#open();
  }

  /** A returned promise asks to wait with more. For ProcessIo.subscribe. Unfinished lines wait for their end. */
  append(stream: 'stdout' | 'stderr', chunk: Buffer): void | Promise<void> {
    if (this.#closed) return undefined;
    const time = formatTime(this.#clock.now());
    for (const piece of this.#cutters[stream].cut(chunk)) this.#enqueue(encodeEntries(piece, stream, time));
    return this.#waitingLength > HIGH_WATER ? this.flush() : undefined;
  }

  /** Resolves when the file is there, with all whole lines appended so far. */
  async flush(): Promise<void> {
    await this.#file;
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Writes unfinished lines too, and closes the file. What is appended afterwards is lost. */
  async close(): Promise<void> {
    if (this.#closed) return this.flush();
    this.#closed = true;
    const time = formatTime(this.#clock.now());
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.#cutters[stream].takeRest();
      if (rest.length > 0) this.#enqueue(encodeEntries(rest, stream, time));
    }
    await this.flush();
    await (await this.#file)?.close();
  }

  /** Starts writing when nobody is; else it goes with the next batch. */
  #enqueue(text: string): void {
    if (this.#writing === undefined && this.#descriptor !== undefined && text.length <= AT_ONCE) {
      this.#writeAtOnce(this.#descriptor, text);
      return;
    }
    this.#waiting.push(text);
    this.#waitingLength += text.length;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  #writeAtOnce(descriptor: number, text: string): void {
    try {
      writeSync(descriptor, text);
    } catch (error) {
      this.#warn(error);
    }
  }

  async #write(): Promise<void> {
    const file = await this.#file;
    while (this.#waiting.length > 0) {
      const batch = Buffer.from(this.#waiting.join(''));
      this.#waiting = [];
      this.#waitingLength = 0;
      try {
        await file?.appendFile(batch);
      } catch (error) {
        this.#warn(error);
      }
    }
  }

  async #open(): Promise<FileHandle | undefined> {
    try {
      const file = await open(this.#path, 'a+', 0o640);
      const { size } = await file.stat();
      const last = Buffer.alloc(1);
      // A crash may have cut off the last entry: what follows must not be glued to it.
      if (size > 0 && (await file.read(last, 0, 1, size - 1)).bytesRead === 1 && last[0] !== 0x0a)
        await file.appendFile('\n');
      this.#descriptor = file.fd;
      return file;
    } catch (error) {
      this.#warn(error);
      return undefined;
    }
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#logger.warn('Cannot write a container’s log; what it prints is lost', {
      path: this.#path,
      reason: errorMessage(error),
    });
  }
}
