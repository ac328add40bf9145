import { EngineError } from '../../model/errors.ts';
import { type IdMaps, toContainer } from '../../model/id-map.ts';

/** pax(1), "ustar Interchange Format": where a header says what, and how long it is */
const BLOCK = 512;
const UID = { at: 108, size: 8 };
const GID = { at: 116, size: 8 };
const SIZE = { at: 124, size: 12 };
const CHECKSUM = { at: 148, size: 8 };
const TYPE = 156;
/** "x" and "g": records about what follows */
const PAX = new Set([0x78, 0x67]);
/** Attributes of one file are some KiB at most (xattr(7)). Bytes */
const LONGEST_RECORDS = 1 << 20;
/** What seven octal digits hold */
const LARGEST_ID = 8 ** 7 - 1;

/**
 * A tar with the host's owners becomes one with the containers': names, attributes and contents stay as they are, byte for byte.
 * @throws EngineError internal for what is no tar
 */
export async function* containerOwners(tar: AsyncIterable<Buffer>, maps: IdMaps): AsyncGenerator<Buffer> {
  const blocks = new Blocks(tar);
  for (let header = await blocks.take(BLOCK); header.length === BLOCK; header = await blocks.take(BLOCK)) {
    const size = padded(readNumber(header, SIZE));
    if (header.every((byte) => byte === 0)) {
      yield header;
    } else if (PAX.has(header[TYPE] ?? 0)) {
      if (size > LONGEST_RECORDS) throw new EngineError('internal', 'the attributes of a file in a layer are too long');
      const records = mapRecords((await blocks.take(size)).subarray(0, readNumber(header, SIZE)), maps);
      yield mapHeader(header, maps, records.length);
      yield Buffer.concat([records, Buffer.alloc(padded(records.length) - records.length)]);
    } else {
      yield mapHeader(header, maps);
      for (let rest = size; rest > 0; ) {
        const piece = await blocks.some(rest);
        if (piece.length === 0) throw new EngineError('internal', 'a layer ends in the middle of a file');
        rest -= piece.length;
        yield piece;
      }
    }
  }
}

/** Pieces of a stream as they are wanted. */
class Blocks {
  readonly #source: AsyncIterator<Buffer>;
  #pending: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `size`; nothing at the end. */
  async some(size: number): Promise<Buffer> {
    while (this.#pending.length === 0) {
      const { done, value } = await this.#source.next();
      if (done === true) return this.#pending;
      this.#pending = value;
    }
    const piece = this.#pending.subarray(0, size);
    this.#pending = this.#pending.subarray(size);
    return piece;
  }

  /** As many bytes, fewer at the end. */
  async take(size: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let rest = size; rest > 0; ) {
      const piece = await this.some(rest);
      if (piece.length === 0) break;
      pieces.push(piece);
      rest -= piece.length;
    }
    return Buffer.concat(pieces);
  }
}

/** @param size of the content, when it is another one now */
function mapHeader(header: Buffer, { uids, gids }: IdMaps, size?: number): Buffer {
  const mapped = Buffer.from(header);
  writeNumber(mapped, UID, toContainer(uids, readNumber(header, UID)));
  writeNumber(mapped, GID, toContainer(gids, readNumber(header, GID)));
  if (size !== undefined) writeNumber(mapped, SIZE, size);
  // The sum is taken with its own field full of blanks.
  mapped.fill(' ', CHECKSUM.at, CHECKSUM.at + CHECKSUM.size);
  const sum = mapped.reduce((total, byte) => total + byte, 0);
  mapped.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM.at, 'latin1');
  return mapped;
}

/** "LENGTH key=value\n" each; owners too large for the header are among them. */
function mapRecords(records: Buffer, maps: IdMaps): Buffer {
  const mapped: Buffer[] = [];
  for (let at = 0; at < records.length; ) {
    const length = Number.parseInt(records.toString('latin1', at, at + 12), 10);
    if (!(length > 0)) throw new EngineError('internal', 'the attributes of a file in a layer cannot be read');
    mapped.push(mapRecord(records.subarray(at, at + length), maps));
    at += length;
  }
  return Buffer.concat(mapped);
}

function mapRecord(record: Buffer, { uids, gids }: IdMaps): Buffer {
  const [, key = '', id = ''] = /^\d+ (uid|gid)=(\d+)\n$/.exec(record.toString('latin1')) ?? [];
  if (key === '') return record;
  const rest = ` ${key}=${toContainer(key === 'uid' ? uids : gids, Number(id))}\n`;
  // The length counts its own digits, which are one or two here.
  const length = rest.length + (rest.length + 1 < 10 ? 1 : 2);
  return Buffer.from(`${length}${rest}`, 'latin1');
}

interface Field {
  readonly at: number;
  readonly size: number;
}

/** Octal digits, or bytes where the first has its highest bit set (GNU tar, "Extensions"). */
function readNumber(header: Buffer, { at, size }: Field): number {
  if (((header[at] ?? 0) & 0x80) !== 0) return Number(header.readBigUInt64BE(at + size - 8) & 0xff_ffff_ffff_ffffn);
  const text = header
    .toString('latin1', at, at + size)
    .replace(/[\0 ].*$/s, '')
    .trim();
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function writeNumber(header: Buffer, { at, size }: Field, value: number): void {
  const fitting = size === UID.size && value > LARGEST_ID ? 0 : value;
  header.write(`${fitting.toString(8).padStart(size - 1, '0')}\0`, at, 'latin1');
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}
