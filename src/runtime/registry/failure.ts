import { EngineError, type ErrorKind } from '../../model/errors.ts';

/** What a registry refused, with the code of the distribution specification: "MANIFEST_UNKNOWN". */
export class RegistryError extends EngineError {
  readonly code: string;
  /** HTTP status */
  readonly status: number;
  /** Seconds the registry asks us to wait; undefined: it did not say */
  readonly retryAfter: number | undefined;

  constructor(code: string, status: number, message: string, retryAfter?: number) {
    super(kindOf(code), message);
    this.name = 'RegistryError';
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** No registry answered: nothing is known about what it would have said. */
export class Unreachable extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('internal', message, options);
    this.name = 'Unreachable';
  }
}

/**
 * Codes of the distribution specification that have a status of their own in the Engine API. UNAUTHORIZED has none, as in
 * Docker: to 401 the CLI answers by asking for a password, for which there may be nobody.
 */
const KINDS: ReadonlyMap<string, ErrorKind> = new Map([
  ['DENIED', 'notFound'],
  ['MANIFEST_UNKNOWN', 'notFound'],
  ['NAME_UNKNOWN', 'notFound'],
]);

function kindOf(code: string): ErrorKind {
  return KINDS.get(code) ?? 'internal';
}

/** What the specification's codes say when a registry gives no words of its own. */
const DEFAULT_WORDS: ReadonlyMap<string, string> = new Map([
  ['UNAUTHORIZED', 'authentication required'],
  ['DENIED', 'requested access to the resource is denied'],
  ['TOOMANYREQUESTS', 'too many requests'],
  ['UNAVAILABLE', 'service unavailable'],
]);

const LONGEST_MESSAGE = 2000;

/** In Docker's form: "manifest unknown: manifest unknown". */
export function registryError(code: string, status: number, message: string, retryAfter?: number): RegistryError {
  const words = (message === '' ? (DEFAULT_WORDS.get(code) ?? 'unknown error') : message).slice(0, LONGEST_MESSAGE);
  return new RegistryError(code, status, `${code.toLowerCase().replaceAll('_', ' ')}: ${words}`, retryAfter);
}

/** The first error of a refusal's body; whatever else a server may send becomes its status. */
export function errorFromBody(status: number, statusText: string, body: string, retryAfter?: number): RegistryError {
  const first = firstError(body);
  if (first !== undefined) return registryError(first.code, status, first.message, retryAfter);
  if (status === 401) return registryError('UNAUTHORIZED', status, '');
  if (status === 403) return registryError('DENIED', status, '');
  if (status === 429) return registryError('TOOMANYREQUESTS', status, body.trim(), retryAfter);
  return new RegistryError('', status, `received unexpected HTTP status: ${status} ${statusText}`, retryAfter);
}

/** {"errors":[{"code":"DENIED","message":"…"}]}; token servers also say {"details":"…"}. */
function firstError(body: string): { code: string; message: string } | undefined {
  try {
    const document = JSON.parse(body) as { errors?: unknown; details?: unknown };
    const list: readonly unknown[] = Array.isArray(document.errors) ? document.errors : [];
    const [first] = list as readonly { code?: unknown; message?: unknown }[];
    if (typeof document.details === 'string') return { code: 'UNAUTHORIZED', message: document.details };
    if (typeof first?.code !== 'string' || !/^\w{1,64}$/.test(first.code)) return undefined;
    return { code: first.code, message: typeof first.message === 'string' ? first.message : '' };
  } catch {
    return undefined;
  }
}
