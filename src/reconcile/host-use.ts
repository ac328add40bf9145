import { readFileSync } from 'node:fs';
import { NetworkNamespace } from '../kernel/netns.ts';
import { type RouteChange, RouteChanges } from '../kernel/route-changes.ts';
import { FAIRWAY_PROTOCOL, type LinkLabel, type RouteInfo, RouteSocket } from '../kernel/rtnetlink.ts';
import { isIpAddress, lengthOf, makePrefix, type Prefix, parseIpAddress, prefixOf } from '../model/address.ts';
import { isOurs, isTrash } from './marks.ts';

/** Something the host itself is, or reaches. */
export interface HostUse {
  readonly kind: 'address' | 'route' | 'resolver';
  readonly prefix: Prefix;
  /** The host is on it, or depends on it; else it is somewhere behind a gateway, and perhaps nobody is there */
  readonly near: boolean;
  /** The link's name; '' for resolvers and routes without one or with several */
  readonly link: string;
  /** Of a route; 254 is main */
  readonly table?: number;
}

/**
 * Shorter routes are ways to everywhere else, not networks: 0.0.0.0/0, and the halves 0.0.0.0/1 and 128.0.0.0/1 by which
 * VPNs outdo it; ::/0 and 2000::/3 of IPv6.
 */
const SHORTEST_NETWORK = 8;

/** resolv.conf(5), and where systemd-resolved writes the servers behind its own 127.0.0.53. */
const RESOLV_CONFS = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** linux/rtnetlink.h, rtm_type: those that keep a destination for somebody. Others are the kernel's: local, broadcast, … */
const ROUTE_TYPES: ReadonlySet<number> = new Set([1 /* unicast */, 6 /* blackhole */, 7 /* unreachable */, 8]);
const RTPROT_KERNEL = 2;

/** Milliseconds: a VPN that comes up sets many routes. */
const DEBOUNCE = 50;
/** Reading takes at most one in so many parts of the time, however often routes change (a router's change all day). */
const SHARE = 20;

interface Options {
  readonly namespace?: NetworkNamespace;
  /** Called when something may have changed, a little later */
  changed(): void;
}

/**
 * What the host uses: its addresses, routes of all tables, resolvers; so that no network chosen for containers hides it.
 * What is on Fairway's own links does not count: ipam knows its networks. Read once and again when somebody else changed
 * something, so it costs nothing that grows with the networks there are.
 */
export class HostUses implements Disposable {
  readonly #options: Options;
  readonly #namespace: NetworkNamespace;
  readonly #changes: RouteChanges;
  /** Indexes of links that are Fairway's */
  #own = new Set<number>();
  /** Others, and what of them counts here */
  #others = new Map<number, string>();
  #known: readonly HostUse[] | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds the last reading took */
  #cost = 0;

  constructor(options: Options) {
    this.#options = options;
    this.#namespace = options.namespace ?? NetworkNamespace.home();
    this.#changes = new RouteChanges(this.#namespace, (change) => this.#hear(change));
  }

  /** As it is now. */
  list(): readonly HostUse[] {
    this.#changes.drain();
    this.#known ??= this.#read();
    return [...this.#known, ...resolvers()];
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#changes[Symbol.dispose]();
  }

  #hear(change: RouteChange): void {
    if (!this.#concerns(change)) return;
    this.#known = undefined;
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#options.changed();
      },
      Math.max(DEBOUNCE, this.#cost * SHARE),
    );
    this.#timer.unref();
  }

  /** Whether somebody else’s links, addresses or routes may be others now. An IPv4 link that goes down takes its routes silently. */
  #concerns(change: RouteChange): boolean {
    switch (change.kind) {
      case 'overrun':
        return true;
      case 'address':
        return !this.#own.has(change.link);
      case 'route':
        return !isOwnRoute(change.route, this.#own);
      case 'link': {
        const { removed, link } = change;
        const before = this.#own.has(link.index);
        const now = isOurs(link) || isTrash(link);
        if (removed || !now) this.#own.delete(link.index);
        else this.#own.add(link.index);
        return this.#differs(change, now) && !now && (!before || !removed);
      }
    }
  }

  /** Links of others can change ten thousand times, and reading takes long where there are many. */
  #differs({ removed, link }: RouteChange & { kind: 'link' }, own: boolean): boolean {
    const before = this.#others.get(link.index);
    if (removed || own) this.#others.delete(link.index);
    else this.#others.set(link.index, seen(link));
    return before === undefined || before !== this.#others.get(link.index);
  }

  #read(): HostUse[] {
    const begin = performance.now();
    using socket = new RouteSocket(this.#namespace);
    const links = socket.links();
    this.#own = new Set(links.filter((link) => isOurs(link) || isTrash(link)).map(({ index }) => index));
    this.#others = new Map(links.filter(({ index }) => !this.#own.has(index)).map((link) => [link.index, seen(link)]));
    const names = new Map(links.map(({ index, name }) => [index, name]));
    const addresses = socket.addresses().filter(({ link }) => !this.#own.has(link));
    const routes = socket.routes('all').filter((route) => ROUTE_TYPES.has(route.type) && !isOwnRoute(route, this.#own));
    const uses: HostUse[] = [
      ...addresses.map(({ address, link }) => ({
        kind: 'address' as const,
        prefix: prefixOf(address),
        near: true,
        link: names.get(link) ?? '',
      })),
      ...routes.map(({ destination, gateway, link, table }) => ({
        kind: 'route' as const,
        prefix: destination,
        near: gateway === undefined,
        link: names.get(link) ?? '',
        table,
      })),
    ];
    this.#cost = performance.now() - begin;
    return uses.filter(({ prefix }) => lengthOf(prefix) >= SHORTEST_NETWORK);
  }
}

/** What decides whether addresses and routes of a link are there, in which table, and what they are told with. */
function seen({ name, up, master }: LinkLabel): string {
  return `${name} ${up} ${master}`;
}

/** On a link of ours, and made by us or by the kernel for an address of ours. */
function isOwnRoute({ link, protocol }: RouteInfo, own: ReadonlySet<number>): boolean {
  return own.has(link) && (protocol === RTPROT_KERNEL || protocol === FAIRWAY_PROTOCOL);
}

/** One address behind each "nameserver", perhaps with a zone. */
function resolvers(): HostUse[] {
  const names = RESOLV_CONFS.flatMap((path) => [...readText(path).matchAll(/^nameserver\s+([^\s%]+)/gm)]);
  const addresses = names.map(([, name]) => name ?? '').filter(isIpAddress);
  return [...new Set(addresses)].map((address) => ({
    kind: 'resolver',
    prefix: makePrefix(parseIpAddress(address), address.includes(':') ? 128 : 32),
    near: true,
    link: '',
  }));
}

/** '' where there is none. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
