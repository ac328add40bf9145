/** Netlink's wire format: include/uapi/linux/netlink.h, include/net/netlink.h. Numbers are in host order: little-endian. */
import { KernelError } from '../model/errors.ts';

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_ECHO = 0x8;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
/** NLM_F_ROOT | NLM_F_MATCH */
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
/** An acknowledgement carries only the header of what it answers. */
export const NLM_F_CAPPED = 0x100;
/** An acknowledgement carries attributes: the kernel's own sentence. */
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
const NLMSG_OVERRUN = 4;

/** sizeof(struct nlmsghdr) */
const HEADER_SIZE = 16;
const ATTRIBUTE_HEADER_SIZE = 4;
const MAX_ATTRIBUTE_SIZE = 0xffff;
const NLA_F_NESTED = 0x8000;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER */
const NLA_TYPE_MASK = 0x3fff;

/** Lengths on the wire are padded to 4 bytes (NLMSG_ALIGN, NLA_ALIGN). Right for 32 bits without a sign, too. */
function align(size: number): number {
  return size + (-size & 3);
}

/**
 * Several messages, built one after the other, to be sent in one system call. Every method that writes returns the batch.
 * Sequence numbers count from 0; the socket adds its own base.
 */
export class MessageBatch {
  #bytes = Buffer.alloc(4096);
  #size = 0;
  #start = 0;
  #count = 0;
  readonly #acknowledged: number[] = [];

  /** How many messages were begun. */
  get count(): number {
    return this.#count;
  }

  /** Numbers of the messages that asked for an acknowledgement. */
  get acknowledged(): readonly number[] {
    return this.#acknowledged;
  }

