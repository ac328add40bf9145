import { EngineError } from '../../model/errors.ts';
import type { BindMount, TmpfsMount } from '../../model/mount.ts';
import type { OciMount } from './oci.ts';

/** What every container gets, in the order in which it is mounted. */
const DEFAULT_MOUNTS: readonly OciMount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  // runc shows v1's hierarchies or v2's tree, whichever the host has.
  {
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['ro', 'nosuid', 'noexec', 'nodev'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
];

/** Stay writable under `--read-only`, as in Docker. */
const WRITABLE_ALWAYS = new Set(['/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue']);

/** The kernel can make a bind's submounts read-only with it: mount_setattr(2). */
const RECURSIVE_READ_ONLY: readonly [number, number] = [5, 12];

/** What a user's mount comes to on this host: volumes are directories by now. */
export type PlacedMount =
  | Pick<BindMount, 'type' | 'source' | 'destination' | 'readOnly' | 'propagation' | 'recursive' | 'readOnlyBelow'>
  | Pick<TmpfsMount, 'type' | 'destination' | 'readOnly' | 'options' | 'size' | 'permissions'>;

/** Host paths of the files the engine writes for each container. */
export interface NetworkFiles {
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

/** What decides over the mounts. */
export interface MountChoice {
  readonly mounts: readonly PlacedMount[];
  readonly files: NetworkFiles;
  readonly readOnlyRoot: boolean;
  readonly privileged: boolean;
  readonly writableCgroups: boolean;
  readonly kernel: readonly [number, number];
  readonly sharedMemory: SharedMemory;
}

/** What lies at /dev/shm: nothing, an own one of so many bytes, or a folder of the host. */
export type SharedMemory =
  | { readonly kind: 'none' }
  | { readonly kind: 'own'; readonly size: number }
  | { readonly kind: 'shared'; readonly folder: string };

/** All mounts. A user's mount takes the place of ours at the same path; parents come before what lies in them. */
export function chooseMounts(choice: MountChoice): OciMount[] {
  const taken = new Set(choice.mounts.map(({ destination }) => destination));
  const own = [...DEFAULT_MOUNTS, ...sharedMemoryMounts(choice.sharedMemory)]
    .filter(({ destination }) => !taken.has(destination) && !(taken.has('/dev') && destination.startsWith('/dev/')))
    .map((mount) => adjust(mount, choice));
  const files = fileMounts(choice).filter((mount) => !taken.has(mount.destination));
  const users = choice.mounts.map((mount) =>
    mount.type === 'tmpfs' ? tmpfsMount(mount) : bindMount(mount, choice.kernel),
  );
  return [...own, ...[...users, ...files].sort((a, b) => depth(a.destination) - depth(b.destination))];
}

/** The mount propagation the root needs for the binds' own to work. */
export function rootPropagation(mounts: readonly PlacedMount[]): 'rshared' | 'rslave' | undefined {
  const binds = mounts.filter((mount) => mount.type === 'bind');
  if (binds.some((bind) => bind.propagation.endsWith('shared'))) return 'rshared';
  return binds.some((bind) => bind.propagation.endsWith('slave')) ? 'rslave' : undefined;
}

function sharedMemoryMounts(memory: SharedMemory): OciMount[] {
  const destination = '/dev/shm';
  if (memory.kind === 'none') return [];
  if (memory.kind === 'shared') {
    return [{ destination, type: 'bind', source: memory.folder, options: ['rbind', 'rprivate'] }];
  }
  const options = ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${memory.size}`];
  return [{ destination, type: 'tmpfs', source: 'shm', options }];
}

/** What `--privileged` opens and `--read-only` closes. */
function adjust(mount: OciMount, { privileged, writableCgroups, readOnlyRoot }: MountChoice): OciMount {
  const writable = (privileged && mount.type === 'sysfs') || (writableCgroups && mount.type === 'cgroup');
  if (writable) return { ...mount, options: mount.options.filter((option) => option !== 'ro') };
  if (!readOnlyRoot || WRITABLE_ALWAYS.has(mount.destination) || mount.options.includes('ro')) return mount;
  return { ...mount, options: [...mount.options, 'ro'] };
}

/** Writable, so that programs like VPN clients can change them, as in Docker. */
function fileMounts({ files, readOnlyRoot }: MountChoice): OciMount[] {
  const options = ['rbind', 'rprivate', ...(readOnlyRoot ? ['ro'] : [])];
  const bind = (source: string, destination: string) => ({ destination, type: 'bind', source, options });
  return [
    bind(files.resolvConf, '/etc/resolv.conf'),
    bind(files.hostname, '/etc/hostname'),
    bind(files.hosts, '/etc/hosts'),
  ];
}

/** What is mounted below the source is seen too, unless the user says otherwise; read-only it is where the kernel can. */
function bindMount(bind: PlacedMount & { type: 'bind' }, [major, minor]: readonly [number, number]): OciMount {
  const able = major > RECURSIVE_READ_ONLY[0] || (major === RECURSIVE_READ_ONLY[0] && minor >= RECURSIVE_READ_ONLY[1]);
  if (bind.readOnlyBelow === true && !able) {
    throw new EngineError('invalidArgument', 'recursive read-only mounts need Linux 5.12');
  }
  const below = bind.recursive && (bind.readOnlyBelow ?? able);
  const propagation = bind.propagation === '' ? 'rprivate' : bind.propagation;
  const options = [bind.recursive ? 'rbind' : 'bind', ...(bind.readOnly ? [below ? 'rro' : 'ro'] : []), propagation];
  return { destination: bind.destination, type: 'bind', source: bind.source, options };
}

/** Docker's defaults, and over them what the user said; of words that exclude each other the last one counts. */
function tmpfsMount(tmpfs: PlacedMount & { type: 'tmpfs' }): OciMount {
  const words = [
    'noexec',
    'nosuid',
    'nodev',
    'rprivate',
    ...(tmpfs.readOnly ? ['ro'] : []),
    ...(tmpfs.permissions === undefined ? [] : [`mode=${tmpfs.permissions.toString(8)}`]),
    ...(tmpfs.size === undefined ? [] : [`size=${tmpfs.size}`]),
    ...tmpfs.options,
  ];
  const options = new Map(words.map((word) => [meaningOf(word), word]));
  return { destination: tmpfs.destination, type: 'tmpfs', source: 'tmpfs', options: [...options.values()] };
}

/** The same for words that exclude each other: "exec" and "noexec", "ro" and "rw", "size=1" and "size=2". */
function meaningOf(word: string): string {
  const [name = ''] = word.split('=');
  if (name === 'ro' || name === 'rw') return 'rw';
  if (name === 'sync' || name === 'async') return 'sync';
  if (/^r?(private|shared|slave|unbindable)$/.test(name)) return 'propagation';
  return name === 'nr_inodes' || name === 'nr_blocks' ? name : name.replace(/^no/, '');
}

function depth(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}
