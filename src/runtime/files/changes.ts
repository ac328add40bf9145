import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { lgetxattr, llistxattr } from '../../kernel/sys-files.ts';
import type { PathChange } from './job.ts';
import { asText, bytePath } from './paths.ts';

/** overlayfs.rst: nothing of the lower directory is seen through one that carries this. */
const OPAQUE = 'trusted.overlay.opaque';

/** The daemon and runc make these for every container where the image has none: no change of the container's. */
const OWN_DIRECTORIES = new Set(['/dev', '/etc', '/proc', '/sys']);
const OWN = new Set([
  '/.dockerenv',
  '/dev/console',
  '/dev/mqueue',
  '/dev/pts',
  '/dev/shm',
  '/etc/hostname',
  '/etc/hosts',
  '/etc/mtab',
  '/etc/resolv.conf',
]);

/**
 * What a container changed, from its own layer at /upper and what lies below at /lower (moby: pkg/archive, changes). In the
 * jail. A directory counts as changed when it is different itself, or when something in it came or went.
 */
export function findChanges(): PathChange[] {
  const changes: PathChange[] = [];
  walk('', false, changes);
  return changes;
}

/** @param fresh nothing of the lower directory is seen here */
function walk(directory: string, fresh: boolean, changes: PathChange[]): void {
  const upper = list(`/upper${directory}`);
  const hidden = fresh ? [] : isOpaque(`/upper${directory}`) ? list(`/lower${directory}`) : [];
  const names = [...new Set([...upper, ...hidden])].sort();
  const seen = new Set(upper);
  for (const name of names) visit(`${directory}/${name}`, seen.has(name), fresh, changes);
}

function visit(path: string, isUpper: boolean, fresh: boolean, changes: PathChange[]): void {
  const lower = fresh ? undefined : look(`/lower${path}`);
  const upper = isUpper ? look(`/upper${path}`) : undefined;
  if (upper === undefined || isWhiteout(upper)) {
    if (lower !== undefined) changes.push({ path: asText(path), kind: 'deleted' });
    return;
  }
  const inner: PathChange[] = [];
  if (upper.isDirectory()) walk(path, lower?.isDirectory() !== true, inner);
  if (lower === undefined) {
    const own = OWN.has(path) || (OWN_DIRECTORIES.has(path) && inner.length === 0);
    if (!own) changes.push({ path: asText(path), kind: 'added' });
  } else if (!upper.isDirectory() || isChanged(path, upper, lower) || touches(path, inner)) {
    changes.push({ path: asText(path), kind: 'modified' });
  }
  changes.push(...inner);
}

/** The overlay copies a directory up when something in it changes: by itself that is no change. */
function isChanged(path: string, upper: Stats, lower: Stats): boolean {
  const differs = (key: 'mode' | 'uid' | 'gid') => upper[key] !== lower[key];
  if (!lower.isDirectory() || differs('mode') || differs('uid') || differs('gid')) return true;
  return upper.mtimeMs !== lower.mtimeMs && !OWN_DIRECTORIES.has(path);
}

/** Whether something came or went in the directory itself. */
function touches(directory: string, inner: readonly PathChange[]): boolean {
  const prefix = `${asText(directory)}/`;
  return inner.some(({ path, kind }) => kind !== 'modified' && !path.slice(prefix.length).includes('/'));
}

/** A character device 0/0 marks what was removed. */
function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}

function isOpaque(path: string): boolean {
  return llistxattr(path).includes(OPAQUE) && lgetxattr(path, OPAQUE).toString() === 'y';
}

function look(path: string): Stats | undefined {
  return lstatSync(bytePath(path), { throwIfNoEntry: false });
}

function list(path: string): string[] {
  return look(path)?.isDirectory() === true ? readdirSync(bytePath(path), { encoding: 'latin1' }) : [];
}
