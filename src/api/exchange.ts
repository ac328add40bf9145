import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Duplex, finished, type Readable } from 'node:stream';
import { EngineError, errorMessage } from '../model/errors.ts';
import { http } from '../model/http.ts';
import { rawSocket, readAll, readJson, readUpgradeBody, type Upgrade } from './body.ts';
import { invalid, statusOf } from './status.ts';
import { type Connection, type Framing, writeAll } from './stream.ts';
import { type ApiVersion, atLeast } from './version.ts';
import { acceptWebSocket } from './websocket.ts';

/** How long what follows a refused body's beginning is read on: no longer than a JSON body may take anyhow (body.ts) */
const LINGER_MS = 60_000;

/** What a handler answers with; `nothing` when it has answered by itself, as streams do. */
export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Outcome = Reply | 'answered';

/** A request matched to its route. */
export interface Target {
  readonly version: ApiVersion;
  /** Decoded parts of the path, in the order of the pattern */
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
}

/** Where a request came from, and who must know when it stops being HTTP. */
export interface Origin {
  /** Only for a request that asked for an upgrade */
  readonly upgrade?: Upgrade;
  /** The server's connections that carry raw bytes now */
  readonly raw: Set<Duplex>;
}

/**
 * Reads what a client still sends of a body that was refused, for a while. A socket closed over unread bytes is reset, and a client
 * that is still writing would never see the refusal (RFC 9112, 9.6).
 */
function drop(request: IncomingMessage, done: () => void): void {
  const late = setTimeout(() => request.destroy(), LINGER_MS);
  finished(request, () => {
    clearTimeout(late);
    done();
  });
  request.resume();
}

