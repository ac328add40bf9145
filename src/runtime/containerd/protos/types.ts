import {
  bytes,
  type Field,
  integer,
  type MessageType,
  message,
  nested,
  type OutputOf,
  repeatedString,
  string,
  stringMap,
} from '../../../grpc/protobuf.ts';

/** google.protobuf.Empty */
export const Empty = message({});

/** google.protobuf.Any: a message of a type named by its URL. */
export const Any = message({ typeUrl: string(1), value: bytes(2) });
export type Any = OutputOf<typeof Any>;

/** google.protobuf.FieldMask: which fields an update means. */
export const FieldMask = message({ paths: repeatedString(1) });

/** containerd.types.Mount: type "overlay" or "bind", options as mount(8) takes them. */
export const Mount = message({ type: string(1), source: string(2), target: string(3), options: repeatedString(4) });
export type Mount = OutputOf<typeof Mount>;

/** containerd.types.Descriptor: what to find in the content store. Size in bytes. */
export const Descriptor = message({
  mediaType: string(1),
  digest: string(2),
  size: integer(3),
  annotations: stringMap(5),
});
export type Descriptor = OutputOf<typeof Descriptor>;

/** Packs a message into an Any. */
export function packAny<In>(typeUrl: string, type: MessageType<unknown, In>, value: In): Any {
  return { typeUrl, value: type.encode(value) };
}

const Timestamp = message({ seconds: integer(1), nanos: integer(2) });

/**
 * google.protobuf.Timestamp as RFC 3339 text in UTC with up to nine decimals, the way Go prints it. Absent:
 * "0001-01-01T00:00:00Z". Only read; containerd sets its times itself.
 */
export function timestamp(number: number): Field<string, never> {
  const inner = nested(number, Timestamp);
  return {
    number,
    absent: () => '0001-01-01T00:00:00Z',
    write: (writer, value) => inner.write(writer, value),
    read: (reader) => formatTimestamp(inner.read(reader, undefined)),
  };
}

function formatTimestamp(time: OutputOf<typeof Timestamp> | undefined): string {
  const seconds = new Date((time?.seconds ?? 0) * 1000).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
  const decimals = String(time?.nanos ?? 0)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return decimals === '' ? `${seconds}Z` : `${seconds}.${decimals}Z`;
}
