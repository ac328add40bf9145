import { KernelError } from '../model/errors.ts';
import type { Message } from './netlink.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './netlink-socket.ts';
import type { NetworkNamespace } from './netns.ts';
import { NumberedDatagrams } from './numbered-datagrams.ts';
import { watchReadable } from './poll.ts';
import * as rt from './rtnetlink-messages.ts';

/** What changed of a namespace's links, addresses and routes, as it is from now on, or was before it went. */
export type RouteChange =
  | { readonly kind: 'link'; readonly removed: boolean; readonly link: rt.LinkLabel }
  | { readonly kind: 'address'; readonly link: number }
  | { readonly kind: 'route'; readonly route: rt.RouteInfo }
  /** Messages were lost: everything may have changed */
  | { readonly kind: 'overrun' };

/** linux/rtnetlink.h */
const RTNLGRP_LINK = 1;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV4_ROUTE = 7;
const RTNLGRP_IPV6_IFADDR = 9;
const RTNLGRP_IPV6_ROUTE = 11;

/**
 * Tells of links, addresses and routes of both families, in all tables. Unlike `KernelEvents`, which is for mending and
 * deaf to IPv6, it can be read at once by who must know now.
 */
export class RouteChanges implements Disposable {
  readonly #socket: NetlinkSocket;
  readonly #datagrams = new NumberedDatagrams();
  readonly #watch: Disposable;
  readonly #listener: (change: RouteChange) => void;

  /** @param listener called soon after the change, on the main thread, or from within `drain` */
  constructor(namespace: NetworkNamespace, listener: (change: RouteChange) => void) {
    this.#listener = listener;
    this.#socket = new NetlinkSocket(NETLINK_ROUTE, namespace);
    try {
      this.#socket.join([
        RTNLGRP_LINK,
        RTNLGRP_IPV4_IFADDR,
        RTNLGRP_IPV4_ROUTE,
        RTNLGRP_IPV6_IFADDR,
        RTNLGRP_IPV6_ROUTE,
      ]);
      this.#watch = watchReadable(this.#socket.fd, () => void this.#drainSome());
    } catch (error) {
      this.#socket[Symbol.dispose]();
      throw error;
    }
  }

  /** Tells now what has happened until now. */
  drain(): void {
    while (!this.#drainSome());
  }

  /** As much as a turn of the event loop may take. @returns whether nothing waits any more */
  #drainSome(): boolean {
    const changes: RouteChange[] = [];
    let finished = true;
    try {
      finished = this.#datagrams.drain(this.#socket.fd, (message) => {
        const change = parseChange(message);
        if (change !== undefined) changes.push(change);
      });
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'ENOBUFS') throw error;
      this.#datagrams.discard(this.#socket.fd);
      changes.push({ kind: 'overrun' });
    }
    for (const change of changes) this.#listener(change);
    return finished;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
  }
}

/** @returns undefined for what nobody asked: bridge ports, which are told as links of the family AF_BRIDGE; cache entries */
function parseChange(message: Message): RouteChange | undefined {
  switch (message.type) {
    case rt.RTM_NEWLINK:
    case rt.RTM_DELLINK: {
      // struct ifinfomsg begins with the family, and it is AF_UNSPEC for the link itself
      if (message.payload[0] !== 0) return undefined;
      return { kind: 'link', removed: message.type === rt.RTM_DELLINK, link: rt.parseLinkLabel(message) };
    }
    case rt.RTM_NEWADDR:
    case rt.RTM_DELADDR: {
      const address = rt.parseAddress(message);
      return address && { kind: 'address', link: address.link };
    }
    case rt.RTM_NEWROUTE:
    case rt.RTM_DELROUTE: {
      const route = rt.parseRoute(message);
      return route && { kind: 'route', route };
    }
    default:
      return undefined;
  }
}
