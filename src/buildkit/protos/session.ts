import { bytes, enumeration, integer, message, nested, type OutputOf, string } from '../../grpc/protobuf.ts';
import { duplex, unary } from '../../grpc/service.ts';

/* github.com/moby/buildkit: session/…; github.com/tonistiigi/fsutil: types/wire.proto, types/stat.proto. */

const Stat = message({
  path: string(1),
  /** As Go's os.FileMode */
  mode: integer(2),
  size: integer(5),
  /** Nanoseconds since 1970 */
  modified: integer(6),
  linkName: string(7),
  major: integer(8),
  minor: integer(9),
});
export type Stat = OutputOf<typeof Stat>;

export const Packet = message({
  type: enumeration(1, ['stat', 'request', 'data', 'fin', 'error']),
  stat: nested(2, Stat),
  id: integer(3),
  data: bytes(4),
});
export type Packet = OutputOf<typeof Packet>;

export const fileSyncService = {
  name: 'moby.filesync.v1.FileSync',
  duplex: { diffCopy: duplex('DiffCopy', Packet, Packet) },
} as const;

const BytesMessage = message({ data: bytes(1) });

/** A client's folder that is written to, in packets; or its file, in bytes: the client knows which it has offered. */
export const fileSendService = {
  name: 'moby.filesync.v1.FileSend',
  duplex: { packets: duplex('DiffCopy', Packet, Packet), bytes: duplex('DiffCopy', BytesMessage, BytesMessage) },
} as const;

/** What a client has on its standard input. */
export const uploadService = {
  name: 'moby.upload.v1.Upload',
  duplex: { pull: duplex('Pull', BytesMessage, BytesMessage) },
} as const;

export const sshService = {
  name: 'moby.sshforward.v1.SSH',
  unary: { checkAgent: unary('CheckAgent', message({ id: string(1) }), message({})) },
  duplex: { forwardAgent: duplex('ForwardAgent', BytesMessage, BytesMessage) },
} as const;

export const authService = {
  name: 'moby.filesync.v1.Auth',
  unary: {
    credentials: unary(
      'Credentials',
      message({ host: string(1) }),
      message({ username: string(1), secret: string(2) }),
    ),
  },
} as const;

export const secretsService = {
  name: 'moby.buildkit.secrets.v1.Secrets',
  unary: { getSecret: unary('GetSecret', message({ id: string(1) }), message({ data: bytes(1) })) },
} as const;
