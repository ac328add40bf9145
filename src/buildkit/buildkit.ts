import type { Duplex, Readable } from 'node:stream';
import { type Served, serveGrpc } from '../grpc/server.ts';
import { Control, type ControlOptions } from './control.ts';
import { LegacyBuilds, type LegacyWish } from './legacy.ts';
import { Sessions } from './session.ts';
import type { SessionHeaders } from './session-headers.ts';

/** BuildKit's protocol to the engine's builds, over connections that speak HTTP/2 from their first byte. */
export class BuildKit {
  readonly #sessions = new Sessions();
  readonly #served: Served;
  readonly #legacy: LegacyBuilds;

  constructor(options: Omit<ControlOptions, 'sessions'>) {
    this.#legacy = new LegacyBuilds(options.builds, this.#sessions);
    this.#served = new Control({ ...options, sessions: this.#sessions }).served();
  }

  /** Answers a client's calls. @returns when the connection has ended */
  serveControl(socket: Duplex): Promise<void> {
    return serveGrpc(socket, this.#served);
  }

  /** @throws EngineError invalidArgument, conflict */
  checkSession(headers: SessionHeaders): void {
    this.#sessions.check(headers);
  }

  /** Keeps a client's session. @returns when the connection has ended @throws EngineError as checkSession */
  serveSession(headers: SessionHeaders, socket: Duplex): Promise<void> {
    return this.#sessions.serve(headers, socket);
  }

  /** A build that was asked for outside of gRPC. @see LegacyBuilds.build */
  build(wish: LegacyWish, signal: AbortSignal, tell: (trace: Buffer) => Promise<void>): Promise<string> {
    return this.#legacy.build(wish, signal, tell);
  }

  /** @see LegacyBuilds.upload */
  upload(buildId: string, context: Readable, signal: AbortSignal): Promise<void> {
    return this.#legacy.upload(buildId, context, signal);
  }

  /** Ends a build that was asked for outside of gRPC; one that is not known is over already. */
  cancel(buildId: string): void {
    this.#legacy.cancel(buildId);
  }
}
