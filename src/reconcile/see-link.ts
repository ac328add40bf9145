import type { LinkInfo } from '../kernel/rtnetlink.ts';
import { parseMacAddress } from '../model/address.ts';
import type { BridgeLink, ChildLink, DummyLink, LinkResource, NamespaceName, VethLink } from '../model/resource.ts';
import { isOurs, isTrash } from './marks.ts';

/** Where links are looked up: in what was read, or one by one in the kernel. */
export interface LinkView {
  readonly namespace: NamespaceName;
  /** @param which name or index */
  link(which: string | number): LinkInfo | undefined;
}

type Views = ReadonlyMap<NamespaceName, LinkView>;

const NO_MAC = parseMacAddress('00:00:00:00:00:00');

/**
 * A wished link as the kernel has it; undefined when it does not. Fields the wish says nothing about are left out, so that
 * what remains can be compared.
 * @param views of other namespaces, as far as they were read
 */
export function seeLink(wish: LinkResource, view: LinkView, views: Views): LinkResource | undefined {
  const link = view.link(wish.name);
  if (link === undefined || isTrash(link)) return undefined;
  if (wish.type === 'loopback') return { ...wish, up: link.up };
  if (wish.type === 'vlan' && !isOurs(link)) return wish;
  if (link.kind !== wish.type) return undefined;
  if (!isOurs(link)) return wish.type === 'bridge' && wish.adopt ? { ...wish, up: link.up } : undefined;
  switch (wish.type) {
    case 'bridge':
    case 'dummy':
      return { ...wish, ...ownFields(wish, link), ...markOf(link) };
    case 'veth':
      return seeVeth(wish, link, view, views);
    case 'vlan':
    case 'macvlan':
    case 'ipvlan':
      return seeChild(wish, link, view.namespace === 'host' ? view : views.get('host'));
  }
}

function ownFields({ mtu, mac }: LinkResource, link: LinkInfo): Pick<LinkResource, 'up' | 'mtu' | 'mac'> {
  return {
    up: link.up,
    ...(mtu === undefined ? {} : { mtu: link.mtu }),
    ...(mac === undefined || link.mac === undefined ? {} : { mac: link.mac }),
  };
}

/** The kernel takes no alias with a link's birth: it follows in a message of its own. */
function markOf({ alias }: LinkInfo): Pick<LinkResource, 'marked'> {
  return alias === '' ? { marked: false } : {};
}

function seeVeth(wish: VethLink, link: LinkInfo, view: LinkView, views: Views): LinkResource {
  const inside = views.get(wish.peer.namespace);
  const seen = inside === undefined ? wish : seeEnd(wish, inside, link.peer);
  return {
    ...wish,
    ...ownFields(wish, link),
    ...markOf(link),
    up: link.up && seen.up,
    master: link.master === 0 ? '' : (view.link(link.master)?.name ?? ''),
    isolated: link.isolated,
    peer: seen.peer,
  };
}

/**
 * A wished pair by what is seen of its end in a sandbox alone.
 * @param index of the end, where it is known
 */
export function seeEnd(wish: VethLink, inside: LinkView, index?: number): VethLink {
  const { peer } = wish;
  const end = inside.link(peer.name);
  if (end?.kind !== 'veth' || (index !== undefined && end.index !== index)) {
    const renamed = index === undefined ? undefined : inside.link(index);
    return { ...wish, peer: { ...peer, name: renamed?.kind === 'veth' ? renamed.name : '' } };
  }
  const mac = peer.mac === undefined || end.mac === undefined ? {} : { mac: end.mac };
  return { ...wish, up: end.up, peer: { ...peer, mtu: end.mtu, ...mac } };
}

/** A VLAN is down while its parent is, and goes up with it. */
function seeChild(wish: ChildLink, link: LinkInfo, host: LinkView | undefined): LinkResource {
  const below = host?.link(link.peer);
  const rests = wish.type === 'vlan' && below?.up === false;
  const own = { ...ownFields(wish, link), ...markOf(link), ...(rests ? { up: wish.up } : {}) };
  const parent = host === undefined ? wish.parent : (below?.name ?? '');
  const { settings } = link;
  if (settings?.kind !== wish.type) return { ...wish, ...own, parent: '' };
  const { kind: _, ...told } = settings;
  return { ...wish, ...own, ...told, parent } as ChildLink;
}

/**
 * A link with our mark that nobody wishes. Its other end is named when it is in a sandbox that was looked at: there its name
 * must be free at once.
 */
export function unwishedLink(namespace: NamespaceName, link: LinkInfo, views: Views): LinkResource {
  const { index, name, kind, up, mtu, mac, peer: peerIndex } = link;
  const base = { kind: 'link', namespace, name, up, mtu } as const;
  if (kind !== 'veth') return namespace === 'host' ? unwishedOnHost(base) : unwishedInside(base);
  const end = { mac: mac ?? NO_MAC, mtu };
  const veth = { ...base, type: 'veth', master: '', isolated: false } as const;
  for (const view of views.values()) {
    const other = view.namespace === namespace ? undefined : view.link(peerIndex);
    if (other?.kind !== 'veth' || other.peer !== index) continue;
    return { ...veth, peer: { ...end, namespace: view.namespace, name: other.name } };
  }
  return { ...veth, peer: { ...end, namespace, name: '' } };
}

/** Whatever it is, it is removed like a bridge. */
function unwishedOnHost(base: Omit<BridgeLink | DummyLink, 'type'>): LinkResource {
  return { ...base, type: 'bridge', adopt: false };
}

/** What is ours in a sandbox hangs from a parent. */
function unwishedInside(base: Omit<BridgeLink | DummyLink, 'type'>): LinkResource {
  return { ...base, type: 'macvlan', parent: '', mode: 'bridge' };
}
