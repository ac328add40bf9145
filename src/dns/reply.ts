import { addressBytes, familyOf, type IpAddress } from '../model/address.ts';
import { CLASS_IN, HEADER_SIZE, type Query, Rcode, RecordType, rcodeOf } from './message.ts';
import type { Service } from './names.ts';

/**
 * Seconds a container may keep an answer. Docker's 600 outlive the container by far: a restarted one has another address, and
 * its old one may be somebody else's by then. Five, as Kubernetes' CoreDNS says, spare clients that keep answers (nginx, the
 * JVM) most of their questions; who keeps none asks us anyway.
 */
const TTL = 5;
/** RFC 6891 section 6.2.5: what we take over UDP, as our OPT records say */
const OUR_UDP_SIZE = 4096;
/** Root name (1), type (2), UDP size (2), extended rcode and flags (4), data length (2) */
const OPT_SIZE = 11;
/** Pointer to the question's name (2), type (2), class (2), TTL (4), data length (2) */
const RECORD_HEAD_SIZE = 12;
/** RFC 1035 section 4.1.4: a pointer to offset 12, where the question's name is */
const QUESTION_POINTER = 0xc000 | HEADER_SIZE;
/** QR */
const RESPONSE = 0x80;
const TRUNCATED = 0x02;
/** RA */
const RECURSION_AVAILABLE = 0x80;
/** The client's RD in byte 2 and CD in byte 3 are given back (RFC 1035 section 4.1.1, RFC 4035 section 3.2.2) */
const RECURSION_DESIRED = 0x01;
const CHECKING_DISABLED = 0x10;
const OPCODE = 0x78;

/** An answer to be written in full. */
export type Answer =
  | { readonly kind: 'addresses'; readonly addresses: readonly IpAddress[] }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'services'; readonly services: readonly Service[] }
  | { readonly kind: 'empty'; readonly rcode: number };

/** How large an answer may be: over UDP what client and we agree on, over TCP what 16 bits can say. */
export function replyLimit(query: Query, protocol: 'udp' | 'tcp'): number {
  return protocol === 'tcp' ? 65_535 : Math.min(query.udpSize, OUR_UDP_SIZE);
}

/**
 * Writes the answer to a query. The question is given back byte for byte, so a client that mixes the case of its letters
 * finds its own. Records that do not fit are left out and the answer is marked truncated.
 * @param limit bytes, at least 512
 * @returns a buffer of its own, which may go to the kernel later
 */
export function writeReply(message: Buffer, query: Query, answer: Answer, limit: number): Buffer {
  switch (answer.kind) {
    case 'addresses':
      return writeAddresses(message, query, answer.addresses, limit);
    case 'name':
      return writePointer(message, query, answer.name);
    case 'services':
      return writeServices(message, query, answer.services, limit);
    case 'empty':
      return finish(begin(message, query, query.questionEnd + optSize(query), answer.rcode), query, query.questionEnd);
  }
}

/** An error for a message that could not be read as a query: its header, and EDNS only to say that its version is unknown. */
export function writeRefusal(message: Buffer, rcode: number): Buffer {
  const extended = rcode === Rcode.badVersion;
  const reply = Buffer.alloc(HEADER_SIZE + (extended ? OPT_SIZE : 0));
  writeHeader(message, reply, rcode & 0x0f);
  if (extended) writeOpt(reply, HEADER_SIZE, rcode >> 4);
  return reply;
}

/** Somebody's reply cut down to its question, for a client that takes fewer bytes: it asks again over TCP (RFC 2181 section 9). */
export function truncated(message: Buffer, query: Query, reply: Buffer): Buffer {
  const bare = begin(message, query, query.questionEnd + optSize(query), rcodeOf(reply));
  bare.writeUInt8(bare.readUInt8(2) | TRUNCATED, 2);
  return finish(bare, query, query.questionEnd);
}

function writeAddresses(message: Buffer, query: Query, addresses: readonly IpAddress[], limit: number): Buffer {
  const size = addresses.reduce((sum, address) => sum + recordSize(address), query.questionEnd + optSize(query));
  const reply = begin(message, query, Math.min(size, limit), Rcode.noError);
  const end = reply.length - optSize(query);
  let at = query.questionEnd;
  let count = 0;
  for (const address of addresses) {
    if (at + recordSize(address) > end) break;
    at = writeAddress(reply, at, address);
    count++;
  }
  reply.writeUInt16BE(count, 6);
  if (count < addresses.length) reply.writeUInt8(reply.readUInt8(2) | TRUNCATED, 2);
  return finish(reply, query, at);
}

function writePointer(message: Buffer, query: Query, name: string): Buffer {
  const target = encodeName(name);
  const end = query.questionEnd + RECORD_HEAD_SIZE + target.length;
  const reply = begin(message, query, end + optSize(query), Rcode.noError);
  reply.writeUInt16BE(1, 6);
  target.copy(reply, writeRecordHead(reply, query.questionEnd, RecordType.PTR, target.length));
  return finish(reply, query, end);
}

/**
 * SRV records of equal priority and weight, and the addresses of their targets beside them (RFC 2782). Addresses that do not
 * fit are left out, since they can be asked for; records that do not fit make the answer truncated.
 */
