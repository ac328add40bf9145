import { closeSync, openSync, statfsSync, unlinkSync } from 'node:fs';
import { KernelError } from '../model/errors.ts';
import * as sys from './sys.ts';
import { asKernelError } from './syscall-error.ts';

const MS_BIND = 0x1000;
const MNT_DETACH = 2;
/** statfs(2): what a pinned namespace is, and a file left by a pin that was killed half-way is not. */
const NSFS_MAGIC = 0x6e736673;

/**
 * Gives a namespace a name among the files: it lives until it is unpinned and nothing is left in it.
 * @param source below /proc @param path in an existing directory @throws KernelError EEXIST when the path is taken
 */
export function pin(source: string, path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o444));
  } catch (error) {
    throw asKernelError(`create ${path}`, error);
  }
  try {
    sys.mount(source, path, null, MS_BIND, null);
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

/** Takes away the name. The kernel removes the namespace when nothing uses it any more. A missing one is fine. */
export function unpin(path: string): void {
  try {
    sys.umount2(path, MNT_DETACH);
  } catch (error) {
    // EINVAL: a file on which nothing is mounted, left by a pin that was killed half-way
    if (!(error instanceof KernelError) || !['EINVAL', 'ENOENT'].includes(error.code)) throw error;
  }
  try {
    unlinkSync(path);
  } catch (error) {
    const failure = asKernelError(`remove ${path}`, error);
    if (failure.code !== 'ENOENT') throw failure;
  }
}

/** @throws Error ENOENT */
export function isPinned(path: string): boolean {
  return statfsSync(path).type === NSFS_MAGIC;
}
