import type http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { Call, type CallOptions, openSession, type Peer, requestHeaders } from './call.ts';
import { GrpcError } from './error.ts';

export interface ConnectionOptions extends CallOptions {
  /** Of the call; a list is said value by value */
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
}

/** Bytes, as gRPC's own libraries take them */
const LARGEST_ANSWER = 4 << 20;

/** Whoever answers gRPC calls on a connection that is there already, and comes no second time. */
export class Connection implements Peer<ConnectionOptions> {
  readonly #session: http2.ClientHttp2Session;
  readonly #name: string;

  /** @param name how it is called in errors */
  constructor(socket: Duplex, name: string) {
    this.#session = openSession(() => socket);
    this.#name = name;
  }

  open(path: string, { signal, metadata = {} }: ConnectionOptions = {}): Call {
    signal?.throwIfAborted();
    if (this.#session.destroyed || this.#session.closed) {
      throw new GrpcError('UNAVAILABLE', path, `${this.#name}: the connection was closed`);
    }
    return new Call(this.#session.request(requestHeaders(path, metadata)), {
      path,
      peer: this.#name,
      signal,
      longest: LARGEST_ANSWER,
    });
  }

  /** Ends it, and all calls with it. */
  close(): void {
    this.#session.destroy();
  }
}
