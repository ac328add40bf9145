import type { IncomingHttpHeaders } from 'node:http';
import { ANONYMOUS, type RegistryAuth } from '../../model/registry.ts';
import { invalid } from '../status.ts';

/** Keys clients send and that say nothing here: the registry is the image's own. */
const IGNORED = ['email', 'serveraddress'];
const LARGEST = 64 * 1024;

/**
 * Credentials in X-Registry-Auth: JSON in base64url, or base64 as older clients have it. Nothing, "null" and {} are nobody.
 * @throws EngineError invalidArgument
 */
export function parseRegistryAuth(headers: IncomingHttpHeaders): RegistryAuth {
  const text = headers['x-registry-auth'];
  if (typeof text !== 'string' || text === '' || text === 'null') return ANONYMOUS;
  if (text.length > LARGEST || !/^[\w+/=-]*$/.test(text)) throw invalid('invalid X-Registry-Auth header: no base64');
  // Node reads both alphabets.
  const json = Buffer.from(text, 'base64url').toString();
  try {
    return parseAuthConfig(json === '' ? {} : JSON.parse(json));
  } catch (error) {
    throw invalid(`invalid X-Registry-Auth header: ${error instanceof Error ? error.message : 'no JSON'}`);
  }
}

/** X-Registry-Config of a build: what X-Registry-Auth holds, by registry. @throws EngineError invalidArgument */
export function parseRegistryConfig(headers: IncomingHttpHeaders): Map<string, RegistryAuth> {
  const text = headers['x-registry-config'];
  if (typeof text !== 'string' || text === '') return new Map();
  if (text.length > LARGEST || !/^[\w+/=-]*$/.test(text)) throw invalid('invalid X-Registry-Config header: no base64');
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    return new Map(Object.entries(value ?? {}).map(([server, auth]) => [server, parseAuthConfig(auth)]));
  } catch (error) {
    throw invalid(`invalid X-Registry-Config header: ${error instanceof Error ? error.message : 'no JSON'}`);
  }
}

/** An AuthConfig of the Engine API. @throws EngineError invalidArgument */
export function parseAuthConfig(value: unknown): RegistryAuth {
  if (value === null) return ANONYMOUS;
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid('an AuthConfig must be an object');
  const fields = value as Readonly<Record<string, unknown>>;
  const text = (name: string) => {
    const field = fields[name] ?? '';
    if (typeof field !== 'string') throw invalid(`AuthConfig: ${name} must be a string`);
    return field;
  };
  for (const name of IGNORED) text(name);
  const [username, password] = pair(text('auth'));
  return {
    username: text('username') === '' ? username : text('username'),
    password: text('password') === '' ? password : text('password'),
    identityToken: text('identitytoken'),
    registryToken: headerSafe(text('registrytoken')),
  };
}

/** "auth" holds both in base64: user:password. */
function pair(auth: string): [string, string] {
  const text = Buffer.from(auth, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? ['', ''] : [text.slice(0, colon), text.slice(colon + 1)];
}

function headerSafe(token: string): string {
  if (/^[\x21-\x7e]*$/.test(token)) return token;
  throw invalid('AuthConfig: registrytoken must be printable');
}
