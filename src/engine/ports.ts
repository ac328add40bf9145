import type { IpAddress } from '../model/address.ts';
import type { ContainerSpec } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { PublishedPort } from '../model/network.ts';
import type { TransportProtocol } from '../model/resource.ts';

const ANY = '0.0.0.0';

/** One container port that wants a host port. */
export interface PortWish {
  readonly protocol: TransportProtocol;
  readonly containerPort: number;
  readonly hostAddress: IpAddress;
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
}

/** What a container wants published: its `-p`, and with `-P` whatever else it exposes. SCTP is not published. */
export function portWishes(spec: ContainerSpec, defaultAddress: IpAddress): PortWish[] {
  const wishes: PortWish[] = spec.portBindings.map(({ protocol, containerPort, hostAddress, hostPorts }) => ({
    protocol,
    containerPort,
    hostAddress: hostAddress ?? defaultAddress,
    ...(hostPorts === undefined ? {} : { hostPorts }),
  }));
  if (!spec.publishAll) return wishes;
  const bound = new Set(spec.portBindings.map(({ protocol, containerPort }) => `${containerPort}/${protocol}`));
  for (const key of spec.exposedPorts) {
    const [port = '', protocol] = key.split('/');
    if (bound.has(key) || (protocol !== 'tcp' && protocol !== 'udp')) continue;
    wishes.push({ protocol, containerPort: Number(port), hostAddress: defaultAddress });
  }
  return wishes;
}

/** Hands out host ports. What is held is told by the caller; only the place of the last ephemeral port is remembered. */
export class PortAllocator {
  readonly #ephemeral: PortInterval;
  readonly #reserved: readonly PortInterval[];
  readonly #isUnused: PortProbe;
  #next: number;

  constructor({ ephemeral, reserved = [], isUnused = () => true }: PortSettings) {
    this.#ephemeral = ephemeral;
    this.#reserved = reserved;
    this.#isUnused = isUnused;
    this.#next = ephemeral.first;
  }

  /**
   * Ports for all wishes, neighbouring ones joined to ranges. A choice never falls on what a process of the host holds; a
   * port that was asked for by its number is not looked at: binding it will tell.
   * @param held by other endpoints
   * @throws EngineError internal in Docker's words, where the API answers 500 as well
   */
  allocate(wishes: readonly PortWish[], held: Iterable<PublishedPort>): PublishedPort[] {
    const taken = new TakenPorts(held);
    const chosen: PublishedPort[] = [];
    for (const wish of wishes.toSorted((a, b) => choices(a) - choices(b))) {
      const hostPort = this.#choose(wish, taken);
      const { protocol, containerPort, hostAddress } = wish;
      chosen.push({ protocol, containerPort, hostAddress, hostPort, count: 1 });
      taken.take(protocol, hostAddress, hostPort);
    }
    return joinRanges(chosen);
  }

  #choose(wish: PortWish, taken: TakenPorts): number {
    const { hostPorts } = wish;
    return hostPorts === undefined ? this.#pickEphemeral(wish, taken) : this.#pick(wish, hostPorts, taken);
  }

  #pick({ protocol, hostAddress }: PortWish, { first, last }: PortInterval, taken: TakenPorts): number {
    for (let port = first; port <= last; port++) {
      if (!taken.isFree(protocol, hostAddress, port)) continue;
      if (first === last || this.#isUnused(protocol, hostAddress, port)) return port;
    }
    if (first < last) throw new EngineError('internal', 'all ports are allocated');
    throw new EngineError('internal', `Bind for ${hostAddress}:${first} failed: port is already allocated`);
  }

  #pickEphemeral({ protocol, hostAddress }: PortWish, taken: TakenPorts): number {
    const { first, last } = this.#ephemeral;
    for (let tries = last - first + 1; tries > 0; tries--) {
      const port = this.#next;
      this.#next = port === last ? first : port + 1;
      const reserved = this.#reserved.some((interval) => port >= interval.first && port <= interval.last);
      if (reserved || !taken.isFree(protocol, hostAddress, port)) continue;
      if (this.#isUnused(protocol, hostAddress, port)) return port;
    }
    throw new EngineError('internal', 'all ports are allocated');
  }
}

/** How many ports would do: those without a choice come first. */
function choices({ hostPorts }: PortWish): number {
  return hostPorts === undefined ? Number.POSITIVE_INFINITY : hostPorts.last - hostPorts.first;
}

/** 0.0.0.0 stands for every address: it excludes, and is excluded by, the same port on any of them. */
class TakenPorts {
  readonly #ranges: readonly PublishedPort[];
  readonly #single = new Map<string, Set<string>>();

  constructor(held: Iterable<PublishedPort>) {
    this.#ranges = [...held];
  }

  take(protocol: TransportProtocol, address: string, port: number): void {
    const key = `${protocol} ${port}`;
    this.#single.set(key, (this.#single.get(key) ?? new Set()).add(address));
  }

  isFree(protocol: TransportProtocol, address: string, port: number): boolean {
    const clashes = (other: string) => other === address || other === ANY || address === ANY;
    for (const other of this.#single.get(`${protocol} ${port}`) ?? []) if (clashes(other)) return false;
    return !this.#ranges.some(
      (range) =>
        range.protocol === protocol &&
        port >= range.hostPort &&
        port < range.hostPort + range.count &&
        clashes(range.hostAddress),
    );
  }
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
