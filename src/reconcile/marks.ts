import { FAIRWAY_GROUP, type LinkLabel, TRASH_GROUP } from '../kernel/rtnetlink.ts';
import { isShared, type LinkResource, type Owner } from '../model/resource.ts';

/**
 * What a link of ours says about itself (`ip link show`), readable for people and after any loss of memory. One that is shared
 * outlives whoever wished it first.
 */
export function aliasOf(owner: Owner, link: LinkResource): string {
  return isShared(link) ? 'fairway shared' : `fairway ${owner}`;
}

/** By group or by alias: whoever takes away one of the marks has not taken the link. */
export function isOurs(link: LinkLabel): boolean {
  return link.group !== TRASH_GROUP && (link.group === FAIRWAY_GROUP || link.alias.startsWith('fairway '));
}

export function isTrash(link: LinkLabel): boolean {
  return link.group === TRASH_GROUP;
}
