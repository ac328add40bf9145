import { FAIRWAY_GROUP, type LinkInfo, type LinkLabel, TRASH_GROUP } from '../kernel/rtnetlink.ts';
import { isShared, type LinkResource, type Owner } from '../model/resource.ts';

/**
 * What a link of ours says about itself (`ip link show`), readable for people and after any loss of memory. One that is shared
 * outlives whoever wished it first.
 */
export function aliasOf(owner: Owner, link: LinkResource): string {
  return isShared(link) ? 'fairway shared' : `fairway ${owner}`;
}

/** By group or by alias: whoever takes away one of the marks has not taken the link. */
export function isOurs(link: Pick<LinkLabel, 'group' | 'alias'>): boolean {
  return link.group !== TRASH_GROUP && (link.group === FAIRWAY_GROUP || link.alias.startsWith('fairway '));
}

export function isTrash(link: Pick<LinkLabel, 'group'>): boolean {
  return link.group === TRASH_GROUP;
}

/** Whether these, the host's links, are all that are wished, and none that were. */
export function haveAll(links: readonly LinkInfo[], wished: ReadonlyMap<string, unknown>): boolean {
  const key = (name: string) => `link host ${name}`;
  const kept = links.filter((link) => !isTrash(link));
  const there = new Set(kept.map(({ name }) => key(name)));
  const missing = [...wished.keys()].some((wish) => wish.startsWith(key('')) && !there.has(wish));
  return !missing && kept.every((link) => !isOurs(link) || wished.has(key(link.name)));
}
