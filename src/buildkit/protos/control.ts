import {
  boolean,
  bytes,
  type InputOf,
  integer,
  message,
  nested,
  type OutputOf,
  repeated,
  repeatedString,
  string,
  stringMap,
} from '../../grpc/protobuf.ts';
import { duplex, serverStream, unary } from '../../grpc/service.ts';

/* github.com/moby/buildkit: api/services/control/control.proto, api/types/worker.proto, solver/pb/ops.proto. */

const Empty = message({});

/** google.protobuf.Timestamp */
export const Timestamp = message({ seconds: integer(1), nanos: integer(2) });

/** @param time milliseconds since 1970 */
export function timestamp(time: number): InputOf<typeof Timestamp> {
  const seconds = Math.floor(time / 1000);
  return { seconds, nanos: Math.floor((time - seconds * 1000) * 1e6) };
}

const Attributes = message({ type: string(1), attributes: stringMap(2) });
/** An exporter, or where a cache comes from or goes to. */
export type Attributes = OutputOf<typeof Attributes>;

const CacheOptions = message({ exports: repeated(4, Attributes), imports: repeated(5, Attributes) });

export const SolveRequest = message({
  ref: string(1),
  /** Present for what is no frontend's: its content is not looked at */
  definition: nested(2, Empty),
  exporter: string(3),
  exporterAttributes: stringMap(4),
  session: string(5),
  frontend: string(6),
  frontendAttributes: stringMap(7),
  cache: nested(8, CacheOptions),
  exporters: repeated(13, Attributes),
});
export type SolveRequest = OutputOf<typeof SolveRequest>;

const SolveResponse = message({ exporterResponse: stringMap(1) });

const Vertex = message({
  digest: string(1),
  inputs: repeatedString(2),
  name: string(3),
  cached: boolean(4),
  started: nested(5, Timestamp),
  completed: nested(6, Timestamp),
  error: string(7),
});
export type Vertex = InputOf<typeof Vertex>;

const VertexStatus = message({
  id: string(1),
  vertex: string(2),
  current: integer(4),
  total: integer(5),
  timestamp: nested(6, Timestamp),
  started: nested(7, Timestamp),
  completed: nested(8, Timestamp),
});
const VertexLog = message({
  vertex: string(1),
  timestamp: nested(2, Timestamp),
  stream: integer(3),
  message: bytes(4),
});
const VertexWarning = message({ vertex: string(1), level: integer(2), short: bytes(3) });

export const StatusResponse = message({
  vertexes: repeated(1, Vertex),
  statuses: repeated(2, VertexStatus),
  logs: repeated(3, VertexLog),
  warnings: repeated(4, VertexWarning),
});
export type StatusResponse = InputOf<typeof StatusResponse>;

/** A connection within a call */
const BytesMessage = message({ data: bytes(1) });

const UsageRecord = message({
  id: string(1),
  mutable: boolean(2),
  inUse: boolean(3),
  size: integer(4),
  createdAt: nested(6, Timestamp),
  lastUsedAt: nested(7, Timestamp),
  usageCount: integer(8),
  description: string(9),
  recordType: string(10),
  shared: boolean(11),
  parents: repeatedString(12),
});
export type UsageRecord = InputOf<typeof UsageRecord>;

const PruneRequest = message({
  filter: repeatedString(1),
  all: boolean(2),
  keepDuration: integer(3),
  reservedSpace: integer(4),
  maxUsedSpace: integer(5),
  minFreeSpace: integer(6),
});
export type PruneRequest = OutputOf<typeof PruneRequest>;

const Platform = message({ architecture: string(1), os: string(2), variant: string(3) });
const BuildkitVersion = message({ package: string(1), version: string(2), revision: string(3) });
export const WorkerRecord = message({
  id: string(1),
  labels: stringMap(2),
  platforms: repeated(3, Platform),
  buildkitVersion: nested(5, BuildkitVersion),
});
export type WorkerRecord = InputOf<typeof WorkerRecord>;

export const controlService = {
  name: 'moby.buildkit.v1.Control',
  unary: {
    diskUsage: unary(
      'DiskUsage',
      message({ filter: repeatedString(1) }),
      message({ record: repeated(1, UsageRecord) }),
    ),
    solve: unary('Solve', SolveRequest, SolveResponse),
    listWorkers: unary(
      'ListWorkers',
      message({ filter: repeatedString(1) }),
      message({ record: repeated(1, WorkerRecord) }),
    ),
    info: unary('Info', Empty, message({ buildkitVersion: nested(1, BuildkitVersion) })),
  },
  streams: {
    prune: serverStream('Prune', PruneRequest, UsageRecord),
    status: serverStream('Status', message({ ref: string(1) }), StatusResponse),
  },
  duplex: { session: duplex('Session', BytesMessage, BytesMessage) },
} as const;

/** grpc/doc/health-checking.md; 1 is SERVING. */
export const healthService = {
  name: 'grpc.health.v1.Health',
  unary: { check: unary('Check', message({ service: string(1) }), message({ status: integer(1) })) },
} as const;
