import {
  bytes,
  enumeration,
  integer,
  message,
  nested,
  repeated,
  repeatedString,
  string,
  stringMap,
} from '../../../grpc/protobuf.ts';
import { duplex, type ServiceTable, serverStream, unary } from '../../../grpc/service.ts';
import { Empty, FieldMask, timestamp } from './types.ts';

const Info = message({
  digest: string(1),
  size: integer(2),
  createdAt: timestamp(3),
  updatedAt: timestamp(4),
  labels: stringMap(5),
});

const Status = message({ ref: string(3), offset: integer(4), total: integer(5), expected: string(6) });
const One = message({ info: nested(1, Info) });
const WRITE_ACTIONS = ['stat', 'write', 'commit'] as const;

const WriteRequest = message({
  action: enumeration(1, WRITE_ACTIONS),
  /** Names the ingestion; two writers of one ref exclude each other */
  ref: string(2),
  total: integer(3),
  expected: string(4),
  offset: integer(5),
  data: bytes(6),
  labels: stringMap(7),
});

const WriteResponse = message({
  action: enumeration(1, WRITE_ACTIONS),
  offset: integer(4),
  total: integer(5),
  digest: string(6),
});

/** containerd.services.content.v1.Content: blobs by digest. */
export const contentService = {
  name: 'containerd.services.content.v1.Content',
  unary: {
    info: unary('Info', message({ digest: string(1) }), One),
    update: unary('Update', message({ info: nested(1, Info), updateMask: nested(2, FieldMask) }), One),
    listStatuses: unary(
      'ListStatuses',
      message({ filters: repeatedString(1) }),
      message({ statuses: repeated(1, Status) }),
    ),
    abort: unary('Abort', message({ ref: string(1) }), Empty),
  },
  streams: {
    list: serverStream('List', message({ filters: repeatedString(1) }), message({ info: repeated(1, Info) })),
    /** Size 0: to the end. */
    read: serverStream(
      'Read',
      message({ digest: string(1), offset: integer(2), size: integer(3) }),
      message({ offset: integer(1), data: bytes(2) }),
    ),
  },
  duplex: {
    write: duplex('Write', WriteRequest, WriteResponse),
  },
} satisfies ServiceTable;
