/** What went wrong, in the engine's words; the API has one table from kind to HTTP status. */
export type ErrorKind =
  | 'invalidArgument'
  | 'unauthorized'
  | 'forbidden'
  | 'notFound'
  | 'conflict'
  | 'notModified'
  | 'tooLarge'
  | 'unsupported'
  | 'unavailable'
  | 'internal';

/** A failure a caller can understand. `message` is shown to users as it is, in Docker's wording where Docker has one. */
export class EngineError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.kind = kind;
  }
}

export interface KernelFailure {
  /** What was asked of the kernel: "add link veth1a2b3c" */
  readonly operation: string;
  /** Positive errno, as in errno.h */
  readonly errno: number;
  /** The kernel's own sentence (extended acknowledgement, nftables error buffer), or '' when it gave none */
  readonly sentence: string;
}

/** The kernel refused. Keeps its own words, so that nobody has to guess from a number. */
export class KernelError extends EngineError {
  readonly operation: string;
  readonly errno: number;
  /** The errno's name: "EEXIST" */
  readonly code: string;
  readonly sentence: string;

  constructor(failure: KernelFailure, code: string, options?: ErrorOptions) {
    const words = failure.sentence === '' ? '' : `: ${failure.sentence}`;
    super('internal', `Cannot ${failure.operation}: ${code}${words}`, options);
    this.name = 'KernelError';
    this.operation = failure.operation;
    this.errno = failure.errno;
    this.code = code;
    this.sentence = failure.sentence;
  }
}

/** Whether it is an error of the system with one of these codes: "ENOENT", as in errno(3). */
export function hasCode(thrown: unknown, ...codes: readonly string[]): boolean {
  return thrown instanceof Error && 'code' in thrown && codes.includes(String(thrown.code));
}

/** A word for what was thrown, whatever it was. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
