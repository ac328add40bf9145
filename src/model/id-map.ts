/** Consecutive user or group ids of a container, and the host's that they stand for (user_namespaces(7), "uid_map"). */
export interface IdRange {
  readonly container: number;
  readonly host: number;
  readonly size: number;
}

/** What the users and groups of remapped containers are on the host. */
export interface IdMaps {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** What the kernel shows in a namespace that has no number for an owner: /proc/sys/fs/overflowuid. */
const OVERFLOW = 65_534;

/** @returns undefined when the container has no such id */
export function toHost(ranges: readonly IdRange[], id: number): number | undefined {
  const range = ranges.find(({ container, size }) => id >= container && id < container + size);
  return range === undefined ? undefined : range.host + (id - range.container);
}

/** As the container sees it: what is not its own is nobody's. */
export function toContainer(ranges: readonly IdRange[], id: number): number {
  const range = ranges.find(({ host, size }) => id >= host && id < host + size);
  return range === undefined ? OVERFLOW : range.container + (id - range.host);
}

/** Whether one of the container's ids is this one on the host. */
export function isMapped(ranges: readonly IdRange[], id: number): boolean {
  return ranges.some(({ host, size }) => id >= host && id < host + size);
}

/** Who the containers' root is on the host. The maps' parser sees to it that there is one. */
export function rootOf({ uids, gids }: IdMaps): Owner {
  return { uid: toHost(uids, 0) ?? OVERFLOW, gid: toHost(gids, 0) ?? OVERFLOW };
}
