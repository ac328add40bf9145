import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hierarchies } from '../src/runtime/cgroup-parent.ts';

/** All hierarchies are mounted at or below it. */
const ROOT = '/sys/fs/cgroup';
/** Numbers of processes mean something in their own PID namespace alone: tests in another one see the same cgroups. */
const OWN = `fairway-host-${/\d+/.exec(readlinkSync('/proc/self/ns/pid'))}-`;
const NAME = new RegExp(`^${OWN}(\\d+)-`);

/**
 * A subtree of every cgroup hierarchy that a test host sees as the whole: what containers leave there is the host's own, and
 * goes with it. v1, hybrid and v2.
 */
export class HostCgroups implements Disposable {
  readonly #mountPoints = hierarchies(readFileSync('/proc/self/mountinfo', 'utf8'));
  readonly #name = `${OWN}${process.pid}-${randomBytes(4).toString('hex')}`;

  readonly #fstab = join(tmpdir(), this.#name);

  constructor() {
    for (const mountPoint of this.#mountPoints) {
      removeForgotten(mountPoint);
      const folder = join(mountPoint, this.#name);
      mkdirSync(folder);
      if (existsSync(join(folder, 'cpuset.mems'))) fillCpuset(folder);
      if (existsSync(join(mountPoint, 'cgroup.controllers'))) delegate(mountPoint, folder);
    }
  }

  /**
   * Shell commands: PID 1 of the host enters the subtree, makes it the root of its cgroup namespace, and goes on with `then`,
   * which sees nothing else below /sys/fs/cgroup. Needs a mount namespace of its own. @param then without quotes
   */
  enter(then: string): string {
    const each = (work: string) => `for at in ${this.#mountPoints.join(' ')}; do ${work}; done`;
    // A cgroup v2 that hands controllers down may hold no process itself (cgroup-v2.rst, "No Internal Process Constraint").
    const leaf = '[ ! -d $at/$own/init ] || echo 0 > $at/$own/init/cgroup.procs';
    // Where they were is kept at /mnt for a moment; then two processes do for all of them what took three for each.
    const binds = this.#mountPoints.map((at) => `/mnt${at.slice(ROOT.length)}/${this.#name} ${at} none bind\n`);
    writeFileSync(this.#fstab, binds.join(''));
    const mount = `mount --rbind ${ROOT} /mnt; umount ${this.#mountPoints.join(' ')}; mount -a -T ${this.#fstab}; umount -l /mnt`;
    return `set -e; own=${this.#name}; export own; ${each('echo 0 > $at/$own/cgroup.procs')}
      exec unshare --cgroup sh -ec '${each(leaf)}; ${mount}; exec sh -c "${then}"'`;
  }

  /** Words before a command: whoever came into the host's namespaces from outside is in its cgroups as well. */
  get join(): string[] {
    const each = `for at in ${this.#mountPoints.join(' ')}; do [ ! -d $at/init ] || at=$at/init; echo 0 > $at/cgroup.procs; done`;
    return ['sh', '-ec', `${each}; exec "$@"`, 'sh'];
  }

  /** To be called when no process is left in it. */
  [Symbol.dispose](): void {
    rmSync(this.#fstab, { force: true });
    for (const mountPoint of this.#mountPoints) removeTree(join(mountPoint, this.#name), 30_000);
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

/** What a test that was killed could not take away. */
function removeForgotten(mountPoint: string): void {
  for (const entry of readdirSync(mountPoint)) {
    const pid = NAME.exec(entry)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      removeTree(join(mountPoint, entry), 0);
    } catch {
      // Another test is about it as well, or a process of it is still ending.
    }
  }
}

/** @param patience milliseconds: who was killed leaves its group a little later than it ceases to be */
function removeTree(folder: string, patience: number): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name), patience);
  }
  const deadline = Date.now() + patience;
  for (;;) {
    try {
      rmdirSync(folder);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || Date.now() >= deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
