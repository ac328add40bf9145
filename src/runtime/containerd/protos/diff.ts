import { message, nested, repeated } from '../protobuf.ts';
import { type ServiceTable, unary } from '../service.ts';
import { Descriptor, Mount } from './types.ts';

/** containerd.services.diff.v1.Diff: layers unpacked onto mounts. */
export const diffService = {
  name: 'containerd.services.diff.v1.Diff',
  unary: {
    /** Answers the descriptor of the unpacked layer: its digest is the diff id. */
    apply: unary(
      'Apply',
      message({ diff: nested(1, Descriptor), mounts: repeated(2, Mount) }),
      message({ applied: nested(1, Descriptor) }),
    ),
  },
} satisfies ServiceTable;
