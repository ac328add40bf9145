import { EngineError, type ErrorKind } from '../../model/errors.ts';

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

/** Of the trailer grpc-message, which is percent-encoded. What is not, is told as it came (PROTOCOL-HTTP2.md, Status-Message). */
export function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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

/** containerd refused, or could not be asked. The message is containerd's own. */
export class ContainerdError extends EngineError {
  readonly status: GrpcStatus;
  /** "/containerd.services.tasks.v1.Tasks/Create" */
  readonly method: string;

  constructor(status: GrpcStatus, method: string, message: string) {
    super(KINDS[status] ?? 'internal', message === '' ? `containerd: ${method}: ${status}` : message);
    this.name = 'ContainerdError';
    this.status = status;
    this.method = method;
  }
}

/** For `catch`: what is gone already, or there already, is often fine. */
export function hasStatus(thrown: unknown, ...statuses: readonly GrpcStatus[]): boolean {
  return thrown instanceof ContainerdError && statuses.includes(thrown.status);
}
