import type { AddressInfo, LinkInfo, RouteInfo } from '../kernel/rtnetlink.ts';
import { FAIRWAY_PROTOCOL } from '../kernel/rtnetlink.ts';
import { type InterfaceAddress, lengthOf, parseMacAddress, prefixOf } from '../model/address.ts';
import {
  type AddressResource,
  type FirewallResource,
  type LinkResource,
  type NamespaceName,
  type Resource,
  type RouteResource,
  resourceKey,
  type SysctlResource,
} from '../model/resource.ts';
import type { Applier } from './applier.ts';
import { difference } from './compare.ts';
import type { Listeners } from './listeners.ts';
import { aliasOf, isOurs, isTrash } from './marks.ts';
import type { Place, Places } from './places.ts';
import { readSetting } from './settings.ts';
import type { Wish } from './wishes.ts';

/** How much is read. What is not read is taken to be as it is wished. */
export interface Scope {
  /** Besides the host */
  readonly sandboxes: 'all' | ReadonlySet<NamespaceName>;
  readonly firewall: boolean;
  readonly sysctls: boolean;
}

export const EVERYTHING: Scope = { sandboxes: 'all', firewall: true, sysctls: true };

export interface Renamed {
  /** The link's index */
  readonly index: number;
  readonly from: string;
  readonly wish: Wish;
}

const RTN_UNICAST = 1;
const NO_MAC = parseMacAddress('00:00:00:00:00:00');

/** Where links are looked up: in what was read, or one by one in the kernel. */
interface LinkView {
  /** @param which name or index */
  link(which: string | number): LinkInfo | undefined;
}

/** One namespace as it was read. */
interface Picture extends LinkView {
  readonly place: Place;
  readonly links: readonly LinkInfo[];
  readonly addresses: readonly AddressInfo[];
  readonly routes: readonly RouteInfo[];
}

/** Reads the kernel and says what it found in the words of the wishes. Needs no memory: ownership is written in the kernel. */
export class Observer {
  readonly #places: Places;
  readonly #listeners: Listeners;
  readonly #firewall: Applier<FirewallResource>;

  constructor(places: Places, listeners: Listeners, firewall: Applier<FirewallResource>) {
    this.#places = places;
    this.#listeners = listeners;
    this.#firewall = firewall;
  }

