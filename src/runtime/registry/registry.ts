import type { RegistryAuth, RegistryConfig } from '../../model/registry.ts';
import { ANONYMOUS } from '../../model/registry.ts';
import { Connection } from './connection.ts';
import { type Endpoint, endpointsOf, HUB } from './endpoints.ts';
import { Unreachable } from './failure.ts';
import type { HttpOptions } from './http.ts';
import { Repository } from './repository.ts';

export interface RegistryUser {
  readonly auth: RegistryAuth;
  readonly signal: AbortSignal;
}

/** What the outside world looks like from here. */
export interface RegistryOptions extends HttpOptions {
  readonly config: RegistryConfig;
}

/** A repository whose registry has answered. */
export interface OpenRepository<T> extends Disposable {
  readonly repository: Repository;
  /** What the first question was answered with */
  readonly answer: T;
}

/**
 * Finds the first of a registry's endpoints that can answer a question: a mirror that fails in any way is passed over, and
 * http is tried only where https gets no answer.
 *
 * @param name in full: "docker.io/library/busybox"
 */
export async function openRepository<T>(
  name: string,
  purpose: 'pull' | 'push',
  options: RegistryOptions & RegistryUser,
  ask: (repository: Repository) => Promise<T>,
): Promise<OpenRepository<T>> {
  const { domain, path } = splitName(name);
  const endpoints = await endpointsOf(domain, options.config, purpose);
  return firstAnswer(endpoints, options, async (connection) => {
    const repository = new Repository(connection, path, purpose);
    return { repository, answer: await ask(repository), [Symbol.dispose]: () => connection[Symbol.dispose]() };
  });
}

/**
 * Proves to a registry who one is.
 *
 * @param server as clients name it: "localhost:5000", "https://index.docker.io/v1/"; '' is Docker Hub
 * @returns what the registry gave to be stored in place of the password; '' when it gave nothing
 */
export async function logIn(server: string, options: RegistryOptions & RegistryUser): Promise<string> {
  const endpoints = await endpointsOf(serverDomain(server), options.config, 'push');
  return firstAnswer(endpoints, options, async (connection) => {
    using open = connection;
    await open.login(options.signal);
    return open.identityToken;
  });
}

/** The connection stays open when `ask` has succeeded. */
async function firstAnswer<T>(
  endpoints: readonly Endpoint[],
  options: RegistryOptions & RegistryUser,
  ask: (connection: Connection) => Promise<T>,
): Promise<T> {
  let last: unknown;
  for (const endpoint of endpoints) {
    let connection: Connection | undefined;
    try {
      connection = await Connection.open(endpoint, endpoint.mirror ? ANONYMOUS : options.auth, options, options.signal);
      return await ask(connection);
    } catch (error) {
      connection?.[Symbol.dispose]();
      if (options.signal.aborted || !mayGoOn(endpoint, error)) throw error;
      last = error;
    }
  }
  throw last;
}

function mayGoOn(endpoint: Endpoint, error: unknown): boolean {
  return endpoint.mirror || (endpoint.base.protocol === 'https:' && error instanceof Unreachable);
}

function splitName(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  return { domain: name.slice(0, slash), path: name.slice(slash + 1) };
}

/** Docker Hub goes by several names. */
function serverDomain(server: string): string {
  const host = server.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return ['', 'index.docker.io', 'docker.io', 'registry-1.docker.io'].includes(host) ? HUB : host;
}
