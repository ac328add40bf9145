import { message, nested, repeated, repeatedString, string, stringMap } from '../../../grpc/protobuf.ts';
import { type ServiceTable, unary } from '../../../grpc/service.ts';
import { Any, Empty, FieldMask, timestamp } from './types.ts';

const Runtime = message({ name: string(1), options: nested(2, Any) });

const Container = message({
  id: string(1),
  labels: stringMap(2),
  image: string(3),
  runtime: nested(4, Runtime),
  /** The OCI runtime specification as JSON, in an Any of type SPEC_URL */
  spec: nested(5, Any),
  snapshotter: string(6),
  snapshotKey: string(7),
  createdAt: timestamp(8),
});

const Id = message({ id: string(1) });
const One = message({ container: nested(1, Container) });

/** containerd.services.containers.v1.Containers: records of what can run. */
export const containersService = {
  name: 'containerd.services.containers.v1.Containers',
  unary: {
    get: unary('Get', Id, One),
    list: unary('List', message({ filters: repeatedString(1) }), message({ containers: repeated(1, Container) })),
    create: unary('Create', One, One),
    update: unary('Update', message({ container: nested(1, Container), updateMask: nested(2, FieldMask) }), One),
    delete: unary('Delete', Id, Empty),
  },
} satisfies ServiceTable;
