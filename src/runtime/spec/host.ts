import { existsSync, readFileSync } from 'node:fs';
import { machine, release } from 'node:os';
import { EngineError } from '../../model/errors.ts';
import { readApparmorProfiles } from './apparmor.ts';
import { capabilitiesOfMask } from './capabilities.ts';
import { type CgroupAbilities, readCgroupAbilities } from './cgroups.ts';

/** What a spec must know of the machine. It does not change while the daemon runs. */
export interface HostFacts {
  readonly architecture: 'amd64' | 'arm64';
  /** [6, 18] */
  readonly kernel: readonly [number, number];
  /** The kernel runs programs of the 32-bit sister architecture */
  readonly runs32Bit: boolean;
  /** What the daemon holds and can pass on */
  readonly capabilities: readonly string[];
  /** cgroup v2 alone; v1 and hybrid hosts are treated alike, as runc does */
  readonly unifiedCgroups: boolean;
  readonly cgroups: CgroupAbilities;
  readonly seccomp: boolean;
  /** Names of the loaded AppArmor profiles; undefined: the kernel has no AppArmor */
  readonly apparmorProfiles?: ReadonlySet<string>;
}

const ARCHITECTURES: Readonly<Record<string, HostFacts['architecture']>> = { x86_64: 'amd64', aarch64: 'arm64' };

/** @throws EngineError unsupported on machines that are neither x86-64 nor arm64 */
export function readHostFacts(): HostFacts {
  const architecture = ARCHITECTURES[machine()];
  if (architecture === undefined) throw new EngineError('unsupported', `Fairway does not run on ${machine()}`);
  const [major = 0, minor = 0] = release().split(/[.-]/).map(Number);
  const apparmorProfiles = readApparmorProfiles();
  const unifiedCgroups = existsSync('/sys/fs/cgroup/cgroup.controllers');
  return {
    architecture,
    kernel: [major, minor],
    // Both exist only with CONFIG_IA32_EMULATION and CONFIG_COMPAT, respectively (arch/x86/entry/vdso, arch/arm64/kernel).
    runs32Bit: existsSync(architecture === 'amd64' ? '/proc/sys/abi/vsyscall32' : '/proc/sys/abi/setend'),
    capabilities: capabilitiesOfMask(readBoundingMask()),
    unifiedCgroups,
    cgroups: readCgroupAbilities(unifiedCgroups),
    seccomp: existsSync('/proc/sys/kernel/seccomp/actions_avail'),
    ...(apparmorProfiles === undefined ? {} : { apparmorProfiles }),
  };
}

/** Of a container that asked for none: its own on v2, the host's on v1, as in Docker. */
export function defaultCgroupNamespace({ unifiedCgroups }: Pick<HostFacts, 'unifiedCgroups'>): 'host' | 'private' {
  return unifiedCgroups ? 'private' : 'host';
}

function readBoundingMask(): string {
  const status = readFileSync('/proc/self/status', 'utf8');
  return /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
}
