import { lchownSync, mkdirSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { type IdMaps, rootOf } from '../../model/id-map.ts';
import { bytePath } from './paths.ts';

/**
 * Makes a directory and those it lies in, where they are missing, for the container's root. In the jail.
 * @param path each character is a byte @param maps undefined: the container's root is the host's
 */
export function makeDirectories(path: string, maps: IdMaps | undefined): void {
  if (statSync(bytePath(path), { throwIfNoEntry: false }) !== undefined) return;
  makeDirectories(posix.dirname(path), maps);
  mkdirSync(bytePath(path), { mode: 0o755 });
  giveToRoot(path, maps);
}

/** What was made by the host's root becomes the container's. @param path each character is a byte */
export function giveToRoot(path: string, maps: IdMaps | undefined): void {
  if (maps === undefined) return;
  const { uid, gid } = rootOf(maps);
  lchownSync(bytePath(path), uid, gid);
}
