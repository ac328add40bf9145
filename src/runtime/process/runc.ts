import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { hasCode } from '../../model/errors.ts';

/*
 * What containerd's shim executes in place of runc. Two of runc's commands do next to nothing once its Go runtime is up, and
 * these are done by a shell, in a tenth of the time (docs/decisions/0022):
 * - `start` reads the byte that runc's init writes to the FIFO it waits at (runc: libcontainer/container_linux.go, exec). An
 *   empty answer means: look whether init is still there (containerd has its number in the folder it calls runc in). If not,
 *   runc has the words for it. The FIFO stays open from the first answer on, so that init finds a reader in any case. That the
 *   FIFO is gone is by what runc sees that the container was started: the daemon removes it, for which a shell needs a program.
 * - `delete --force` of what is gone: containerd 1.6 asks for it again after each ordinary removal.
 */
const SCRIPT = `#!/bin/sh
for last; do
  [ "\${before-}" = --root ] && root=$last
  before=$last
done
state=\${root:-/run/runc}/$last
case " $* " in
*" start $last ")
  fifo=$state/exec.fifo
  while [ -p "$fifo" ] && command exec 4<"$fifo"; do
    exec 3<&4 4<&-
    read -r said <&3
    [ -n "$said" ] && exit 0
    pid=
    [ -r init.pid ] && read -r pid <init.pid
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || break
  done
  ;;
*" delete --force $last ")
  [ -e "$state" ] || exit 0
  ;;
esac
exec runc "$@"
`;

/** A start that takes longer is hurried, after so many milliseconds again and again */
export const HURRY = 1000;

/** runc's FIFO in the folder of a container's state */
const FIFO = 'exec.fifo';

/**
 * Makes the script, for every container that is started from now on. Those that run keep using it until they are removed.
 * @returns its path, or '' where nothing can be executed: a file system mounted with noexec
 */
export function provideRunc(path: string): string {
  if (contentOf(path) !== SCRIPT) {
    mkdirSync(dirname(path), { recursive: true });
    const made = `${path}.new`;
    writeFileSync(made, SCRIPT, { mode: 0o755 });
    renameSync(made, path);
  }
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch (error) {
    if (hasCode(error, 'EACCES')) return '';
    throw error;
  }
}

/**
 * Makes a `start` that waits for a container's process look whether that is still there.
 * @param state the folder of the container's state
 */
export function hurryStart(state: string): void {
  try {
    closeSync(openSync(`${state}/${FIFO}`, constants.O_WRONLY | constants.O_NONBLOCK));
  } catch (error) {
    // Nobody waits (fifo(7)), or it was started.
    if (!hasCode(error, 'ENXIO', 'ENOENT')) throw error;
  }
}

/** A container was started. @param state the folder of its state, which may be gone already */
export function noteStarted(state: string): void {
  rmSync(`${state}/${FIFO}`, { force: true });
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
