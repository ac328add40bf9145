import { message, string } from '../../../grpc/protobuf.ts';
import { type ServiceTable, unary } from '../../../grpc/service.ts';
import { Empty } from './types.ts';

/** containerd.services.version.v1.Version */
export const versionService = {
  name: 'containerd.services.version.v1.Version',
  unary: {
    version: unary('Version', Empty, message({ version: string(1), revision: string(2) })),
  },
} satisfies ServiceTable;
