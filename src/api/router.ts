import { EngineError } from '../model/errors.ts';
import type { Exchange, Outcome, Target } from './exchange.ts';
import { invalid } from './status.ts';
import { type ApiVersion, newestApiVersion, parseApiVersion } from './version.ts';

export type Handler = (exchange: Exchange) => Outcome | Promise<Outcome>;

/** "GET /networks/{}": {} stands for one part of the path, {*} for several (names of images and links hold slashes). */
export type Routes = Readonly<Record<string, Handler>>;

interface Route {
  readonly key: string;
  readonly method: string;
  readonly pattern: RegExp;
  readonly handler: Handler;
}

/** Finds who answers a request. Routes are tried in the order they were given. */
export class Router {
  readonly #routes: readonly Route[];

  constructor(...groups: readonly Routes[]) {
    this.#routes = groups.flatMap((group) => Object.entries(group)).map(([key, handler]) => compile(key, handler));
  }

  /** @throws EngineError notFound or invalidArgument with Docker's words */
  find(method: string, url: string): { readonly handler: Handler; readonly target: Target; readonly route: string } {
    const mark = url.indexOf('?');
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
    const { version, path } = splitVersion(mark < 0 ? url : url.slice(0, mark));
    for (const route of this.#routes) {
      const match = route.method === method ? route.pattern.exec(path) : null;
      if (match === null) continue;
      return {
        handler: route.handler,
        route: route.key,
        target: { version, query, parameters: match.slice(1).map(decode) },
      };
    }
    throw new EngineError('notFound', 'page not found');
  }
}

/** Slashes at the end of a path are forgiven, as Docker does for /networks/. */
function compile(key: string, handler: Handler): Route {
  const [method = '', path = ''] = key.split(' ');
  const source = path.replaceAll('.', '\\.').replaceAll('{*}', '(.+)').replaceAll('{}', '([^/]+)');
  return { key, method, pattern: new RegExp(`^${source}/?$`), handler };
}

/** "/v1.41/info" is version 1.41 of "/info"; without a version the newest is meant. */
function splitVersion(path: string): { readonly version: ApiVersion; readonly path: string } {
  const match = /^\/v(\d{1,4}\.\d{1,4})(\/.*)$/.exec(path);
  if (match === null) return { version: newestApiVersion(), path };
  return { version: parseApiVersion(match[1] ?? ''), path: match[2] ?? '/' };
}

/** Parts are decoded after matching, so that a network named "a/b" can be asked for as a%2Fb. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(`invalid URL escape "${part}"`);
  }
}