/** One request and the ways to answer it. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly version: ApiVersion;
  readonly query: URLSearchParams;
  readonly #parameters: readonly string[];
  readonly #response: ServerResponse;
  readonly #origin: Origin;
  readonly #gone = new AbortController();
  #bodyRead = false;
  #hijacked: Duplex | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, target: Target, origin: Origin) {
    this.request = request;
    this.version = target.version;
    this.query = target.query;
    this.#parameters = target.parameters;
    this.#response = response;
    this.#origin = origin;
    response.once('close', () => this.#gone.abort());
  }

  /** The path's n-th part that the pattern left open. */
  parameter(index = 0): string {
    return this.#parameters[index] ?? '';
  }

  /** Aborted when the client is gone, or the answer is complete. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether the client speaks this version of the API, or a newer one. */
  since(version: string): boolean {
    return atLeast(this.version, version);
  }

  /** @throws EngineError invalidArgument or tooLarge */
  json(): Promise<unknown> {
    this.#bodyRead = true;
    return readJson(this.request, this.#origin.upgrade);
  }

  /** The body as it comes, of any length. */
  get body(): Readable {
    return this.request;
  }

  /** Sends status and headers at once; what is written later follows as it comes. */
  open(contentType: string | undefined, headers: Readonly<Record<string, string>> = {}): ServerResponse {
    if (contentType !== undefined) this.#response.setHeader('Content-Type', contentType);
    this.#response.writeHead(200, headers);
    this.#response.flushHeaders();
    return this.#response;
  }

  /** Writes JSON values as they come, one a line. @throws when the values' source fails */
  async lines(values: AsyncIterable<string>): Promise<Outcome> {
    const response = this.open('application/json');
    for await (const value of values) {
      if (this.signal.aborted) break;
      await writeAll(response, value);
    }
    response.end();
    return 'answered';
  }

  /** Of the answer, once there is one. */
  get status(): number {
    return this.#hijacked !== undefined && this.#origin.upgrade !== undefined ? 101 : this.#response.statusCode;
  }

  /** Something of the answer has left: its status can no longer be chosen. */
  get answered(): boolean {
    return this.#response.headersSent || this.#hijacked !== undefined;
  }

  /**
   * The whole answer at once. A text body is sent as it is, anything else as JSON with the newline Docker's has.
   * @param linger ends the connection only when the client has stopped sending
   */
  reply(reply: Reply, linger = false): void {
    const response = this.#response;
    for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
    if (reply.body === undefined) {
      if (reply.status !== 204 && reply.status !== 304) response.setHeader('Content-Length', '0');
      response.writeHead(reply.status).end();
      return;
    }
    const text = typeof reply.body === 'string' ? reply.body : `${JSON.stringify(reply.body)}\n`;
    if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', 'application/json');
    response.setHeader('Content-Length', Buffer.byteLength(text));
    response.writeHead(reply.status);
    if (linger) {
      response.write(text);
      drop(this.request, () => response.end());
    } else response.end(this.request.method === 'HEAD' ? undefined : text);
  }

  /** Docker's error body. An answer that has begun cannot become an error: its connection is cut instead. */
  fail(thrown: unknown): void {
    if (this.answered) {
      (this.#hijacked ?? this.#response).destroy();
      return;
    }
    const status = statusOf(thrown);
    const refusesBody = status === 413;
    if (refusesBody) this.#response.setHeader('Connection', 'close');
    this.reply(status === 304 ? { status } : { status, body: { message: errorMessage(thrown) } }, refusesBody);
  }

  /**
   * Takes the connection out of HTTP: 101 for a client that asked for the upgrade, else 200 and the connection's end marks
   * the answer's end. The request's body is consumed first, so that input starts with the client's own bytes.
   */
  async hijack(framing: Framing): Promise<Connection> {
    const type = this.since('1.42') && framing === 'multiplexed' ? 'multiplexed' : 'raw';
    const contentType = `Content-Type: application/vnd.docker.${type}-stream\r\n`;
    const socket = await this.#leave();
    if (socket === undefined) return this.#hijackPlain(contentType, framing);
    socket.write(`HTTP/1.1 101 UPGRADED\r\n${contentType}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n`);
    return { input: socket, output: socket, framing, signal: this.#watch(socket) };
  }

  /**
   * Takes the connection out of HTTP as a WebSocket. What it carries has no frames of Docker's.
   * @throws EngineError invalidArgument when the request is no handshake for one
   */
  async webSocket(): Promise<Connection> {
    const { upgrade } = this.#origin;
    if (upgrade === undefined) throw invalid('not websocket protocol');
    const { socket } = upgrade;
    await readUpgradeBody(this.request, upgrade);
    // Clients before 1.28 get text, as from Docker.
    const { input, output } = await acceptWebSocket(this.request, socket, this.since('1.28'));
    this.#response.detachSocket(socket as Parameters<ServerResponse['detachSocket']>[0]);
    return { input, output, framing: 'raw', signal: this.#watch(socket, input) };
  }

  /** @param protocol that the client must have asked for: "h2c" @throws EngineError invalidArgument in Docker's words when it has not */
  expectUpgrade(protocol: string): void {
    const asked = this.request.headers.upgrade ?? '';
    if (asked === '') throw invalid('no upgrade proto in request');
    if (asked.toLowerCase() !== protocol) throw invalid(`protocol ${asked} not supported`);
  }

  /**
   * Gives the connection to another protocol, which begins with the client's next byte.
   * @throws EngineError as expectUpgrade
   */
  async switchTo(protocol: string): Promise<Duplex> {
    this.expectUpgrade(protocol);
    const socket = await this.#leave();
    if (socket === undefined) throw invalid('no upgrade proto in request');
    this.#watch(socket);
    const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;
    // A write that ends under TLS when HTTP/2 has the handle already is taken for one of HTTP/2's, and ends the process.
    await new Promise<void>((resolve, reject) => {
      const gone = () => reject(new EngineError('unavailable', 'the client went away'));
      socket.write(head, (error) => (error == null ? resolve() : gone()));
    });
    return socket;
  }

  /**
   * Takes the connection out of HTTP, behind the request's body.
   * @returns undefined when the client has not asked for it. As in Docker the header Upgrade is enough; RFC 9110 (7.8) wants another beside it
   */
  async #leave(): Promise<Duplex | undefined> {
    const { request } = this;
    const { upgrade } = this.#origin;
    if (upgrade === undefined && request.headers.upgrade === undefined) return undefined;
    const chunked = upgrade !== undefined && request.headers['transfer-encoding'] !== undefined;
    if (!this.#bodyRead && !chunked)
      await (upgrade === undefined ? readAll(request) : readUpgradeBody(request, upgrade));
    const { socket, head } = upgrade ?? { socket: request.socket, head: Buffer.alloc(0) };
    this.#response.detachSocket(socket as Parameters<ServerResponse['detachSocket']>[0]);
    if (upgrade !== undefined && !chunked) return socket;
    return rawSocket(request, { socket, head });
  }

  /** For HTTP libraries that know no upgrade. There is no way back from raw bytes, so the connection ends with the output. */
  #hijackPlain(contentType: string, framing: Framing): Connection {
    const { socket } = this.request;
    socket.write(`HTTP/1.1 200 ${http().STATUS_CODES[200]}\r\n${contentType}Connection: close\r\n\r\n`);
    return { input: this.request, output: socket, framing, signal: this.#watch(socket) };
  }

  /** @returns aborted when the client is gone */
  #watch(socket: Duplex, input: Readable = socket): AbortSignal {
    const { raw } = this.#origin;
    this.#hijacked = socket;
    raw.add(socket);
    socket.once('close', () => raw.delete(socket));
    input.once('close', () => this.#gone.abort());
    // A client that vanishes is no event worth a word: its connection closes, and that is seen.
    socket.on('error', () => undefined);
    return this.#gone.signal;
  }
}
