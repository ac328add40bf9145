import {
  BatchError,
  FAIRWAY_GROUP,
  FAIRWAY_PROTOCOL,
  type LinkChange,
  type LinkInfo,
  type RouteBatch,
} from '../kernel/rtnetlink.ts';
import type { LinkBin } from '../kernel/trash.ts';
import { EngineError, KernelError } from '../model/errors.ts';
import type { BridgeLink, LinkResource, NamespaceName, Owner, VethLink } from '../model/resource.ts';
import { unlessGone } from './gone.ts';
import { aliasOf, isOurs, isTrash } from './marks.ts';
import type { Place, Places } from './places.ts';

/** Ethernet's, which a bridge has by itself. */
const BRIDGE_MTU = 1500;
/** BR_MAX_PORTS − 1 (net/bridge/br_private.h): 10 bits of a port's id in the spanning tree protocol; 0 is none */
const BRIDGE_PORTS = 1023;

export interface OwnedLink<L extends LinkResource = LinkResource> {
  readonly link: L;
  readonly owner: Owner;
}

/** Makes, changes and removes the host's links. What belongs into sandboxes goes with their addresses. */
export class Links {
  readonly #places: Places;
  readonly #bin: LinkBin;

  constructor(places: Places, bin: LinkBin) {
    this.#places = places;
    this.#bin = bin;
  }

  /** @returns names of those that are new @throws KernelError EEXIST when a bridge of this name is there and is not to be adopted */
  createBridges(bridges: readonly OwnedLink<BridgeLink>[]): string[] {
    const { host } = this.#places;
    const made = bridges.filter(({ link }) => !link.adopt || !this.#adopt(link));
    if (made.length === 0) return [];
    const batch = host.socket.batch();
    for (const { link, owner } of made) {
      const { name, mac, up } = link;
      batch.addBridge({
        name,
        group: FAIRWAY_GROUP,
        alias: aliasOf(owner, link),
        up,
        ...(mac === undefined ? {} : { mac }),
      });
    }
    for (const { name, index } of batch.send()) host.learn(name, index);
    this.#fixMtu(made.map(({ link }) => link));
    return made.map(({ link }) => link.name);
  }

  /** A bridge follows the MTU of its ports, unless it was told its own after its birth (br_change_mtu in the kernel). */
  #fixMtu(bridges: readonly BridgeLink[]): void {
    const { host } = this.#places;
    const batch = host.socket.batch();
    const others = bridges.filter(({ mtu }) => mtu !== undefined && mtu !== BRIDGE_MTU);
    for (const { name, mtu } of others) batch.setLink(host.index(name), mtu === undefined ? {} : { mtu });
    if (others.length > 0) batch.send();
  }

