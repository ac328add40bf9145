/** gRPC's length-prefixed messages: one byte "compressed", four bytes big-endian length, then the message. */
const PREFIX = 5;
/** Bytes: a blob's chunk is at most 4 MiB with containerd; anything far beyond is not an answer. */
const MAX_MESSAGE = 64 << 20;

/** @param pieces of one message */
export function messagePrefix(pieces: readonly Uint8Array[]): Buffer {
  const prefix = Buffer.alloc(PREFIX);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

/** A message as it is sent. */
export function frame(pieces: readonly Uint8Array[]): Buffer {
  return Buffer.concat([messagePrefix(pieces), ...pieces]);
}

/** Puts messages together again. Pieces are joined once, when a message is complete: it may be large, and they small. */
export class Deframer {
  #pieces: Buffer[] = [];
  #size = 0;
  #wanted = PREFIX;
  readonly #longest: number;

  /** @param longest message, in bytes */
  constructor(longest = MAX_MESSAGE) {
    this.#longest = longest + PREFIX;
  }

  /** The messages this piece completes. @throws RangeError for what cannot be a message */
  push(piece: Buffer): Buffer[] {
    this.#pieces.push(piece);
    this.#size += piece.length;
    const messages: Buffer[] = [];
    while (this.#size >= this.#wanted) {
      const [first = piece, ...more] = this.#pieces;
      const bytes = more.length === 0 ? first : Buffer.concat(this.#pieces);
      const length = PREFIX + bytes.readUInt32BE(1);
      if (bytes[0] !== 0 || length > this.#longest) throw new RangeError('malformed gRPC message');
      this.#wanted = length;
      if (bytes.length >= length) {
        messages.push(bytes.subarray(PREFIX, length));
        this.#wanted = PREFIX;
      }
      this.#keep(bytes.length >= length ? bytes.subarray(length) : bytes);
    }
    return messages;
  }

  #keep(bytes: Buffer): void {
    this.#pieces = [bytes];
    this.#size = bytes.length;
  }
}
