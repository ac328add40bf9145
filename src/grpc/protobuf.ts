import { LENGTH_DELIMITED, Reader, VARINT, Writer } from './wire.ts';

/** What a decoded field looks like (`Out`), and what may be given to encode it (`In`). */
export interface Field<Out, In = Out> {
  readonly number: number;
  /** A field that was not on the wire. A function, because collections must not be shared. */
  readonly absent: () => Out;
  readonly write: (writer: Writer, value: In) => void;
  /** @param former what was read of this field before: repeated fields and maps grow */
  readonly read: (reader: Reader, former: Out) => Out;
}

/** A field of whatever type; `never` because only its own table knows what it takes. */
interface AnyField {
  readonly number: number;
  readonly absent: () => unknown;
  readonly write: (writer: Writer, value: never) => void;
  readonly read: (reader: Reader, former: never) => unknown;
}

type Fields = Readonly<Record<string, AnyField>>;
type Decoded<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]['absent']> };
type Encodable<F extends Fields> = { readonly [K in keyof F]?: Parameters<F[K]['write']>[1] | undefined };

export interface MessageType<Out, In> {
  encode(value: In): Buffer;
  /** The same in pieces, for sending: large byte fields are not copied. */
  pieces(value: In): readonly Uint8Array[];
  /** @throws RangeError when the bytes are no such message */
  decode(bytes: Buffer): Out;
}

export type OutputOf<M> = M extends MessageType<infer Out, never> ? Out : never;
export type InputOf<M> = M extends { encode(value: infer In): Buffer } ? In : never;

/**
 * A proto3 message as a table: name → field. Types and wire format both follow from it, so they cannot drift apart.
 * Fields a table does not name are skipped when read.
 */
export function message<F extends Fields>(fields: F): MessageType<Decoded<F>, Encodable<F>> {
  const entries = Object.entries<AnyField>(fields);
  const byNumber = new Map(entries.map(([name, field]) => [field.number, { name, field }]));
  const write = (values: Readonly<Record<string, unknown>>) => {
    const writer = new Writer();
    for (const [name, field] of entries) {
      if (values[name] !== undefined) field.write(writer, values[name] as never);
    }
    return writer;
  };
  return {
    encode: (value) => write(value).finish(),
    pieces: (value) => write(value).pieces(),
    decode(bytes) {
      const result: Record<string, unknown> = {};
      for (const [name, field] of entries) result[name] = field.absent();
      const reader = new Reader(bytes);
      for (let tag = reader.next(); tag !== undefined; tag = reader.next()) {
        const known = byNumber.get(tag.number);
        if (known === undefined) reader.skip(tag.wireType);
        else result[known.name] = known.field.read(reader, result[known.name] as never);
      }
      return result as Decoded<F>;
    },
  };
}

/** Writes one length-delimited field. */
function writeBytes(writer: Writer, number: number, value: Uint8Array): void {
  writer.tag(number, LENGTH_DELIMITED);
  writer.bytes(value);
}

export function string(number: number): Field<string> {
  return {
    number,
    absent: () => '',
    write: (writer, value) => value !== '' && writeBytes(writer, number, Buffer.from(value)),
    read: (reader) => reader.bytes().toString(),
  };
}

/** Given in one piece or in several. */
export function bytes(number: number): Field<Buffer, Uint8Array | readonly Uint8Array[]> {
  return {
    number,
    absent: () => Buffer.alloc(0),
    write: (writer, value) => {
      const pieces = value instanceof Uint8Array ? [value] : value;
      if (pieces.every(({ length }) => length === 0)) return;
      writer.tag(number, LENGTH_DELIMITED);
      writer.bytes(...pieces);
    },
    read: (reader) => reader.bytes(),
  };
}

/** int32, int64, uint32 or uint64, as a safe integer. */
export function integer(number: number): Field<number> {
  return {
    number,
    absent: () => 0,
    write: (writer, value) => {
      if (value === 0) return;
      writer.tag(number, VARINT);
      writer.varint(value);
    },
    read: (reader) => reader.varint(),
  };
}

export function boolean(number: number): Field<boolean> {
  const inner = integer(number);
  return {
    number,
    absent: () => false,
    write: (writer, value) => inner.write(writer, value ? 1 : 0),
    read: (reader) => reader.varint() !== 0,
  };
}

/** An enumeration by the names of its values 0, 1, 2, …; a value without a name reads as the first. */
export function enumeration<const Names extends readonly [string, ...string[]]>(
  number: number,
  names: Names,
): Field<Names[number]> {
  const inner = integer(number);
  return {
    number,
    absent: () => names[0],
    write: (writer, value) => inner.write(writer, names.indexOf(value)),
    read: (reader) => names[reader.varint()] ?? names[0],
  };
}

/** A message inside a message; undefined when absent. */
export function nested<Out, In>(number: number, type: MessageType<Out, In>): Field<Out | undefined, In> {
  return {
    number,
    absent: () => undefined,
    write: (writer, value) => writeBytes(writer, number, type.encode(value)),
    read: (reader) => type.decode(reader.bytes()),
  };
}

export function repeated<Out, In>(number: number, type: MessageType<Out, In>): Field<Out[], readonly In[]> {
  return {
    number,
    absent: () => [],
    write: (writer, values) => {
      for (const value of values) writeBytes(writer, number, type.encode(value));
    },
    read: (reader, former) => {
      former.push(type.decode(reader.bytes()));
      return former;
    },
  };
}

export function repeatedString(number: number): Field<string[], readonly string[]> {
  return {
    number,
    absent: () => [],
    write: (writer, values) => {
      for (const value of values) writeBytes(writer, number, Buffer.from(value));
    },
    read: (reader, former) => {
      former.push(reader.bytes().toString());
      return former;
    },
  };
}

const stringEntry = message({ key: string(1), value: string(2) });

/** map<string, string>: on the wire repeated messages of key = 1 and value = 2. */
export function stringMap(number: number): Field<Readonly<Record<string, string>>> {
  return {
    number,
    absent: () => ({}),
    write: (writer, values) => {
      for (const [key, value] of Object.entries(values)) writeBytes(writer, number, stringEntry.encode({ key, value }));
    },
    read: (reader, former) => {
      const { key, value } = stringEntry.decode(reader.bytes());
      // Not a copy, which would cost the square of a long map's length; and a key may be "__proto__".
      return Object.defineProperty(former, key, { value, enumerable: true, configurable: true, writable: true });
    },
  };
}
