import type { RemappedUsers } from '../spec/namespaces.ts';
import { entrances } from './delegation.ts';
import type { WorkFolder } from './work.ts';

/**
 * Ends a program and all it has started when this process ends or kills it: a PID namespace goes with its first process, and a
 * mount namespace takes its mounts along.
 */
const CONTAINED = [
  ...['setpriv', '--pdeathsig', 'KILL'],
  ...['unshare', '--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc'],
];

/**
 * In that mount namespace nothing below /var/lib can be written but our own folder: there buildah would keep a cache beside
 * its storage that nothing leads elsewhere, and does without where it cannot.
 */
const PROTECTED =
  'set -e; mount --rbind /var/lib /var/lib; mount --bind "$1" "$1"; mount -o remount,bind,ro /var/lib; shift';

/** They lie where nobody but the host's root may look. */
const BLOBS = 'mount --bind "$1" "$2"; shift 2';

/**
 * As root of the remapped users, with mounts of its own once more: those of another user namespace may be looked at only. What it
 * runs shall see /sys of its own network, which buildah binds from here: it does not know that it might mount one. The shell stays the
 * first process: whoever becomes another user is no longer killed with the one who started it (prctl(2), PR_SET_PDEATHSIG).
 */
const REMAPPED = [
  'users=$1 network=$2 cgroups=$3 entrances=$4; shift 4',
  'for entrance in $entrances; do echo 0 > "$entrance"; done',
  `nsenter --user="$users" unshare --mount --propagation private sh -ec '
    if [ -n "$1" ]; then
      mount --rbind /sys/fs/cgroup "$2"; nsenter --net="$1" mount -t sysfs sysfs /sys; mount --rbind "$2" /sys/fs/cgroup
    fi
    shift 2; exec "$@"' sh "$network" "$cgroups" "$@"
exit $?`,
].join('\n');

export interface Containment {
  /** The one folder of /var/lib that can be written */
  readonly root: string;
  readonly work: WorkFolder;
  readonly users: RemappedUsers | undefined;
  /** Folder of the content store's blobs, to be read as the work folder's; undefined: not known, or not needed */
  readonly blobs?: string | undefined;
  /** Path of the network namespace that it will start something in; undefined: nothing is started, or in the host's */
  readonly network?: string | undefined;
  /** Its two streams come as one, so that its marks and its errors keep their order */
  readonly oneStream: boolean;
}

/** The command line that runs another one contained. */
export function contain(command: readonly string[], containment: Containment): string[] {
  const { root, work, users, blobs, network = '', oneStream } = containment;
  const script = [PROTECTED];
  const given = [root];
  if (blobs !== undefined) {
    script.push(BLOBS);
    given.push(blobs, work.blobs);
  }
  if (oneStream) script.push('exec 2>&1');
  if (users === undefined) script.push('exec "$@"');
  else {
    script.push(REMAPPED);
    given.push(users.path, network, work.cgroups, entrances(work.cgroup).join(' '));
  }
  return [...CONTAINED, 'sh', '-c', script.join('\n'), 'sh', ...given, ...command];
}

/** The words before a command that is to have no other rights than the remapped users' root. */
export function asUsers(users: RemappedUsers | undefined): string[] {
  return users === undefined ? [] : ['nsenter', `--user=${users.path}`];
}
