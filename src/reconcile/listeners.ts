import { nftResolverRedirect, removeResolverRedirect } from '../kernel/resolver-redirect.ts';
import { closeSocket, type KeepSocket, openTcpListener, openUdp, reservePorts } from '../kernel/socket.ts';
import type { IpAddress } from '../model/address.ts';
import { EngineError, KernelError } from '../model/errors.ts';
import {
  type ListenerResource,
  type NamespaceName,
  type PortReservation,
  type PublishRule,
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

interface Held {
  readonly resource: ListenerResource;
  readonly handle: Disposable;
}

/** What a program hears when a bind fails (strerror(3) as Go writes it), for Docker's sentence. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
};

/** Sockets the daemon holds. They end with it, so after a start there are none. */
export class Listeners {
  readonly #places: Places;
  readonly #serve: ServeResolver;
  readonly #held = new Map<string, Held>();

  constructor(places: Places, serve: ServeResolver) {
    this.#places = places;
    this.#serve = serve;
  }

  /** Memory is the truth here: nobody else can close a socket of ours. */
  observe(): ListenerResource[] {
    return [...this.#held.values()].map(({ resource }) => resource);
  }

  /**
   * @param find looks a wished resource up, for the message
   * @throws EngineError internal in Docker's words when a port is taken; KernelError for anything else
   */
  create(resource: ListenerResource, find: (key: string) => Resource | undefined): void {
    this.#close(resource);
    const handle = resource.purpose === 'resolver' ? this.#openResolver(resource) : this.#reserve(resource, find);
    this.#held.set(resourceKey(resource), { resource, handle });
  }

  /** @param going sandboxes that go as well, and what is in them with them */
  remove(resource: ListenerResource, going: ReadonlySet<NamespaceName>): void {
    this.#close(resource);
    if (resource.purpose !== 'resolver' || going.has(resource.namespace)) return;
    unlessGone(() => removeResolverRedirect(this.#places.at(resource.namespace).namespace));
  }

  /** Sockets only: what is in the kernel stays for the next daemon. */
  close(): void {
    for (const { resource } of [...this.#held.values()]) this.#close(resource);
  }

  #close(resource: ListenerResource): void {
    const key = resourceKey(resource);
    const held = this.#held.get(key);
    this.#held.delete(key);
    held?.handle[Symbol.dispose]();
  }

  /** On free ports: 53 stays the container's. Sockets first, so that the redirect never leads to nobody. */
  #openResolver(resource: ResolverListener): Disposable {
    const place = this.#places.at(resource.namespace);
    using opening = new DisposableStack();
    const udp = opening.adopt(openUdp(place.namespace, resource.address, 0), closeSocket);
    const tcp = opening.adopt(openTcpListener(place.namespace, resource.address, 0), closeSocket);
    const { address } = resource;
    nftResolverRedirect(place.namespace, { address, udpPort: udp.port, tcpPort: tcp.port });
    opening.move();
    return this.#serve(resource.namespace, { udp: udp.fd, tcp: tcp.fd });
  }

  /** @throws PortUnavailable for what a user can do about it; anything else as it came */
  #reserve(resource: PortReservation, find: (key: string) => Resource | undefined): Disposable {
    const { protocol, address, port } = resource;
    try {
      return reservePorts(this.#places.host.namespace, resource, relayOf(resource));
    } catch (error) {
      const reason = error instanceof KernelError ? REASONS[error.code] : undefined;
      if (reason === undefined || !(error instanceof KernelError)) throw error;
      const failed = Number(/port (\d+)$/.exec(error.operation)?.[1] ?? port);
      const rule = find(`firewall publish ${protocol} ${address}:${port}`);
      throw new PortUnavailable(resource, failed, rule as PublishRule | undefined, reason, error);
    }
  }
}

/** What takes the sockets of ports that are relayed. */
function relayOf({ protocol, port: first, relay }: PortReservation): KeepSocket | undefined {
  if (relay === undefined) return undefined;
  return (socket) => openRelay(protocol, socket, { ...relay, port: relay.port + socket.port - first });
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
