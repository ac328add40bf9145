import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { errorMessage } from '../model/errors.ts';
import { decodeMessage, GrpcError, statusName } from './error.ts';
import { Deframer, frame, messagePrefix } from './framing.ts';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Whom calls are made to. */
export interface Peer<Options extends CallOptions> {
  /** @param path "/package.Service/Method" */
  open(path: string, options?: Options): Call;
}

interface CallTarget {
  /** "/package.Service/Method" */
  readonly path: string;
  /** How the other side is called in errors */
  readonly peer: string;
  readonly signal?: AbortSignal | undefined;
  /** Of the messages that come, in bytes */
  readonly longest?: number | undefined;
}

/** Bytes the other side may send before we have read them, for each call. */
const WINDOW = 4 << 20;

/** The client's end of a connection. @param connect opens it, or gives one that is open */
export function openSession(connect: () => Duplex): http2.ClientHttp2Session {
  const session = http2.connect('http://localhost', {
    createConnection: connect,
    settings: { enablePush: false, initialWindowSize: WINDOW },
    // containerd names no limit, and Node would take that for 100: each running container holds one stream.
    peerMaxConcurrentStreams: 0xffff_ffff,
    maxSessionMemory: 64,
  });
  // Every call under way is told by its own stream; without a listener the session would throw.
  session.on('error', () => undefined);
  session.once('connect', () => session.setLocalWindowSize(4 * WINDOW));
  return session;
}

/** Of a call's request. @param metadata what else it says; a list is said value by value */
export function requestHeaders(
  path: string,
  metadata: Readonly<Record<string, string | readonly string[]>>,
): http2.OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(metadata as http2.OutgoingHttpHeaders),
  };
}

/**
 * One call: messages out, messages in, a status at the end. gRPC over HTTP/2 with what Node brings; against @grpc/grpc-js: 30 MB
 * less memory, 25 ms less at start, a third less time for a call.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export class Call {
  readonly #stream: http2.ClientHttp2Stream;
  readonly #path: string;
  readonly #peer: string;
  readonly #longest: number | undefined;
  readonly #ended: Promise<GrpcError | undefined>;
  readonly #chunks: AsyncIterator<Buffer>;
  /** Read at once: an answer without messages may be over before anybody reads, and is then never heard to end */
  readonly #first: Promise<IteratorResult<Buffer>>;
  #cancelled = false;

  constructor(stream: http2.ClientHttp2Stream, { path, peer, signal, longest }: CallTarget) {
    this.#stream = stream;
    this.#path = path;
    this.#peer = peer;
    this.#longest = longest;
    this.#ended = this.#watch();
    this.#chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    this.#first = this.#chunks.next();
    this.#first.catch(() => undefined);
    if (signal === undefined) return;
    const cancel = () => this.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    stream.once('close', () => signal.removeEventListener('abort', cancel));
  }

  /** Resolves when the other side has room for more. */
  async send(pieces: readonly Uint8Array[]): Promise<void> {
    const stream = this.#stream;
    stream.cork();
    const prefix = messagePrefix(pieces);
    const sent = new Promise<void>((resolve) => {
      const all = [prefix, ...pieces];
      for (const [index, piece] of all.entries())
        stream.write(piece, index === pieces.length ? () => resolve() : undefined);
    });
    stream.uncork();
    await sent;
  }

  /**
   * The only message, and in the same breath that nothing more comes: a server that answers before it has heard that resets
   * the stream, and Node may lose the answer then.
   */
  sendOnly(pieces: readonly Uint8Array[]): void {
    this.#stream.end(frame(pieces));
  }

  /** Says that nothing more comes. */
  finish(): void {
    this.#stream.end();
  }

  /** Ends the call without waiting for its status. */
  cancel(): void {
    this.#cancelled = true;
    this.#stream.close(http2.constants.NGHTTP2_CANCEL);
  }

  /** Every message, then the status. @throws GrpcError when it is not OK */
  async *messages(): AsyncGenerator<Buffer, void, undefined> {
    const deframer = new Deframer(this.#longest);
    try {
      for (let next = await this.#first; next.done !== true; next = await this.#chunks.next()) {
        yield* deframer.push(next.value);
      }
    } catch (error) {
      if (error instanceof RangeError) throw new GrpcError('INTERNAL', this.#path, error.message);
      throw (await this.#ended) ?? new GrpcError('UNAVAILABLE', this.#path, errorMessage(error));
    }
    const failure = await this.#ended;
    if (failure !== undefined) throw failure;
  }

  /** What became of the call; undefined: OK. Never rejects. */
  #watch(): Promise<GrpcError | undefined> {
    return new Promise((resolve) => {
      let status: http2.IncomingHttpHeaders = {};
      let reason = 'connection closed';
      const take = (headers: http2.IncomingHttpHeaders) => {
        if (headers['grpc-status'] !== undefined) status = headers;
      };
      this.#stream.on('response', take).on('trailers', take);
      this.#stream.on('error', (error) => {
        reason = errorMessage(error.cause ?? error);
      });
      this.#stream.on('close', () => resolve(this.#failure(status, reason)));
    });
  }

  #failure(headers: http2.IncomingHttpHeaders, reason: string): GrpcError | undefined {
    const status = headers['grpc-status'];
    if (status === '0') return undefined;
    if (status === undefined && this.#cancelled) return new GrpcError('CANCELLED', this.#path, 'cancelled');
    if (status === undefined) return new GrpcError('UNAVAILABLE', this.#path, `${this.#peer}: ${reason}`);
    const text = headers['grpc-message'];
    return new GrpcError(statusName(Number(status)), this.#path, decodeMessage(String(text ?? '')));
  }
}
