import type http2 from 'node:http2';
import net from 'node:net';
import { Call, type CallOptions, openSession, type Peer, requestHeaders } from '../../grpc/call.ts';
import { GrpcError } from '../../grpc/error.ts';

export interface ContainerdOptions extends CallOptions {
  /** What the call makes is kept from garbage collection until this lease is deleted */
  readonly lease?: string | undefined;
}

/** containerd at its Unix socket. Connects when first used, and again when the other side has gone. */
export class Channel implements Peer<ContainerdOptions> {
  readonly #socketPath: string;
  readonly #namespace: string;
  #session: http2.ClientHttp2Session | undefined;
  #closed = false;

  constructor(socketPath: string, namespace: string) {
    this.#socketPath = socketPath;
    this.#namespace = namespace;
  }

  /** @param path "/package.Service/Method" */
  open(path: string, options: ContainerdOptions = {}): Call {
    const headers = requestHeaders(path, { 'containerd-namespace': this.#namespace });
    if (options.lease !== undefined) headers['containerd-lease'] = options.lease;
    options.signal?.throwIfAborted();
    if (this.#closed) throw new GrpcError('UNAVAILABLE', path, 'containerd: the connection was closed');
    return new Call(this.#connect().request(headers), { path, peer: 'containerd', signal: options.signal });
  }

  /** Calls under way fail as unavailable, and so do later ones: a new connection would keep the daemon from ending. */
  close(): void {
    this.#closed = true;
    this.#session?.destroy();
    this.#session = undefined;
  }

  #connect(): http2.ClientHttp2Session {
    if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed) return this.#session;
    const session = openSession(() => net.connect(this.#socketPath));
    this.#session = session;
    return session;
  }
}
