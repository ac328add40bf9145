import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { controlService } from '../src/buildkit/protos/control.ts';
import { authService, Packet } from '../src/buildkit/protos/session.ts';
import { Connection } from '../src/grpc/connection.ts';
import { Deframer, frame } from '../src/grpc/framing.ts';
import type { InputOf } from '../src/grpc/protobuf.ts';
import { implement, serveGrpc } from '../src/grpc/server.ts';
import { bind } from '../src/grpc/service.ts';

/** What a client of the test's sends: its end of DiffCopy, which need not keep to the protocol. */
export interface Sender {
  send(packet: InputOf<typeof Packet>): void;
  /** Bytes as they are, where a message is due */
  sendRaw(bytes: Buffer): void;
  /** The next the daemon asks for */
  receive(): Promise<{ readonly type: string; readonly id: number }>;
  end(): void;
}

/** Gives a folder of the session: "context", "dockerfile" */
export type Folder = (sender: Sender, follow: readonly string[]) => Promise<void> | void;

const DIRECTORY = 2 ** 31;
const FILE = 0o644;

/** Opens a connection of the API that speaks HTTP/2 from then on. */
async function upgrade(socketPath: string, path: string, headers: http.OutgoingHttpHeaders): Promise<Duplex> {
  const request = http.request({
    socketPath,
    method: 'POST',
    path,
    headers: { ...headers, Connection: 'Upgrade', Upgrade: 'h2c' },
  });
  request.end();
  const [answer, socket, head] = await Promise.race([
    once(request, 'upgrade'),
    once(request, 'response').then(([response]) => assert.fail(`${path} was answered with ${response.statusCode}`)),
  ]);
  assert.equal(answer.statusCode, 101);
  // The daemon may have begun to speak already.
  if (head.length > 0) socket.unshift(head);
  return socket as Duplex;
}

/** A client of BuildKit's protocol that sends whatever the test wants. */
export class BuildKitClient implements AsyncDisposable {
  readonly #socketPath: string;
  readonly #sockets: Duplex[] = [];

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Builds with these folders. @returns the answer @throws GrpcError */
  async solve(folders: Readonly<Record<string, Folder>>, options: Readonly<Record<string, string>> = {}) {
    const id = await this.session(folders);
    const control = await upgrade(this.#socketPath, '/grpc', {});
    this.#sockets.push(control);
    const { solve } = bind(new Connection(control, 'control'), controlService);
    const ref = randomUUID();
    return solve({ ref, session: id, frontend: 'dockerfile.v0', frontendAttributes: options });
  }

  /** Opens a session with these folders. @returns its id */
  session(folders: Readonly<Record<string, Folder>>): Promise<string> {
    const methods = { 'X-Docker-Expose-Session-Grpc-Method': ['/moby.filesync.v1.FileSync/DiffCopy'] };
    return this.#open(methods, (socket) => serve(socket, folders));
  }

  /** Opens one that has credentials alone, and does not say so, as dockerode's. @returns its id */
  identity(credentials: { readonly username: string; readonly secret: string }): Promise<string> {
    return this.#open({}, (socket) => serveGrpc(socket, implement(authService, { credentials: () => credentials })));
  }

  async #open(headers: http.OutgoingHttpHeaders, serving: (socket: Duplex) => unknown): Promise<string> {
    const id = randomUUID();
    const socket = await upgrade(this.#socketPath, '/session', { 'X-Docker-Expose-Session-Uuid': id, ...headers });
    this.#sockets.push(socket);
    void serving(socket);
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function serve(socket: Duplex, folders: Readonly<Record<string, Folder>>): void {
  const session = http2.performServerHandshake(socket);
  session.on('error', () => undefined);
  session.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    const folder = folders[String(headers['dir-name'])];
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': folder === undefined ? '5' : '0' }));
    if (folder === undefined) stream.end();
    else void Promise.resolve(folder(sender(stream), list(headers['followpaths']))).catch(() => stream.destroy());
  });
}

function list(header: string | string[] | undefined): string[] {
  return header === undefined ? [] : [header].flat().flatMap((text) => text.split(', '));
}

function sender(stream: http2.ServerHttp2Stream): Sender {
  const deframer = new Deframer();
  const waiting: Buffer[] = [];
  const chunks = stream[Symbol.asyncIterator]();
  return {
    send: (packet) => {
      const bytes = Packet.encode(packet);
      stream.write(frame([bytes]));
    },
    sendRaw: (bytes) => void stream.write(bytes),
    async receive() {
      while (waiting.length === 0) {
        const next = await chunks.next();
        if (next.done === true) throw new Error('the daemon sends nothing more');
        waiting.push(...deframer.push(next.value as Buffer));
      }
      return Packet.decode(waiting.shift() ?? Buffer.alloc(0));
    },
    end: () => void stream.end(),
  };
}

/** A well-behaved folder of these files. */
export function folderOf(files: Readonly<Record<string, string>>): Folder {
  return async (sender, follow) => {
    const wanted = Object.entries(files).filter(([path]) => follow.length === 0 || follow.includes(path));
    for (const [path, text] of wanted) sender.send({ type: 'stat', stat: file(path, Buffer.byteLength(text)) });
    sender.send({ type: 'stat' });
    for (;;) {
      const { type, id } = await sender.receive();
      if (type === 'fin') break;
      sender.send({ type: 'data', id, data: Buffer.from(wanted[id]?.[1] ?? '') });
      sender.send({ type: 'data', id });
    }
    sender.send({ type: 'fin' });
    sender.end();
  };
}

/** A file's description. */
export function file(path: string, size: number, more: object = {}) {
  return { path, mode: FILE, size, modified: 1e18, ...more };
}

export function directory(path: string) {
  return { path, mode: DIRECTORY + 0o755, size: 0, modified: 1e18 };
}