  /** @returns false when there is none to be adopted @throws EngineError when it is no bridge */
  #adopt({ name, up }: BridgeLink): boolean {
    const { host } = this.#places;
    const found = host.socket.link(name);
    if (found === undefined || isTrash(found)) return false;
    if (found.kind !== 'bridge') {
      throw new EngineError('invalidArgument', `existing interface ${name} is not a bridge`);
    }
    host.learn(name, found.index);
    if (up && !found.up) host.socket.batch().setLink(found.index, { up }).send();
    return true;
  }

  /**
   * Both ends at once; the peer is born in its sandbox under its final name. Both are still down: a link that speaks IPv6 before it
   * is told not to costs 2 ms. They get their mark when they are complete.
   * @throws EngineError internal when a bridge has no room for one more port
   */
  createVeths(veths: readonly OwnedLink<VethLink>[]): void {
    for (const [namespace, group] of Map.groupBy(veths, ({ link }) => link.namespace)) {
      const place = this.#places.at(namespace);
      const batch = place.socket.batch();
      for (const { link } of group) this.#addVeth(batch, link);
      for (const [i, { index, name, peer }] of sendPorts(batch, group).entries()) {
        const veth = group[i]?.link;
        place.learn(name, index);
        if (veth !== undefined) this.#places.at(veth.peer.namespace).learn(veth.peer.name, peer);
      }
    }
  }

  /** Hairpin mode where bridged frames pass the firewall: Places.bridgesAreFiltered. */
  #addVeth(batch: RouteBatch, veth: VethLink): void {
    const { name, mtu, mac, peer } = veth;
    const { namespace } = this.#places.at(peer.namespace);
    batch.addVeth({
      name,
      ...(mtu === undefined ? {} : { mtu }),
      ...(mac === undefined ? {} : { mac }),
      group: FAIRWAY_GROUP,
      alias: '',
      up: false,
      ...this.#portOf(veth),
      peer: { ...peer, namespace },
    });
  }

  /**
   * The last of a birth that takes several steps: a link without it is not believed to have what a link is told at birth and
   * is not asked for later, such as the settings of one in a sandbox.
   */
  mark(links: readonly OwnedLink[]): void {
    for (const [name, group] of Map.groupBy(links, ({ link }) => link.namespace)) {
      const place = this.#places.at(name);
      const batch = place.socket.batch();
      for (const { link, owner } of group) batch.setLink(place.index(link.name), { alias: aliasOf(owner, link) });
      batch.send();
    }
  }

  /** Makes what is there as it is wished. */
  update(links: readonly OwnedLink[]): void {
    const changed = links.filter(({ link }) => link.type !== 'loopback');
    for (const [name, group] of Map.groupBy(changed, ({ link }) => link.namespace)) {
      const place = this.#places.at(name);
      const batch = place.socket.batch();
      for (const { link, owner } of group) batch.setLink(place.index(link.name), this.#changeOf(link, owner));
      batch.send();
    }
    for (const { link } of changed) if (link.type === 'veth') this.#setPeer(link.peer);
  }

  /** A sandbox that is just going needs nothing any more. */
  #setPeer({ namespace, name, mtu, mac }: VethLink['peer']): void {
    unlessGone(() => {
      const place = this.#places.at(namespace);
      const change = mac === undefined ? { mtu } : { mtu, mac };
      place.socket.batch().setLink(place.index(name), change).send();
    });
  }

  #changeOf(link: LinkResource, owner: Owner): LinkChange {
    const { up, mtu, mac } = link;
    if (link.type === 'bridge' && link.adopt && !isOwn(this.#places.host, link.name)) return { up };
    const own = { ...(mtu === undefined ? {} : { mtu }), ...(mac === undefined ? {} : { mac }) };
    const marks = { group: FAIRWAY_GROUP, alias: aliasOf(owner, link) };
    return { up, ...own, ...marks, ...(link.type === 'veth' ? this.#portOf(link) : {}) };
  }

  /** What its bridge is told of the port. */
  #portOf({ master, isolated }: VethLink) {
    if (master === '') return {};
    return { master: this.#places.host.index(master), isolated, hairpin: this.#places.bridgesAreFiltered() };
  }

  /**
   * Out of traffic at once; the kernel takes them apart later. Somebody else's stay, and missing ones are fine.
   * @param going sandboxes that go as well: nobody needs to see links vanish from them
   */
  remove(links: readonly LinkResource[], going: ReadonlySet<NamespaceName>): void {
    const { host } = this.#places;
    const indices = links.flatMap((link) => {
      if (link.namespace !== 'host') {
        if (link.type === 'veth') this.#removeInside(link);
        return [];
      }
      if (link.type === 'bridge' && link.adopt && !isOwn(host, link.name)) {
        unlessGone(() => this.#takeAddressesBack(link.name));
        return [];
      }
      if (link.type === 'vlan' && !isOwn(host, link.name)) return [];
      const stays = link.type === 'veth' && link.peer.namespace !== 'host' && !going.has(link.peer.namespace);
      if (stays && link.peer.name !== '') this.#hideEnd(link.peer);
      const index = host.find(link.name);
      host.forget(link.name);
      if (index === undefined) return [];
      if (!stays || link.peer.name !== '') return [index];
      // Somebody took the other end elsewhere, where it is in the way of others.
      unlessGone(() => host.socket.batch().deleteLink(index).send());
      return [];
    });
    if (indices.length > 0) this.#bin.discard(...indices);
  }

  /** One between two sandboxes. Whichever of its ends is there takes the other along. */
  #removeInside({ namespace, name, peer }: VethLink): void {
    for (const end of [{ namespace, name }, peer]) {
      unlessGone(() => {
        const place = this.#places.at(end.namespace);
        const index = place.index(end.name);
        place.forget(end.name);
        place.socket.batch().deleteLink(index).send();
      });
    }
  }

  /** What we have added to a link that stays. */
  #takeAddressesBack(name: string): void {
    const { host } = this.#places;
    const index = host.index(name);
    const batch = host.socket.batch();
    for (const { address, protocol } of host.socket.addresses(index)) {
      if (protocol === FAIRWAY_PROTOCOL) batch.deleteAddress(index, address);
    }
    batch.send();
  }

  /**
   * A sandbox that stays sees the link's addresses go at once, and its name is free for another. Taking the link itself out of
   * the sandbox would keep the caller waiting for 11 ms (synchronize_net in __dev_change_net_namespace).
   */
  #hideEnd({ namespace, name }: VethLink['peer']): void {
    unlessGone(() => {
      const place = this.#places.at(namespace);
      const index = place.index(name);
      const batch = place.socket.batch();
      for (const { address } of place.socket.addresses(index)) batch.deleteAddress(index, address);
      batch
        .setLink(index, { up: false })
        .setLink(index, { name: `fwtrash${index}` })
        .send();
    });
  }

  /** Gives a link its name back. It stays up where the kernel allows that (since 6.2), else it is down for a moment. */
  rename(index: number, to: string): void {
    const { socket } = this.#places.host;
    try {
      socket.batch().setLink(index, { name: to }).send();
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'EBUSY') throw error;
      socket.batch().setLink(index, { up: false }).setLink(index, { name: to }).setLink(index, { up: true }).send();
    }
    this.#places.host.learn(to, index);
  }
}

/** The kernel's "exchange full" says neither what is full nor what can be done. */
function sendPorts(batch: RouteBatch, veths: readonly OwnedLink<VethLink>[]): LinkInfo[] {
  try {
    return batch.send();
  } catch (error) {
    if (!(error instanceof BatchError) || error.code !== 'EXFULL') throw error;
    const { name = '', master = '' } = veths[error.index]?.link ?? {};
    const limit = `it has ${BRIDGE_PORTS} ports, and the kernel allows no more (exchange full)`;
    const message = `Cannot attach ${name} to bridge ${master}: ${limit}; further containers need another network`;
    throw new EngineError('internal', message, { cause: error });
  }
}

/** Asks the kernel: a bridge or VLAN that may have been there before is ours only when we have made it. */
function isOwn(host: Place, name: string): boolean {
  const found = host.socket.link(name);
  return found !== undefined && isOurs(found);
}
