import { EngineError, type ErrorKind } from '../model/errors.ts';

/** gRPC's statuses by number (grpc/doc/statuscodes.md). */
const STATUSES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type GrpcStatus = (typeof STATUSES)[number];

export function statusName(code: number): GrpcStatus {
  return STATUSES[code] ?? 'UNKNOWN';
}

export function statusCode(name: GrpcStatus): number {
  return STATUSES.indexOf(name);
}

/** Of the trailer grpc-message, which is percent-encoded. What is not, is told as it came (PROTOCOL-HTTP2.md, Status-Message). */
export function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The same for sending: what is no printable ASCII, and the percent sign, is percent-encoded. */
export function encodeMessage(text: string): string {
  return text.toWellFormed().replace(/[^ -$&-~]+/g, encodeURIComponent);
}

const KINDS: Partial<Record<GrpcStatus, ErrorKind>> = {
  INVALID_ARGUMENT: 'invalidArgument',
  NOT_FOUND: 'notFound',
  ALREADY_EXISTS: 'conflict',
  FAILED_PRECONDITION: 'conflict',
  PERMISSION_DENIED: 'forbidden',
  UNIMPLEMENTED: 'unsupported',
  UNAVAILABLE: 'unavailable',
};

/** The other side refused, or could not be asked. The message is its own. */
export class GrpcError extends EngineError {
  readonly status: GrpcStatus;
  /** "/containerd.services.tasks.v1.Tasks/Create" */
  readonly method: string;

  constructor(status: GrpcStatus, method: string, message: string) {
    super(KINDS[status] ?? 'internal', message === '' ? `${method}: ${status}` : message);
    this.name = 'GrpcError';
    this.status = status;
    this.method = method;
  }
}

/** For `catch`: what is gone already, or there already, is often fine. */
export function hasStatus(thrown: unknown, ...statuses: readonly GrpcStatus[]): boolean {
  return thrown instanceof GrpcError && statuses.includes(thrown.status);
}
