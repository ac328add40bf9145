import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { close, mount, umount2 } from '../../kernel/sys.ts';
import {
  attachTree,
  chdir,
  chroot,
  cloneTree,
  enterMountNamespace,
  fchdir,
  makeReadOnly,
  openBeneath,
  umask,
  unshareFiles,
} from '../../kernel/sys-files.ts';
import { EngineError } from '../../model/errors.ts';
import type { IdMaps } from '../../model/id-map.ts';
import { layersOf, type SnapshotMount, writableLayer } from '../spec/root.ts';
import { giveToRoot, makeDirectories } from './directories.ts';
import type { RootView, SeenMount } from './job.ts';
import { asBytes } from './paths.ts';

/** mount(2) */
const MS_RDONLY = 1;
const MS_REMOUNT = 0x20;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_PRIVATE = 1 << 18;
const MNT_DETACH = 2;
/** mount(2) takes one page of options; some bytes are the kernel's own. */
const LONGEST_OPTIONS = 4000;
/** open(2): the descriptor is only a place to start from. Not among Node's constants. */
const O_PATH = 0o10000000;

/**
 * The way back for a thread that works on files which containers can change under its hands. For each job it gets a mount
 * namespace of its own, which no container and not even the rest of the daemon sees, and its root becomes the container's:
 * no path, whatever links it goes by and whoever changes them meanwhile, leads anywhere else.
 */
export class Home {
  readonly #root = openSync('/', O_PATH);
  readonly #namespace = openSync('/proc/thread-self/ns/mnt', constants.O_RDONLY);

  /** The job's namespace ends with it, and everything that was mounted there. */
  return(): void {
    enterMountNamespace(this.#namespace);
    fchdir(this.#root);
    chroot('.');
  }
}

function enterPrivateNamespace(): void {
  unshareFiles();
  mount('none', '/', null, MS_REC | MS_PRIVATE, null);
  umask(0);
}

/** Detached mounts, taken before their sources are out of sight. */
export class Trees implements Disposable {
  readonly #descriptors = new Map<Pick<SeenMount, 'source' | 'subpath'>, number>();

  take(seen: Pick<SeenMount, 'source' | 'subpath'>): void {
    this.#descriptors.set(seen, openTree(seen));
  }

  /** @throws EngineError internal for one that was not taken */
  of(seen: Pick<SeenMount, 'source' | 'subpath'>): number {
    const descriptor = this.#descriptors.get(seen);
    if (descriptor === undefined) throw new EngineError('internal', `${seen.source} was not opened`);
    return descriptor;
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#descriptors.values()) close(descriptor);
  }
}

/** The container's root becomes the thread's; its mounts are taken along, not yet mounted. */
export function enterRoot({ layers, mounts }: RootView, scratch: string, trees: Trees): void {
  enterPrivateNamespace();
  for (const seen of mounts) trees.take(seen);
  chroot(findMounted(layers) ?? mountLayers(layers, scratch));
}

/** Mounts in the container's root, and makes what they are mounted on where it is missing, as at a start. */
export function attach(seen: SeenMount, tree: number, maps: IdMaps | undefined): void {
  makeMountpoint(seen.destination, tree, maps);
  if (seen.readOnly) makeReadOnly(tree);
  attachTree(tree, seen.destination);
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
  using trees = new Trees();
  const places = directories.map((source) => ({ source, subpath: '' }));
  for (const place of places) trees.take(place);
  enterEmpty(scratch);
  for (const [index, place] of places.entries()) {
    mkdirSync(`/${index}`);
    attachTree(trees.of(place), `/${index}`);
  }
}

/** A container's own layer as /upper, what lies below it as /lower. */
export function enterLayers(layers: readonly SnapshotMount[], scratch: string): void {
  enterPrivateNamespace();
  using trees = new Trees();
  const upper = { source: writableLayer(layers), subpath: '' };
  trees.take(upper);
  const below = layersOf(layers).slice(1);
  const [only, ...more] = below;
  if (only === undefined) throw new EngineError('internal', 'the container has no layers below its own');
  const lower = { source: more.length === 0 ? only : mountReadOnly(below, scratch), subpath: '' };
  trees.take(lower);
  enterEmpty(scratch);
  for (const [path, place] of [
    ['/upper', upper],
    ['/lower', lower],
  ] as const) {
    mkdirSync(path);
    attachTree(trees.of(place), path);
  }
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
 * views that do not know of each other's changes (Documentation/filesystems/overlayfs.rst). For the same reason the other
 * containers' roots are let go of: their layers shall not stay mounted here when they are started anew meanwhile.
 */
function findMounted(layers: readonly SnapshotMount[]): string | undefined {
  const upper = writableLayer(layers);
  const roots = overlaysOf(dirname(dirname(upper)));
  const own = roots.find(({ options }) => options.includes(`upperdir=${upper}`));
  for (const { path } of roots) if (path !== own?.path) umount2(path, MNT_DETACH);
  return own?.path;
}

/** @param snapshots the directory in which containers' layers lie: other overlays are none of ours */
function overlaysOf(snapshots: string): { readonly path: string; readonly options: readonly string[] }[] {
  const lines = readFileSync('/proc/thread-self/mountinfo', 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const path = decodeOctal(before.split(' ')[4] ?? '');
    const options = (after.split(' ')[2] ?? '').split(',').map(decodeOctal);
    const ours = after.startsWith('overlay ') && options.some((option) => option.startsWith(`upperdir=${snapshots}/`));
    return ours ? [{ path, options }] : [];
  });
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

function makeMountpoint(path: string, tree: number, maps: IdMaps | undefined): void {
  const isDirectory = fstatSync(tree).isDirectory();
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  makeDirectories(asBytes(isDirectory ? path : dirname(path)), maps);
  if (isDirectory) return;
  writeFileSync(path, '', { flag: 'a', mode: 0o755 });
  giveToRoot(asBytes(path), maps);
}
