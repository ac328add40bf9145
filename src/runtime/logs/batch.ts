import { type EncodedEntries, writeEntries } from './entry.ts';

export type Stream = 'stdout' | 'stderr';

/** Whole lines, or a part of one that is too long, as they came out of a stream. */
export interface RawPiece {
  readonly stream: Stream;
  readonly bytes: Buffer;
  /** Offset in the stream behind the bytes */
  readonly end: number;
}

/** How far into its stream the entries up to here reach. */
interface Mark {
  readonly stream: Stream;
  readonly end: number;
  /** Offset in the batch behind the encoded entries */
  readonly at: number;
  /** Kept where a file may be full in the midst of them */
  readonly raw: Buffer | undefined;
}

/** Entries to be written together, and how far into the streams they reach. */
export interface Portion {
  readonly bytes: Buffer;
  readonly ends: readonly (readonly [Stream, number])[];
}

const NEWLINE = 0x0a;

/**
 * Entries one after another in one buffer, which is filled, written, and filled again: a container that prints a lot must not
 * make the garbage collector work a lot.
 */
export class Batch {
  readonly #buffer: Buffer;
  readonly #divisible: boolean;
  readonly #marks: Mark[] = [];
  #from = 0;
  #length = 0;

  /** @param bytes it holds @param divisible its entries may go into several files */
  constructor(bytes: number, divisible: boolean) {
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#divisible = divisible;
  }

  /** Bytes to be written */
  get length(): number {
    return this.#length - this.#from;
  }

  get capacity(): number {
    return this.#buffer.length;
  }

  /** @param encoded as encodeEntries made it of the piece @returns false when there is no room for it */
  add({ stream, bytes, end }: RawPiece, encoded: EncodedEntries): boolean {
    if (this.#length + encoded.size > this.#buffer.length) return false;
    this.#length = writeEntries(encoded, this.#buffer, this.#length);
    // The bytes themselves are in a buffer that is read into again.
    this.#marks.push({ stream, end, at: this.#length, raw: this.#divisible ? Buffer.from(bytes) : undefined });
    return true;
  }

  /** From the front, up to the entry that fills `room` bytes; one entry in any case. */
  take(room: number): Portion {
    const ends: (readonly [Stream, number])[] = [];
    const from = this.#from;
    for (let mark = this.#marks[0]; mark !== undefined; mark = this.#marks[0]) {
      const split = mark.at - from > room ? this.#split(mark, from + room) : undefined;
      this.#from = split?.at ?? mark.at;
      ends.push([mark.stream, split?.end ?? mark.end]);
      if (split !== undefined) break;
      this.#marks.shift();
      if (this.#from - from >= room) break;
    }
    return { bytes: this.#buffer.subarray(from, this.#from), ends };
  }

  /** Empties it. */
  clear(): void {
    this.#marks.length = 0;
    this.#from = 0;
    this.#length = 0;
  }

  /** Behind the entry that reaches over `at`. Every line of the one is a line of the other. Undefined: that is the mark itself */
  #split({ raw, end, at: behind }: Mark, at: number): { readonly at: number; readonly end: number } | undefined {
    if (raw === undefined) return undefined;
    const cut = this.#buffer.indexOf(NEWLINE, Math.max(at - 1, this.#from)) + 1;
    if (cut <= 0 || cut >= behind) return undefined;
    let left = 0;
    for (let from = cut; from < behind; from = this.#buffer.indexOf(NEWLINE, from) + 1) left += 1;
    // Of the lines left over, each but perhaps the last ends with a newline.
    let rawCut = raw.length - (raw.at(-1) === NEWLINE ? 1 : 0);
    for (; left > 0; left -= 1) rawCut = raw.lastIndexOf(NEWLINE, rawCut - 1);
    return { at: cut, end: end - raw.length + rawCut + 1 };
  }
}
