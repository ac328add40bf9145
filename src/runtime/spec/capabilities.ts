import { EngineError } from '../../model/errors.ts';

/** In the kernel's order (include/uapi/linux/capability.h): the index is the capability's number. */
const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** What Docker leaves to root in a container (moby, oci/caps/defaults.go). */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

const ALL = 'ALL';
const NOT_HELD = 'capability not supported by your kernel or not available in the current environment';

/** `--privileged`, `--cap-add` and `--cap-drop`, as given. A ContainerSpec is one. */
export interface CapabilityChoice {
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
}

/** The names of a capability mask as /proc/PID/status shows it. Bits without a name here are left out. */
export function capabilitiesOfMask(hexadecimal: string): string[] {
  const mask = BigInt(`0x${hexadecimal}`);
  return CAPABILITIES.filter((_, number) => ((mask >> BigInt(number)) & 1n) === 1n);
}

/**
 * What a container's root may do. Docker's rules: `ALL` added starts from everything and drops take away; `ALL` dropped starts
 * from nothing and adds give; else adds and drops change the defaults.
 *
 * @param grantable what the daemon itself holds: "all" cannot mean more, since runc would refuse it
 * @throws EngineError invalidArgument `invalid CapAdd: unknown capability: "CAP_X"`, the same for CapDrop
 */
export function chooseCapabilities(choice: CapabilityChoice, grantable: readonly string[]): string[] {
  if (choice.privileged) return [...grantable];
  const add = normalize('CapAdd', choice.capAdd, grantable);
  const drop = normalize('CapDrop', choice.capDrop, grantable);
  if (add.includes(ALL)) return grantable.filter((name) => !drop.includes(name));
  if (drop.includes(ALL)) return [...add];
  const kept = DEFAULT_CAPABILITIES.filter((name) => grantable.includes(name) && !drop.includes(name));
  return [...kept, ...add.filter((name) => !kept.includes(name))];
}

function normalize(option: 'CapAdd' | 'CapDrop', names: readonly string[], grantable: readonly string[]): string[] {
  const refuse = (why: string, name: string) =>
    new EngineError('invalidArgument', `invalid ${option}: ${why}: "${name}"`);
  return names.map((given) => {
    const upper = given.toUpperCase();
    if (upper === ALL) return ALL;
    const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (!CAPABILITIES.includes(name)) throw refuse('unknown capability', name);
    if (!grantable.includes(name)) throw refuse(NOT_HELD, name);
    return name;
  });
}
