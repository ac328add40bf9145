import { EngineError } from '../model/errors.ts';
import type { Resources } from '../model/resources.ts';
import type { CgroupAbilities } from '../runtime/spec/cgroups.ts';

/** Bytes: with less no process gets as far as its own first instruction. Docker's. */
const LEAST_MEMORY = 6 << 20;

/** The most processors a kernel can be built for (CONFIG_NR_CPUS on x86): longer lists are not even counted. */
const MOST_CPUS = 8192;

/** What is asked for and the host cannot keep is left out with a word, as in Docker (moby: daemon/daemon_unix.go). */
const DISCARDED: readonly (readonly [
  ability: keyof CgroupAbilities,
  warning: string,
  ...names: (keyof Resources)[],
])[] = [
  [
    'memory',
    'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
    'memory',
    'memorySwap',
  ],
  [
    'memorySwappiness',
    'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
    'memorySwappiness',
  ],
  [
    'memoryReservation',
    'Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.',
    'memoryReservation',
  ],
  ['oomKillDisable', 'Your kernel does not support OomKillDisable. OomKillDisable discarded.', 'oomKillDisable'],
  [
    'pids',
    'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
    'pidsLimit',
  ],
  ['cpuShares', 'Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.', 'cpuShares'],
  ['cpuQuota', 'Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.', 'cpuPeriod', 'cpuQuota'],
  [
    'cpuset',
    'Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.',
    'cpusetCpus',
    'cpusetMems',
  ],
  [
    'blkioWeight',
    'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
    'blkioWeight',
  ],
  [
    'blkioWeightDevice',
    'Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.',
    'blkioWeightDevices',
  ],
  [
    'readBps',
    'Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.',
    'readBps',
  ],
  [
    'writeBps',
    'Your kernel does not support BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS write limit discarded.',
    'writeBps',
  ],
  [
    'readIops',
    'Your kernel does not support IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded.',
    'readIops',
  ],
  [
    'writeIops',
    'Your kernel does not support IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded.',
    'writeIops',
  ],
];

export interface ResourceHost {
  readonly abilities: CgroupAbilities;
  /** How many processors there are */
  readonly cpus: number;
  /** True: what was not said is said by the container already */
  readonly update?: boolean;
}

/**
 * Judges limits by Docker's rules and by what the host can keep.
 * @returns what can be kept, and warnings about the rest
 * @throws EngineError invalidArgument in Docker's words
 */
export function checkResources(asked: Resources, host: ResourceHost): { resources: Resources; warnings: string[] } {
  const warnings: string[] = [];
  const kept = limitSwap(discard(asked, host.abilities, warnings), host.abilities, warnings);
  checkMemory(kept, host.update === true);
  checkCpu(kept, asked, host);
  checkCpusets(kept, host.abilities);
  checkBlockIo(kept);
  if (kept.oomKillDisable === true && kept.memory === undefined) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  return { resources: kept, warnings };
}

/** What a new container has beside what was asked for: as much swap as memory, as in Docker; no limit on processes by 0. */
export function completeResources({ pidsLimit, ...resources }: Resources): Resources {
  const { memory, memorySwap } = resources;
  return {
    ...resources,
    ...(pidsLimit === undefined || pidsLimit <= 0 ? {} : { pidsLimit }),
    ...(memory !== undefined && memorySwap === undefined ? { memorySwap: memory * 2 } : {}),
  };
}

function discard(asked: Resources, abilities: CgroupAbilities, warnings: string[]): Resources {
  let kept = asked;
  for (const [ability, warning, ...names] of DISCARDED) {
    const held = names.filter((name) => kept[name] !== undefined);
    if (abilities[ability] !== false || held.length === 0) continue;
    // Whoever asks for what is so anyway needs no warning.
    const isMeant = held.some((name) => kept[name] !== false && !(name === 'pidsLimit' && (kept.pidsLimit ?? 0) <= 0));
    if (isMeant) warnings.push(warning);
    kept = Object.fromEntries(Object.entries(kept).filter(([name]) => !held.some((gone) => gone === name)));
  }
  return kept;
}

function limitSwap(kept: Resources, { swap }: CgroupAbilities, warnings: string[]): Resources {
  if (swap || kept.memory === undefined || kept.memorySwap === -1) return kept;
  warnings.push(
    'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
  );
  return { ...kept, memorySwap: -1 };
}

