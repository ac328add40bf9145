import { FAIRWAY_PROTOCOL } from '../kernel/rtnetlink.ts';
import type { FirewallResource } from '../model/firewall.ts';
import {
  isChild,
  type LinkResource,
  type NamespaceName,
  type PassageResource,
  type PortSecurityResource,
  type Resource,
  resourceKey,
  type SwitchPortResource,
  type SysctlResource,
} from '../model/resource.ts';
import type { Applier } from './applier.ts';
import { foundations, linkOfSysctl } from './foundation.ts';
import type { Listeners } from './listeners.ts';
import { aliasOf, isOurs, isTrash } from './marks.ts';
import type { Neighbours } from './neighbours.ts';
import { type Picture, pictureOf, seeAddress, seeRoute } from './picture.ts';
import type { Places } from './places.ts';
import { type LinkView, seeLink, unwishedLink } from './see-link.ts';
import { readSetting } from './settings.ts';
import { type Changes, sandboxesOf, type Wish, type Wishes } from './wishes.ts';

/** How much is read. What is not read is taken to be as it is wished. */
export interface Scope {
  /** Besides the host */
  readonly sandboxes: 'all' | ReadonlySet<NamespaceName>;
  readonly firewall: boolean;
  /** Other programs' firewalls */
  readonly passages: boolean;
  /** Of the host: of these links, and with '' of no link */
  readonly settings: 'all' | ReadonlySet<string>;
  /** Where what was said of neighbours is read; there nothing is wished */
  readonly neighbours: 'all' | ReadonlySet<NamespaceName>;
}

export const EVERYTHING: Scope = {
  sandboxes: 'all',
  firewall: true,
  passages: true,
  settings: 'all',
  neighbours: 'all',
};

/** What must be read to know the state of these owners: the host, and the sandboxes they speak of. */
export function touched(before: Changes, after: Changes): Scope {
  const sandboxes = new Set([...before.values(), ...after.values()].flat().flatMap(sandboxesOf));
  return { sandboxes, firewall: true, passages: false, settings: 'all', neighbours: new Set() };
}

export interface Renamed {
  /** The link's index */
  readonly index: number;
  readonly from: string;
  readonly wish: Wish;
}

export interface Unpinned {
  readonly wish: Wish;
  /** As the daemon counts */
  readonly pid: number;
}

/** Reads the kernel and says what it found in the words of the wishes. Needs no memory: ownership is written in the kernel. */
export class Observer {
  readonly #places: Places;
  readonly #listeners: Listeners;
  readonly #firewall: Applier<FirewallResource>;
  readonly #switchPorts: Applier<SwitchPortResource>;
  readonly #passages: Applier<PassageResource>;
  readonly #portSecurity: Applier<PortSecurityResource>;
  readonly #neighbours: Neighbours;
  readonly #occupant: (sandbox: NamespaceName) => number | undefined;

