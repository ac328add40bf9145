import { errorMessage } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import type { Checkpoint } from './checkpoint.ts';
import { formatTime, NanosecondClock } from './clock.ts';
import { attributesPart, encodeEntries } from './entry.ts';
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
/** A file is overrun by the entries that are written together: so small a part of it. */
const RUNS_PER_FILE = 16;
const NEWLINE = 0x0a;

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

type Stream = 'stdout' | 'stderr';

/** Entries to be written, and how far into its stream they reach. */
interface Piece {
  readonly stream: Stream;
  readonly raw: Buffer;
  readonly encoded: Buffer;
  /** Offset in the stream behind the raw bytes */
  readonly end: number;
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
  #waiting: Piece[] = [];
  #waitingBytes = 0;
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
    for (const raw of this.#cutters[stream].cut(chunk)) this.#enqueue(stream, raw, time);
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
  #enqueue(stream: Stream, raw: Buffer, time: string): void {
    this.#cut[stream] += raw.length;
    const { dropBeyond } = this.#delivery;
    if (dropBeyond !== undefined && this.#waitingBytes > 0 && this.#waitingBytes + raw.length > dropBeyond) return;
    const encoded = Buffer.from(encodeEntries(raw, stream, time, this.#attributes));
    const piece = { stream, raw, encoded, end: this.#cut[stream] };
    const quiet = this.#writing === undefined && Date.now() - this.#lastWrite > GATHERING;
    if (quiet && encoded.length <= AT_ONCE && (this.#file?.room ?? 0) > 0) {
      this.#writeNow(piece);
      return;
    }
    this.#waiting.push(piece);
    this.#waitingBytes += encoded.length;
    if (this.#waitingBytes >= GATHERED) this.#hurry?.();
    this.#writing ??= this.#write();
  }

  #writeNow(piece: Piece): void {
    try {
      this.#file?.writeNow(piece.encoded);
    } catch (error) {
      this.#warn(error);
    }
    this.#written([piece]);
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
      const pieces = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      while (pieces.length > 0) {
        if ((this.#file?.room ?? 1) <= 0) await this.#rotate();
        const batch = this.#takeFitting(pieces);
        try {
          await this.#file?.write(Buffer.concat(batch.map(({ encoded }) => encoded)));
        } catch (error) {
          this.#warn(error);
        }
        this.#written(batch);
      }
    }
    // In the turn that found nothing waiting: what comes next would otherwise wait for nobody.
    this.#writing = undefined;
  }

  /** From the front of the list, up to the entry that fills the file. */
  #takeFitting(pieces: Piece[]): Piece[] {
    let room = this.#file?.room ?? Number.POSITIVE_INFINITY;
    const batch: Piece[] = [];
    // One entry in any case: a file that could not be replaced grows on.
    do {
      const piece = pieces.shift();
      if (piece === undefined) break;
      const [first, second] = split(piece, room);
      batch.push(first);
      room -= first.encoded.length;
      if (second !== undefined) pieces.unshift(second);
    } while (room > 0);
    return batch;
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

  #written(pieces: readonly Piece[]): void {
    for (const { stream, end } of pieces) this.#logged[stream] = end;
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

/** After the entry that fills `at` bytes of the encoded text. Every line of the one is a line of the other. */
function split(piece: Piece, at: number): [Piece, Piece | undefined] {
  const { stream, raw, encoded, end } = piece;
  if (encoded.length <= at) return [piece, undefined];
  const cut = encoded.indexOf(NEWLINE, Math.max(at - 1, 0)) + 1;
  if (cut <= 0 || cut >= encoded.length) return [piece, undefined];
  let lines = 0;
  for (let from = encoded.indexOf(NEWLINE); from >= 0 && from < cut; from = encoded.indexOf(NEWLINE, from + 1)) lines++;
  let rawCut = 0;
  for (; lines > 0; lines--) rawCut = raw.indexOf(NEWLINE, rawCut) + 1;
  return [
    { stream, raw: raw.subarray(0, rawCut), encoded: encoded.subarray(0, cut), end: end - raw.length + rawCut },
    { stream, raw: raw.subarray(rawCut), encoded: encoded.subarray(cut), end },
  ];
}
