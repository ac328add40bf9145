import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Owner } from '../../model/id-map.ts';
import { CGROUP_PARENT, hierarchies } from '../cgroup-parent.ts';

/** Whoever moves a process in v2 must have the group it comes from, too; and one that hands controllers down holds no process itself. */
const LEAF = 'builder';
/** What else than the folder belongs to the one it is delegated to (cgroup-v2.rst, "Model of Delegation"). */
const DELEGATED = ['cgroup.procs', 'cgroup.threads', 'cgroup.subtree_control'];

/**
 * Makes a cgroup below ours in every hierarchy and gives it to a user, whose runc can make others in it. For a runc of the
 * host's root there is no need: it makes whatever is missing.
 */
export function delegateCgroup(name: string, owner: Owner): void {
  for (const mountPoint of hierarchies(readFileSync('/proc/self/mountinfo', 'utf8'))) {
    const folder = join(mountPoint, CGROUP_PARENT, name);
    makeGroup(dirname(folder));
    makeGroup(folder);
    const files = isUnified(mountPoint) ? DELEGATED : [];
    if (isUnified(mountPoint)) mkdirSync(join(folder, LEAF), { recursive: true });
    for (const path of [folder, ...files.map((file) => join(folder, file))]) {
      if (existsSync(path)) chownSync(path, owner.uid, owner.gid);
    }
  }
}

/** The files a process writes 0 to, so that its own may be moved by the one to whom the group was delegated. */
export function entrances(name: string): string[] {
  const mounted = hierarchies(readFileSync('/proc/self/mountinfo', 'utf8')).filter(isUnified);
  return mounted.map((mountPoint) => join(mountPoint, CGROUP_PARENT, name, LEAF, 'cgroup.procs'));
}

function isUnified(mountPoint: string): boolean {
  return existsSync(join(mountPoint, 'cgroup.controllers'));
}

/** With all its parent can give it, as runc sees to for those it makes. */
function makeGroup(folder: string): void {
  const parent = dirname(folder);
  for (const controller of controllersOf(parent)) {
    try {
      writeFileSync(join(parent, 'cgroup.subtree_control'), `+${controller}`);
    } catch {
      // The parent holds processes: without the controller there are no limits, as for runc.
    }
  }
  mkdirSync(folder, { recursive: true });
  for (const file of ['cpuset.cpus', 'cpuset.mems']) fillCpuset(parent, folder, file);
}

function controllersOf(folder: string): string[] {
  const file = join(folder, 'cgroup.controllers');
  return existsSync(file) ? readFileSync(file, 'utf8').split(/\s+/).filter(Boolean) : [];
}

/** A new v1 cpuset is empty, and no process may enter an empty one (cgroup-v1/cpusets.rst). In v2, empty means the parent's. */
function fillCpuset(parent: string, folder: string, file: string): void {
  const [from, to] = [join(parent, file), join(folder, file)];
  if (controllersOf(folder).length > 0 || !existsSync(from) || !existsSync(to)) return;
  if (readFileSync(to, 'utf8').trim() === '') writeFileSync(to, readFileSync(from));
}
