import { EngineError, type ErrorKind } from '../model/errors.ts';

/** The one table from what went wrong to the status a client sees (moby: api/server/httpstatus). */
const STATUS: Readonly<Record<ErrorKind, number>> = {
  notModified: 304,
  invalidArgument: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  tooLarge: 413,
  internal: 500,
  unsupported: 501,
  unavailable: 503,
};

/** What was not foreseen is the daemon's fault: 500. */
export function statusOf(thrown: unknown): number {
  return thrown instanceof EngineError ? STATUS[thrown.kind] : 500;
}

/** A request that cannot be meant: 400. */
export function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}

/** An option that is set and that Fairway does not know: refused, never ignored. */
export function unsupportedOption(what: string): EngineError {
  return invalid(`${what} is not supported by Fairway yet`);
}

/** An operation Docker has and Fairway has not. */
export function unsupported(what: string): EngineError {
  return new EngineError('unsupported', `${what} is not supported by Fairway yet`);
}