  /** Starts a message. @param flags NLM_F_*; NLM_F_REQUEST is added */
  begin(type: number, flags: number): this {
    this.#start = this.#size;
    this.#reserve(HEADER_SIZE);
    const bytes = this.#bytes;
    bytes.writeUInt16LE(type, this.#size + 4);
    bytes.writeUInt16LE(flags | NLM_F_REQUEST, this.#size + 6);
    bytes.writeUInt32LE(this.#count, this.#size + 8);
    this.#size += HEADER_SIZE;
    if (flags & NLM_F_ACK) this.#acknowledged.push(this.#count);
    this.#count++;
    return this;
  }

  /** Ends the message begun last. */
  end(): this {
    this.#bytes.writeUInt32LE(this.#size - this.#start, this.#start);
    return this;
  }

  /** Bytes as they are: the fixed header of the family. Padded to 4. */
  raw(bytes: ArrayLike<number>): this {
    this.#reserve(align(bytes.length));
    this.#bytes.set(bytes, this.#size);
    this.#size += align(bytes.length);
    return this;
  }

  /** An attribute of bytes. @throws RangeError when they do not fit in 65,531 bytes */
  bytes(type: number, value: Uint8Array): this {
    const at = this.#attribute(type, value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** An attribute of text, ended by a zero byte. */
  text(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`));
  }

  u8(type: number, value: number): this {
    this.#bytes.writeUInt8(value, this.#attribute(type, 1));
    return this;
  }

  u16(type: number, value: number): this {
    const at = this.#attribute(type, 2);
    this.#bytes.writeUInt16LE(value, at);
    return this;
  }

  u32(type: number, value: number): this {
    const at = this.#attribute(type, 4);
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }

  /** Big-endian, as nfnetlink wants its numbers. */
  be32(type: number, value: number): this {
    const at = this.#attribute(type, 4);
    this.#bytes.writeUInt32BE(value, at);
    return this;
  }

  /** An attribute that holds what `write` appends. */
  nest(type: number, write: (batch: this) => void): this {
    const start = this.#size;
    this.#attribute(type | NLA_F_NESTED, 0);
    write(this);
    const size = this.#size - start;
    if (size > MAX_ATTRIBUTE_SIZE) throw new RangeError(`netlink attribute ${type} of ${size} bytes`);
    this.#bytes.writeUInt16LE(size, start);
    return this;
  }

  /** All messages, their sequence numbers counted from `base`. */
  finish(base: number): Buffer {
    const bytes = this.#bytes.subarray(0, this.#size);
    for (let at = 0; at < this.#size; at += bytes.readUInt32LE(at)) {
      bytes.writeUInt32LE((base + bytes.readUInt32LE(at + 8)) >>> 0, at + 8);
    }
    return bytes;
  }

  /** Writes an attribute's header and reserves its padded value. @returns where the value goes */
  #attribute(type: number, length: number): number {
    const size = ATTRIBUTE_HEADER_SIZE + length;
    if (size > MAX_ATTRIBUTE_SIZE) throw new RangeError(`netlink attribute ${type} of ${size} bytes`);
    this.#reserve(align(size));
    const start = this.#size;
    this.#bytes.writeUInt16LE(size, start);
    this.#bytes.writeUInt16LE(type, start + 2);
    this.#size = start + align(size);
    return start + ATTRIBUTE_HEADER_SIZE;
  }

  #reserve(more: number): void {
    if (this.#size + more <= this.#bytes.length) return;
    const larger = Buffer.alloc(2 * (this.#size + more));
    this.#bytes.copy(larger, 0, 0, this.#size);
    this.#bytes = larger;
  }
}

/** One message as it came. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Port of the socket whose request caused it; 0: the kernel itself */
  readonly port: number;
  /** Without the header. A view: valid until the buffer is received into again */
  readonly payload: Buffer;
}

/** The kernel's answer cannot be read. */
function malformed(what: string): KernelError {
  return new KernelError({ operation: 'read netlink', errno: 74, sentence: what }, 'EBADMSG');
}

/** The messages of one datagram. @throws KernelError EBADMSG when a length leads out of it */
export function parseMessages(datagram: Buffer): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < datagram.length; ) {
    const left = datagram.length - at;
    if (left < HEADER_SIZE) throw malformed(`${left} bytes left, a header needs ${HEADER_SIZE}`);
    const size = datagram.readUInt32LE(at);
    if (size < HEADER_SIZE || size > left) throw malformed(`a message of ${size} bytes in ${left}`);
    const type = datagram.readUInt16LE(at + 4);
    if (type === NLMSG_OVERRUN) throw malformed('data lost');
    messages.push({
      type,
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      port: datagram.readUInt32LE(at + 12),
      payload: datagram.subarray(at + HEADER_SIZE, at + size),
    });
    at += align(size);
  }
  return messages;
}

/** What an NLMSG_ERROR says. */
export interface Acknowledgement {
  /** Positive; 0 means success */
  readonly errno: number;
  /** The kernel's own words, or '' */
  readonly sentence: string;
}

const NLMSGERR_ATTR_MSG = 1;

/** Reads an NLMSG_ERROR: the errno, what it answers, and the kernel's sentence when there is one. */
export function parseAcknowledgement(message: Message): Acknowledgement {
  const { payload, flags } = message;
  if (payload.length < 4 + HEADER_SIZE) throw malformed(`an acknowledgement of ${payload.length} bytes`);
  const errno = 0 - payload.readInt32LE(0); // not −0
  if (!(flags & NLM_F_ACK_TLVS)) return { errno, sentence: '' };
  const answered = flags & NLM_F_CAPPED ? HEADER_SIZE : align(payload.readUInt32LE(4));
  return { errno, sentence: Attributes.parse(payload, 4 + answered).text(NLMSGERR_ATTR_MSG) ?? '' };
}

/**
 * Tells where each attribute's value begins and ends, and makes nothing of it.
 * @param from where the first one begins @throws KernelError EBADMSG when a length leads nowhere
 */
export function eachAttribute(
  payload: Buffer,
  from: number,
  tell: (type: number, start: number, end: number) => void,
): void {
  if (from > payload.length) throw malformed(`attributes at ${from} of ${payload.length} bytes`);
  for (let at = from; at + ATTRIBUTE_HEADER_SIZE <= payload.length; ) {
    const size = payload.readUInt16LE(at);
    if (size < ATTRIBUTE_HEADER_SIZE || at + size > payload.length) {
      throw malformed(`an attribute of ${size} bytes in ${payload.length - at}`);
    }
    tell(payload.readUInt16LE(at + 2) & NLA_TYPE_MASK, at + ATTRIBUTE_HEADER_SIZE, at + size);
    at += align(size);
  }
}

/** Text up to the first zero byte. */
export function textAt(bytes: Buffer, start: number, end: number): string {
  let stop = start;
  while (stop < end && bytes[stop] !== 0) stop++;
  return bytes.toString('utf8', start, stop);
}

/**
 * Attributes by type, read on demand: a link brings some 60, of which ten are wanted. A length that leads nowhere is a
 * KernelError EBADMSG, never a crash.
 */
export class Attributes {
  static readonly none = new Attributes(Buffer.alloc(0), new Map());
  readonly #payload: Buffer;
  /** Where the value of a type begins */
  readonly #starts: ReadonlyMap<number, number>;

  private constructor(payload: Buffer, starts: ReadonlyMap<number, number>) {
    this.#payload = payload;
    this.#starts = starts;
  }

  /** @param payload bytes that end with the last attribute @param from where the first one begins */
  static parse(payload: Buffer, from: number): Attributes {
    const starts = new Map<number, number>();
    eachAttribute(payload, from, (type, start) => void starts.set(type, start));
    return new Attributes(payload, starts);
  }

  has(type: number): boolean {
    return this.#starts.has(type);
  }

  bytes(type: number): Buffer | undefined {
    const start = this.#starts.get(type);
    return start === undefined ? undefined : this.#payload.subarray(start, this.#end(start));
  }

  /** Up to the first zero byte. */
  text(type: number): string | undefined {
    const start = this.#starts.get(type);
    return start === undefined ? undefined : textAt(this.#payload, start, this.#end(start));
  }

  u8(type: number): number | undefined {
    const start = this.#sized(type, 1);
    return start === undefined ? undefined : this.#payload.readUInt8(start);
  }

  u16(type: number): number | undefined {
    const start = this.#sized(type, 2);
    return start === undefined ? undefined : this.#payload.readUInt16LE(start);
  }

  u32(type: number): number | undefined {
    const start = this.#sized(type, 4);
    return start === undefined ? undefined : this.#payload.readUInt32LE(start);
  }

  /** Big-endian, as nfnetlink gives its numbers. */
  be32(type: number): number | undefined {
    const start = this.#sized(type, 4);
    return start === undefined ? undefined : this.#payload.readUInt32BE(start);
  }

  /** Attributes inside an attribute; empty when it is missing. */
  nested(type: number): Attributes {
    const value = this.bytes(type);
    return value === undefined ? Attributes.none : Attributes.parse(value, 0);
  }

  /** @returns where it begins */
  #sized(type: number, size: number): number | undefined {
    const start = this.#starts.get(type);
    if (start === undefined) return undefined;
    const length = this.#end(start) - start;
    if (length < size) throw malformed(`attribute ${type} of ${length} bytes, it needs ${size}`);
    return start;
  }

  /** By the length in the attribute's header, which has been checked. */
  #end(start: number): number {
    const header = start - ATTRIBUTE_HEADER_SIZE;
    return header + this.#payload.readUInt16LE(header);
  }
}

/** The payload of a message, when it is long enough for the fixed header of its family. */
export function fixedHeader(message: Message, size: number): Buffer {
  if (message.payload.length < size) throw malformed(`message ${message.type} of ${message.payload.length} bytes`);
  return message.payload;
}
