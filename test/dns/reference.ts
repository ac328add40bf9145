/** A second, plain reading of RFC 1035 for tests: slow, strict, and independent of src/dns. */

export interface DecodedRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** Addresses as numbers joined by dots or colons, names as text, anything else as hexadecimal digits */
  readonly data: string;
}

export interface Decoded {
  readonly id: number;
  readonly response: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly rcode: number;
  readonly questions: readonly { readonly name: string; readonly type: number; readonly class: number }[];
  readonly answers: readonly DecodedRecord[];
  readonly authorities: readonly DecodedRecord[];
  readonly additionals: readonly DecodedRecord[];
}

/** @throws Error when a byte is missing, superfluous or wrong */
export function decode(bytes: Uint8Array): Decoded {
  const reader = new Reader(bytes);
  const id = reader.number(2);
  const flags = reader.number(2);
  const [questions, answers, authorities, additionals] = [1, 2, 3, 4].map(() => reader.number(2));
  const result: Decoded = {
    id,
    response: (flags & 0x8000) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    rcode: flags & 15,
    questions: times(questions, () => ({ name: reader.name(), type: reader.number(2), class: reader.number(2) })),
    answers: times(answers, () => reader.record()),
    authorities: times(authorities, () => reader.record()),
    additionals: times(additionals, () => reader.record()),
  };
  if (reader.at !== bytes.length) throw new Error(`${bytes.length - reader.at} bytes behind the message`);
  return result;
}

/** Writes a query; labels are given apart, so they may hold anything. */
export function encodeQuery(query: {
  readonly id?: number;
  readonly labels: readonly string[];
  readonly type?: number;
  readonly class?: number;
  readonly edns?: { readonly size: number; readonly version?: number };
}): Buffer {
  const labels = query.labels.flatMap((label) => [
    Buffer.of(Buffer.byteLength(label, 'latin1')),
    Buffer.from(label, 'latin1'),
  ]);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.id ?? 0x1234, 0);
  header.writeUInt16BE(0x0100, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(query.edns === undefined ? 0 : 1, 10);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(query.type ?? 1, 0);
  tail.writeUInt16BE(query.class ?? 1, 2);
  const opt = query.edns === undefined ? [] : [encodeOpt(query.edns)];
  return Buffer.concat([header, ...labels, Buffer.of(0), tail, ...opt]);
}

function encodeOpt(edns: { readonly size: number; readonly version?: number }): Buffer {
  return Buffer.of(0, 0, 41, edns.size >> 8, edns.size & 255, 0, edns.version ?? 0, 0, 0, 0, 0);
}

/** A server's answer to a query: the same message with the response bit, a code, and address records. */
export function encodeReply(query: Buffer, reply: { rcode?: number; addresses?: readonly string[] } = {}): Buffer {
  const addresses = reply.addresses ?? [];
  const records = addresses.map((address) =>
    Buffer.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)),
  );
  const end = new Reader(query).questionEnd();
  const message = Buffer.concat([query.subarray(0, end), ...records]);
  message.writeUInt16BE(0x8180 | (reply.rcode ?? 0), 2);
  message.writeUInt16BE(addresses.length, 6);
  message.writeUInt16BE(0, 10);
  return message;
}

function times<T>(count: number | undefined, make: () => T): T[] {
  return Array.from({ length: count ?? 0 }, make);
}

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  questionEnd(): number {
    this.at = 12;
    this.name();
    return this.at + 4;
  }

  byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new Error(`no byte at ${this.at - 1}`);
    return byte;
  }

  number(size: number): number {
    return times(size, () => this.byte()).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  /** Labels joined by dots; pointers may only lead backwards (RFC 1035 section 4.1.4: to a prior occurrence). */
  name(): string {
    const labels: string[] = [];
    let end: number | undefined;
    for (let limit = this.at; ; ) {
      const length = this.byte();
      if (length >= 0xc0) {
        const target = (length & 0x3f) * 256 + this.byte();
        end ??= this.at;
        if (target >= limit) throw new Error(`a pointer forwards to ${target}`);
        this.at = limit = target;
      } else if (length > 63) {
        throw new Error(`a label of kind ${length}`);
      } else if (length === 0) {
        if (end !== undefined) this.at = end;
        return labels.join('.');
      } else {
        labels.push(String.fromCharCode(...times(length, () => this.byte())));
      }
    }
  }

  record(): DecodedRecord {
    const head = { name: this.name(), type: this.number(2), class: this.number(2), ttl: this.number(4) };
    const length = this.number(2);
    const end = this.at + length;
    const data = this.#data(head.type, length);
    if (this.at !== end) throw new Error(`record data of ${length} bytes ends at ${this.at} instead of ${end}`);
    return { ...head, data };
  }

  #data(type: number, length: number): string {
    if (type === 12) return this.name();
    const bytes = times(length, () => this.byte());
    if (type === 1) return bytes.join('.');
    return Buffer.from(bytes).toString('hex');
  }
}
