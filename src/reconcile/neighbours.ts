import type { ForwardingInfo, NeighbourInfo } from '../kernel/rtnetlink.ts';
import type { MacAddress } from '../model/address.ts';
import type {
  ForwardingResource,
  LinkResource,
  NamespaceName,
  NeighbourResource,
  VethLink,
} from '../model/resource.ts';
import { resourceKey } from '../model/resource.ts';
import { unlessGone } from './gone.ts';
import type { Place, Places } from './places.ts';
import type { Wishes } from './wishes.ts';

type Entry = NeighbourResource | ForwardingResource;

/**
 * What the host, bridges and sandboxes take for granted of who holds our addresses. What is learnt is nobody's business: it is corrected
 * by what is heard. What somebody has said for good stays, and misleads packets where it is wrong.
 */
export class Neighbours {
  readonly #places: Places;
  readonly #wishes: Wishes;

  constructor(places: Places, wishes: Wishes) {
    this.#places = places;
    this.#wishes = wishes;
  }

  /** Entries in these places that are wrong for good. */
  observe(names: Iterable<NamespaceName>): Entry[] {
    return Array.from(names).flatMap((name) => this.#observeIn(name));
  }

  areRight(names: Iterable<NamespaceName>): boolean {
    return this.observe(names).length === 0;
  }

  /** Cheap for what does not concern us: a look into a map. */
  isWrong(entry: NeighbourInfo | ForwardingInfo, where: NamespaceName): boolean {
    const about = entry.kind === 'forwarding' ? entry.mac : entry.address;
    if (this.#wishes.holdersOf(about).length === 0) return false;
    let wrong = false;
    unlessGone(() => {
      wrong = this.#wrong(entry, this.#places.at(where)) !== undefined;
    });
    this.#places.release();
    return wrong;
  }

  /** Nobody misses it: who has the address is asked for, and where the MAC address is is learnt, with the next packet. */
  remove(entry: Entry): void {
    unlessGone(() => {
      const place = this.#places.at(entry.namespace);
      if (entry.kind === 'neighbour') {
        place.socket.deleteNeighbour({ link: place.index(entry.link), address: entry.address });
        return;
      }
      const { mac } = entry;
      const bridge = place.index(entry.bridge);
      if (place.socket.link(bridge)?.mac === mac) place.socket.keepForwarding(bridge, mac);
      else if (entry.port !== undefined) {
        place.socket.deleteForwarding({ bridge, port: place.index(entry.port), mac });
      }
    });
  }

  #observeIn(name: NamespaceName): Entry[] {
    const found: Entry[] = [];
    unlessGone(() => {
      const place = this.#places.at(name);
      const { socket } = place;
      const entries = [...socket.neighbours(), ...(name === 'host' ? socket.forwardings() : [])];
      for (const entry of entries) {
        const wrong = entry.fixed ? this.#wrong(entry, place) : undefined;
        if (wrong !== undefined) found.push(wrong);
      }
      if (name === 'host') found.push(...this.#unknown(entries, place));
    });
    this.#places.release();
    return found;
  }

  /** Whether a bridge of ours may not know its own address any more: what somebody said of it instead went with the port it named. */
  isMissed(entry: ForwardingInfo): boolean {
    return this.#wishes
      .holdersOf(entry.mac)
      .some(({ resource }) => resource.kind === 'link' && resource.type === 'bridge');
  }

  /** Bridges that do not know their own address: they would send what is for the host to all ports, and not to the host. */
  #unknown(entries: readonly (NeighbourInfo | ForwardingInfo)[], host: Place): ForwardingResource[] {
    const known = new Set(entries.map((entry) => (entry.kind === 'forwarding' ? `${entry.bridge} ${entry.mac}` : '')));
    return [...this.#wishes.keys.values()].flatMap(({ resource }): ForwardingResource[] => {
      if (resource.kind !== 'link' || resource.type !== 'bridge' || resource.mac === undefined) return [];
      if (known.has(`${host.find(resource.name)} ${resource.mac}`)) return [];
      // With another address it is the link that is to be mended.
      if (host.socket.link(resource.name)?.mac !== resource.mac) return [];
      return [{ kind: 'forwarding', namespace: 'host', bridge: resource.name, mac: resource.mac }];
    });
  }

  #wrong(entry: NeighbourInfo | ForwardingInfo, place: Place): Entry | undefined {
    return entry.kind === 'neighbour' ? this.#wrongNeighbour(entry, place) : this.#wrongForwarding(entry, place);
  }

  #wrongNeighbour({ link: index, address, mac }: NeighbourInfo, place: Place): NeighbourResource | undefined {
    const holders = this.#wishes.holdersOf(address);
    const link = holders.length === 0 ? undefined : nameOf(place, index);
    if (link === undefined) return undefined;
    const wire = this.#wireOf(place.name, link)?.name;
    for (const { resource } of holders) {
      if (resource.kind !== 'address' || wire === undefined) continue;
      const holder = this.#wireOf(resource.namespace, resource.link);
      if (holder?.name !== wire || holder.mac === undefined || holder.mac === mac) continue;
      const { name: namespace } = place;
      return { kind: 'neighbour', namespace, link, address, ...(mac === undefined ? {} : { mac }) };
    }
    return undefined;
  }

  #wrongForwarding({ port, bridge, mac }: ForwardingInfo, host: Place): ForwardingResource | undefined {
    const holders = this.#wishes.holdersOf(mac);
    const name = holders.length === 0 ? undefined : nameOf(host, bridge);
    if (name === undefined) return undefined;
    for (const { resource } of holders) {
      const right = resource.kind === 'link' ? portOf(resource, name, mac) : undefined;
      const said = right === undefined ? undefined : nameOf(host, port);
      if (said !== undefined && said !== right)
        return { kind: 'forwarding', namespace: 'host', bridge: name, mac, port: said };
    }
    return undefined;
  }

  /** What a link of ours is on (a bridge, or a pair of its own), and its MAC address there. */
  #wireOf(
    namespace: NamespaceName,
    link: string,
  ): { readonly name: string; readonly mac: MacAddress | undefined } | undefined {
    if (namespace === 'host') {
      if (this.#wishes.keys.get(`link host ${link}`)?.resource.kind !== 'link') return undefined;
      return { name: link, mac: this.#places.host.socket.link(link)?.mac };
    }
    for (const { resource } of this.#wishes.inside(namespace)) {
      if (resource.kind !== 'link' || resource.type !== 'veth') continue;
      const name = resource.master === '' ? resourceKey(resource) : resource.master;
      if (resource.peer.namespace === namespace && resource.peer.name === link) return { name, mac: resource.peer.mac };
      if (resource.namespace === namespace && resource.name === link) return { name, mac: resource.mac };
    }
    return undefined;
  }
}

/** The port by which a bridge must find the address of one of its ends; undefined when it has none with it. */
function portOf(link: LinkResource, bridge: string, mac: MacAddress): string | undefined {
  if (link.type === 'bridge') return link.name === bridge && link.mac === mac ? bridge : undefined;
  return isPortOf(link, bridge) && link.peer.mac === mac ? link.name : undefined;
}

function isPortOf(link: LinkResource, bridge: string): link is VethLink {
  return link.type === 'veth' && link.master === bridge;
}

function nameOf(place: Place, index: number): string | undefined {
  return place.knownName(index) ?? place.socket.link(index)?.name;
}
