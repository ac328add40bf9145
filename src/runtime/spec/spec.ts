import { join } from 'node:path/posix';
import type { Container } from '../../model/container.ts';
import type { Ulimit } from '../../model/isolation.ts';
import { CGROUP_PARENT } from '../cgroup-parent.ts';
import { chooseApparmor } from './apparmor.ts';
import { chooseCapabilities } from './capabilities.ts';
import { DEFAULT_DEVICE_RULES, deviceNumber, EVERYTHING, type MappedDevices, parseDeviceRule } from './devices.ts';
import { defaultEnvironment, overlayEnvironment } from './environment.ts';
import type { HostFacts } from './host.ts';
import { chooseMounts, type NetworkFiles, type PlacedMount, rootPropagation, type SharedMemory } from './mounts.ts';
import { chooseNamespaces, idMappings, type RemappedUsers, type SharedNamespaces } from './namespaces.ts';
import type {
  OciDevice,
  OciDeviceNumber,
  OciDeviceRule,
  OciLinux,
  OciMount,
  OciProcess,
  OciSeccomp,
  OciSpec,
  OciUser,
} from './oci.ts';
import { ociLimits } from './resources.ts';
import { resolveProfile } from './seccomp.ts';
import { DEFAULT_PROFILE } from './seccomp-profile.ts';
import { parseSecurityOptions, type SecurityChoice } from './security.ts';

const DOMAINNAME = 'kernel.domainname';

/** Docker's: what tells of the host or lets its hardware be measured. */
const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

/** Docker's: the machine's settings, which are the same for every container. */
const READ_ONLY_PATHS: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Everything a spec depends on; nothing else is read. */
export interface SpecInput {
  readonly container: Container;
  /** Path of the network namespace; undefined: the host's */
  readonly namespacePath?: string;
  readonly files: NetworkFiles;
  /** undefined: the host's users are the container's */
  readonly users?: RemappedUsers;
  /** The user's, volumes resolved */
  readonly mounts: readonly PlacedMount[];
  /** As resolveUser found it in the container's root */
  readonly user: OciUser;
  readonly host: HostFacts;
  /** undefined: the container's; another's with `--network container:` */
  readonly hostname?: string;
  readonly domainname?: string;
  /** What a privileged container finds in /dev: readHostDevices() */
  readonly hostDevices?: readonly OciDevice[];
  /** What it does not get for itself */
  readonly shared?: SharedNamespaces;
  /** Settings that runc writes: those of the network are the sandbox's */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** What `--device` gives: mapDevices() */
  readonly devices?: MappedDevices;
  /** The daemon's, for what the container says nothing about */
  readonly defaultUlimits?: readonly Ulimit[];
  readonly defaultSecurity?: SecurityChoice;
  /** Of a block device of the host; deviceNumber() unless told */
  readonly numberOf?: (path: string) => OciDeviceNumber;
}

/**
 * What runc shall run, with Docker's defaults. Pure.
 * @throws EngineError invalidArgument for unknown capabilities and security options
 */
export function buildSpec(input: SpecInput): OciSpec {
  const { container, host } = input;
  const { spec } = container;
  const security = parseSecurityOptions(spec.securityOptions, input.defaultSecurity);
  const capabilities = chooseCapabilities(spec, host.capabilities);
  return {
    ociVersion: '1.0.2',
    process: buildProcess(input, capabilities, security),
    // containerd mounts the snapshot there, in the task's bundle.
    root: { path: 'rootfs', readonly: spec.readOnlyRoot },
    ...(spec.isolation.hostUts ? {} : { hostname: hostnameOf(input) }),
    mounts: remapMounts(
      input,
      chooseMounts({
        mounts: input.mounts,
        files: input.files,
        readOnlyRoot: spec.readOnlyRoot,
        privileged: spec.privileged,
        writableCgroups: security.writableCgroups ?? spec.privileged,
        kernel: host.kernel,
        sharedMemory: chooseSharedMemory(input),
      }),
    ),
    ...(Object.keys(spec.isolation.annotations).length === 0 ? {} : { annotations: spec.isolation.annotations }),
    linux: buildLinux(input, chooseSeccomp(input, capabilities, security)),
  };
}

/** HOME is missing on purpose: runc takes it from the container's /etc/passwd, as it does for Docker. */
function buildProcess(input: SpecInput, capabilities: readonly string[], security: SecurityChoice): OciProcess {
  const { container, host, user } = input;
  const { spec } = container;
  const apparmorProfile = chooseApparmor({
    asked: security.apparmor,
    privileged: spec.privileged,
    profiles: host.apparmorProfiles,
  });
  const [height, width] = spec.consoleSize ?? [];
  return {
    terminal: spec.tty,
    ...(spec.tty && height !== undefined && width !== undefined ? { consoleSize: { height, width } } : {}),
    user,
    args: container.args,
    env: overlayEnvironment(defaultEnvironment(hostnameOf(input), spec.tty), container.env),
    cwd: spec.workingDirectory === '' ? '/' : spec.workingDirectory,
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: security.noNewPrivileges,
    oomScoreAdj: spec.oomScoreAdj,
    rlimits: chooseUlimits(spec.isolation.ulimits, input.defaultUlimits ?? []),
    ...(apparmorProfile === '' || apparmorProfile === 'unconfined' ? {} : { apparmorProfile }),
  };
}

