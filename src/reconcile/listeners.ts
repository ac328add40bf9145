import { nftResolverRedirect, removeResolverRedirect } from '../kernel/resolver-redirect.ts';
import {
  closeSocket,
  type KeepSockets,
  type OpenSocket,
  openTcpListener,
  openUdp,
  portOf,
  reservePorts,
} from '../kernel/socket.ts';
import { isSocketOf } from '../kernel/socket-queue.ts';
import { type IpAddress, UNSPECIFIED } from '../model/address.ts';
import { EngineError, KernelError } from '../model/errors.ts';
import type { PublishRule } from '../model/firewall.ts';
import {
  type ListenerResource,
  type NamespaceName,
  type PortReservation,
  type ResolverListener,
  type Resource,
  resourceKey,
} from '../model/resource.ts';
import { unlessGone } from './gone.ts';
import type { Places } from './places.ts';
import { openRelay } from './relay.ts';

/** Descriptors of the resolver's sockets. */
export interface ResolverSockets {
  readonly udp: number;
  readonly tcp: number;
}

/** The sockets belong to the callee from here on, also when it throws; it closes them when it is disposed. */
export type ServeResolver = (namespace: NamespaceName, sockets: ResolverSockets) => Disposable;

/** Keeps sockets open, and what arrives for them, until the next daemon takes them out. */
export interface SocketKeeper {
  /** What a former daemon gave it, by name: the caller's from then on */
  takeOut(): Map<string, number[]>;
  /** These and no others, which stay open here as well */
  hold(sockets: ReadonlyMap<string, readonly number[]>): void;
}

interface Held {
  readonly resource: ListenerResource;
  readonly handle: Disposable;
  /** Of a resolver */
  readonly sockets?: ResolverSockets;
}

interface Opened {
  readonly handle: Disposable;
  readonly sockets?: ResolverSockets;
}

/** Milliseconds in which sockets that are opened are given to the keeper together. */
const TOGETHER = 20;

/** What a program hears when a bind fails (strerror(3) as Go writes it), for Docker's sentence. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
};

/** Sockets the daemon holds. They end with it, but for those of resolvers: where there is a keeper, the next daemon goes on with them. */
export class Listeners {
  readonly #places: Places;
  readonly #serve: ServeResolver;
  readonly #keeper: SocketKeeper | undefined;
  readonly #held = new Map<string, Held>();
  /** Of the former daemon, by namespace, as long as nobody asked for them */
  readonly #inherited: Map<string, number[]>;
  /** Keys of resolvers to whose sockets nothing may lead any more */
  readonly #doubted = new Set<string>();
  /** Sandboxes whose resolver goes on with a former daemon's sockets, and nobody has looked what leads to them */
  readonly #unproven = new Set<NamespaceName>();
  #keeping: NodeJS.Timeout | undefined;

  constructor(places: Places, serve: ServeResolver, keeper?: SocketKeeper) {
    this.#places = places;
    this.#serve = serve;
    this.#keeper = keeper;
    this.#inherited = keeper?.takeOut() ?? new Map();
  }