function checkMemory({ memory, memorySwap, memoryReservation, memorySwappiness }: Resources, update: boolean): void {
  if (memory !== undefined && memory < LEAST_MEMORY) throw refuse('Minimum memory limit allowed is 6MB');
  if (memory !== undefined && memorySwap !== undefined && memorySwap > 0 && memorySwap < memory) {
    throw refuse('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === undefined && memorySwap !== undefined && memorySwap > 0 && !update) {
    throw refuse('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (memorySwappiness !== undefined && (memorySwappiness < 0 || memorySwappiness > 100)) {
    throw refuse(`Invalid value: ${memorySwappiness}, valid memory swappiness range is 0-100`);
  }
  if (memoryReservation === undefined) return;
  if (memoryReservation < LEAST_MEMORY) throw refuse('Minimum memory reservation allowed is 6MB');
  if (memory !== undefined && memory < memoryReservation) {
    throw refuse('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
}

/** @param asked with what the host cannot keep: a conflict is one in any case */
function checkCpu(kept: Resources, asked: Resources, { abilities, cpus }: ResourceHost): void {
  const { nanoCpus, cpuPeriod, cpuQuota = 0, cpuShares = 0 } = kept;
  if (nanoCpus !== undefined) {
    if ((asked.cpuPeriod ?? 0) > 0) throw refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set');
    if ((asked.cpuQuota ?? 0) > 0) throw refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
    if (!abilities.cpuQuota) {
      throw refuse(
        'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
      );
    }
    if (nanoCpus < 0 || nanoCpus > cpus * 1e9) {
      throw refuse(`range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`);
    }
  }
  if (cpuShares < 0) throw refuse(`invalid CPU shares (${cpuShares}): value must be a positive integer`);
  if (cpuPeriod !== undefined && (cpuPeriod < 1000 || cpuPeriod > 1_000_000)) {
    throw refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (cpuQuota > 0 && cpuQuota < 1000) throw refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)');
}

function checkCpusets({ cpusetCpus = '', cpusetMems = '' }: Resources, { cpus, mems }: CgroupAbilities): void {
  if (!isWithin(cpusetCpus, cpus, 'cpuset cpus')) {
    throw refuse(`Requested CPUs are not available - requested ${cpusetCpus}, available: ${cpus}`);
  }
  if (!isWithin(cpusetMems, mems, 'cpuset mems')) {
    throw refuse(`Requested memory nodes are not available - requested ${cpusetMems}, available: ${mems}`);
  }
}

function checkBlockIo({ blkioWeight, blkioWeightDevices = [] }: Resources): void {
  const weights = [
    ...(blkioWeight === undefined ? [] : [blkioWeight]),
    ...blkioWeightDevices.map(({ weight }) => weight),
  ];
  for (const weight of weights)
    if (weight < 10 || weight > 1000) throw refuse('Range of blkio weight is from 10 to 1000');
}

/** What `docker info` says the host cannot limit; of what nobody can change (weights on v1), nothing. */
export function limitWarnings(abilities: CgroupAbilities, unified: boolean): string[] {
  const block = (name: string, legacy: string) => (unified ? `io.max (${name})` : `blkio throttle.${legacy}`);
  const missing: readonly (readonly [ability: boolean, what: string])[] = [
    [abilities.memory, 'memory limit'],
    [abilities.swap, 'swap limit'],
    [abilities.oomKillDisable || unified, 'oom kill disable'],
    [abilities.cpuQuota, 'cpu cfs quota'],
    [abilities.cpuQuota, 'cpu cfs period'],
    [abilities.cpuShares, 'cpu shares'],
    [abilities.cpuset, 'cpuset'],
    [abilities.blkioWeight || !unified, 'io.weight'],
    [abilities.blkioWeightDevice || !unified, 'io.weight (per device)'],
    [abilities.readBps, block('rbps', 'read_bps_device')],
    [abilities.writeBps, block('wbps', 'write_bps_device')],
    [abilities.readIops, block('riops', 'read_iops_device')],
    [abilities.writeIops, block('wiops', 'write_iops_device')],
  ];
  return missing.filter(([ability]) => !ability).map(([, what]) => `WARNING: No ${what} support`);
}

/** @throws EngineError invalidArgument when the list is none */
function isWithin(requested: string, available: string, what: string): boolean {
  try {
    const known = parseList(available);
    return [...parseList(requested)].every((item) => known.has(item));
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw refuse(`Invalid value ${requested} for ${what}: ${error.message}`);
  }
}

/** "0-2,7", as cpuset(7) lists processors and nodes. */
function parseList(text: string): Set<number> {
  const items = new Set<number>();
  for (const part of text === '' ? [] : text.split(',')) {
    const [, low = '', high = low] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    const [first, last] = [Number(low), Number(high)];
    if (low === '' || last < first) throw refuse(`invalid format: ${text}`);
    if (last > MOST_CPUS) throw refuse(`value of out range, maximum is ${MOST_CPUS}`);
    for (let item = first; item <= last; item++) items.add(item);
  }
  return items;
}

function refuse(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