/** Where the container’s cgroup is in every hierarchy, seen from its root, so that no ".." leads out of it. */
export function cgroupOf({ id, spec }: Container): string {
  return join('/', spec.cgroupParent ?? CGROUP_PARENT, id);
}

function buildLinux(input: SpecInput, seccomp: OciSeccomp | undefined): OciLinux {
  const { container, mounts, numberOf = deviceNumber } = input;
  const { privileged, resources, isolation } = container.spec;
  const propagation = rootPropagation(mounts);
  const nodes = input.users === undefined ? (input.devices?.nodes ?? []) : [];
  return {
    namespaces: chooseNamespaces(input),
    ...idMappings(input.users),
    devices: [...(privileged ? (input.hostDevices ?? []) : []), ...nodes],
    resources: { devices: deviceRules(input), ...ociLimits(resources, numberOf) },
    cgroupsPath: cgroupOf(container),
    sysctl: settings(input),
    ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
    maskedPaths: isolation.maskedPaths ?? (privileged ? [] : MASKED_PATHS),
    readonlyPaths: isolation.readonlyPaths ?? (privileged ? [] : READ_ONLY_PATHS),
    ...(seccomp === undefined ? {} : { seccomp }),
  };
}

/** The specification's own domainname is newer than runc 1.1. One who shares the host's name must not change it. */
export function domainnameOf({
  sysctls = {},
  ...input
}: Pick<SpecInput, 'container' | 'domainname' | 'sysctls'>): string {
  const { isolation, domainname } = input.container.spec;
  return isolation.hostUts ? '' : (sysctls[DOMAINNAME] ?? input.domainname ?? domainname);
}

/** The domain's name is written by the host's root alone (kernel/utsname_sysctl.c): for remapped users, before they start. */
function settings({ sysctls = {}, ...input }: SpecInput): Readonly<Record<string, string>> {
  const name = domainnameOf({ ...input, sysctls });
  const { [DOMAINNAME]: _, ...others } = sysctls;
  return name === '' || input.users !== undefined ? others : { ...others, [DOMAINNAME]: name };
}

/** The root of remapped containers may make neither device nodes nor a view of the host's message queues (mq_overview(7)). */
function remapMounts({ users, devices, shared }: SpecInput, mounts: readonly OciMount[]): readonly OciMount[] {
  if (users === undefined) return mounts;
  const possible = mounts.filter(({ type }) => type !== 'mqueue' || shared?.ipc !== 'host');
  return [...possible, ...(devices?.binds ?? [])];
}

function deviceRules({ container, devices }: SpecInput): OciDeviceRule[] {
  const { privileged, isolation } = container.spec;
  if (privileged) return [EVERYTHING];
  return [...DEFAULT_DEVICE_RULES, ...(devices?.rules ?? []), ...isolation.deviceRules.map(parseDeviceRule)];
}

function chooseSharedMemory({ container, shared }: SpecInput): SharedMemory {
  const { ipc, shmSize } = container.spec.isolation;
  if (ipc?.kind === 'none') return { kind: 'none' };
  return shared?.shm === undefined ? { kind: 'own', size: shmSize } : { kind: 'shared', folder: shared.shm };
}

/** The container's own come before the daemon's. */
function chooseUlimits(own: readonly Ulimit[], defaults: readonly Ulimit[]): OciProcess['rlimits'] {
  const limits = new Map([...defaults, ...own].map((limit) => [limit.name, limit]));
  return [...limits.values()].map(({ name, soft, hard }) => ({ type: `RLIMIT_${name.toUpperCase()}`, soft, hard }));
}

/** A user's own profile holds for a privileged container too; the default, built in or the daemon's, does not. */
function chooseSeccomp(input: SpecInput, capabilities: readonly string[], security: SecurityChoice) {
  const { host, container, defaultSecurity } = input;
  const { seccomp } = security;
  const isDefault = seccomp === 'default' || seccomp === defaultSecurity?.seccomp;
  if (seccomp === 'unconfined' || (isDefault && container.spec.privileged)) return undefined;
  if (seccomp === 'default' && !host.seccomp) return undefined;
  return resolveProfile(seccomp === 'default' ? DEFAULT_PROFILE : seccomp, { ...host, capabilities });
}

function hostnameOf({ hostname, container }: SpecInput): string {
  return hostname ?? container.spec.hostname;
}
