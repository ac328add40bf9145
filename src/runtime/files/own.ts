import { chmodSync, lchownSync, lstatSync, readdirSync, type Stats } from 'node:fs';
import { lgetxattr, lsetxattr } from '../../kernel/sys-files.ts';
import { EngineError, KernelError } from '../../model/errors.ts';
import { type IdMaps, type IdRange, isMapped, toHost } from '../../model/id-map.ts';
import { bytePath } from './paths.ts';

/** capabilities(7), "File capabilities": gone when the owner changes. Valid for a container as its file says it. */
const CAPABILITY = 'security.capability';
/** The set-user-id bits go with a change of the owner, too (chown(2)). */
const SET_ID = 0o6000;

/**
 * Gives a layer, as its tar says it, to the remapped containers: whoever owns something in it becomes who stands for that owner
 * on the host. Directories which the layers below have already come with their new owners, and keep them. In the jail.
 * @throws EngineError invalidArgument in Docker's words for an owner that no container can have
 */
export function ownLayer(path: string, maps: IdMaps, seen = new Set<string>()): void {
  const stats = lstatSync(bytePath(path));
  if (stats.isDirectory()) {
    for (const name of readdirSync(bytePath(path), { encoding: 'latin1' })) ownLayer(`${path}/${name}`, maps, seen);
  } else if (stats.nlink > 1) {
    const key = `${stats.dev}:${stats.ino}`;
    if (seen.has(key)) return;
    seen.add(key);
  }
  const uid = hostId(maps.uids, stats.uid);
  const gid = hostId(maps.gids, stats.gid);
  if (uid !== stats.uid || gid !== stats.gid) changeOwner(path, stats, uid, gid);
}

function changeOwner(path: string, stats: Stats, uid: number, gid: number): void {
  const capability = stats.isFile() ? readCapability(path) : undefined;
  lchownSync(bytePath(path), uid, gid);
  if ((stats.mode & SET_ID) !== 0 && stats.isFile()) chmodSync(bytePath(path), stats.mode & 0o7777);
  if (capability !== undefined) lsetxattr(path, CAPABILITY, capability);
}

function readCapability(path: string): Buffer | undefined {
  try {
    return lgetxattr(path, CAPABILITY);
  } catch (error) {
    if (error instanceof KernelError && ['ENODATA', 'ENOTSUP', 'EOPNOTSUPP'].includes(error.code)) return undefined;
    throw error;
  }
}

function hostId(ranges: readonly IdRange[], id: number): number {
  const host = toHost(ranges, id);
  if (host !== undefined) return host;
  if (isMapped(ranges, id)) return id;
  throw new EngineError(
    'invalidArgument',
    `failed to register layer: Container ID ${id} cannot be mapped to a host ID`,
  );
}
