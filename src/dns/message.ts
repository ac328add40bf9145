/**
 * Reading DNS messages as they come from containers and from servers (RFC 1035 section 4, RFC 6891). Nothing here
 * trusts a length, follows a compression pointer or allocates more than the name of one question.
 */

export const HEADER_SIZE = 12;
/** Bytes of the largest query that is looked at; what is longer is no honest question */
export const MAX_QUERY = 4_096;
/** RFC 1035 section 2.3.4: bytes of a name on the wire, length bytes and the root included */
const MAX_NAME = 255;
/** RFC 1035 section 4.2.1: what a client takes over UDP unless it says more */
const MIN_UDP_SIZE = 512;

export const RecordType = { A: 1, SOA: 6, PTR: 12, AAAA: 28, SRV: 33, OPT: 41, ANY: 255 } as const;
export const CLASS_IN = 1;

/** RFC 1035 section 4.1.1; 16 is an extended one (RFC 6891 section 9) */
export const Rcode = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

/** A query with one question. */
export interface Query {
  readonly kind: 'query';
  /** Lower case, without a trailing dot; '' is the root. In a label, a dot is written `\.` and a backslash `\\`: no name of ours */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Offset of the first byte behind the question */
  readonly questionEnd: number;
  /** EDNS, when the client speaks it */
  readonly edns: boolean;
  /** Bytes the client takes over UDP, at least 512 */
  readonly udpSize: number;
  /** What decides about the answer beside the question: RD, AD, CD, EDNS and its DO, a bit each */
  readonly flags: number;
  /** Nothing but the question and an OPT record without options: the answer is the same for all who ask it so */
  readonly plain: boolean;
}

/** A message that gets an error back without being looked at further. */
export interface Refusal {
  readonly kind: 'refusal';
  readonly rcode: number;
}

/** @returns undefined for what deserves no answer: no whole header, or no query at all */
export function parseQuery(message: Buffer): Query | Refusal | undefined {
  if (message.length < HEADER_SIZE) return undefined;
  const flags = message.readUInt8(2);
  if ((flags & 0x80) !== 0) return undefined;
  if ((flags & 0x78) !== 0) return { kind: 'refusal', rcode: Rcode.notImplemented };
  const nameEnd = message.readUInt16BE(4) === 1 ? skipLabels(message, HEADER_SIZE) : -1;
  const questionEnd = nameEnd + 4;
  if (nameEnd < 0 || questionEnd > message.length) return { kind: 'refusal', rcode: Rcode.formatError };
  const edns = findEdns(message, questionEnd);
  if (edns === 'malformed') return { kind: 'refusal', rcode: Rcode.formatError };
  if (edns !== undefined && edns.version !== 0) return { kind: 'refusal', rcode: Rcode.badVersion };
  return {
    kind: 'query',
    name: readName(message, nameEnd),
    type: message.readUInt16BE(nameEnd),
    class: message.readUInt16BE(nameEnd + 2),
    questionEnd,
    edns: edns !== undefined,
    udpSize: Math.max(edns?.udpSize ?? 0, MIN_UDP_SIZE),
    flags: (flags & 0x01) | (message.readUInt8(3) & 0x30) | (edns === undefined ? 0 : edns.dnssec ? 6 : 2),
    plain: edns === undefined ? message.length === questionEnd : edns.end === message.length && edns.alone,
  };
}

/**
 * Whether a server's message answers a query: same id, one question, the same one but for the case of letters. An error
 * may come back without its question, as some servers send it.
 */
export function isReplyTo(reply: Buffer, query: Buffer, questionEnd: number, id: number): boolean {
  if (reply.length < HEADER_SIZE || reply.readUInt16BE(0) !== id || (reply.readUInt8(2) & 0x80) === 0) return false;
  const questions = reply.readUInt16BE(4);
  if (questions === 0) return rcodeOf(reply) !== Rcode.noError;
  if (questions !== 1 || reply.length < questionEnd) return false;
  const nameEnd = questionEnd - 4;
  if (query.compare(reply, nameEnd, questionEnd, nameEnd, questionEnd) !== 0) return false;
  for (let at = HEADER_SIZE; at < nameEnd; at++) {
    if (lower(reply[at] ?? 0) !== lower(query[at] ?? 0)) return false;
  }
  return true;
}

/** The low four bits, without EDNS's extension. */
export function rcodeOf(message: Buffer): number {
  return (message[3] ?? 0) & 0x0f;
}

/** Length bytes are below 64, so lowering every byte leaves them as they are. */
function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** @returns the offset behind an uncompressed name, or -1 when it is none; a question has nothing to point back to */
function skipLabels(message: Buffer, start: number): number {
  for (let at = start; ; ) {
    const length = message[at];
    if (length === undefined || length > 63 || at + 1 + length - start > MAX_NAME) return -1;
    at += 1 + length;
    if (length === 0) return at;
  }
}

/** The question's name, which skipLabels has found whole. */
function readName(message: Buffer, nameEnd: number): string {
  // toLowerCase leaves the length bytes as they are: they are below 64
  const text = message.toString('latin1', HEADER_SIZE, nameEnd - 1).toLowerCase();
  let name = '';
  for (let at = 0; at < text.length; ) {
    const end = at + 1 + text.charCodeAt(at);
    const label = text.slice(at + 1, end);
    name += at === 0 ? escaped(label) : `.${escaped(label)}`;
    at = end;
  }
  return name;
}

function escaped(label: string): string {
  return label.includes('.') || label.includes('\\') ? label.replace(/[.\\]/g, '\\$&') : label;
}

interface Edns {
  readonly udpSize: number;
  readonly version: number;
  /** DO: signatures are wanted (RFC 3225) */
  readonly dnssec: boolean;
  /** Offset of the first byte behind the record */
  readonly end: number;
  /** It is the only record and has no options */
  readonly alone: boolean;
}

/** Looks for the OPT record among what follows the question. Every record takes at least 11 bytes, so the walk is short. */
function findEdns(message: Buffer, questionEnd: number): Edns | 'malformed' | undefined {
  const before = message.readUInt16BE(6) + message.readUInt16BE(8);
  const records = before + message.readUInt16BE(10);
  let at = questionEnd;
  for (let record = 0; record < records; record++) {
    const fixed = skipName(message, at);
    if (fixed < 0 || fixed + 10 > message.length) return 'malformed';
    if (record >= before && message.readUInt16BE(fixed) === RecordType.OPT) {
      return readOpt(message, fixed, records === 1);
    }
    at = fixed + 10 + message.readUInt16BE(fixed + 8);
  }
  return at > message.length ? 'malformed' : undefined;
}

/** @param fixed offset of the record's type, ten bytes before its options */
function readOpt(message: Buffer, fixed: number, only: boolean): Edns {
  const options = message.readUInt16BE(fixed + 8);
  return {
    udpSize: message.readUInt16BE(fixed + 2),
    version: message.readUInt8(fixed + 5),
    dnssec: (message.readUInt8(fixed + 6) & 0x80) !== 0,
    end: fixed + 10 + options,
    alone: only && options === 0,
  };
}

/** As skipLabels, but a compression pointer may end the name; it is stepped over, never followed. */
export function skipName(message: Buffer, start: number): number {
  for (let at = start; ; ) {
    const length = message[at];
    if (length === undefined || at - start > MAX_NAME) return -1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return -1;
    at += 1 + length;
    if (length === 0) return at;
  }
}
