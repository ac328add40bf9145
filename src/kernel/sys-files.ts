import { failure, lazily, libcFunction, O_CLOEXEC } from './sys.ts';

/* The calls that work on containers' files needs, and nothing else: loaded at the first use. */

interface LibcFiles {
  unshare(flags: number): number;
  setns(fd: number, type: number): number;
  fchdir(fd: number): number;
  chroot(path: string): number;
  chdir(path: string): number;
  umask(mask: number): number;
  pipe2(ends: Uint8Array, flags: number): number;
  mknod(path: Uint8Array, mode: number, device: bigint): number;
  llistxattr(path: Uint8Array, into: Uint8Array | null, size: number): number;
  lgetxattr(path: Uint8Array, name: string, into: Uint8Array | null, size: number): number;
  lsetxattr(path: Uint8Array, name: string, value: Uint8Array, size: number, flags: number): number;
  open_tree(fd: number, path: string, flags: number): number;
  move_mount(from: number, fromPath: string, to: number, toPath: string, flags: number): number;
  mount_setattr(fd: number, path: string, flags: number, attributes: Uint8Array, size: number): number;
  openat2(call: number, fd: number, path: string, how: Uint8Array, size: number): number;
}

/** What only work on containers' files needs. The new mount calls are in glibc since 2.36; openat2(2) by its number. */
const libcFiles: () => LibcFiles = lazily(() => ({
  unshare: libcFunction('int unshare(int)'),
  setns: libcFunction('int setns(int, int)'),
  fchdir: libcFunction('int fchdir(int)'),
  chroot: libcFunction('int chroot(const char*)'),
  chdir: libcFunction('int chdir(const char*)'),
  umask: libcFunction('uint32_t umask(uint32_t)'),
  pipe2: libcFunction('int pipe2(void*, int)'),
  mknod: libcFunction('int mknod(const void*, uint32_t, uint64_t)'),
  llistxattr: libcFunction('long llistxattr(const void*, void*, size_t)'),
  lgetxattr: libcFunction('long lgetxattr(const void*, const char*, void*, size_t)'),
  lsetxattr: libcFunction('int lsetxattr(const void*, const char*, void*, size_t, int)'),
  open_tree: libcFunction('int open_tree(int, const char*, uint32_t)'),
  move_mount: libcFunction('int move_mount(int, const char*, int, const char*, uint32_t)'),
  mount_setattr: libcFunction('int mount_setattr(int, const char*, uint32_t, void*, size_t)'),
  openat2: libcFunction('long syscall(long, int, const char*, void*, size_t)'),
}));

const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;

/** unshare(2): this thread gets a root, a working directory, a umask and a mount namespace of its own. */
export function unshareFiles(): void {
  if (libcFiles().unshare(CLONE_FS | CLONE_NEWNS) < 0) throw failure('make a mount namespace');
}

/** setns(2) of this thread, which must have called unshareFiles() before; its root is then the namespace's. */
export function enterMountNamespace(fd: number): void {
  if (libcFiles().setns(fd, CLONE_NEWNS) < 0) throw failure('enter a mount namespace');
}

/** fchdir(2). Of the whole process, unless the thread has called unshareFiles(). */
export function fchdir(fd: number): void {
  if (libcFiles().fchdir(fd) < 0) throw failure('enter a directory');
}

/** chroot(2) and chdir(2) into it. Of the whole process, unless the thread has called unshareFiles(). */
export function chroot(path: string): void {
  if (libcFiles().chroot(path) < 0) throw failure(`chroot to ${path}`);
  chdir('/');
}

/** chdir(2). Of the whole process, unless the thread has called unshareFiles(). */
export function chdir(path: string): void {
  if (libcFiles().chdir(path) < 0) throw failure(`enter ${path}`);
}

/** umask(2). Of the whole process, unless the thread has called unshareFiles(). */
export function umask(mask: number): void {
  libcFiles().umask(mask);
}

