import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
  symlinkSync,
} from 'node:fs';
import { umount2 } from '../../kernel/sys.ts';
import { attachTree, chdir, lgetxattr, llistxattr, lsetxattr, mknod } from '../../kernel/sys-files.ts';
import { KernelError } from '../../model/errors.ts';
import type { IdMaps } from '../../model/id-map.ts';
import { attach } from './jail.ts';
import type { SeenMount } from './job.ts';
import { asBytes, bytePath } from './paths.ts';

const MNT_DETACH = 2;

/**
 * Fills an empty volume with what the image has at its destination, as Docker does at the first use. In the jail: what others
 * do to the volume meanwhile stays between the volume and this container.
 */
export function copyUp(seen: SeenMount, tree: number, maps: IdMaps | undefined): void {
  const source = realDirectory(seen.destination);
  if (source === undefined) {
    attach(seen, tree, maps);
    return;
  }
  // The image's directory stays reachable as the working directory when the volume covers it.
  chdir(source);
  attachTree(tree, source);
  if (readdirSync(source).length === 0) {
    const target = asBytes(source);
    copyEntries('.', target, new Map());
    copyMetadata('.', target, lstatSync('.'));
  }
  chdir('/');
}

/** Takes the volumes away again, the innermost first. */
export function detach(mounts: readonly SeenMount[]): void {
  for (const { destination } of mounts.toReversed()) umount2(destination, MNT_DETACH);
}

function realDirectory(path: string): string | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  return realpathSync.native(path);
}

/** @param links where files with several names were copied to, by device and number */
function copyEntries(from: string, to: string, links: Map<string, string>): void {
  for (const name of readdirSync(bytePath(from), { encoding: 'latin1' }))
    copyEntry(`${from}/${name}`, `${to}/${name}`, links);
}

function copyEntry(from: string, to: string, links: Map<string, string>): void {
  const stats = lstatSync(bytePath(from));
  const key = `${stats.dev}:${stats.ino}`;
  const linked = stats.isDirectory() ? undefined : links.get(key);
  if (linked !== undefined) {
    linkSync(bytePath(linked), bytePath(to));
    return;
  }
  if (stats.nlink > 1 && !stats.isDirectory()) links.set(key, to);
  if (stats.isDirectory()) {
    mkdirSync(bytePath(to));
    copyEntries(from, to, links);
  } else if (stats.isSymbolicLink()) symlinkSync(readlinkSync(bytePath(from), { encoding: 'buffer' }), bytePath(to));
  else if (stats.isFile()) copyFileSync(bytePath(from), bytePath(to), constants.COPYFILE_EXCL);
  else mknod(to, stats.mode, stats.rdev);
  copyMetadata(from, to, stats);
}

/** Mode after owner: a new owner takes set-user-id bits away. Times last. */
function copyMetadata(from: string, to: string, stats: Stats): void {
  lchownSync(bytePath(to), stats.uid, stats.gid);
  if (!stats.isSymbolicLink()) chmodSync(bytePath(to), stats.mode & 0o7777);
  for (const name of llistxattr(from)) copyAttribute(from, to, name);
  lutimesSync(bytePath(to), stats.atime, stats.mtime);
}

/** A file system that takes no such attribute is the volume's choice. */
function copyAttribute(from: string, to: string, name: string): void {
  try {
    lsetxattr(to, name, lgetxattr(from, name));
  } catch (error) {
    if (!(error instanceof KernelError && ['ENOTSUP', 'EOPNOTSUPP', 'ENODATA'].includes(error.code))) throw error;
  }
}
