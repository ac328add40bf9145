import { type AddressFamily, familyOf, type IpAddress, isUnspecified, UNSPECIFIED } from '../model/address.ts';
import type { ContainerSpec, PortBinding } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { TransportProtocol } from '../model/firewall.ts';
import type { PublishedPort } from '../model/network.ts';

/** As many as there are numbers. */
export const PORTS_PER_CONTAINER = 65_535;

/** One container port that wants a host port. */
export interface PortWish {
  readonly protocol: TransportProtocol;
  readonly containerPort: number;
  /** The same port on each of them */
  readonly hostAddresses: readonly IpAddress[];
  /** Those that stand for the container's own address: no port of the host's is taken there */
  readonly ownAddresses?: readonly IpAddress[];
  /** One of these; undefined: an ephemeral port */
  readonly hostPorts?: PortInterval;
}

/** First and last, both included. */
export interface PortInterval {
  readonly first: number;
  readonly last: number;
}

/** Whether no process of the host holds the port, as the kernel tells when one tries to bind it. */
export type PortProbe = (protocol: TransportProtocol, address: IpAddress, port: number) => boolean;

export interface PortSettings {
  readonly ephemeral: PortInterval;
  /** Never handed out unasked */
  readonly reserved?: readonly PortInterval[];
  readonly isUnused?: PortProbe;
  /** Whether programs of the host can listen on IPv6 */
  readonly hasIPv6?: () => boolean;
  /** Whether SCTP's ports can be kept from programs of the host, which have no sockets of it otherwise */
  readonly speaksSctp?: () => boolean;
}

/** Where a container can be published. */
export interface PublishPlace {
  /** The network's, for bindings that name no address; "0.0.0.0" stands for any of the host's, of both families */
  readonly hostBinding: IpAddress;
  /** Of host addresses that lead to the container, and how */
  readonly families: ReadonlyMap<AddressFamily, Way>;
}

/**
 * translated: by the kernel. relayed: passed on by the daemon, from IPv6 to a container without it. routed: containers are
 * reached at their own addresses, and no port of the host leads to them.
 */
export type Way = 'translated' | 'relayed' | 'routed';

/**
 * What a container wants published: its `-p`, and with `-P` whatever else it exposes; nothing on addresses of a family that
 * leads nowhere, as in Docker. SCTP is not relayed.
 */
export function portWishes(spec: ContainerSpec, place: PublishPlace): PortWish[] {
  const wishes = spec.portBindings.map((binding) => portWish(binding, place));
  if (!spec.publishAll) return wishes;
  const bound = new Set(spec.portBindings.map(({ protocol, containerPort }) => `${containerPort}/${protocol}`));
  for (const key of spec.exposedPorts) {
    const [port, protocol] = key.split('/') as [string, TransportProtocol];
    if (!bound.has(key)) wishes.push(portWish({ protocol, containerPort: Number(port) }, place));
  }
  return wishes.filter(({ hostAddresses, ownAddresses }) => hostAddresses.length > 0 || ownAddresses !== undefined);
}

function portWish(binding: PortBinding, { hostBinding, families }: PublishPlace): PortWish {
  const { protocol, containerPort, hostAddress, hostPorts } = binding;
  const both = hostAddress === undefined && hostBinding === UNSPECIFIED[4];
  const addresses = both ? Object.values(UNSPECIFIED) : [hostAddress ?? hostBinding];
  const by = (...ways: Way[]) =>
    addresses.filter((address) => {
      const way = families.get(familyOf(address));
      return way !== undefined && ways.includes(way);
    });
  const own = by('routed');
  return {
    protocol,
    containerPort,
    hostAddresses: protocol === 'sctp' ? by('translated') : by('translated', 'relayed'),
    ...(own.length === 0 ? {} : { ownAddresses: own }),
    ...(hostPorts === undefined ? {} : { hostPorts }),
  };
}

