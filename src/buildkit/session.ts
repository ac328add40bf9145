import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type ConnectionOptions } from '../grpc/connection.ts';
import { GrpcError, hasStatus } from '../grpc/error.ts';
import { bind, type Service } from '../grpc/service.ts';
import { EngineError } from '../model/errors.ts';
import { ANONYMOUS, type RegistryAuth } from '../model/registry.ts';
import { Arrivals } from './arrivals.ts';
import { healthService } from './protos/control.ts';
import {
  authService,
  fileSendService,
  fileSyncService,
  secretsService,
  sshService,
  uploadService,
} from './protos/session.ts';
import type { SessionHeaders } from './session-headers.ts';

/** What a client is asked for has these, in ms: one that keeps silent about its health twice is gone (buildkit, session/grpc.go). */
const HEALTH_INTERVAL = 5_000;
const HEALTH_TIMEOUT = 15_000;
const FAILURES = 2;
/** A build's request may come before its session: it waits for this long, in ms. */
const PATIENCE = 10_000;
/** Bytes; BuildKit has the same limit (session/secrets, MaxSecretSize). */
const LARGEST_SECRET = 500 << 10;

/** What a client offers a build: its files, secrets and credentials, for as long as the connection is there. */
export class Session {
  readonly files: Service<typeof fileSyncService, ConnectionOptions>;
  readonly target: Service<typeof fileSendService, ConnectionOptions>;
  readonly #uploads: Service<typeof uploadService, ConnectionOptions>;
  readonly #auth: Service<typeof authService, ConnectionOptions>;
  readonly #secrets: Service<typeof secretsService, ConnectionOptions>;
  readonly #ssh: Service<typeof sshService, ConnectionOptions>;
  readonly #health: Service<typeof healthService, ConnectionOptions>;
  readonly #connection: Connection;
  /** In small letters: "/moby.filesync.v1.filesync/diffcopy" */
  readonly #methods: ReadonlySet<string>;

  /** @param methods as the client says what it answers */
  constructor(socket: Duplex, methods: readonly string[]) {
    this.#connection = new Connection(socket, 'session');
    this.#methods = new Set(methods.map((method) => method.toLowerCase()));
    this.files = bind(this.#connection, fileSyncService);
    this.target = bind(this.#connection, fileSendService);
    this.#uploads = bind(this.#connection, uploadService);
    this.#auth = bind(this.#connection, authService);
    this.#secrets = bind(this.#connection, secretsService);
    this.#ssh = bind(this.#connection, sshService);
    this.#health = bind(this.#connection, healthService);
  }

  /** What the client has on its standard input. @param url as it names it: "http://buildkit-session/id" @throws GrpcError */
  async *upload(url: URL, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const metadata = { urlpath: url.pathname, urlhost: url.host };
    const conversation = this.#uploads.pull({ signal, metadata });
    try {
      for await (const { data } of conversation.rest()) yield data;
    } finally {
      conversation.close();
    }
  }

  /** What the client's configuration has for a registry. @param registry "docker.io", "registry.example:5000" */
  async credentials(registry: string, signal: AbortSignal): Promise<RegistryAuth> {
    // dockerode says nothing of what it answers, and is asked by BuildKit all the same.
    if (this.#declares && !this.#answers('/moby.filesync.v1.Auth/Credentials')) return ANONYMOUS;
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    const { username, secret } = await this.#auth.credentials({ host }, { signal }).catch((error: unknown) => {
      if (hasStatus(error, 'UNIMPLEMENTED')) return { username: '', secret: '' };
      throw error;
    });
    // A token of an earlier login has no user (buildkit, util/resolver/authorizer.go).
    if (username === '') return { ...ANONYMOUS, identityToken: secret };
    return { ...ANONYMOUS, username, password: secret };
  }

  /** @returns undefined when there is none of that id @throws GrpcError */
  async secret(id: string, signal: AbortSignal): Promise<Buffer | undefined> {
    if (!this.#answers('/moby.buildkit.secrets.v1.Secrets/GetSecret')) return undefined;
    try {
      const { data } = await this.#secrets.getSecret({ id }, { signal });
      if (data.length <= LARGEST_SECRET) return data;
    } catch (error) {
      if (hasStatus(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
    throw new GrpcError('INVALID_ARGUMENT', 'GetSecret', `invalid secret size: at most ${LARGEST_SECRET} bytes`);
  }

  /** @returns what carries connections to the client's SSH agent of that id; undefined: it has none @throws GrpcError */
  async agent(id: string, signal: AbortSignal): Promise<((connection: Duplex) => void) | undefined> {
    if (!this.#answers('/moby.sshforward.v1.SSH/ForwardAgent')) return undefined;
    await this.#ssh.checkAgent({ id }, { signal });
    return (connection) => void this.#carry(connection, id, signal);
  }

  /** Never rejects: whoever speaks to the agent hears of it by the connection's end. */
  async #carry(connection: Duplex, id: string, signal: AbortSignal): Promise<void> {
    connection.on('error', () => undefined);
    const conversation = this.#ssh.forwardAgent({ signal, metadata: { 'buildkit.ssh.id': id } });
    const asking = (async () => {
      for await (const data of connection) await conversation.send({ data: data as Buffer });
      conversation.finish();
    })();
    try {
      for await (const { data } of conversation.rest()) connection.write(data);
      await asking;
    } catch {
      conversation.close();
    } finally {
      connection.destroy();
      await asking.catch(() => undefined);
    }
  }

  /** Ends the connection when the client no longer answers. @param over aborted when the connection has ended */
  async watch(over: AbortSignal): Promise<void> {
    for (let failures = 0; failures < FAILURES; ) {
      await sleep(HEALTH_INTERVAL, undefined, { signal: over }).catch(() => undefined);
      if (over.aborted) return;
      const signal = AbortSignal.any([over, AbortSignal.timeout(HEALTH_TIMEOUT)]);
      const alive = await this.#health.check({}, { signal }).then(
        () => true,
        () => false,
      );
      failures = alive ? 0 : failures + 1;
    }
    this.close();
  }

  close(): void {
    this.#connection.close();
  }

  /** Whether the client says what it answers. */
  get #declares(): boolean {
    return [...this.#methods].some((method) => method !== '');
  }

  #answers(method: string): boolean {
    return this.#methods.has(method.toLowerCase());
  }
}

/** The clients' sessions, by the id each has chosen. */
export class Sessions {
  readonly #open = new Arrivals<Session>(PATIENCE);

  /** Keeps a session for as long as its connection is there. @throws EngineError when it cannot be opened */
  async serve(headers: SessionHeaders, socket: Duplex): Promise<void> {
    this.check(headers);
    const { id, methods } = headers;
    const session = new Session(socket, methods);
    const over = new AbortController();
    this.#open.add(id, session);
    void session.watch(over.signal);
    await new Promise<void>((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())));
    over.abort();
    this.#open.remove(id);
    session.close();
  }

  /** @throws EngineError invalidArgument, conflict */
  check({ id }: SessionHeaders): void {
    if (!/^[\w-]{1,128}$/.test(id))
      throw new EngineError('invalidArgument', `invalid session id ${JSON.stringify(id)}`);
    if (this.#open.has(id)) throw new EngineError('conflict', `session ${id} already exists`);
  }

  /** @throws GrpcError when none of this id comes in time */
  async find(id: string, signal: AbortSignal): Promise<Session> {
    const session = await this.#open.find(id, signal);
    if (session !== undefined) return session;
    signal.throwIfAborted();
    throw new GrpcError('NOT_FOUND', 'session', `no active session for ${id}`);
  }
}
