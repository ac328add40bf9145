import type { LinkSettings } from '../kernel/link-kinds.ts';
import { FAIRWAY_GROUP, type LinkInfo } from '../kernel/rtnetlink.ts';
import { EngineError } from '../model/errors.ts';
import {
  type DummyLink,
  type IpvlanLink,
  isChild,
  type LinkResource,
  type MacvlanLink,
  type NamespaceName,
  type ParentResource,
  type VlanLink,
} from '../model/resource.ts';
import { unlessGone } from './gone.ts';
import type { OwnedLink } from './links.ts';
import { aliasOf, isTrash } from './marks.ts';
import type { Place, Places } from './places.ts';

/** A macvlan or ipvlan: on the host, or born in a sandbox. */
export type Slave = MacvlanLink | IpvlanLink;

/** 802.1Q has 12 bits for it; 0 and 4095 are reserved. */
const HIGHEST_VLAN = 4094;

/** Links that hang from a link of the host, and dummies for those that have none to hang from. */
export class Children {
  readonly #places: Places;

  constructor(places: Places) {
    this.#places = places;
  }

  /** @throws EngineError internal in Docker's words when it is not there */
  checkParent({ link }: ParentResource): void {
    this.#parent(link);
  }

  createDummies(dummies: readonly OwnedLink<DummyLink>[]): void {
    for (const owned of dummies) this.#createOnHost(owned, owned.link.up, { kind: 'dummy' });
  }

  /** One that is there already is used as it is. @throws EngineError internal in Docker's words when its parent is missing */
  createVlans(vlans: readonly OwnedLink<VlanLink>[]): void {
    for (const owned of vlans) {
      const { name, parent, id, up } = owned.link;
      if (this.#find(name) !== undefined) continue;
      const below = this.#parent(parent);
      // It cannot be up while its parent is down (ENETDOWN), and goes up with it (vlan_device_event in net/8021q/vlan.c).
      this.#createOnHost(owned, up && below.up, { kind: 'vlan', id }, below.index);
    }
  }

  #createOnHost({ link, owner }: OwnedLink, up: boolean, settings: LinkSettings, parent?: number): void {
    const { host } = this.#places;
    const { name, mtu, mac } = link;
    const batch = host.socket.batch().addChild({
      name,
      group: FAIRWAY_GROUP,
      alias: aliasOf(owner, link),
      up,
      settings,
      ...(mtu === undefined ? {} : { mtu }),
      ...(mac === undefined ? {} : { mac }),
      ...(parent === undefined ? {} : { parent }),
    });
    for (const made of batch.send()) host.learn(made.name, made.index);
  }

  /** Those in sandboxes are still down afterwards, and not marked. @throws EngineError internal in Docker's words when a parent is missing */
  createSlaves(slaves: readonly OwnedLink<Slave>[]): void {
    for (const owned of slaves) {
      const { namespace, parent, up } = owned.link;
      const { index } = this.#parent(parent);
      if (namespace === 'host') this.#createOnHost(owned, up, settingsOf(owned.link), index);
      else this.#createInside(owned, this.#places.at(namespace), index);
    }
  }

  /**
   * Born under a name the host does not have, since kernels before 6.15 refuse those it has, even when they are meant for
   * another namespace. What is left by a daemon that was killed half-way bears our mark.
   */
  #createInside({ link, owner }: OwnedLink<Slave>, place: Place, parent: number): void {
    const { mtu, mac } = link;
    const name = `fw-${owner.slice(owner.indexOf(':') + 1).slice(0, 12)}`;
    this.#places.host.socket
      .batch()
      .addChild({
        name,
        group: FAIRWAY_GROUP,
        alias: '',
        up: false,
        settings: settingsOf(link),
        parent,
        namespace: place.namespace,
        ...(mtu === undefined ? {} : { mtu }),
        ...(mac === undefined ? {} : { mac }),
      })
      .send();
    const index = place.index(name);
    place.forget(name);
    place.socket.batch().setLink(index, { name: link.name }).send();
    place.learn(link.name, index);
  }

  /** What waits on the host for its deletion must not hold addresses that are given to others meanwhile. */
  silenceOnHost(links: readonly LinkResource[]): void {
    const { host } = this.#places;
    for (const { type, namespace, name } of links) {
      if (type === 'ipvlan' && namespace === 'host') unlessGone(() => silence(host, host.index(name)));
    }
  }

  /**
   * Takes links out of sandboxes. In one that goes as well it is enough that nothing is reached by them any more: the kernel
   * takes them along; but the only one of a parent must be gone before another can be made.
   * @param going sandboxes that go as well
   */
  removeFromSandboxes(links: readonly LinkResource[], going: ReadonlySet<NamespaceName>): void {
    for (const link of links) {
      if (!isChild(link) || link.namespace === 'host') continue;
      const only = link.type === 'macvlan' && link.mode === 'passthru';
      unlessGone(() => {
        const place = this.#places.at(link.namespace);
        const index = place.index(link.name);
        if (only || !going.has(link.namespace)) place.socket.batch().deleteLink(index).send();
        else silence(place, index);
        place.forget(link.name);
      });
    }
  }

  /** Asked anew each time: a parent is somebody else's, and may have been replaced by another of its name. */
  #find(name: string): LinkInfo | undefined {
    const found = this.#places.host.socket.link(name);
    if (found === undefined || isTrash(found)) return undefined;
    this.#places.host.learn(name, found.index);
    return found;
  }

  #parent(name: string): LinkInfo {
    const found = this.#find(name);
    if (found === undefined) throw new EngineError('internal', missing(name));
    return found;
  }
}

/** A parent remembers the addresses of ipvlans until they are taken away, and would refuse them to others. */
function silence(place: Place, index: number): void {
  const batch = place.socket.batch();
  for (const { address } of place.socket.addresses(index)) batch.deleteAddress(index, address);
  batch.setLink(index, { up: false }).send();
}

function settingsOf(link: Slave): LinkSettings {
  if (link.type === 'macvlan') return { kind: 'macvlan', mode: link.mode };
  return { kind: 'ipvlan', mode: link.mode, flag: link.flag };
}

/** Docker's words (libnetwork/drivers/macvlan/macvlan_setup.go), which know names with a number behind a dot. */
function missing(name: string): string {
  const suffix = /\.([^.]*)$/.exec(name)?.[1];
  if (suffix === undefined) return `-o parent interface was not found on the host: ${name}`;
  if (!/^\d+$/.test(suffix)) return `unable to parse a valid vlan id from: ${suffix} (ex. eth0.10 for vlan 10)`;
  const id = Number(suffix);
  if (id < 1 || id > HIGHEST_VLAN) return `vlan id must be between 1-${HIGHEST_VLAN}, received: ${id}`;
  return `-o parent interface was not found on the host: ${name}`;
}