  /** @param occupant a process in a sandbox */
  constructor(
    places: Places,
    listeners: Listeners,
    firewall: Applier<FirewallResource>,
    switchPorts: Applier<SwitchPortResource>,
    passages: Applier<PassageResource>,
    portSecurity: Applier<PortSecurityResource>,
    neighbours: Neighbours,
    occupant: (sandbox: NamespaceName) => number | undefined,
  ) {
    this.#places = places;
    this.#listeners = listeners;
    this.#firewall = firewall;
    this.#switchPorts = switchPorts;
    this.#passages = passages;
    this.#portSecurity = portSecurity;
    this.#neighbours = neighbours;
    this.#occupant = occupant;
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
    for (const resource of this.#neighbours.observe(neighbourhoods(scope, pinned))) add(resource);
    for (const resource of this.#listeners.observe()) add(resource);
    if (scope.firewall) {
      for (const resource of [...this.#firewall.observe([]), ...this.#portSecurity.observe([])]) add(resource);
    }
    // Another program's database is asked when all is read, and when something of ours is in it.
    const asksSwitch = scope.settings === 'all' || wishes.some(({ kind }) => kind === 'switch-port');
    if (asksSwitch) for (const resource of this.#switchPorts.observe([])) add(resource);
    const passages = wishes.filter((wish) => wish.kind === 'passage');
    if (scope.passages) for (const resource of this.#passages.observe(passages)) add(resource);
    const waiting = waitingLinks(wishes, pictures);
    for (const wish of wishes) {
      const seen = waits(wish, waiting) ? wish : this.#see(wish, pictures, pinned, scope);
      if (seen !== undefined) add(seen);
    }
    return found;
  }

  /** Sandboxes that are not to be found by their file any more, and a process that is in them. */
  unpinned(wishes: Wishes): Unpinned[] {
    return wishes.sandboxes.flatMap((name) => {
      const wish = wishes.keys.get(`namespace ${name}`);
      if (wish === undefined || this.#places.isPinned(name)) return [];
      const pid = this.#occupant(name);
      return pid === undefined ? [] : [{ wish, pid }];
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
        isHostLink(resource) && resource.type === kind && aliasOf(owner, resource) === alias;
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
    if (wish.kind === 'neighbour' || wish.kind === 'forwarding') return undefined;
    if (wish.kind === 'namespace' || wish.kind === 'listener' || wish.kind === 'switch-port') return undefined;
    if (wish.kind === 'firewall' || wish.kind === 'port-security') return scope.firewall ? undefined : wish;
    if (wish.kind === 'passage') return scope.passages ? undefined : wish;
    if (wish.namespace !== 'host' && !pinned.has(wish.namespace)) return undefined;
    const picture = pictures.get(wish.namespace);
    if (picture === undefined) return wish;
    switch (wish.kind) {
      case 'link':
        return seeLink(wish, picture, pictures);
      case 'parent':
        return isThere(picture, wish.link) ? wish : undefined;
      case 'address':
        return seeAddress(wish, picture);
      case 'route':
        return seeRoute(wish, picture);
      case 'sysctl':
        return seeSysctl(wish, picture, scope);
    }
  }
}

/** Of those that are there. */
function neighbourhoods({ neighbours }: Scope, pinned: ReadonlySet<NamespaceName>): NamespaceName[] {
  const all: NamespaceName[] = ['host', ...pinned];
  return neighbours === 'all' ? all : all.filter((name) => neighbours.has(name));
}

/**
 * Keys of links whose parent is not there. They wait for it, with all that rests on them: what is said of them is what is
 * wished. VLANs do not wait: what is missing must be told by somebody.
 */
function waitingLinks(wishes: readonly Resource[], pictures: ReadonlyMap<NamespaceName, Picture>): Set<string> {
  const host = pictures.get('host');
  const slaves = wishes.filter(isChild).filter(({ type }) => type !== 'vlan');
  return new Set(slaves.filter(({ parent }) => host !== undefined && !isThere(host, parent)).map(resourceKey));
}

function waits(wish: Resource, waiting: ReadonlySet<string>): boolean {
  return waiting.size > 0 && [resourceKey(wish), ...foundations(wish)].some((key) => waiting.has(key));
}

function isThere(view: LinkView, name: string): boolean {
  const found = view.link(name);
  return found !== undefined && !isTrash(found);
}

/** Of the host's namespace: what is in a sandbox is the other end of one, and goes with it. */
function isHostLink(resource: Resource): resource is LinkResource {
  return resource.kind === 'link' && resource.namespace === 'host';
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

/** In a sandbox it is a value at birth: what the container makes of its own network is its own affair. */
function seeSysctl(wish: SysctlResource, { place }: Picture, scope: Scope): SysctlResource | undefined {
  const { settings } = scope;
  const isRead = settings === 'all' || settings.has(linkOfSysctl(wish.path) ?? '');
  if (place.name !== 'host' || !isRead) return wish;
  const value = readSetting(place.namespace, wish);
  return value === undefined ? undefined : { ...wish, value };
}
