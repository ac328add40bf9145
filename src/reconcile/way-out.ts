import type { NetworkNamespace } from '../kernel/netns.ts';
import { type RouteChange, RouteChanges } from '../kernel/route-changes.ts';
import { type LinkLabel, type RouteInfo, RouteSocket } from '../kernel/rtnetlink.ts';
import { lengthOf } from '../model/address.ts';
import { isOurs, isTrash } from './marks.ts';

/** 0.0.0.0/0 and ::/0, and the halves by which VPNs outdo them: 0.0.0.0/1 and 128.0.0.0/1. */
const LONGEST_DEFAULT = 1;
/** linux/rtnetlink.h: RTN_UNICAST */
const UNICAST = 1;
/** Milliseconds: a VPN that comes up sets several routes and links. */
const DEBOUNCE = 100;

interface Routes {
  /** To everywhere: the index of the link, 0 for several; bytes, where the route says another size than its link */
  readonly defaults: readonly Pick<RouteInfo, 'link' | 'mtu'>[];
  /** Bytes: the smallest of what any route says itself */
  readonly narrowest: number;
}

interface Way {
  /** Bytes */
  readonly mtu: number;
  /** Fairway made it */
  readonly own: boolean;
}

/**
 * How large packets may be, in bytes: on the host's ways out, which are the default routes of both families and all tables (VPNs
 * have tables of their own), and on the narrowest of all its ways. Routes are read again when one of these routes, or a link of a
 * default one, changes; other changes cost next to nothing.
 */
export class WayOut implements Disposable {
  readonly #namespace: NetworkNamespace;
  readonly #changed: () => void;
  readonly #changes: RouteChanges;
  /** Links that are up, by index */
  readonly #links = new Map<number, Way>();
  #routes: Routes | undefined;
  #told: { readonly mtu: number | undefined; readonly narrowest: number };
  #timer: NodeJS.Timeout | undefined;

  /** @param changed called soon after `mtu` or `narrowest` has become another one */
  constructor(namespace: NetworkNamespace, changed: () => void) {
    this.#namespace = namespace;
    this.#changed = changed;
    this.#changes = new RouteChanges(namespace, (change) => this.#hear(change));
    this.#readLinks();
    this.#told = this.#now();
  }

  /** On the narrowest way out; undefined where nothing leads out. */
  get mtu(): number | undefined {
    return this.#told.mtu;
  }

  /** On any way that is not ours: of a link that is up, or where a route says so itself. Infinity where there is none. */
  get narrowest(): number {
    return this.#told.narrowest;
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
        this.#readLinks();
        this.#routes = undefined;
        return true;
      case 'address':
        return false;
      case 'route':
        if (!isDefault(change.route) && change.route.mtu === undefined) return false;
        this.#routes = undefined;
        return true;
      case 'link': {
        const { removed, link } = change;
        const before = this.#links.get(link.index);
        const after = this.#note(link, removed);
        // One that goes down takes its routes silently.
        const leadsOut = this.#routes?.defaults.some((route) => route.link === link.index) ?? true;
        if (leadsOut) this.#routes = undefined;
        return leadsOut || foreignSize(before) !== foreignSize(after);
      }
    }
  }

  #look(): void {
    this.#timer = undefined;
    const before = this.#told;
    this.#told = this.#now();
    if (this.#told.mtu !== before.mtu || this.#told.narrowest !== before.narrowest) this.#changed();
  }

  #now() {
    this.#routes ??= this.#readRoutes();
    const { defaults, narrowest } = this.#routes;
    const sizes = defaults.flatMap(({ link, mtu }) => mtu ?? this.#links.get(link)?.mtu ?? []);
    return {
      mtu: sizes.length === 0 ? undefined : Math.min(...sizes),
      narrowest: this.#links.values().reduce((least, way) => Math.min(least, foreignSize(way)), narrowest),
    };
  }

  #readLinks(): void {
    using socket = new RouteSocket(this.#namespace);
    this.#links.clear();
    for (const link of socket.links()) this.#note(link, false);
  }

  #note(link: LinkLabel, removed: boolean): Way | undefined {
    const way = removed || !link.up ? undefined : { mtu: link.mtu, own: isOurs(link) || isTrash(link) };
    if (way === undefined) this.#links.delete(link.index);
    else this.#links.set(link.index, way);
    return way;
  }

  #readRoutes(): Routes {
    using socket = new RouteSocket(this.#namespace);
    const routes = socket.routes('all').filter(({ type }) => type === UNICAST);
    return {
      defaults: routes.filter(isDefault),
      narrowest: routes.reduce((least, { mtu }) => Math.min(least, mtu ?? least), Number.POSITIVE_INFINITY),
    };
  }
}

function foreignSize(way: Way | undefined): number {
  return way === undefined || way.own ? Number.POSITIVE_INFINITY : way.mtu;
}

function isDefault({ type, destination }: RouteInfo): boolean {
  return type === UNICAST && lengthOf(destination) <= LONGEST_DEFAULT;
}
