import { BuildError } from '../engine/builds.ts';
import { GrpcError, statusName } from '../grpc/error.ts';
import type { InputOf } from '../grpc/protobuf.ts';
import { errorMessage } from '../model/errors.ts';
import { Status } from './protos/status.ts';

/** Where in the sources it went wrong: the client shows the lines (buildkit, solver/errdefs/source.go). */
const SOURCE = 'github.com/moby/buildkit/errdefs.Source+json';
const UNKNOWN = 2;

/** A build that failed, in BuildKit's words, with the lines of the Dockerfile. */
class SolveError extends Error {
  /** The trailer grpc-status-details-bin */
  readonly statusDetails: Buffer;

  constructor(message: string, details: NonNullable<InputOf<typeof Status>['details']>) {
    super(message);
    this.name = 'SolveError';
    this.statusDetails = Status.encode({ code: UNKNOWN, message, details });
  }
}

/** @param dockerfile its name and its text */
export function solveError(thrown: unknown, dockerfile: { readonly name: string; readonly text: string }): Error {
  const message = failureWords(thrown);
  const lines = linesOf(thrown);
  if (lines === undefined) return new SolveError(message, []);
  const { name: filename, text } = dockerfile;
  const info = { filename, data: Buffer.from(text).toString('base64'), language: 'Dockerfile' };
  const ranges = [{ start: { line: lines.first }, end: { line: lines.last } }];
  return new SolveError(message, [{ typeUrl: SOURCE, value: Buffer.from(JSON.stringify({ info, ranges })) }]);
}

export function failureWords(thrown: unknown): string {
  if (!(thrown instanceof BuildError)) return errorMessage(thrown);
  const { code, command, missing, message } = thrown.failure;
  if (command !== undefined) return `process "${command}" did not complete successfully: exit code: ${code}`;
  if (missing !== undefined) return `failed to compute cache key: "/${missing.replace(/^\//, '')}": not found`;
  return message;
}

function linesOf(thrown: unknown): { readonly first: number; readonly last: number } | undefined {
  if (thrown instanceof BuildError && thrown.step !== undefined && thrown.step.line > 0) {
    return { first: thrown.step.line, last: thrown.step.lastLine };
  }
  const line = Number(/^dockerfile parse error on line (\d+):/.exec(errorMessage(thrown))?.[1] ?? 0);
  return line === 0 ? undefined : { first: line, last: line };
}

/** What a client itself has given up with. */
export function returnedError(error: { readonly code: number; readonly message: string }): GrpcError {
  return new GrpcError(statusName(error.code), 'Return', error.message);
}
