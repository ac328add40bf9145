import { errorMessage } from '../../model/errors.ts';
import { Unreachable } from './failure.ts';

/** connect(2)'s errors as Go words them. */
const CONNECT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
};

/** OpenSSL's verdicts as Go words them. https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const CERTIFICATE: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate signed by unknown authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate signed by unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate signed by unknown authority',
  CERT_HAS_EXPIRED: 'certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'certificate has expired or is not yet valid',
};

interface SystemError {
  readonly code: string;
  readonly address: string;
  readonly port: number;
  readonly message: string;
}

/** Why there was no answer, in the words Docker's users know and search for. */
export function connectionFailure(method: string, url: URL, error: unknown): Unreachable {
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  return new Unreachable(`${verb} "${url.href}": ${explain(firstOf(error), url)}`, { cause: error });
}

function explain({ code, address, port, message }: SystemError, url: URL): string {
  const target = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  const refused = CONNECT[code];
  if (refused !== undefined && address !== '') return `dial tcp ${target}: connect: ${refused}`;
  const certificate = CERTIFICATE[code];
  if (certificate !== undefined) return `tls: failed to verify certificate: x509: ${certificate}`;
  switch (code) {
    case 'ENOTFOUND':
      return `dial tcp: lookup ${url.hostname}: no such host`;
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${url.hostname}: temporary failure in name resolution`;
    case 'ETIMEDOUT':
      return address === '' ? 'i/o timeout' : `dial tcp ${target}: i/o timeout`;
    case 'ECONNRESET':
      return message === 'socket hang up' ? 'EOF' : 'read: connection reset by peer';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `tls: failed to verify certificate: x509: ${message}`;
    default:
      if (/wrong version number|packet length too long/.test(message))
        return 'http: server gave HTTP response to HTTPS client';
      return message;
  }
}

/** A name with several addresses fails once for each: the first is told, as by Go. */
function firstOf(error: unknown): SystemError {
  const one: unknown = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  const fields = (typeof one === 'object' && one !== null ? one : {}) as Partial<Record<keyof SystemError, unknown>>;
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return {
    code: text(fields.code),
    address: text(fields.address),
    port: Number(fields.port ?? 0),
    message: errorMessage(one),
  };
}