/** A published port and the name of the container that has it. */
export interface HeldPort extends PublishedPort {
  readonly holder?: string;
}

/** Hands out host ports. What is held is told by the caller; only the place of the last ephemeral port is remembered. */
export class PortAllocator {
  readonly #ephemeral: PortInterval;
  readonly #reserved: readonly PortInterval[];
  readonly #isUnused: PortProbe;
  readonly #hasIPv6: () => boolean;
  readonly #speaksSctp: () => boolean;
  #next: number;

  constructor(settings: PortSettings) {
    const { ephemeral, reserved = [], isUnused, hasIPv6, speaksSctp } = settings;
    const yes = () => true;
    this.#hasIPv6 = hasIPv6 ?? yes;
    this.#speaksSctp = speaksSctp ?? yes;
    this.#ephemeral = ephemeral;
    this.#reserved = reserved;
    this.#isUnused = isUnused ?? yes;
    this.#next = ephemeral.first;
  }

  get hasIPv6(): boolean {
    return this.#hasIPv6();
  }

  get speaksSctp(): boolean {
    return this.#speaksSctp();
  }

  /**
   * Ports for all wishes, neighbouring ones joined to ranges. A choice never falls on what a process of the host holds; a
   * port that was asked for by its number is not looked at: binding it will tell.
   * @param held by other endpoints
   * @throws EngineError internal in Docker's words, where the API answers 500 as well
   */
  allocate(wishes: readonly PortWish[], held: Iterable<HeldPort>): PublishedPort[] {
    const taken = new TakenPorts(held);
    const chosen: PublishedPort[] = [];
    for (const wish of wishes.toSorted((a, b) => choices(a) - choices(b))) {
      const { protocol, containerPort, hostAddresses, ownAddresses = [] } = wish;
      for (const hostAddress of ownAddresses) {
        chosen.push({ protocol, containerPort, hostAddress, hostPort: 0, count: 1 });
      }
      const hostPort = hostAddresses.length === 0 ? 0 : this.#choose(wish, taken);
      for (const hostAddress of hostAddresses) {
        chosen.push({ protocol, containerPort, hostAddress, hostPort, count: 1 });
        taken.take(protocol, hostAddress, hostPort);
      }
    }
    return joinRanges(chosen);
  }

  #choose(wish: PortWish, taken: TakenPorts): number {
    const { hostPorts } = wish;
    return hostPorts === undefined ? this.#pickEphemeral(wish, taken) : this.#pick(wish, hostPorts, taken);
  }

  #pick(wish: PortWish, { first, last }: PortInterval, taken: TakenPorts): number {
    for (let port = first; port <= last; port++) {
      if (clash(wish, port, taken) !== undefined) continue;
      if (first === last || this.#isUnusedOnAll(wish, port)) return port;
    }
    if (first < last) throw new EngineError('internal', 'all ports are allocated');
    const { address = '', holder } = clash(wish, first, taken) ?? {};
    const where = address.includes(':') ? `[${address}]` : address;
    const owner = holder === undefined ? '' : `: container "${holder}" has it`;
    throw new EngineError('internal', `Bind for ${where}:${first} failed: port is already allocated${owner}`);
  }

  #isUnusedOnAll({ protocol, hostAddresses: addresses }: PortWish, port: number): boolean {
    return addresses.every((address) => this.#isUnused(protocol, address, port));
  }

  #pickEphemeral(wish: PortWish, taken: TakenPorts): number {
    const { first, last } = this.#ephemeral;
    for (let tries = last - first + 1; tries > 0; tries--) {
      const port = this.#next;
      this.#next = port === last ? first : port + 1;
      const reserved = this.#reserved.some((interval) => port >= interval.first && port <= interval.last);
      if (reserved || clash(wish, port, taken) !== undefined) continue;
      if (this.#isUnusedOnAll(wish, port)) return port;
    }
    throw new EngineError('internal', 'all ports are allocated');
  }
}

