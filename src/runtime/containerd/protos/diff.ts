import { message, nested, repeated, string } from '../../../grpc/protobuf.ts';
import { type ServiceTable, unary } from '../../../grpc/service.ts';
import { Descriptor, Mount } from './types.ts';

/** containerd.services.diff.v1.Diff: layers unpacked onto mounts, and made from two of them. */
export const diffService = {
  name: 'containerd.services.diff.v1.Diff',
  unary: {
    /** Answers the descriptor of the unpacked layer: its digest is the diff id. */
    apply: unary(
      'Apply',
      message({ diff: nested(1, Descriptor), mounts: repeated(2, Mount) }),
      message({ applied: nested(1, Descriptor) }),
    ),
    /** Answers the layer that makes `right` from `left`, in the content store. */
    diff: unary(
      'Diff',
      message({ left: repeated(1, Mount), right: repeated(2, Mount), mediaType: string(3), ref: string(4) }),
      message({ diff: nested(3, Descriptor) }),
    ),
  },
} satisfies ServiceTable;
