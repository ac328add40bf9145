import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError, errorMessage } from '../model/errors.ts';
import { http, https } from '../model/http.ts';
import type { Logger } from '../model/logger.ts';
import type { Upgrade } from './body.ts';
import { Exchange } from './exchange.ts';
import { type ListenOptions, listenHandedOver, listenTcp, listenUnix, type TlsFiles } from './listen.ts';
import { Router } from './router.ts';
import { routes } from './routes/index.ts';
import { statusOf } from './status.ts';
import type { EngineSurface } from './surface.ts';
import { MAXIMUM_API, newestApiVersion } from './version.ts';

export interface ApiServerOptions {
  readonly logger: Logger;
  /** Fairway's own version, for the Server header */
  readonly version: string;
  /** Told of every request when it has been dealt with */
  readonly served?: (request: Served) => void;
}

export interface Served {
  /** "GET /containers/{*}/json"; '' for what no route is for */
  readonly route: string;
  readonly status: number;
  /** Until the answer was complete, or the stream's end */
  readonly seconds: number;
}

/** Long enough for the labels of a compose project in a query string. */
const LARGEST_HEADER = 64 * 1024;
const HEADERS_TIMEOUT_MS = 30_000;
/** Clients keep idle connections; the daemon lets go of those that were forgotten. */
const IDLE_TIMEOUT_MS = 10 * 60_000;

/** The Docker Engine API over any number of sockets. */
export class ApiServer {
  readonly #router: Router;
  readonly #logger: Logger;
  readonly #served: (request: Served) => void;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #servers: Server[] = [];
  /** Upgraded requests, and what has left HTTP: Node no longer counts them among its connections */
  readonly #raw = new Set<Duplex>();

  constructor(engine: EngineSurface, options: ApiServerOptions) {
    this.#router = new Router(...routes(engine));
    this.#logger = options.logger;
    this.#served = options.served ?? (() => undefined);
    this.#headers = {
      'Api-Version': MAXIMUM_API,
      'Docker-Experimental': 'false',
      Ostype: 'linux',
      Server: `Fairway/${options.version} (linux)`,
    };
  }

  /**
   * Unix: the socket gets mode 0660 and belongs to `group`, or to fairway or docker where one exists. TCP: with mutual
   * TLS, or with `dangerouslyWithoutTls`, without which it is refused: whoever reaches the API is root on this host.
   * @throws EngineError invalidArgument, or what listen(2) says
   */
  async listen(options: ListenOptions): Promise<void> {
    if ('descriptor' in options) {
      const server = this.#create(undefined);
      await listenHandedOver(server, options);
      this.#servers.push(server);
      return;
    }
    if ('socketPath' in options) {
      const server = this.#create(undefined);
      await listenUnix(server, options);
      this.#servers.push(server);
      return;
    }
    if (options.tls === undefined && options.dangerouslyWithoutTls !== true) {
      throw new EngineError(
        'invalidArgument',
        `refusing to listen on tcp://${options.host}:${options.port} without TLS: everyone who reaches it would be root here`,
      );
    }
    const server = this.#create(options.tls);
    await listenTcp(server, options);
    this.#servers.push(server);
  }

  /** Ports in use, for who listened on port 0. */
  get addresses(): (string | { readonly address: string; readonly port: number })[] {
    return this.#servers.flatMap((server) => {
      const address = server.address();
      return address === null ? [] : [address];
    });
  }

  /** Stops listening and cuts every connection, streams included. */
  async close(): Promise<void> {
    for (const socket of this.#raw) socket.destroy();
    const closing = this.#servers.splice(0).map((server) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    });
    await Promise.all(closing);
  }

  /** One listener a socket, all with the same routes and limits. */
  #create(tls: TlsFiles | undefined): Server {
    const limits = {
      maxHeaderSize: LARGEST_HEADER,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      // An image may take its time; JSON bodies have a limit of their own.
      requestTimeout: 0,
    };
    const listener: RequestListener = (request, response) => void this.#serve(request, response);
    const server: Server =
      tls === undefined
        ? http().createServer(limits, listener)
        : https().createServer({ ...limits, ...readTls(tls), requestCert: true, rejectUnauthorized: true }, listener);
    server.on('upgrade', (request, socket, head) => this.#serveUpgrade(request, socket, head));
    server.on('clientError', (error: Error & { code?: string }, socket) => {
      // What a client sends behind a stream that began without an upgrade is no HTTP, and nothing to answer either.
      if (!this.#raw.has(socket)) refuseGarbage(error.code, socket);
    });
    return server;
  }

  /**
   * An upgraded request has no response of Node's own. It gets one, so that errors are answered in HTTP by the same path as
   * everything else, until a handler takes the socket over.
   */
  #serveUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#raw.add(socket);
    socket.once('close', () => this.#raw.delete(socket));
    // Until a handler listens, nobody else would hear that the client broke off.
    socket.on('error', () => undefined);
    const response = new (http().ServerResponse)(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0]);
    response.once('finish', () => socket.end());
    void this.#serve(request, response, { socket, head });
  }

  /** Never rejects: what goes wrong is told to the client, and to the log when it is ours. */
  async #serve(request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): Promise<void> {
    for (const [name, value] of Object.entries(this.#headers)) response.setHeader(name, value);
    const { method = '', url = '' } = request;
    const origin = { raw: this.#raw, ...(upgrade === undefined ? {} : { upgrade }) };
    let exchange: Exchange | undefined;
    const begin = performance.now();
    let known = '';
    try {
      const { handler, target, route } = this.#router.find(method, url);
      known = route;
      exchange = new Exchange(request, response, target, origin);
      const outcome = await handler(exchange);
      if (outcome !== 'answered') exchange.reply(outcome);
    } catch (thrown) {
      const nowhere = { version: newestApiVersion(), parameters: [], query: new URLSearchParams() };
      exchange ??= new Exchange(request, response, nowhere, origin);
      this.#note(exchange, thrown);
      exchange.fail(thrown);
    }
    const seconds = (performance.now() - begin) / 1000;
    this.#served({ route: known, status: exchange.status, seconds });
  }

  /** The engine's own words are enough; of anything else, the place it came from is wanted. */
  #note({ request, signal }: Exchange, thrown: unknown): void {
    const fields = { method: request.method, url: request.url, error: errorMessage(thrown) };
    if (statusOf(thrown) !== 500 || signal.aborted) this.#logger.debug('request refused', fields);
    else if (thrown instanceof EngineError) this.#logger.warn('request failed', fields);
    else this.#logger.error('request broke', { ...fields, stack: thrown instanceof Error ? thrown.stack : undefined });
  }
}

/** Read when listening begins: renewed certificates need a restart, as in Docker. */
function readTls({ ca, cert, key }: TlsFiles) {
  return { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
}

/** What is not HTTP, too long or too slow. */
function refuseGarbage(code: string | undefined, socket: Duplex): void {
  if (!socket.writable || socket.writableEnded) {
    socket.destroy();
    return;
  }
  const status =
    code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n${status}`);
}
