/**
 * Who reaches what, as Docker documents it: one row for a way to a container on a network of some kind. What differs from Docker on
 * purpose is named in docs/differences.md.
 */

/** Networks of the matrix: the default bridge, user networks of four kinds, macvlan on the LAN's link, and the host's own. */
export const NETWORKS = ['bridge', 'user', 'internal', 'routed', 'isolated', 'macvlan', 'host'] as const;
export type NetworkName = (typeof NETWORKS)[number];

/**
 * Where a question starts: the container itself, another one on its network, the host, the LAN; or a container on another
 * network, called by the network's name.
 */
export type Source = 'itself' | 'neighbour' | 'the host' | 'the LAN' | NetworkName;

/** By the container's own address: one of its ports, published on any address of the host, on 127.0.0.1 alone, on none; a ping. */
export const OWN_WAYS = ['own, published', 'own, published on loopback', 'own, not published', 'own, ping'] as const;
/** By an address of the host: a port published on any address, on loopback, on one address of the host. */
export const HOST_WAYS = [
  'any, at the host',
  'any, at loopback',
  'loopback, at loopback',
  'loopback, at the host',
  'one, at it',
  'one, at another',
] as const;
export type Way = (typeof OWN_WAYS)[number] | (typeof HOST_WAYS)[number];

/** Networks that lead out by way of the host. */
const OUTWARD = ['bridge', 'user', 'routed'] as const;
const TOGETHER = ['itself', 'neighbour'] as const;

interface Row {
  readonly to: readonly NetworkName[];
  readonly by: readonly Way[];
  readonly from: readonly Source[];
  /** Who says so. Row by row, `[1.7]` is that section of what was gathered from Docker 28 and its tests */
  readonly because: string;
}

/** TCP, UDP, IPv4 and IPv6 alike. What no row says is not reached. */
const REACH: readonly Row[] = [
  {
    to: ['bridge', 'user'],
    by: OWN_WAYS,
    from: [...TOGETHER, 'the host'],
    because:
      'gateway mode nat: containers of a network and the host alone; from elsewhere unpublished ports are dropped, and published ones by this address too',
  },
  {
    to: ['bridge', 'user'],
    by: ['any, at the host', 'one, at it'],
    from: [...TOGETHER, 'the host', 'the LAN', ...OUTWARD],
    because: 'a published port is reached from the host, its own addresses, other containers, and the container itself',
  },
  {
    to: ['bridge', 'user'],
    by: ['any, at loopback', 'loopback, at loopback'],
    from: ['the host'],
    because: 'a port of 127.0.0.1 is the host’s own affair',
  },
  {
    to: ['internal'],
    by: OWN_WAYS,
    from: [...TOGETHER, 'the host'],
    because: '--internal: host and containers reach each other, no port is published',
  },
  {
    to: ['isolated'],
    by: OWN_WAYS,
    from: TOGETHER,
    because: 'gateway mode isolated: internal, and the host has no address there',
  },
  {
    to: ['routed'],
    by: ['own, published', 'own, ping'],
    from: [...TOGETHER, 'the host', 'the LAN', ...OUTWARD],
    because:
      'gateway mode routed: -p opens the port for who knows a way, and pings pass; from other networks as from the LAN (Docker 29)',
  },
  {
    to: ['routed'],
    by: ['own, published on loopback', 'own, not published'],
    from: [...TOGETHER, 'the host'],
    because:
      'gateway mode routed: what is not published on any address is not opened; nothing is published on the host',
  },
  {
    to: ['macvlan'],
    by: OWN_WAYS,
    from: [...TOGETHER, 'the LAN'],
    because:
      'macvlan: a station on the LAN, with no firewall before it; the kernel keeps it from its parent, the host, and so from who comes by way of it',
  },
  {
    to: ['host'],
    by: OWN_WAYS,
    from: ['itself', 'the host', 'the LAN', ...OUTWARD],
    because: 'the host’s own network: -p is discarded, and what listens is reached as any program of the host',
  },
];

/** Who reaches the LAN: what is not kept from leaving. */
export const LEAVES: readonly Source[] = ['the host', ...OUTWARD, 'macvlan'];

/** Who reaches the host by the address of its network's gateway: also internal networks do; isolated ones have none. */
export const REACHES_GATEWAY: readonly NetworkName[] = [...OUTWARD, 'internal'];

/** The daemon itself passes on what the kernel cannot translate, the host's ::1: while it is down, nobody does (docs/differences.md). */
export function isRelayed(by: Way, family: 4 | 6): boolean {
  return family === 6 && (by === 'any, at loopback' || by === 'loopback, at loopback');
}

/** @returns why a question from there is answered; undefined: it is not */
export function reason(from: Source, to: NetworkName, by: Way): string | undefined {
  return REACH.find((row) => row.to.includes(to) && row.by.includes(by) && row.from.includes(from))?.because;
}
