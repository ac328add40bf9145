import { readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** Containers' cgroups lie below this one, in every hierarchy. Not "docker": the host may run Docker as well. */
export const CGROUP_PARENT = '/fairway';

/**
 * Takes back the parent that runc made in each hierarchy for the first container. One that still holds a cgroup (of another
 * daemon's container) stays: rmdir(2) refuses it, and that is no error. Never throws.
 */
export function removeCgroupParents(): void {
  for (const mountPoint of hierarchies(readFileSync('/proc/self/mountinfo', 'utf8'))) {
    try {
      rmdirSync(join(mountPoint, CGROUP_PARENT));
    } catch {
      // In use, or never made.
    }
  }
}

/** Where cgroups are mounted, v1 and v2. The file's fields: proc(5), /proc/pid/mountinfo. */
export function hierarchies(mountInfo: string): string[] {
  const mounts = mountInfo.split('\n').map((line) => line.split(' '));
  const isCgroup = (fields: readonly string[]) => /^cgroup2?$/.test(fields[fields.indexOf('-') + 1] ?? '');
  return mounts.filter(isCgroup).map((fields) => fields[4] ?? '');
}
