/** Docker's copier keeps no more of a line: longer ones become several entries. Bytes */
export const LINE_LIMIT = 16 << 10;
const NEWLINE = 0x0a;

/** Cuts a stream into lines and keeps what is not yet a line. One per stream. */
export class LineCutter {
  readonly #run: number;
  #rest: Buffer = Buffer.alloc(0);

  /** @param run so many bytes of whole lines are cut out at once; a single line may be longer */
  constructor(run = LINE_LIMIT) {
    this.#run = Math.min(Math.max(run, 1), LINE_LIMIT);
  }

  /** What was written after the last newline. */
  get rest(): Buffer {
    return this.#rest;
  }

  /** Runs of whole lines, and parts of lines that are too long, in order. At most LINE_LIMIT bytes each. */
  *cut(chunk: Buffer): Generator<Buffer> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = endOfPiece(bytes, 0, this.#run); end > start; end = endOfPiece(bytes, start, this.#run)) {
      yield bytes.subarray(start, end);
      start = end;
    }
    // A copy, so that a short rest does not hold a whole chunk in memory.
    this.#rest = Buffer.from(bytes.subarray(start));
  }

  /** What was written after the last newline; forgotten thereby. */
  takeRest(): Buffer {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest;
  }
}

/**
 * Whole lines end at the last newline within the limit, so that many short lines make one piece.
 * Where the next piece ends; `start` when there is none yet.
 */
function endOfPiece(bytes: Buffer, start: number, run: number): number {
  const limit = start + LINE_LIMIT;
  if (bytes.length > start) {
    const last = bytes.lastIndexOf(NEWLINE, Math.min(start + run, bytes.length) - 1);
    if (last >= start) return last + 1;
    const next = run < LINE_LIMIT ? bytes.indexOf(NEWLINE, start + run) : -1;
    if (next >= 0 && next < limit) return next + 1;
  }
  return bytes.length < limit ? start : characterBoundary(bytes, limit);
}

/** The last boundary between UTF-8 characters up to `end`: Docker cuts anywhere and loses the character. */
function characterBoundary(bytes: Buffer, end: number): number {
  for (let at = end; at > end - 4; at -= 1) {
    const byte = bytes[at];
    if (byte === undefined) continue;
    if ((byte & 0xc0) !== 0x80) return at;
  }
  return end;
}
