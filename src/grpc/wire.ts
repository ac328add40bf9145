/**
 * Protocol Buffers on the wire: varints and length-delimited bytes.
 * https://protobuf.dev/programming-guides/encoding/
 */
export const VARINT = 0;
const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

const CONTINUES = 0x80;
/** Bytes below which a copy is cheaper than a write of its own */
const WORTH_COPYING = 4096;

/** Collects the parts of a message; large byte fields are not copied before the end. */
export class Writer {
  readonly #parts: Uint8Array[] = [];

  tag(number: number, wireType: number): void {
    this.varint((number << 3) | wireType);
  }

  /** @param value a safe integer; negative ones take ten bytes, as int64 does */
  varint(value: number): void {
    const bytes: number[] = [];
    let rest = value < 0 ? BigInt.asUintN(64, BigInt(value)) : BigInt(value);
    while (rest >= 128n) {
      bytes.push(Number(rest & 127n) | CONTINUES);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.#parts.push(Uint8Array.from(bytes));
  }

  /** Length, then the bytes themselves. @param pieces one after the other */
  bytes(...pieces: readonly Uint8Array[]): void {
    this.varint(pieces.reduce((sum, { length }) => sum + length, 0));
    this.#parts.push(...pieces);
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** The message in pieces: what is small is joined, what is large stays the caller's. */
  pieces(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let small: Uint8Array[] = [];
    for (const part of this.#parts) {
      if (part.length < WORTH_COPYING) {
        small.push(part);
        continue;
      }
      pieces.push(Buffer.concat(small), part);
      small = [];
    }
    return [...pieces, Buffer.concat(small)].filter(({ length }) => length > 0);
  }
}

/** Walks over the fields of one message. @throws RangeError when the message ends in the middle of a field */
export class Reader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The next field's number and wire type; undefined at the end. */
  next(): { readonly number: number; readonly wireType: number } | undefined {
    if (this.#position >= this.#bytes.length) return undefined;
    const tag = this.varint();
    return { number: tag >>> 3, wireType: tag & 7 };
  }

  /** As int64; beyond 2^53 precision is lost, which no field we read reaches. */
  varint(): number {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#take(1)[0] ?? 0;
      value |= BigInt(byte & ~CONTINUES) << shift;
      if (byte < CONTINUES) return Number(BigInt.asIntN(64, value));
      if (shift > 63n) throw new RangeError('varint of more than ten bytes');
    }
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    return this.#take(this.varint());
  }

  /** @throws RangeError for a wire type proto3 does not have */
  skip(wireType: number): void {
    if (wireType === VARINT) this.varint();
    else if (wireType === FIXED64) this.#take(8);
    else if (wireType === LENGTH_DELIMITED) this.bytes();
    else if (wireType === FIXED32) this.#take(4);
    else throw new RangeError(`unknown wire type ${wireType}`);
  }

  #take(length: number): Buffer {
    const end = this.#position + length;
    if (length < 0 || end > this.#bytes.length) throw new RangeError('message ends inside a field');
    const part = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return part;
  }
}