  /** What is wished and there, in whatever state, and what carries our mark and is not wished. */
  observe(wished: ReadonlyMap<string, Wish>, scope: Scope): Map<string, Resource> {
    const found = new Map<string, Resource>();
    const add = (resource: Resource): void => void found.set(resourceKey(resource), resource);
    const wishes = [...wished.values()].map(({ resource }) => resource);
    const pinned = this.#places.pinned(wishes.flatMap((wish) => (wish.kind === 'namespace' ? [wish.name] : [])));
    for (const name of pinned) add({ kind: 'namespace', name });
    const pictures = this.#read(pinned, wishes, scope);
    for (const picture of pictures.values()) {
      for (const resource of garbage(picture, wished, pictures)) add(resource);
    }
    for (const resource of this.#listeners.observe()) add(resource);
    if (scope.firewall) for (const resource of this.#firewall.observe()) add(resource);
    for (const wish of wishes) {
      const seen = this.#see(wish, pictures, pinned, scope);
      if (seen !== undefined) add(seen);
    }
    return found;
  }

  /** Whether these links of the host are as they are wished; asks for them alone. */
  linksAreWhole(names: Iterable<string>, wished: ReadonlyMap<string, Wish>): boolean {
    const view: LinkView = { link: (which) => this.#places.host.socket.link(which) };
    return [...names].every((name) => {
      const wish = wished.get(`link host ${name}`)?.resource;
      if (wish?.kind !== 'link') return true;
      const seen = seeLink(wish, view, new Map());
      return seen !== undefined && difference(seen, wish) === '';
    });
  }

  /** Links of ours that bear another name than they were given, and the wish they were made for. */
  renamed(wished: ReadonlyMap<string, Wish>): Renamed[] {
    const links = this.#places.host.links();
    const strays = links.filter((link) => isOurs(link) && !wished.has(`link host ${link.name}`));
    if (strays.length === 0) return [];
    const names = new Set(links.map((link) => link.name));
    const missing = [...wished.values()].filter(({ resource }) => isHostLink(resource) && !names.has(resource.name));
    return strays.flatMap(({ index, name, alias, kind }) => {
      const fits = ({ owner, resource }: Wish) =>
        isHostLink(resource) && resource.type === kind && aliasOf(owner) === alias;
      const wish = missing.find(fits);
      return wish === undefined ? [] : [{ index, from: name, wish }];
    });
  }

  /** The host always, and the sandboxes of the scope that are there. */
  #read(pinned: ReadonlySet<NamespaceName>, wishes: readonly Resource[], scope: Scope): Map<NamespaceName, Picture> {
    const pictures = new Map([['host' as NamespaceName, pictureOf(this.#places.host)]]);
    for (const wish of wishes) {
      if (wish.kind !== 'namespace' || !pinned.has(wish.name)) continue;
      if (scope.sandboxes === 'all' || scope.sandboxes.has(wish.name)) {
        pictures.set(wish.name, pictureOf(this.#places.at(wish.name)));
        this.#places.release();
      }
    }
    return pictures;
  }

  /** A wish as the kernel has it; undefined when it does not. What was not read counts as it is wished. */
  #see(
    wish: Resource,
    pictures: ReadonlyMap<NamespaceName, Picture>,
    pinned: ReadonlySet<NamespaceName>,
    scope: Scope,
  ): Resource | undefined {
    if (wish.kind === 'namespace' || wish.kind === 'listener') return undefined;
    if (wish.kind === 'firewall') return scope.firewall ? undefined : wish;
    if (wish.namespace !== 'host' && !pinned.has(wish.namespace)) return undefined;
    const picture = pictures.get(wish.namespace);
    if (picture === undefined) return wish;
    switch (wish.kind) {
      case 'link':
        return seeLink(wish, picture, pictures);
      case 'address':
        return seeAddress(wish, picture);
      case 'route':
        return seeRoute(wish, picture);
      case 'sysctl':
        return seeSysctl(wish, picture, scope);
    }
  }
}

/** Of the host's namespace: what is in a sandbox is the other end of one, and goes with it. */
function isHostLink(resource: Resource): resource is LinkResource {
  return resource.kind === 'link' && resource.namespace === 'host';
}

/** Three dumps; links are found by name and by index. */
function pictureOf(place: Place): Picture {
  const links = place.links();
  const known = new Map<string | number, LinkInfo>(
    links.flatMap((link) => [
      [link.index, link],
      [link.name, link],
    ]),
  );
  return {
    place,
    links,
    link: (which) => known.get(which),
    addresses: place.socket.addresses(),
    routes: place.socket.routes('main').filter((route) => route.type === RTN_UNICAST),
  };
}

/** Links, addresses and routes with our mark that nobody wishes. In sandboxes only routes are marked. */
function garbage(
  { place, links, link: find, addresses, routes }: Picture,
  wished: ReadonlyMap<string, Wish>,
  pictures: ReadonlyMap<NamespaceName, Picture>,
): Resource[] {
  const namespace = place.name;
  const found: Resource[] = links.filter(isOurs).map((link) => unwishedLink(namespace, link, pictures));
  for (const { protocol, address, link } of addresses) {
    const on = find(link);
    if (protocol !== FAIRWAY_PROTOCOL || on === undefined || isTrash(on)) continue;
    found.push({ kind: 'address', namespace, link: on.name, address, adopt: false });
  }
  for (const { protocol, destination, gateway, link } of routes) {
    const name = find(link)?.name;
    if (protocol !== FAIRWAY_PROTOCOL || name === undefined) continue;
    found.push({ kind: 'route', namespace, destination, link: name, ...(gateway === undefined ? {} : { gateway }) });
  }
  return found.filter((resource) => !wished.has(resourceKey(resource)));
}

/** Its other end is named when it is in a sandbox that was looked at: there its name must be free at once. */
function unwishedLink(
  namespace: NamespaceName,
  { index, name, kind, up, mtu, mac, peer: peerIndex }: LinkInfo,
  pictures: ReadonlyMap<NamespaceName, Picture>,
): LinkResource {
  const base = { kind: 'link', namespace, name, up, mtu } as const;
  if (kind !== 'veth') return { ...base, type: 'bridge', adopt: false };
  const end = { mac: mac ?? NO_MAC, mtu };
  for (const { place, link } of pictures.values()) {
    const other = place.name === namespace ? undefined : link(peerIndex);
    if (other?.kind !== 'veth' || other.peer !== index) continue;
    return {
      ...base,
      type: 'veth',
      master: '',
      isolated: false,
      peer: { ...end, namespace: place.name, name: other.name },
    };
  }
  return { ...base, type: 'veth', master: '', isolated: false, peer: { ...end, namespace, name: '' } };
}

/** Fields the wish says nothing about are left out, so that what remains can be compared. */
function seeLink(
  wish: LinkResource,
  view: LinkView,
  sandboxes: ReadonlyMap<NamespaceName, LinkView>,
): LinkResource | undefined {
  const link = view.link(wish.name);
  if (link === undefined || isTrash(link)) return undefined;
  const { up } = link;
  if (wish.type === 'loopback') return { ...wish, up };
  if (link.kind !== wish.type) return undefined;
  if (!isOurs(link)) return wish.type === 'bridge' && wish.adopt ? { ...wish, up } : undefined;
  const own = {
    ...(wish.mtu === undefined ? {} : { mtu: link.mtu }),
    ...(wish.mac === undefined || link.mac === undefined ? {} : { mac: link.mac }),
  };
  if (wish.type === 'bridge') return { ...wish, ...own, up };
  const inside = sandboxes.get(wish.peer.namespace);
  const end = inside?.link(wish.peer.name);
  const whole = inside === undefined || (end !== undefined && end.index === link.peer);
  return {
    ...wish,
    ...own,
    up: up && (end === undefined || end.up),
    master: link.master === 0 ? '' : (view.link(link.master)?.name ?? ''),
    isolated: link.isolated,
    peer: whole ? wish.peer : { ...wish.peer, name: '' },
  };
}

/** An address without the route the kernel makes with it is not there as far as anybody can use it. */
function seeAddress(wish: AddressResource, { link: find, addresses, routes }: Picture): AddressResource | undefined {
  const link = find(wish.link);
  if (link === undefined) return undefined;
  if (!addresses.some((found) => found.link === link.index && found.address === wish.address)) return undefined;
  if (!link.up || isHostAddress(wish.address)) return wish;
  const subnet = prefixOf(wish.address);
  return routes.some((route) => route.destination === subnet && route.link === link.index) ? wish : undefined;
}

/** /32 and /128: the kernel makes no route with them. */
function isHostAddress(address: InterfaceAddress): boolean {
  return lengthOf(address) === (address.includes(':') ? 128 : 32);
}

/** A container that may change its own routes has done so for a reason: any route to the destination will do there. */
function seeRoute(wish: RouteResource, { place, link: find, routes }: Picture): RouteResource | undefined {
  const there = routes.filter((route) => route.destination === wish.destination);
  const ours = there.find((route) => route.protocol === FAIRWAY_PROTOCOL);
  if (ours !== undefined) {
    const { gateway: _, ...rest } = wish;
    const link = find(ours.link)?.name ?? '';
    return { ...rest, link, ...(ours.gateway === undefined ? {} : { gateway: ours.gateway }) };
  }
  const index = find(wish.link)?.index;
  return there.some((route) => place.name !== 'host' || route.link === index) ? wish : undefined;
}

/** In a sandbox it is a value at birth: what the container makes of its own network is its own affair. */
function seeSysctl(wish: SysctlResource, { place }: Picture, scope: Scope): SysctlResource | undefined {
  if (place.name !== 'host' || !scope.sysctls) return wish;
  const value = readSetting(place.namespace, wish);
  return value === undefined ? undefined : { ...wish, value };
}
