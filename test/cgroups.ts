import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hierarchies } from '../src/runtime/cgroup-parent.ts';

/**
 * A subtree of every cgroup hierarchy that a test host sees as the whole: what containers leave there is the host's own, and
 * goes with it. v1, hybrid and v2.
 */
export class HostCgroups implements Disposable {
  readonly #mountPoints = hierarchies(readFileSync('/proc/self/mountinfo', 'utf8'));
  readonly #name = `fairway-test-${process.pid}-${randomBytes(4).toString('hex')}`;

  constructor() {
    for (const mountPoint of this.#mountPoints) {
      const folder = join(mountPoint, this.#name);
      mkdirSync(folder);
      if (existsSync(join(folder, 'cpuset.mems'))) fillCpuset(folder);
      if (existsSync(join(mountPoint, 'cgroup.controllers'))) delegate(mountPoint, folder);
    }
  }

  /**
   * Shell commands: PID 1 of the host enters the subtree, makes it the root of its cgroup namespace, and goes on with `then`,
   * which sees nothing else below /sys/fs/cgroup. Needs a mount namespace of its own.
   */
  enter(then: string): string {
    const moves = this.#mountPoints.map((at) => `echo 0 > ${at}/${this.#name}/cgroup.procs`);
    // A cgroup v2 that hands controllers down may hold no process itself (cgroup-v2.rst, "No Internal Process Constraint").
    const mounts = this.#mountPoints.map(
      (at) => `[ -d ${at}/${this.#name}/init ] && echo 0 > ${at}/${this.#name}/init/cgroup.procs
        mount --bind ${at}/${this.#name} /mnt; umount ${at}; mount --move /mnt ${at}`,
    );
    return `set -e; ${moves.join('; ')}; exec unshare --cgroup sh -ec '${mounts.join('\n')}\n${then}'`;
  }

  /** To be called when no process is left in it. */
  [Symbol.dispose](): void {
    for (const mountPoint of this.#mountPoints) removeTree(join(mountPoint, this.#name));
  }
}

/** A new v1 cpuset is empty, and no process may enter an empty one (cgroup-v1/cpusets.rst). */
function fillCpuset(folder: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (!existsSync(join(dirname(folder), file))) continue;
    writeFileSync(join(folder, file), readFileSync(join(dirname(folder), file)));
  }
}

/** v2: the subtree gets every controller its parent can give, as runc would see to on a whole machine. */
function delegate(parent: string, folder: string): void {
  mkdirSync(join(folder, 'init'));
  for (const name of readFileSync(join(parent, 'cgroup.controllers'), 'utf8').trim().split(' ')) {
    if (name !== '') writeFileSync(join(parent, 'cgroup.subtree_control'), `+${name}`);
  }
}

function removeTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name));
  }
  rmdirSync(folder);
}
