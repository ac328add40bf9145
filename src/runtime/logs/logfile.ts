import { errorMessage } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { Batch, type Portion, type RawPiece, type Stream } from './batch.ts';
import type { Checkpoint } from './checkpoint.ts';
import { formatTime, NanosecondClock } from './clock.ts';
import { attributesPart, type EncodedEntries, encodeEntries } from './entry.ts';
import { RotatingFile } from './files.ts';
import { LineCutter } from './lines.ts';
import type { ContainerLog } from './log.ts';
import type { Delivery, Rotation } from './settings.ts';

/** With more than this waiting for the disk, the writer is asked to pause. Bytes */
const HIGH_WATER = 1 << 20;
/** So little is written on the spot, in some 5 µs: nobody is kept waiting for that. Bytes */
const AT_ONCE = 8 << 10;
/** What comes so soon after a write is gathered for so long, or until it is so much. Milliseconds, bytes */
const GATHERING = 3;
const GATHERED = 256 << 10;
/** What a batch holds: that, and the piece it was reached with. Bytes */
const BATCH = GATHERED + (64 << 10);
/** So many batches are kept for further use, and for so long after the last one. Milliseconds */
const SPARE = 4;
const IDLE = 1000;
/** A file is overrun by the entries that are written together: so small a part of it. */
const RUNS_PER_FILE = 16;

export interface LogFileOptions {
  /** Its directory exists */
  readonly path: string;
  readonly rotation: Rotation;
  readonly delivery: Delivery;
  /** Written into every entry */
  readonly attributes: Readonly<Record<string, string>>;
  readonly logger: Logger;
}

/** Told in the same turn in which it happens. */
export interface LogFollower {
  written(): void;
  /** The current file got a successor of the same name */
  rotated(): void;
}

/**
 * A container's log in Docker's json-file format. Little is written on the spot; more, and what comes while that is written, in the
 * background and in one go. A disk that refuses loses the log, not the container: it is warned of once.
 */
export class LogFile implements ContainerLog {
  readonly path: string;
  readonly #delivery: Delivery;
  readonly #logger: Logger;
  readonly #attributes: string;
  readonly #clock = new NanosecondClock();
  readonly #cutters: Readonly<Record<Stream, LineCutter>>;
  readonly #file: RotatingFile | undefined;
  readonly #followers = new Set<LogFollower>();
  /** Bytes of each stream that were cut into pieces, and those that are written */
  readonly #cut = { stdout: 0, stderr: 0 };
  readonly #logged = { stdout: 0, stderr: 0 };
  #checkpoint: Checkpoint | undefined;
  readonly #divisible: boolean;
  readonly #waiting: Batch[] = [];
  #waitingBytes = 0;
  #spare: Batch[] = [];
  #idle: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  /** Milliseconds since 1970 */
  #lastWrite = 0;
  #hurry: (() => void) | undefined;
  #warned = false;
  #closed = false;

  constructor({ path, rotation, delivery, attributes, logger }: LogFileOptions) {
    this.path = path;
    this.#delivery = delivery;
    this.#logger = logger;
    this.#attributes = attributesPart(attributes);
    this.#divisible = rotation.maxSize !== undefined;
    const run = rotation.maxSize === undefined ? undefined : rotation.maxSize / RUNS_PER_FILE;
    this.#cutters = { stdout: new LineCutter(run), stderr: new LineCutter(run) };
    try {
      this.#file = new RotatingFile(path, rotation);
    } catch (error) {
      this.#warn(error);
    }
  }

