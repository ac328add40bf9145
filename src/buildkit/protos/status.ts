import { bytes, integer, message, repeated, string } from '../../grpc/protobuf.ts';

/** google.protobuf.Any */
const Any = message({ typeUrl: string(1), value: bytes(2) });
/** google.rpc.Status */
export const Status = message({ code: integer(1), message: string(2), details: repeated(3, Any) });
