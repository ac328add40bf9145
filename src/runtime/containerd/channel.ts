import http2 from 'node:http2';
import net from 'node:net';
import { errorMessage } from '../../model/errors.ts';
import { ContainerdError, decodeMessage, statusName } from './error.ts';
import { Deframer, messagePrefix } from './framing.ts';

export interface CallOptions {
  /** What the call makes is kept from garbage collection until this lease is deleted */
  readonly lease?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes the other side may send before we have read them, for each call. */
const WINDOW = 4 << 20;

/**
 * gRPC over HTTP/2 over a Unix socket, with what Node brings. Against @grpc/grpc-js: 30 MB less memory, 25 ms less at
 * start, a third less time for a call. Connects when first used, and again when the other side has gone.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export class Channel {
  readonly #socketPath: string;
  readonly #namespace: string;
  #session: http2.ClientHttp2Session | undefined;
  #closed = false;

  constructor(socketPath: string, namespace: string) {
    this.#socketPath = socketPath;
    this.#namespace = namespace;
  }

  /** @param path "/package.Service/Method" */
  open(path: string, options: CallOptions = {}): Call {
    const headers: http2.OutgoingHttpHeaders = {
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'containerd-namespace': this.#namespace,
    };
    if (options.lease !== undefined) headers['containerd-lease'] = options.lease;
    options.signal?.throwIfAborted();
    if (this.#closed) throw new ContainerdError('UNAVAILABLE', path, 'containerd: the connection was closed');
    return new Call(this.#connect().request(headers), path, options.signal);
  }

  /** Calls under way fail as unavailable, and so do later ones: a new connection would keep the daemon from ending. */
  close(): void {
    this.#closed = true;
    this.#session?.destroy();
    this.#session = undefined;
  }

  #connect(): http2.ClientHttp2Session {
    if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed) return this.#session;
    const session = http2.connect('http://localhost', {
      createConnection: () => net.connect(this.#socketPath),
      settings: { enablePush: false, initialWindowSize: WINDOW },
      // containerd names no limit, and Node would take that for 100: each running container holds one stream.
      peerMaxConcurrentStreams: 0xffff_ffff,
      maxSessionMemory: 64,
    });
    // Every call under way is told by its own stream; without a listener the session would throw.
    session.on('error', () => undefined);
    session.once('connect', () => session.setLocalWindowSize(4 * WINDOW));
    this.#session = session;
    return session;
  }
}

/** One call: messages out, messages in, a status at the end. */
export class Call {
  readonly #stream: http2.ClientHttp2Stream;
  readonly #path: string;
  readonly #ended: Promise<ContainerdError | undefined>;
  readonly #chunks: AsyncIterator<Buffer>;
  /** Read at once: an answer without messages may be over before anybody reads, and is then never heard to end */
  readonly #first: Promise<IteratorResult<Buffer>>;
  #cancelled = false;

  constructor(stream: http2.ClientHttp2Stream, path: string, signal: AbortSignal | undefined) {
    this.#stream = stream;
    this.#path = path;
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
    const prefix = messagePrefix(pieces.reduce((sum, { length }) => sum + length, 0));
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
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    this.#stream.end(Buffer.concat([messagePrefix(size), ...pieces]));
  }

  /** Ends the call without waiting for its status. */
  cancel(): void {
    this.#cancelled = true;
    this.#stream.close(http2.constants.NGHTTP2_CANCEL);
  }

  /** Every message, then the status. @throws ContainerdError when it is not OK */
  async *messages(): AsyncGenerator<Buffer, void, undefined> {
    const deframer = new Deframer();
    try {
      for (let next = await this.#first; next.done !== true; next = await this.#chunks.next()) {
        yield* deframer.push(next.value);
      }
    } catch (error) {
      if (error instanceof RangeError) throw new ContainerdError('INTERNAL', this.#path, error.message);
      throw (await this.#ended) ?? new ContainerdError('UNAVAILABLE', this.#path, errorMessage(error));
    }
    const failure = await this.#ended;
    if (failure !== undefined) throw failure;
  }

  /** What became of the call; undefined: OK. Never rejects. */
  #watch(): Promise<ContainerdError | undefined> {
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

  #failure(headers: http2.IncomingHttpHeaders, reason: string): ContainerdError | undefined {
    const status = headers['grpc-status'];
    if (status === '0') return undefined;
    if (status === undefined && this.#cancelled) return new ContainerdError('CANCELLED', this.#path, 'cancelled');
    if (status === undefined) return new ContainerdError('UNAVAILABLE', this.#path, `containerd: ${reason}`);
    const text = headers['grpc-message'];
    return new ContainerdError(statusName(Number(status)), this.#path, decodeMessage(String(text ?? '')));
  }
}