  protect(checkpoint: Checkpoint): void {
    const { stdout, stderr, inode, size } = checkpoint.last;
    Object.assign(this.#cut, { stdout, stderr });
    Object.assign(this.#logged, { stdout, stderr });
    if (this.#file?.inode === inode) this.#file.cut(size);
    this.#checkpoint = checkpoint;
    this.#note();
  }

  /** Unfinished lines wait for their end. */
  append(stream: Stream, chunk: Buffer): void | Promise<void> {
    if (this.#closed) return undefined;
    const time = this.#time();
    for (const bytes of this.#cutters[stream].cut(chunk)) this.#enqueue(stream, bytes, time);
    const waits = this.#waitingBytes > HIGH_WATER && this.#delivery.dropBeyond === undefined;
    return waits ? this.flush() : undefined;
  }

  now(): bigint {
    return this.#clock.now();
  }

  rest(stream: Stream): Buffer {
    return this.#cutters[stream].rest;
  }

  async flush(): Promise<void> {
    while (this.#writing !== undefined) {
      this.#hurry?.();
      await this.#writing;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return this.flush();
    this.#closed = true;
    const time = this.#time();
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.#cutters[stream].takeRest();
      if (rest.length > 0) this.#enqueue(stream, rest, time);
    }
    await this.flush();
    this.#checkpoint?.close();
    await this.#file?.close();
  }

  /** @returns ends it */
  follow(follower: LogFollower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  #time(): string {
    return formatTime(this.#clock.now());
  }

  /** Starts writing when nobody is; else it goes with the next batch. */
  #enqueue(stream: Stream, bytes: Buffer, time: string): void {
    this.#cut[stream] += bytes.length;
    const { dropBeyond } = this.#delivery;
    if (dropBeyond !== undefined && this.#waitingBytes > 0 && this.#waitingBytes + bytes.length > dropBeyond) return;
    const encoded = encodeEntries(bytes, stream, time, this.#attributes);
    const piece = { stream, bytes, end: this.#cut[stream] };
    const quiet = this.#writing === undefined && Date.now() - this.#lastWrite > GATHERING;
    if (quiet && encoded.size <= AT_ONCE && (this.#file?.room ?? 0) > 0) {
      const whole = Buffer.from(encoded.parts.join(''), encoded.encoding);
      this.#writeNow({ bytes: whole, ends: [[stream, piece.end]] });
      return;
    }
    this.#waitingBytes += this.#gatherIn(piece, encoded);
    if (this.#waitingBytes >= GATHERED) this.#hurry?.();
    this.#writing ??= this.#write();
  }

  /** @returns bytes it has */
  #gatherIn(piece: RawPiece, encoded: EncodedEntries): number {
    const last = this.#waiting.at(-1);
    const before = last?.length ?? 0;
    if (last?.add(piece, encoded) === true) return last.length - before;
    const { size } = encoded;
    const batch = (size <= BATCH ? this.#spare.pop() : undefined) ?? new Batch(Math.max(BATCH, size), this.#divisible);
    batch.add(piece, encoded);
    this.#waiting.push(batch);
    return size;
  }

  #writeNow(portion: Portion): void {
    try {
      this.#file?.writeNow(portion.bytes);
    } catch (error) {
      this.#warn(error);
    }
    this.#written(portion);
  }

  /** Few large writes are cheaper than many small ones, for us and for whoever follows. */
  async #gather(): Promise<void> {
    if (this.#waitingBytes >= GATHERED || this.#closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GATHERING);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#hurry = undefined;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gather();
      const batch = this.#waiting.shift();
      if (batch === undefined) break;
      this.#waitingBytes -= batch.length;
      while (batch.length > 0) {
        if ((this.#file?.room ?? 1) <= 0) await this.#rotate();
        const portion = batch.take(this.#file?.room ?? Number.POSITIVE_INFINITY);
        try {
          await this.#file?.write(portion.bytes);
        } catch (error) {
          this.#warn(error);
        }
        this.#written(portion);
      }
      this.#keep(batch);
    }
    // In the turn that found nothing waiting: what comes next would otherwise wait for nobody.
    this.#writing = undefined;
  }

  /** For the next time, when that comes soon. */
  #keep(batch: Batch): void {
    batch.clear();
    if (batch.capacity === BATCH && this.#spare.length < SPARE) this.#spare.push(batch);
    this.#idle ??= setTimeout(() => {
      this.#spare = [];
      this.#idle = undefined;
    }, IDLE).unref();
    this.#idle.refresh();
  }

  async #rotate(): Promise<void> {
    try {
      await this.#file?.rotate(() => {
        for (const follower of this.#followers) follower.rotated();
      });
    } catch (error) {
      this.#warn(error);
    }
    this.#note();
  }

  #written({ ends }: Portion): void {
    for (const [stream, end] of ends) this.#logged[stream] = end;
    this.#note();
    this.#lastWrite = Date.now();
    for (const follower of this.#followers) follower.written();
  }

  #note(): void {
    const { inode = 0, size = 0 } = this.#file ?? {};
    try {
      this.#checkpoint?.note({ ...this.#logged, inode, size });
    } catch (error) {
      this.#warn(error);
    }
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#logger.warn('Cannot write a container’s log; what it prints is lost', {
      path: this.path,
      reason: errorMessage(error),
    });
  }
}
