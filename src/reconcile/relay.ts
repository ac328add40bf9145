import { createSocket, type Socket as DatagramSocket, type RemoteInfo, type SocketType } from 'node:dgram';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { onFirstReadable } from '../kernel/poll.ts';
import { closeSocket, type OpenSocket } from '../kernel/socket.ts';
import { familyOf } from '../model/address.ts';
import type { PortReservation, RelayTarget } from '../model/resource.ts';

/** Milliseconds after its last datagram that a client is forgotten: docker-proxy's. */
const UDP_PATIENCE = 90_000;
/** Clients one UDP port answers at a time; the one that was silent longest is forgotten for another. */
const UDP_CLIENTS = 1024;

/**
 * Passes on what reaches published ports' own sockets because the kernel cannot translate it, or may not: IPv6 to a container that
 * has IPv4 alone, the host's ::1, and everything where the daemon shall make no rules. Until somebody comes, a port costs one entry in the daemon's poll set.
 * @param sockets belong to the relay from here on; TCP's listen @param target of the first; the others lead to the ports that follow
 */
export function openRelay(
  { protocol, address }: Pick<PortReservation, 'protocol' | 'address'>,
  sockets: readonly OpenSocket[],
  target: RelayTarget,
): Disposable {
  const type = familyOf(address) === 4 ? 'udp4' : 'udp6';
  const relay = (fd: number, to: RelayTarget) =>
    protocol === 'udp' ? new UdpRelay(fd, type, to) : new TcpRelay(fd, to);
  return new RelayedPorts(sockets, target, relay);
}

/** Hands a descriptor to Node with the first visitor. */
class RelayedPorts implements Disposable {
  readonly #sockets: readonly OpenSocket[];
  readonly #watch: Disposable;
  /** Those that somebody came to, by descriptor */
  readonly #open = new Map<number, Disposable>();

  constructor(
    sockets: readonly OpenSocket[],
    { address, port }: RelayTarget,
    relay: (fd: number, target: RelayTarget) => Disposable,
  ) {
    this.#sockets = sockets;
    const visited = (fd: number) => {
      const index = sockets.findIndex((socket) => socket.fd === fd);
      this.#open.set(fd, relay(fd, { address, port: port + index }));
    };
    this.#watch = onFirstReadable(
      sockets.map(({ fd }) => fd),
      visited,
    );
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    for (const socket of this.#sockets) if (!this.#open.has(socket.fd)) closeSocket(socket);
    for (const relay of this.#open.values()) relay[Symbol.dispose]();
    this.#open.clear();
  }
}

/** The kernel has greeted the client already; one whose container refuses is reset at once, not left waiting. */
class TcpRelay implements Disposable {
  readonly #target: RelayTarget;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(fd: number, target: RelayTarget) {
    this.#target = target;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.#serve(client));
    server.on('error', () => server.close());
    this.#server = server.listen({ fd });
  }

  #serve(client: Socket): void {
    const { address, port } = this.#target;
    const backend = connect({ host: address, port, allowHalfOpen: true });
    for (const [one, other] of [
      [client, backend],
      [backend, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.resetAndDestroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        if (!other.writableFinished || !other.readableEnded) other.destroy();
      });
    }
    backend.once('connect', () => {
      client.pipe(backend);
      backend.pipe(client);
    });
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

interface UdpClient {
  readonly backend: DatagramSocket;
  readonly timer: NodeJS.Timeout;
}

/** Each client has a socket of its own towards the container, by which the answers find back. */
class UdpRelay implements Disposable {
  readonly #target: RelayTarget;
  readonly #clients = new Map<string, UdpClient>();
  readonly #server: DatagramSocket;

  constructor(fd: number, type: SocketType, target: RelayTarget) {
    this.#target = target;
    const server = createSocket(type);
    server.on('error', () => undefined); // of a datagram that could not be sent: nobody waits for it
    server.on('message', (datagram, from) => this.#pass(server, datagram, from));
    server.bind({ fd });
    this.#server = server;
  }

  #pass(server: DatagramSocket, datagram: Buffer, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`;
    const client = this.#clients.get(key) ?? this.#welcome(server, key, from);
    client.timer.refresh();
    // Last in the order of the map: the first is the one to be forgotten.
    this.#clients.delete(key);
    this.#clients.set(key, client);
    client.backend.send(datagram, this.#target.port, this.#target.address);
  }

  #welcome(server: DatagramSocket, key: string, { address, port }: RemoteInfo): UdpClient {
    const [oldest] = this.#clients.keys();
    if (oldest !== undefined && this.#clients.size >= UDP_CLIENTS) this.#forget(oldest);
    const backend = createSocket(familyOf(this.#target.address) === 4 ? 'udp4' : 'udp6');
    const timer = setTimeout(() => this.#forget(key), UDP_PATIENCE);
    timer.unref();
    backend.on('error', () => this.#forget(key));
    backend.on('message', (answer, sender) => {
      if (sender.address !== this.#target.address || sender.port !== this.#target.port) return;
      timer.refresh();
      server.send(answer, port, address);
    });
    return { backend, timer };
  }

  #forget(key: string): void {
    const client = this.#clients.get(key);
    if (client === undefined) return;
    this.#clients.delete(key);
    clearTimeout(client.timer);
    client.backend.close();
  }

  [Symbol.dispose](): void {
    for (const key of [...this.#clients.keys()]) this.#forget(key);
    this.#server.close();
  }
}
