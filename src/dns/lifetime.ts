import { HEADER_SIZE, Rcode, RecordType, rcodeOf, skipName } from './message.ts';

/** RFC 1035 section 4.1.3: type (2), class (2), TTL (4) and data length (2) behind a record's name */
const FIXED = 10;
const TTL_OFFSET = 4;
/** RFC 1035 section 3.3.13: serial, refresh, retry, expire and minimum at the end of a SOA record's data */
const SOA_NUMBERS = 20;
/** RFC 2181 section 8: a TTL with its highest bit set counts as zero */
const MAX_TTL = 0x7fff_ffff;
const TRUNCATED = 0x02;

/** How long a server's message holds, and where it says so. */
export interface Lifetime {
  /** Greater than zero */
  readonly seconds: number;
  /** True: it says that there is nothing */
  readonly negative: boolean;
  /** Offsets of the records' TTLs, which count down while the message is kept */
  readonly ttls: readonly number[];
}

/**
 * How long a server's message may be kept: as long as its shortest-lived record. One that says "no such name" or "no such
 * record" must carry a SOA record, which says how long that holds (RFC 2308 section 5).
 * @param questionEnd offset of the first byte behind the question
 * @returns undefined for what must not be kept: errors, truncated or malformed messages, a TTL of zero, referrals
 */
export function lifetimeOf(message: Buffer, questionEnd: number): Lifetime | undefined {
  const rcode = rcodeOf(message);
  if (rcode !== Rcode.noError && rcode !== Rcode.nameError) return undefined;
  if ((message.readUInt8(2) & TRUNCATED) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const records = readRecords(message, questionEnd);
  if (records === undefined) return undefined;
  const negative = rcode === Rcode.nameError || !records.answered;
  const seconds = negative ? Math.min(records.shortest, records.soaMinimum) : records.shortest;
  return seconds > 0 && seconds <= MAX_TTL ? { seconds, negative, ttls: records.ttls } : undefined;
}

interface Records {
  /** An answer holds a record of the type that was asked for (or of any, when that is what was asked for) */
  readonly answered: boolean;
  /** Infinity when there is no record */
  readonly shortest: number;
  /** 0 when there is no SOA record, so that nothing negative is kept */
  readonly soaMinimum: number;
  readonly ttls: readonly number[];
}

/** @returns undefined when a record does not end where the message says */
function readRecords(message: Buffer, questionEnd: number): Records | undefined {
  const asked = message.readUInt16BE(questionEnd - 4);
  const [answers, authorities] = [message.readUInt16BE(6), message.readUInt16BE(8)];
  const total = answers + authorities + message.readUInt16BE(10);
  const ttls: number[] = [];
  let [answered, shortest, soaMinimum, at] = [false, Number.POSITIVE_INFINITY, 0, questionEnd];
  for (let record = 0; record < total; record++) {
    const fixed = skipName(message, at);
    if (fixed < HEADER_SIZE || fixed + FIXED > message.length) return undefined;
    const type = message.readUInt16BE(fixed);
    at = fixed + FIXED + message.readUInt16BE(fixed + FIXED - 2);
    if (at > message.length) return undefined;
    // What an OPT record has in place of a TTL are flags
    if (type === RecordType.OPT) continue;
    const ttl = message.readUInt32BE(fixed + TTL_OFFSET);
    shortest = Math.min(shortest, ttl > MAX_TTL ? 0 : ttl);
    ttls.push(fixed + TTL_OFFSET);
    if (record < answers) answered ||= type === asked || asked === RecordType.ANY;
    else if (type === RecordType.SOA && at - fixed >= FIXED + SOA_NUMBERS) soaMinimum = message.readUInt32BE(at - 4);
  }
  return { answered, shortest, soaMinimum, ttls };
}
