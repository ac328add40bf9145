import {
  boolean,
  message,
  nested,
  type OutputOf,
  repeated,
  repeatedString,
  string,
  stringMap,
} from '../../../grpc/protobuf.ts';
import { type ServiceTable, unary } from '../../../grpc/service.ts';
import { Descriptor, Empty, FieldMask, timestamp } from './types.ts';

const ImageRecord = message({
  name: string(1),
  labels: stringMap(2),
  target: nested(3, Descriptor),
  createdAt: timestamp(7),
  updatedAt: timestamp(8),
});
export type ImageRecord = OutputOf<typeof ImageRecord>;

const One = message({ image: nested(1, ImageRecord) });

/** containerd.services.images.v1.Images: names that point to manifests. */
export const imagesService = {
  name: 'containerd.services.images.v1.Images',
  unary: {
    get: unary('Get', message({ name: string(1) }), One),
    list: unary('List', message({ filters: repeatedString(1) }), message({ images: repeated(1, ImageRecord) })),
    create: unary('Create', One, One),
    update: unary('Update', message({ image: nested(1, ImageRecord), updateMask: nested(2, FieldMask) }), One),
    /** With `sync`, answers after the garbage collection that follows. */
    delete: unary('Delete', message({ name: string(1), sync: boolean(2) }), Empty),
  },
} satisfies ServiceTable;
