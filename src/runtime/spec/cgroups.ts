import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Which limits the host's cgroups can keep. */
export interface CgroupAbilities {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly memoryReservation: boolean;
  readonly memorySwappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuShares: boolean;
  /** Period and quota of the completely fair scheduler */
  readonly cpuQuota: boolean;
  readonly cpuset: boolean;
  readonly pids: boolean;
  readonly blkioWeight: boolean;
  readonly blkioWeightDevice: boolean;
  readonly readBps: boolean;
  readonly writeBps: boolean;
  readonly readIops: boolean;
  readonly writeIops: boolean;
  /** Processors that may be asked for: "0-3"; '' when nobody knows */
  readonly cpus: string;
  /** Memory nodes that may be asked for: "0" */
  readonly mems: string;
}

/** Where the unified hierarchy is on every distribution (systemd: CGROUP_DELEGATION). */
export const UNIFIED = '/sys/fs/cgroup';

/** Looks at the hierarchies as they are mounted now. */
export function readCgroupAbilities(unified: boolean): CgroupAbilities {
  return unified ? readUnified(UNIFIED) : readLegacy(legacyMounts(readFileSync('/proc/self/mountinfo', 'utf8')));
}

/** v1: a controller that is mounted has its folder, and what it can do has a file in it (Documentation/admin-guide/cgroup-v1). */
export function readLegacy(mounts: ReadonlyMap<string, string>): CgroupAbilities {
  const has = (controller: string, file: string) => {
    const folder = mounts.get(controller);
    return folder !== undefined && existsSync(join(folder, file));
  };
  const cpuset = mounts.get('cpuset');
  return {
    memory: mounts.has('memory'),
    swap: has('memory', 'memory.memsw.limit_in_bytes'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    memorySwappiness: has('memory', 'memory.swappiness'),
    oomKillDisable: has('memory', 'memory.oom_control'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuQuota: has('cpu', 'cpu.cfs_quota_us'),
    cpuset: cpuset !== undefined,
    pids: mounts.has('pids'),
    blkioWeight: has('blkio', 'blkio.weight'),
    blkioWeightDevice: has('blkio', 'blkio.weight_device'),
    readBps: has('blkio', 'blkio.throttle.read_bps_device'),
    writeBps: has('blkio', 'blkio.throttle.write_bps_device'),
    readIops: has('blkio', 'blkio.throttle.read_iops_device'),
    writeIops: has('blkio', 'blkio.throttle.write_iops_device'),
    cpus: cpuset === undefined ? '' : readList(join(cpuset, 'cpuset.effective_cpus')),
    mems: cpuset === undefined ? '' : readList(join(cpuset, 'cpuset.effective_mems')),
  };
}

/** v2 (Documentation/admin-guide/cgroup-v2.rst): no swappiness, and the OOM killer cannot be switched off. */
export function readUnified(root: string): CgroupAbilities {
  const controllers = new Set(readList(join(root, 'cgroup.controllers')).split(' '));
  const [memory, cpu, io] = [controllers.has('memory'), controllers.has('cpu'), controllers.has('io')];
  return {
    memory,
    swap: memory && hasSwapLimit(root),
    memoryReservation: memory,
    memorySwappiness: false,
    oomKillDisable: false,
    cpuShares: cpu,
    cpuQuota: cpu,
    cpuset: controllers.has('cpuset'),
    pids: controllers.has('pids'),
    blkioWeight: io,
    blkioWeightDevice: io,
    readBps: io,
    writeBps: io,
    readIops: io,
    writeIops: io,
    cpus: readList(join(root, 'cpuset.cpus.effective')),
    mems: readList(join(root, 'cpuset.mems.effective')),
  };
}

/** The root has no limits of its own, so a child that has the memory controller is asked. */
function hasSwapLimit(root: string): boolean {
  if (existsSync(join(root, 'memory.swap.max'))) return true;
  const children = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const child = children.find(({ name }) => existsSync(join(root, name, 'memory.max')));
  return child === undefined ? existsSync('/proc/swaps') : existsSync(join(root, child.name, 'memory.swap.max'));
}

/** Folders of the v1 controllers. A hierarchy's controllers are its super options: proc(5), /proc/pid/mountinfo. */
export function legacyMounts(mountInfo: string): Map<string, string> {
  const mounts = new Map<string, string>();
  for (const line of mountInfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [type, , options = ''] = after.split(' ');
    if (type !== 'cgroup') continue;
    for (const option of options.split(',')) if (!mounts.has(option)) mounts.set(option, before.split(' ')[4] ?? '');
  }
  return mounts;
}

function readList(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