function writeServices(message: Buffer, query: Query, services: readonly Service[], limit: number): Buffer {
  const records = services.map(encodeService);
  const hosts = services.flatMap(({ name, addresses }) => addresses.map((address) => encodeHost(name, address)));
  let room = limit - query.questionEnd - optSize(query);
  const fits = (record: Buffer) => {
    room -= record.length;
    return room >= 0;
  };
  const kept = records.filter(fits);
  const beside = kept.length < records.length ? [] : hosts.filter(fits);
  const body = Buffer.concat([...kept, ...beside]);
  const end = query.questionEnd + body.length;
  const reply = begin(message, query, end + optSize(query), Rcode.noError);
  body.copy(reply, query.questionEnd);
  if (kept.length < records.length) reply.writeUInt8(reply.readUInt8(2) | TRUNCATED, 2);
  const finished = finish(reply, query, end);
  finished.writeUInt16BE(kept.length, 6);
  finished.writeUInt16BE(beside.length + (query.edns ? 1 : 0), 10);
  return finished;
}

/** Priority (2), weight (2), port (2), then the target, which must not be compressed (RFC 2782) */
function encodeService({ name, port }: Service): Buffer {
  const target = encodeName(name);
  const record = Buffer.alloc(RECORD_HEAD_SIZE + 6 + target.length);
  const at = writeRecordHead(record, 0, RecordType.SRV, 6 + target.length);
  record.writeUInt16BE(port, at + 4);
  target.copy(record, at + 6);
  return record;
}

function encodeHost(name: string, address: IpAddress): Buffer {
  const owner = encodeName(name);
  const record = Buffer.alloc(recordSize(address));
  writeAddress(record, 0, address);
  return Buffer.concat([owner, record.subarray(2)]);
}

function recordSize(address: IpAddress): number {
  return RECORD_HEAD_SIZE + (familyOf(address) === 4 ? 4 : 16);
}

function optSize(query: Query): number {
  return query.edns ? OPT_SIZE : 0;
}

function begin(message: Buffer, query: Query, size: number, rcode: number): Buffer {
  const reply = Buffer.allocUnsafe(size);
  message.copy(reply, HEADER_SIZE, HEADER_SIZE, query.questionEnd);
  writeHeader(message, reply, rcode);
  reply.writeUInt16BE(1, 4);
  return reply;
}

/** All counts are zero afterwards. */
function writeHeader(message: Buffer, reply: Buffer, rcode: number): void {
  const [idHigh = 0, idLow = 0, high = 0, low = 0] = message;
  reply[0] = idHigh;
  reply[1] = idLow;
  reply[2] = RESPONSE | (high & (OPCODE | RECURSION_DESIRED));
  reply[3] = RECURSION_AVAILABLE | (low & CHECKING_DISABLED) | rcode;
  reply.fill(0, 4, HEADER_SIZE);
}

/** A client that speaks EDNS must be answered with it (RFC 6891 section 6.1.1). */
function finish(reply: Buffer, query: Query, at: number): Buffer {
  if (!query.edns) return reply.subarray(0, at);
  writeOpt(reply, at, 0);
  return reply.subarray(0, at + OPT_SIZE);
}

function writeOpt(reply: Buffer, at: number, extendedRcode: number): void {
  reply.fill(0, at, at + OPT_SIZE);
  reply.writeUInt16BE(RecordType.OPT, at + 1);
  reply.writeUInt16BE(OUR_UDP_SIZE, at + 3);
  reply.writeUInt8(extendedRcode, at + 5);
  reply.writeUInt16BE(1, 10);
}

/** @returns the offset of the record's data */
function writeRecordHead(reply: Buffer, at: number, type: number, length: number): number {
  reply.writeUInt16BE(QUESTION_POINTER, at);
  reply.writeUInt16BE(type, at + 2);
  reply.writeUInt16BE(CLASS_IN, at + 4);
  reply.writeUInt32BE(TTL, at + 6);
  reply.writeUInt16BE(length, at + 10);
  return at + RECORD_HEAD_SIZE;
}

function writeAddress(reply: Buffer, start: number, address: IpAddress): number {
  if (familyOf(address) === 4) return writeIPv4(reply, writeRecordHead(reply, start, RecordType.A, 4), address);
  const at = writeRecordHead(reply, start, RecordType.AAAA, 16);
  reply.set(addressBytes(address), at);
  return at + 16;
}

/** Digits straight into bytes: this runs for nearly every query, and splitting the text would double its cost. */
function writeIPv4(reply: Buffer, start: number, address: IpAddress): number {
  let at = start;
  let byte = 0;
  for (let index = 0; index < address.length; index++) {
    const code = address.charCodeAt(index);
    if (code === 0x2e) {
      reply[at++] = byte;
      byte = 0;
    } else {
      byte = byte * 10 + code - 0x30;
    }
  }
  reply[at++] = byte;
  return at;
}

/**
 * A name on the wire. Names of containers may have labels longer than DNS can carry (63 bytes); such a name is cut short
 * there, since a pointer record must hold some name.
 */
function encodeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(label, 'latin1').subarray(0, 63));
  const parts: Buffer[] = [];
  let size = 1;
  for (const label of labels) {
    if (label.length === 0 || size + 1 + label.length > 255) break;
    parts.push(Buffer.of(label.length), label);
    size += 1 + label.length;
  }
  return Buffer.concat([...parts, Buffer.of(0)]);
}
