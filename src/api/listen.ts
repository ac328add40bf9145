import { chmodSync, chownSync, existsSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { EngineError } from '../model/errors.ts';

/** Paths of PEM files. Clients must show a certificate that `ca` signed. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface UnixListenOptions {
  readonly socketPath: string;
  /** undefined: fairway or docker, where one exists; else only root may connect */
  readonly group?: string;
}

export interface TcpListenOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsFiles;
  /** Serve root access to everyone who can connect */
  readonly dangerouslyWithoutTls?: boolean;
}

/** A unix socket that somebody else opened for us. */
export interface HandedOverOptions {
  readonly descriptor: number;
}

export type ListenOptions = UnixListenOptions | TcpListenOptions | HandedOverOptions;

/** Clients that may wait to be accepted: the kernel's own limit, net.core.somaxconn. */
const BACKLOG = 4096;

/** Docker's users are in the second: the CLI works for them without sudo, as before. */
const GROUPS = ['fairway', 'docker'];

/** Takes over a socket a dead daemon left behind. @throws EngineError conflict when a living one answers there */
export async function listenUnix(server: Server, options: UnixListenOptions): Promise<void> {
  const { socketPath } = options;
  const group = groupId(options.group);
  await removeStale(socketPath);
  // Nobody may connect between bind and chmod.
  const mask = process.umask(0o177);
  try {
    await listening(server, () => server.listen({ path: socketPath, backlog: BACKLOG }));
  } finally {
    process.umask(mask);
  }
  // Without root the socket is the user's own, which is all a user can have.
  if (group !== undefined && process.getuid?.() === 0) chownSync(socketPath, 0, group);
  chmodSync(socketPath, 0o660);
}

/**
 * Owner and mode are for who opened it to set.
 * @throws EngineError invalidArgument for a TCP socket, which would be open to everyone who reaches it
 */
export async function listenHandedOver(server: Server, { descriptor }: HandedOverOptions): Promise<void> {
  await listening(server, () => server.listen({ fd: descriptor }));
  // Node knows the address of TCP sockets only, when it did not bind them itself.
  if (server.address() === null) return;
  server.close();
  throw new EngineError(
    'invalidArgument',
    `only unix sockets can be handed over, and descriptor ${descriptor} is none`,
  );
}

/** @throws Error as listen(2) says: EADDRINUSE, EACCES, … */
export function listenTcp(server: Server, options: TcpListenOptions): Promise<void> {
  return listening(server, () => server.listen({ port: options.port, host: options.host, backlog: BACKLOG }));
}

/** Node tells a failure to bind by an event. */
function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    listen();
  });
}

/** Whether somebody answers is the only way to tell a dead daemon's socket from a living one's. */
async function removeStale(path: string): Promise<void> {
  if (!existsSync(path)) return;
  if (!statSync(path).isSocket()) throw new EngineError('conflict', `Cannot listen on ${path}: a file is in the way`);
  if (await answers(path)) throw new EngineError('conflict', `Cannot listen on ${path}: another daemon answers there`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** The number of the named group, or of the first usual one, from group(5). */
function groupId(wanted: string | undefined): number | undefined {
  const ids = new Map<string, number>();
  for (const line of existsSync('/etc/group') ? readFileSync('/etc/group', 'utf8').split('\n') : []) {
    const [name, , id] = line.split(':');
    if (name !== undefined && id !== undefined) ids.set(name, Number(id));
  }
  if (wanted === undefined) return GROUPS.map((name) => ids.get(name)).find((id) => id !== undefined);
  const id = ids.get(wanted);
  if (id === undefined) throw new EngineError('invalidArgument', `group ${wanted} not found`);
  return id;
}
