import { GrpcError } from '../../grpc/error.ts';
import { EngineError, type ErrorKind } from '../../model/errors.ts';

/** A process that did not come to life, in the words Docker's clients look for. */
export class StartError extends EngineError {
  /** As a shell would say it: 126 may not be run, 127 not found, 128 anything else */
  readonly exitCode: number;

  constructor(kind: ErrorKind, message: string, exitCode: number, options?: ErrorOptions) {
    super(kind, message, options);
    this.name = 'StartError';
    this.exitCode = exitCode;
  }
}

/** crun says them as strerror(3), runc as Go; the CLI looks for Go's. */
const LIBC = /No such file or directory|Permission denied|Is a directory|Not a directory/g;
const NOT_FOUND = /executable file not found|no such file or directory|failed to run runc create\/exec call/i;
const MOUNT_HINT =
  'Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type';

/**
 * What Docker makes of runc's words (moby, daemon/errors.go): the CLI takes its exit code from them. Errors that are not about
 * the process, such as a containerd that does not answer, are returned as they are.
 */
export function startError(thrown: unknown, prefix: string): unknown {
  if (!(thrown instanceof GrpcError) || thrown.status === 'UNAVAILABLE') return thrown;
  const message = `${prefix}${thrown.message}`.replaceAll(LIBC, (words) => words.toLowerCase());
  const refuse = (text: string, exitCode: number) =>
    new StartError('invalidArgument', text, exitCode, { cause: thrown });
  if (/permission denied/i.test(message)) return refuse(message, 126);
  if (/is a directory/i.test(message)) return refuse(`${message}: permission denied`, 126);
  if (/not a directory/i.test(message)) return refuse(`${message}: ${MOUNT_HINT}`, 127);
  if (NOT_FOUND.test(message)) return refuse(message, 127);
  return new StartError('internal', message, 128, { cause: thrown });
}
