import { EngineError } from '../../model/errors.ts';

/** pax(1), "ustar Interchange Format": where a header says how long its entry is, and of which kind */
const BLOCK = 512;
const SIZE = { at: 124, length: 12 };
const TYPE = 156;
/** Entries about other entries, which a reader keeps whole: pax records (x, g), GNU's long names (L, K). */
const SPECIAL = new Set([...'xgLK'].map((letter) => letter.charCodeAt(0)));
/** Go's archive/tar takes as much: what Docker would refuse, so do we. Bytes */
const LONGEST = 1 << 20;

/**
 * Looks at a tar on its way to a reader that keeps descriptions of entries in memory, however long they say they are. It sees to that and
 * leaves all else to the reader. Give it every piece, in order, before the reader gets it.
 */
export class TarGuard {
  readonly #header = Buffer.alloc(BLOCK);
  /** Of the header, bytes that are there */
  #filled = 0;
  /** Of an entry's content, bytes to come */
  #rest = 0;

  /** @throws EngineError invalidArgument in the words of Go's archive/tar */
  check(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      const skipped = Math.min(this.#rest, piece.length - at);
      this.#rest -= skipped;
      at += skipped;
      const wanted = Math.min(BLOCK - this.#filled, piece.length - at);
      this.#header.set(piece.subarray(at, at + wanted), this.#filled);
      this.#filled += wanted;
      at += wanted;
      if (this.#filled === BLOCK) this.#begin();
    }
  }

  #begin(): void {
    this.#filled = 0;
    const size = sizeIn(this.#header);
    if (size > LONGEST && SPECIAL.has(this.#header[TYPE] ?? 0)) {
      throw new EngineError('invalidArgument', 'archive/tar: header field too long');
    }
    this.#rest = Math.ceil(size / BLOCK) * BLOCK;
  }
}

/**
 * Of an entry a reader has begun: its length, which a pax record may have put in place of the header's.
 * @throws EngineError invalidArgument for what is no length: the reader would wait for ever for the entry's end
 */
export function checkEntry({ size = 0 }: { readonly size?: number }): void {
  if (!Number.isSafeInteger(size) || size < 0) throw invalidHeader();
}

/** What the guard says, for a stream. */
export async function* guarded(tar: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const guard = new TarGuard();
  for await (const piece of tar) {
    guard.check(piece);
    yield piece;
  }
}

/**
 * Octal digits, or a number of bytes behind one that is 0x80 (GNU tar, "Extensions").
 * @throws EngineError invalidArgument for anything else, of which a reader would make nothing or too much
 */
function sizeIn(header: Buffer): number {
  const { at, length } = SIZE;
  const first = header[at] ?? 0;
  if (first === 0x80) return Number(header.readBigUInt64BE(at + length - 8));
  const [digits = ''] = header
    .toString('latin1', at, at + length)
    .replace(/^[ \0]+/, '')
    .split(/[ \0]/);
  if (!/^[0-7]*$/.test(digits)) throw invalidHeader();
  return Number.parseInt(`0${digits}`, 8);
}

function invalidHeader(): EngineError {
  return new EngineError('invalidArgument', 'archive/tar: invalid tar header');
}
