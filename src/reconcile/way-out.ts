import type { NetworkNamespace } from '../kernel/netns.ts';
import { type RouteChange, RouteChanges } from '../kernel/route-changes.ts';
import { type RouteInfo, RouteSocket } from '../kernel/rtnetlink.ts';
import { lengthOf } from '../model/address.ts';

/** 0.0.0.0/0 and ::/0, and the halves by which VPNs outdo them: 0.0.0.0/1 and 128.0.0.0/1. */
const LONGEST_DEFAULT = 1;
/** linux/rtnetlink.h: RTN_UNICAST */
const UNICAST = 1;
/** Milliseconds: a VPN that comes up sets several routes and links. */
const DEBOUNCE = 100;

/**
 * How large packets may be on the host's ways out: the smallest MTU of all default routes, of both families and all tables
 * (VPNs have tables of their own). Read again when one of these routes or their links changes; other changes cost nothing.
 */
export class WayOut implements Disposable {
  readonly #namespace: NetworkNamespace;
  readonly #changed: () => void;
  readonly #changes: RouteChanges;
  /** Indexes of the links that lead out */
  #links = new Set<number>();
  #mtu: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param changed called soon after `mtu` has become another one */
  constructor(namespace: NetworkNamespace, changed: () => void) {
    this.#namespace = namespace;
    this.#changed = changed;
    this.#changes = new RouteChanges(namespace, (change) => this.#hear(change));
    this.#mtu = this.#read();
  }

  /** Bytes; undefined where nothing leads out. */
  get mtu(): number | undefined {
    return this.#mtu;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#changes[Symbol.dispose]();
  }

  #hear(change: RouteChange): void {
    if (!this.#concerns(change) || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#look(), DEBOUNCE);
    this.#timer.unref();
  }

  #concerns(change: RouteChange): boolean {
    switch (change.kind) {
      case 'overrun':
        return true;
      case 'address':
        return false;
      case 'route':
        return isDefault(change.route);
      case 'link':
        return this.#links.has(change.link.index);
    }
  }

  #look(): void {
    this.#timer = undefined;
    const before = this.#mtu;
    this.#mtu = this.#read();
    if (this.#mtu !== before) this.#changed();
  }

  #read(): number | undefined {
    using socket = new RouteSocket(this.#namespace);
    const routes = socket.routes('all').filter(isDefault);
    this.#links = new Set(routes.map(({ link }) => link));
    // 0: several links
    const sizeOf = (link: number) => (link === 0 ? undefined : socket.link(link)?.mtu);
    const sizes = routes.flatMap(({ link, mtu }) => mtu ?? sizeOf(link) ?? []);
    return sizes.length === 0 ? undefined : Math.min(...sizes);
  }
}

function isDefault({ type, destination }: RouteInfo): boolean {
  return type === UNICAST && lengthOf(destination) <= LONGEST_DEFAULT;
}
