import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { close, mount } from '../../kernel/sys.ts';
import {
  attachTree,
  chdir,
  chroot,
  cloneTree,
  makeReadOnly,
  openBeneath,
  umask,
  unshareFiles,
} from '../../kernel/sys-files.ts';
import { EngineError } from '../../model/errors.ts';
import { layersOf, type SnapshotMount, writableLayer } from '../spec/root.ts';
import type { RootView, SeenMount } from './job.ts';

/** mount(2) */
const MS_RDONLY = 1;
const MS_REMOUNT = 0x20;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_PRIVATE = 1 << 18;
/** mount(2) takes one page of options; some bytes are the kernel's own. */
const LONGEST_OPTIONS = 4000;
/** open(2): the descriptor is only a place to start from. Not among Node's constants. */
const O_PATH = 0o10000000;

/**
 * Where this thread works on files that containers can change under its hands. It gets a mount namespace of its own, which
 * no container and not even the rest of the daemon sees, and its root becomes the container's: no path, whatever links it
 * goes by and whoever changes them meanwhile, leads anywhere else. The thread never returns: it ends with its work.
 */
function enterPrivateNamespace(): void {
  unshareFiles();
  mount('none', '/', null, MS_REC | MS_PRIVATE, null);
  umask(0);
}

/** The container's root becomes the thread's. @returns its mounts, not yet mounted: their sources are out of sight now */
export function enterRoot({ layers, mounts }: RootView, scratch: string): readonly { seen: SeenMount; tree: number }[] {
  enterPrivateNamespace();
  const trees = mounts.map((seen) => ({ seen, tree: openTree(seen) }));
  chroot(findMounted(layers) ?? mountLayers(layers, scratch));
  return trees;
}

/** Mounts in the container's root, and makes what they are mounted on where it is missing, as at a start. */
export function attach(seen: SeenMount, tree: number): void {
  makeMountpoint(seen.destination, tree);
  if (seen.readOnly) makeReadOnly(tree);
  attachTree(tree, seen.destination);
  close(tree);
}

/** The root itself becomes read-only: in this thread's namespace, and without what is mounted in it. */
export function sealRoot(): void {
  mount('none', '/', null, MS_REMOUNT | MS_BIND | MS_RDONLY, null);
}

/**
 * Says no before anything is touched; should the container change links after this, the mounts' own flags hold.
 * @throws EngineError forbidden in Docker's words
 */
export function refuseReadOnly({ mounts, readOnly }: RootView, directory: string): void {
  const path = realpathSync.native(directory);
  const holders = mounts.filter(({ destination }) => isBelow(path, realpathSync.native(destination)));
  const innermost = holders.at(-1);
  if (innermost?.readOnly === true) throw new EngineError('forbidden', 'mounted volume is marked read-only');
  if (innermost === undefined && readOnly) throw new EngineError('forbidden', 'container rootfs is marked read-only');
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

/** Directories as /0, /1 …, and nothing beside them. */
export function enterDirectories(directories: readonly string[], scratch: string): void {
  enterPrivateNamespace();
  const trees = directories.map((source) => openTree({ source, subpath: '' }));
  enterEmpty(scratch);
  for (const [index, tree] of trees.entries()) {
    mkdirSync(`/${index}`);
    attachTree(tree, `/${index}`);
  }
}

/** A container's own layer as /upper, what lies below it as /lower. */
export function enterLayers(layers: readonly SnapshotMount[], scratch: string): void {
  enterPrivateNamespace();
  const upper = openTree({ source: writableLayer(layers), subpath: '' });
  const below = layersOf(layers).slice(1);
  const [only, ...more] = below;
  if (only === undefined) throw new EngineError('internal', 'the container has no layers below its own');
  const lower = more.length === 0 ? only : mountReadOnly(below, scratch);
  const tree = openTree({ source: lower, subpath: '' });
  enterEmpty(scratch);
  mkdirSync('/upper');
  attachTree(upper, '/upper');
  mkdirSync('/lower');
  attachTree(tree, '/lower');
}

function enterEmpty(scratch: string): void {
  mount('tmpfs', scratch, 'tmpfs', 0, 'mode=755');
  chroot(scratch);
}

function openTree({ source, subpath }: Pick<SeenMount, 'source' | 'subpath'>): number {
  const directory = openSync(source, O_PATH);
  if (subpath === '') return takeTree(directory, closeSync);
  try {
    return takeTree(openBeneath(directory, subpath), close);
  } finally {
    closeSync(directory);
  }
}

/** @param end closes the descriptor: Node wants to close itself what it opened itself */
function takeTree(fd: number, end: (fd: number) => void): number {
  try {
    return cloneTree(fd);
  } finally {
    end(fd);
  }
}

/**
 * The path where a running container's root is mounted for its runtime: mounting the same layers twice would give two
 * views that do not know of each other's changes (Documentation/filesystems/overlayfs.rst).
 */
function findMounted(layers: readonly SnapshotMount[]): string | undefined {
  const upper = `upperdir=${writableLayer(layers)}`;
  for (const line of readFileSync('/proc/thread-self/mountinfo', 'utf8').split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    if (!after.startsWith('overlay ')) continue;
    const options = (after.split(' ')[2] ?? '').split(',').map(decodeOctal);
    if (options.includes(upper)) return decodeOctal(before.split(' ')[4] ?? '');
  }
  return undefined;
}

/** proc_pid_mountinfo(5): blanks and the like are written as octal numbers. */
function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function mountLayers(layers: readonly SnapshotMount[], scratch: string): string {
  const [layer] = layers;
  if (layer === undefined) throw new EngineError('internal', 'the container has no layers');
  if (layer.type === 'bind') return layer.source;
  mountOverlay(layer.options.filter((option) => option !== 'ro').join(','), scratch, 0);
  return scratch;
}

/** Several layers as one, not to be written to. */
function mountReadOnly(below: readonly string[], scratch: string): string {
  mountOverlay(`lowerdir=${below.join(':')}`, scratch, MS_RDONLY);
  return scratch;
}

/** Many layers make options that do not fit a page: then they are named from the directory they all lie in. */
function mountOverlay(options: string, target: string, flags: number): void {
  if (options.length <= LONGEST_OPTIONS) {
    mount('overlay', target, 'overlay', flags, options);
    return;
  }
  const snapshots = dirname(dirname(/(?:lowerdir=|:)(\/[^:,]+)/.exec(options)?.[1] ?? '/'));
  chdir(snapshots);
  mount('overlay', target, 'overlay', flags, options.replaceAll(`${snapshots}/`, ''));
  chdir('/');
}

function makeMountpoint(path: string, tree: number): void {
  const isDirectory = fstatSync(tree).isDirectory();
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  mkdirSync(isDirectory ? path : dirname(path), { recursive: true, mode: 0o755 });
  if (!isDirectory) writeFileSync(path, '', { flag: 'a', mode: 0o755 });
}
