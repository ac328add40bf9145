import { boolean, message, nested, repeated, repeatedString, string, stringMap } from '../../../grpc/protobuf.ts';
import { type ServiceTable, unary } from '../../../grpc/service.ts';
import { Empty, timestamp } from './types.ts';

const Lease = message({ id: string(1), createdAt: timestamp(2), labels: stringMap(3) });
const Resource = message({ id: string(1), type: string(2) });

/** containerd.services.leases.v1.Leases: what a running operation holds against garbage collection. */
export const leasesService = {
  name: 'containerd.services.leases.v1.Leases',
  unary: {
    create: unary('Create', message({ id: string(1), labels: stringMap(3) }), message({ lease: nested(1, Lease) })),
    /** With `sync`, answers after the garbage collection that follows. */
    delete: unary('Delete', message({ id: string(1), sync: boolean(2) }), Empty),
    /** Keeps a thing by its name, whether it is there already or not. Types: "content", "snapshots/overlayfs" */
    addResource: unary('AddResource', message({ id: string(1), resource: nested(2, Resource) }), Empty),
    list: unary('List', message({ filters: repeatedString(1) }), message({ leases: repeated(1, Lease) })),
  },
} satisfies ServiceTable;
