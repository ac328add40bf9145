import { KernelError } from '../model/errors.ts';
import {
  FIXED_ONLY,
  type ForwardingInfo,
  type NeighbourInfo,
  parseNeighbour,
  RTM_DELNEIGH,
  RTM_NEWNEIGH,
} from './neighbour-messages.ts';
import { Attributes, fixedHeader, type Message } from './netlink.ts';
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from './netlink-socket.ts';
import type { NetworkNamespace } from './netns.ts';
import { NumberedDatagrams } from './numbered-datagrams.ts';
import { watchReadable } from './poll.ts';
import * as rt from './rtnetlink-messages.ts';
import { AF_INET6 } from './sys.ts';

/** Something changed, by whomever: what is told is where to look, not what it is like now. */
export type KernelEvent =
  | RouteEvent
  | (RouteEvent & Elsewhere)
  | NftablesEvent
  | (NftablesEvent & Elsewhere)
  /** Events were lost: everything may have changed */
  | { readonly kind: 'overrun' };

type RouteEvent =
  | LinkEvent
  | { readonly kind: 'address'; readonly removed: boolean; readonly address: rt.AddressInfo }
  | { readonly kind: 'route'; readonly removed: boolean; readonly route: rt.RouteInfo }
  /** Somebody said for good who holds an address, or where a bridge finds it; of the latter also that it does no more */
  | { readonly kind: 'neighbour'; readonly removed: boolean; readonly neighbour: NeighbourInfo | ForwardingInfo }
  /** Forwarding or the like of a link (index), of all (−1) or of those to come (−2) */
  | { readonly kind: 'settings'; readonly link: number };

interface LinkEvent {
  readonly kind: 'link';
  readonly removed: boolean;
  readonly name: string;
  readonly index: number;
  /** Of a bridge's port: whose it is, and the bridge */
  readonly port?: rt.LinkLabel;
}

type NftablesEvent = FirewallEvent | GenerationEvent;

/** In another namespace. */
interface Elsewhere {
  /** As the watched namespace numbers it: RouteSocket.numberOf */
  readonly namespace: number;
}

/** A table, chain, rule, set, element or object of nftables. */
interface FirewallEvent {
  readonly kind: 'firewall';
  readonly removed: boolean;
  /** NFPROTO_*: 1 inet, 2 ip, 3 arp, 5 netdev, 7 bridge, 10 ip6 */
  readonly family: number;
  readonly table: string;
  /** It is an element of a set: no chain lets other packets through for that which it did not ask about before */
  readonly element: boolean;
}

/** Ends the events of one nftables transaction, and names its author. */
interface GenerationEvent {
  readonly kind: 'generation';
  /** Counts transactions of the namespace */
  readonly generation: number;
  /** Name of the author's thread (comm), at most 15 bytes */
  readonly author: string;
}

/** linux/rtnetlink.h */
const RTNLGRP_LINK = 1;
const RTNLGRP_NEIGH = 3;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV4_ROUTE = 7;
const RTNLGRP_IPV6_IFADDR = 9;
const RTNLGRP_IPV6_ROUTE = 11;
const RTNLGRP_IPV4_NETCONF = 24;
const RTNLGRP_IPV6_NETCONF = 25;
/** linux/netfilter/nfnetlink.h */
const NFNLGRP_NFTABLES = 7;
const NFNL_SUBSYS_NFTABLES = 10;

/** linux/netfilter/nf_tables.h: NEWSETELEM, DELSETELEM */
const NFT_MSG_SETELEM: ReadonlySet<number> = new Set([12, 14]);
/** linux/netfilter/nf_tables.h */
const NFT_MSG_NEWGEN = 15;
/** The second of each pair: NFT_MSG_DELTABLE, DELCHAIN, DELRULE, DELSET, DELSETELEM, DELOBJ, DELFLOWTABLE */
const NFT_MSG_DEL: ReadonlySet<number> = new Set([2, 5, 8, 11, 14, 20, 24]);
/** NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, …: the table is always the first attribute */
const NFTA_TABLE = 1;
const NFTA_GEN_ID = 1;
const NFTA_GEN_PROC_NAME = 3;
/** struct nfgenmsg: family, version, resource */
const NFGEN_SIZE = 4;

/**
 * Tells what changes in a namespace: links, addresses, IPv4 routes and the loss of IPv6 ones, neighbours that are set for good,
 * forwarding, and nftables; and the same but for forwarding in namespaces that have a number there. The same sockets for all of these: the kernel
 * asks every socket that listens, wherever it is, about every event.
 */
export class KernelEvents implements Disposable {
  readonly #listener: (event: KernelEvent) => void;
  readonly #resources = new DisposableStack();
  /** Of each socket: reads a turn's share, and says whether nothing waits any more */
  readonly #drains: (() => boolean)[] = [];

