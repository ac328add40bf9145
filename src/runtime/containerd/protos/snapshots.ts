import {
  enumeration,
  integer,
  message,
  nested,
  repeated,
  repeatedString,
  string,
  stringMap,
} from '../../../grpc/protobuf.ts';
import { type ServiceTable, serverStream, unary } from '../../../grpc/service.ts';
import { Empty, Mount, timestamp } from './types.ts';

const Info = message({
  name: string(1),
  parent: string(2),
  kind: enumeration(3, ['unknown', 'view', 'active', 'committed']),
  createdAt: timestamp(4),
  updatedAt: timestamp(5),
  labels: stringMap(6),
});

const Key = message({ snapshotter: string(1), key: string(2) });
const Prepare = message({ snapshotter: string(1), key: string(2), parent: string(3), labels: stringMap(4) });
const Mounts = message({ mounts: repeated(1, Mount) });

/** containerd.services.snapshots.v1.Snapshots: layers and writable copies of them. */
export const snapshotsService = {
  name: 'containerd.services.snapshots.v1.Snapshots',
  unary: {
    prepare: unary('Prepare', Prepare, Mounts),
    /** The same, read-only. */
    view: unary('View', Prepare, Mounts),
    mounts: unary('Mounts', Key, Mounts),
    commit: unary(
      'Commit',
      message({ snapshotter: string(1), name: string(2), key: string(3), labels: stringMap(4) }),
      Empty,
    ),
    remove: unary('Remove', Key, Empty),
    stat: unary('Stat', Key, message({ info: nested(1, Info) })),
    /** Bytes and inodes of this snapshot alone, without its parents. */
    usage: unary('Usage', Key, message({ size: integer(1), inodes: integer(2) })),
  },
  streams: {
    list: serverStream(
      'List',
      message({ snapshotter: string(1), filters: repeatedString(2) }),
      message({ info: repeated(1, Info) }),
    ),
  },
} satisfies ServiceTable;
