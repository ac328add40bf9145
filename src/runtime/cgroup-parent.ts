import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** Containers' cgroups lie below this one, in every hierarchy. Not "docker": the host may run Docker as well. */
export const CGROUP_PARENT = '/fairway';

/**
 * Takes back the parent that runc made in each hierarchy for the first container. One that still holds a cgroup (of another
 * daemon's container) stays. Never throws.
 */
export function removeCgroupParents(): void {
  removeCgroup(CGROUP_PARENT);
}

/** Those that are in some hierarchy. @param paths in the hierarchies */
export function existingCgroups(paths: readonly string[]): string[] {
  const mounted = mountPoints();
  return paths.filter((path) => mounted.some((mountPoint) => existsSync(join(mountPoint, path))));
}

/** From every hierarchy where it is empty: rmdir(2) refuses others, and that is no error. Never throws. */
export function removeCgroup(path: string): void {
  for (const mountPoint of mountPoints()) {
    try {
      rmdirSync(join(mountPoint, path));
    } catch {
      // In use, or never made.
    }
  }
}

function mountPoints(): string[] {
  return hierarchies(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** Where cgroups are mounted, v1 and v2. The file's fields: proc(5), /proc/pid/mountinfo. */
export function hierarchies(mountInfo: string): string[] {
  const mounts = mountInfo.split('\n').map((line) => line.split(' '));
  const isCgroup = (fields: readonly string[]) => /^cgroup2?$/.test(fields[fields.indexOf('-') + 1] ?? '');
  return mounts.filter(isCgroup).map((fields) => fields[4] ?? '');
}
