import { closeSync } from 'node:fs';
import { failure, lazily, libcFunction } from './sys.ts';

/** In glibc since 2.36. */
const calls = lazily(() => ({
  fsopen: libcFunction<(type: string, flags: number) => number>('int fsopen(const char*, uint32_t)'),
  fsconfig: libcFunction<(fd: number, command: number, key: null, value: null, extra: number) => number>(
    'int fsconfig(int, uint32_t, const char*, const char*, int)',
  ),
  fsmount: libcFunction<(fd: number, flags: number, attributes: number) => number>(
    'int fsmount(int, uint32_t, uint32_t)',
  ),
}));

/** linux/mount.h: FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC; FSCONFIG_CMD_CREATE; MOUNT_ATTR_NOSUID | NODEV | NOEXEC */
const CLOEXEC = 1;
const CREATE = 6;
const HARMLESS = 2 | 4 | 8;

/**
 * fsopen(2), fsmount(2): a file system that is nowhere in the tree, and gone with the last descriptor to something in it.
 * @returns a descriptor of its root @throws KernelError EPERM
 */
export function mountNowhere(type: string): number {
  const context = calls().fsopen(type, CLOEXEC);
  if (context < 0) throw failure(`open file system ${type}`);
  try {
    if (calls().fsconfig(context, CREATE, null, null, 0) < 0) throw failure(`make file system ${type}`);
    const root = calls().fsmount(context, CLOEXEC, HARMLESS);
    if (root < 0) throw failure(`mount file system ${type}`);
    return root;
  } finally {
    closeSync(context);
  }
}