/** How many ports would do: those without a choice come first. */
function choices({ hostPorts }: PortWish): number {
  return hostPorts === undefined ? Number.POSITIVE_INFINITY : hostPorts.last - hostPorts.first;
}

/** The first of the wish's addresses on which the port is taken, and by whom. */
function clash({ protocol, hostAddresses: addresses }: PortWish, port: number, taken: TakenPorts) {
  for (const address of addresses) {
    const range = taken.find(protocol, address, port);
    if (range !== undefined) return { address, holder: range.holder };
  }
  return undefined;
}

/** 0.0.0.0 and :: stand for every address of their family: they exclude, and are excluded by, the same port on any of them. */
class TakenPorts {
  /** By the block that they have ports in, so that few are looked at for each port, however many there are */
  readonly #blocks = new Map<number, HeldPort[]>();
  /** Of the asker, by port */
  readonly #own = new Map<number, { readonly protocol: TransportProtocol; readonly address: IpAddress }[]>();

  constructor(held: Iterable<HeldPort>) {
    for (const range of held) {
      const last = blockOf(range.hostPort + range.count - 1);
      for (let block = blockOf(range.hostPort); block <= last; block++) {
        const others = this.#blocks.get(block);
        if (others === undefined) this.#blocks.set(block, [range]);
        else others.push(range);
      }
    }
  }

  take(protocol: TransportProtocol, address: IpAddress, port: number): void {
    const own = this.#own.get(port);
    if (own === undefined) this.#own.set(port, [{ protocol, address }]);
    else own.push({ protocol, address });
  }

  /** @returns whoever has it; without a name when it is the asker */
  find(protocol: TransportProtocol, address: IpAddress, port: number): { readonly holder?: string } | undefined {
    const clashes = (other: IpAddress) =>
      familyOf(other) === familyOf(address) && (other === address || isUnspecified(other) || isUnspecified(address));
    if (this.#own.get(port)?.some((own) => own.protocol === protocol && clashes(own.address))) return {};
    return this.#blocks
      .get(blockOf(port))
      ?.find(
        (range) =>
          range.protocol === protocol &&
          port >= range.hostPort &&
          port < range.hostPort + range.count &&
          clashes(range.hostAddress),
      );
  }
}

function blockOf(port: number): number {
  return port >>> 6;
}

/** Neighbours on both sides become one range: one firewall element, however many ports. */
export function joinRanges(ports: readonly PublishedPort[]): PublishedPort[] {
  const sorted = ports.toSorted(
    (a, b) =>
      compare(a.protocol, b.protocol) || compare(a.hostAddress, b.hostAddress) || a.containerPort - b.containerPort,
  );
  const joined: PublishedPort[] = [];
  for (const port of sorted) {
    const last = joined.at(-1);
    if (last !== undefined && follows(last, port))
      joined[joined.length - 1] = { ...last, count: last.count + port.count };
    else joined.push(port);
  }
  return joined;
}

function follows(range: PublishedPort, next: PublishedPort): boolean {
  return (
    range.protocol === next.protocol &&
    range.hostAddress === next.hostAddress &&
    range.containerPort + range.count === next.containerPort &&
    range.hostPort + range.count === next.hostPort
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** @param text "32768\t60999", as /proc/sys/net/ipv4/ip_local_port_range has it; IANA's range when it has something else */
export function parsePortRange(text: string): PortInterval {
  const [first = 0, last = 0] = text.trim().split(/\s+/).map(Number);
  return first > 0 && last >= first && last < 65536 ? { first, last } : { first: 49153, last: 65535 };
}

/** @param text "8080,9148-9200", as /proc/sys/net/ipv4/ip_local_reserved_ports has it */
export function parsePortList(text: string): PortInterval[] {
  const intervals = text
    .trim()
    .split(',')
    .filter((part) => part !== '');
  return intervals.map((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return { first, last };
  });
}