  /** Memory is the truth here: nobody else can close a socket of ours. */
  observe(): ListenerResource[] {
    return [...this.#held].filter(([key]) => !this.#doubted.has(key)).map(([, { resource }]) => resource);
  }

  /** Somebody has changed what leads to the resolver inside its sandbox: it counts as missing until it is created. */
  doubt(namespace: NamespaceName): void {
    const key = keyOfResolver(namespace);
    if (this.#held.has(key)) this.#doubted.add(key);
  }

  /**
   * Answers on what a former daemon left, where that is of the sandbox that is there now. What leads to it has outlived that
   * daemon most likely: prove() looks.
   */
  resume(resolvers: Iterable<ResolverListener>): void {
    for (const resource of resolvers) {
      const { namespace } = resource;
      const sockets = this.#inheritedBy(resource);
      if (sockets === undefined) continue;
      this.#held.set(resourceKey(resource), { resource, handle: this.#serve(namespace, sockets), sockets });
      this.#unproven.add(namespace);
    }
    if (this.#unproven.size > 0) this.#keepSoon();
  }

  /** Makes sure of what leads to a sandbox's resolver, where that was left open. @returns false: it counts as missing until it is created */
  prove(namespace: NamespaceName): boolean {
    if (!this.#unproven.delete(namespace)) return true;
    const held = this.#held.get(keyOfResolver(namespace));
    try {
      if (held === undefined || this.#leadAnew(held.resource)) return true;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    }
    this.doubt(namespace);
    return false;
  }

  /**
   * @param find looks a wished resource up, for the message
   * @throws EngineError internal in Docker's words when a port is taken; KernelError for anything else
   */
  create(resource: ListenerResource, find: (key: string) => Resource | undefined): void {
    if (this.#doubted.delete(resourceKey(resource)) && this.#leadAnew(resource)) return;
    this.#close(resource);
    const opened =
      resource.purpose === 'resolver' ? this.#openResolver(resource) : { handle: this.#reserve(resource, find) };
    this.#held.set(resourceKey(resource), { resource, ...opened });
    if (resource.purpose === 'resolver') this.#keepSoon();
  }

  /** @param going sandboxes that go as well, and what is in them with them */
  remove(resource: ListenerResource, going: ReadonlySet<NamespaceName>): void {
    this.#close(resource);
    if (resource.purpose !== 'resolver') return;
    // At once: a socket that is kept would keep its namespace.
    this.#keep();
    if (going.has(resource.namespace)) return;
    unlessGone(() => removeResolverRedirect(this.#places.at(resource.namespace).namespace));
  }

  /** Sockets only: what is in the kernel stays for the next daemon. */
  close(): void {
    this.#keep();
    for (const { resource } of [...this.#held.values()]) this.#close(resource);
  }

  /** The sockets stay, and what was asked by them. @returns false where they are of another namespace */
  #leadAnew(resource: ListenerResource): boolean {
    const sockets = this.#held.get(resourceKey(resource))?.sockets;
    if (sockets === undefined || resource.purpose !== 'resolver') return false;
    if (!isSocketOf(this.#places.path(resource.namespace), sockets.udp)) return false;
    const { namespace } = this.#places.at(resource.namespace);
    const ports = { udpPort: portOf(sockets.udp), tcpPort: portOf(sockets.tcp) };
    nftResolverRedirect(namespace, { address: resource.address, ...ports });
    return true;
  }

  #close(resource: ListenerResource): void {
    const key = resourceKey(resource);
    this.#doubted.delete(key);
    const held = this.#held.get(key);
    this.#held.delete(key);
    held?.handle[Symbol.dispose]();
  }

  /** To be called when all that is wished has been made: what nobody asked for of the former daemon's is closed. */
  settle(): void {
    this.#keep();
    for (const fds of this.#inherited.values()) closeAll(fds);
    this.#inherited.clear();
  }

  #keepSoon(): void {
    this.#keeping ??= setTimeout(() => this.#keep(), TOGETHER).unref();
  }

  #keep(): void {
    clearTimeout(this.#keeping);
    this.#keeping = undefined;
    const sockets = new Map<string, readonly number[]>();
    for (const { resource, sockets: own } of this.#held.values()) {
      if (own !== undefined && resource.purpose === 'resolver') sockets.set(resource.namespace, [own.udp, own.tcp]);
    }
    this.#keeper?.hold(sockets);
  }

  /** On free ports: 53 stays the container's. Sockets first, so that the redirect never leads to nobody. */
  #openResolver(resource: ResolverListener): Opened {
    const { address, namespace } = resource;
    const place = this.#places.at(namespace);
    using opening = new DisposableStack();
    const inherited = this.#inheritedBy(resource);
    const [udp, tcp] =
      inherited === undefined
        ? [openUdp(place.namespace, address, 0), openTcpListener(place.namespace, address, 0)]
        : [boundAs(inherited.udp), boundAs(inherited.tcp)];
    for (const socket of [udp, tcp]) opening.adopt(socket, closeSocket);
    nftResolverRedirect(place.namespace, { address, udpPort: udp.port, tcpPort: tcp.port });
    opening.move();
    const sockets = { udp: udp.fd, tcp: tcp.fd };
    return { handle: this.#serve(namespace, sockets), sockets };
  }

  /** Those of the former daemon, with what was asked meanwhile. Of a namespace that was replaced they are of no use. */
  #inheritedBy({ namespace }: ResolverListener): ResolverSockets | undefined {
    const [udp, tcp] = this.#inherited.get(namespace) ?? [];
    if (udp === undefined || tcp === undefined || !isSocketOf(this.#places.path(namespace), udp)) return undefined;
    this.#inherited.delete(namespace);
    return { udp, tcp };
  }

  /** @throws PortUnavailable for what a user can do about it; anything else as it came */
  #reserve(resource: PortReservation, find: (key: string) => Resource | undefined): Disposable {
    const { protocol, address, port } = resource;
    try {
      return reservePorts(this.#places.host.namespace, resource, relayOf(resource));
    } catch (error) {
      const reason = error instanceof KernelError ? REASONS[error.code] : undefined;
      if (reason === undefined || !(error instanceof KernelError)) throw error;
      // The kernel does not say of which family the port is taken.
      if (resource.dualStack) this.#reserve(ofIPv4(resource), find)[Symbol.dispose]();
      const failed = Number(/port (\d+)$/.exec(error.operation)?.[1] ?? port);
      const rule = find(`firewall publish ${protocol} ${address}:${port}`);
      throw new PortUnavailable(resource, failed, rule as PublishRule | undefined, reason, error);
    }
  }
}

function boundAs(fd: number): OpenSocket {
  return { fd, port: portOf(fd) };
}

function keyOfResolver(namespace: NamespaceName): string {
  return `listener resolver ${namespace}`;
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSocket({ fd, port: 0 });
}

function ofIPv4({ kind, purpose, namespace, protocol, port, count }: PortReservation): PortReservation {
  return { kind, purpose, namespace, protocol, address: UNSPECIFIED[4], port, count };
}

/** What takes the sockets of ports that are relayed. */
function relayOf(reservation: PortReservation): KeepSockets | undefined {
  const { relay } = reservation;
  return relay === undefined ? undefined : (sockets) => openRelay(reservation, sockets, relay);
}

/** A host port somebody else holds, or on an address the host does not have. */
export class PortUnavailable extends EngineError {
  readonly reservation: PortReservation;
  /** The one of the range that failed */
  readonly port: number;

  constructor(
    reservation: PortReservation,
    port: number,
    rule: PublishRule | undefined,
    reason: string,
    cause: unknown,
  ) {
    const { protocol, address, relay } = reservation;
    const inside = rule ?? relay;
    const target = inside === undefined ? '' : `:${hostPort(inside.address, inside.port + port - reservation.port)}`;
    super('internal', `failed to bind host port for ${hostPort(address, port)}${target}/${protocol}: ${reason}`, {
      cause,
    });
    this.name = 'PortUnavailable';
    this.reservation = reservation;
    this.port = port;
  }
}

/** As Go writes it: "10.0.0.1:80", "[fd00::1]:80" (net.JoinHostPort). */
function hostPort(address: IpAddress, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