/** pipe2(2), close-on-exec. */
export function pipe(): { readonly reader: number; readonly writer: number } {
  const ends = Buffer.alloc(8);
  if (libcFiles().pipe2(ends, O_CLOEXEC) < 0) throw failure('make a pipe');
  return { reader: ends.readInt32LE(0), writer: ends.readInt32LE(4) };
}

/** A path in which each character stands for one byte, as a C string: names need not be UTF-8. */
function bytes(path: string): Uint8Array {
  return Buffer.from(`${path}\0`, 'latin1');
}

/** mknod(2). @param path each character is a byte @param mode type and permissions @param device as stat(2) tells it */
export function mknod(path: string, mode: number, device: number): void {
  if (libcFiles().mknod(bytes(path), mode, BigInt(device)) < 0) throw failure(`make device ${path}`);
}

/** llistxattr(2): names of the extended attributes of a file, links not followed. @param path each character is a byte */
export function llistxattr(path: string): string[] {
  const size = libcFiles().llistxattr(bytes(path), null, 0);
  if (size < 0) throw failure(`list attributes of ${path}`);
  const names = Buffer.alloc(size);
  const length = size === 0 ? 0 : libcFiles().llistxattr(bytes(path), names, size);
  if (length < 0) throw failure(`list attributes of ${path}`);
  return names.toString('latin1', 0, length).split('\0').slice(0, -1);
}

/** lgetxattr(2) @param path each character is a byte */
export function lgetxattr(path: string, name: string): Buffer {
  const size = libcFiles().lgetxattr(bytes(path), name, null, 0);
  const value = Buffer.alloc(Math.max(size, 0));
  const length = size <= 0 ? size : libcFiles().lgetxattr(bytes(path), name, value, size);
  if (length < 0) throw failure(`read attribute ${name} of ${path}`);
  return value.subarray(0, length);
}

/** lsetxattr(2) @param path each character is a byte */
export function lsetxattr(path: string, name: string, value: Uint8Array): void {
  if (libcFiles().lsetxattr(bytes(path), name, value, value.length, 0) < 0)
    throw failure(`set attribute ${name} of ${path}`);
}

/** linux/fcntl.h, linux/mount.h */
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const OPEN_TREE_CLONE = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;

/** open_tree(2): a detached copy of what is mounted at a descriptor, with everything mounted below it. */
export function cloneTree(fd: number): number {
  const tree = libcFiles().open_tree(fd, '', OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
  if (tree < 0) throw failure('copy a mount');
  return tree;
}

/** move_mount(2): mounts what cloneTree() made. A link at the end of the target is not followed. */
export function attachTree(tree: number, target: string): void {
  const moved = libcFiles().move_mount(tree, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
  if (moved < 0) throw failure(`mount on ${target}`);
}

/** mount_setattr(2): what is mounted at a descriptor becomes read-only, with everything below it. */
export function makeReadOnly(tree: number): void {
  const attributes = Buffer.alloc(32); // struct mount_attr: set, clear, propagation, user namespace
  attributes.writeBigUInt64LE(1n, 0); // MOUNT_ATTR_RDONLY
  const set = libcFiles().mount_setattr(tree, '', AT_EMPTY_PATH | AT_RECURSIVE, attributes, attributes.length);
  if (set < 0) throw failure('make a mount read-only');
}

const OPENAT2 = 437;
const O_PATH = 0o10000000;
const RESOLVE_NO_MAGICLINKS = 2;
const RESOLVE_BENEATH = 8;

/** openat2(2) with O_PATH: neither links nor ".." lead out of the directory. @throws KernelError EXDEV where they would */
export function openBeneath(directory: number, path: string): number {
  const how = Buffer.alloc(24); // struct open_how: flags, mode, resolve
  how.writeBigUInt64LE(BigInt(O_PATH | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS), 16);
  const fd = libcFiles().openat2(OPENAT2, directory, path, how, how.length);
  if (fd < 0) throw failure(`open ${path}`);
  return Number(fd);
}