  /** @param listener called soon after the change, on the main thread, never from within a system call */
  constructor(namespace: NetworkNamespace, listener: (event: KernelEvent) => void) {
    this.#listener = listener;
    try {
      this.#watchRoutes(new NetlinkSocket(NETLINK_ROUTE, namespace));
      this.#watchNeighbours(new NetlinkSocket(NETLINK_ROUTE, namespace));
      this.#watchSettings(new NetlinkSocket(NETLINK_ROUTE, namespace));
      this.#watchFirewall(new NetlinkSocket(NETLINK_NETFILTER, namespace));
    } catch (error) {
      this.#resources.dispose();
      throw error;
    }
  }

  #watchRoutes(socket: NetlinkSocket): void {
    this.#resources.use(socket);
    socket.listenEverywhere();
    socket.join([RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE]);
    this.#watchNumbered(socket, parseRouteEvent);
  }

  /** A socket of its own, since the kernel shall not even queue what is learnt. */
  #watchNeighbours(socket: NetlinkSocket): void {
    this.#resources.use(socket);
    socket.listenEverywhere();
    socket.filter(FIXED_ONLY);
    socket.join([RTNLGRP_NEIGH]);
    this.#watchNumbered(socket, parseRouteEvent);
  }

  /** Not everywhere: nobody waits for what comes from elsewhere, and the kernel would look for the number of each new namespace ten times. */
  #watchSettings(socket: NetlinkSocket): void {
    this.#resources.use(socket);
    socket.join([RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF]);
    this.#watchNumbered(socket, parseRouteEvent);
  }

  #watchFirewall(socket: NetlinkSocket): void {
    this.#resources.use(socket);
    socket.listenEverywhere();
    socket.join([NFNLGRP_NFTABLES]);
    this.#watchNumbered(socket, parseFirewallEvent);
  }

  /** The listener is called when this turn's share is read, since it may well dispose this. */
  #watchNumbered(socket: NetlinkSocket, parse: (message: Message) => RouteEvent | NftablesEvent | undefined): void {
    const datagrams = new NumberedDatagrams();
    const drain = (): boolean => {
      const events: KernelEvent[] = [];
      let all = true;
      const read = () => {
        all = datagrams.drain(socket.fd, (message, namespace) => {
          const event = parse(message);
          if (event !== undefined) events.push(namespace === undefined ? event : { ...event, namespace });
        });
      };
      if (!drained(read)) {
        datagrams.discard(socket.fd);
        events.push({ kind: 'overrun' });
      }
      for (const event of events) this.#listener(event);
      return all;
    };
    this.#drains.push(drain);
    this.#resources.use(watchReadable(socket.fd, drain));
  }

  /** Tells of all that the kernel has told so far, however much it is: the event loop has no turn meanwhile. */
  catchUp(): void {
    for (const drain of this.#drains) while (!drain());
  }

  [Symbol.dispose](): void {
    this.#drains.length = 0;
    this.#resources.dispose();
  }
}

/** @returns false when messages were lost */
function drained(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof KernelError && error.code === 'ENOBUFS') return false;
    throw error;
  }
}

/** @returns undefined for what nobody watches */
export function parseRouteEvent(message: Message): RouteEvent | undefined {
  switch (message.type) {
    case rt.RTM_NEWLINK:
    case rt.RTM_DELLINK: {
      const label = rt.parseLinkLabel(message);
      const { name, index } = label;
      const port = label.master === 0 ? {} : { port: label };
      return { kind: 'link', removed: message.type === rt.RTM_DELLINK, name, index, ...port };
    }
    case rt.RTM_NEWADDR:
    case rt.RTM_DELADDR: {
      const address = rt.parseAddress(message);
      return address && { kind: 'address', removed: message.type === rt.RTM_DELADDR, address };
    }
    case rt.RTM_NEWROUTE:
    case rt.RTM_DELROUTE: {
      // The kernel tells of three routes of every link that goes up: nobody waits for those.
      if (message.type === rt.RTM_NEWROUTE && message.payload[0] === AF_INET6) return undefined;
      const route = rt.parseRoute(message);
      return route && { kind: 'route', removed: message.type === rt.RTM_DELROUTE, route };
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const neighbour = parseNeighbour(message);
      return neighbour?.fixed ? { kind: 'neighbour', removed: message.type === RTM_DELNEIGH, neighbour } : undefined;
    }
    case rt.RTM_NEWNETCONF:
      return { kind: 'settings', link: rt.parseSettingsOwner(message) };
    default:
      return undefined;
  }
}

/** @returns undefined for what does not concern nftables */
export function parseFirewallEvent(message: Message): NftablesEvent | undefined {
  if (message.type >> 8 !== NFNL_SUBSYS_NFTABLES) return undefined;
  const kind = message.type & 0xff;
  const header = fixedHeader(message, NFGEN_SIZE);
  const attributes = Attributes.parse(header, NFGEN_SIZE);
  if (kind === NFT_MSG_NEWGEN) {
    const generation = attributes.be32(NFTA_GEN_ID) ?? 0;
    return { kind: 'generation', generation, author: attributes.text(NFTA_GEN_PROC_NAME) ?? '' };
  }
  const table = attributes.text(NFTA_TABLE) ?? '';
  return {
    kind: 'firewall',
    removed: NFT_MSG_DEL.has(kind),
    family: header.readUInt8(0),
    table,
    element: NFT_MSG_SETELEM.has(kind),
  };
}
