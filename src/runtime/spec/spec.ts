import { join } from 'node:path/posix';
import type { Container } from '../../model/container.ts';
import { EngineError } from '../../model/errors.ts';
import { CGROUP_PARENT } from '../cgroup-parent.ts';
import { chooseCapabilities } from './capabilities.ts';
import { DEFAULT_DEVICE_RULES, deviceNumber, EVERYTHING } from './devices.ts';
import { defaultEnvironment, overlayEnvironment } from './environment.ts';
import { defaultCgroupNamespace, type HostFacts } from './host.ts';
import { chooseMounts, type NetworkFiles, type PlacedMount, rootPropagation } from './mounts.ts';
import type {
  OciDevice,
  OciDeviceNumber,
  OciLinux,
  OciNamespace,
  OciProcess,
  OciSeccomp,
  OciSpec,
  OciUser,
} from './oci.ts';
import { ociLimits } from './resources.ts';
import { resolveProfile } from './seccomp.ts';
import { DEFAULT_PROFILE } from './seccomp-profile.ts';
import { parseSecurityOptions, type SecurityChoice } from './security.ts';

const DOCKER_APPARMOR_PROFILE = 'docker-default';

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
  const security = parseSecurityOptions(spec.securityOptions);
  const capabilities = chooseCapabilities(spec, host.capabilities);
  return {
    ociVersion: '1.0.2',
    process: buildProcess(input, capabilities, security),
    // containerd mounts the snapshot there, in the task's bundle.
    root: { path: 'rootfs', readonly: spec.readOnlyRoot },
    hostname: hostnameOf(input),
    mounts: chooseMounts({
      mounts: input.mounts,
      files: input.files,
      readOnlyRoot: spec.readOnlyRoot,
      privileged: spec.privileged,
      kernel: host.kernel,
    }),
    linux: buildLinux(input, chooseSeccomp(input, capabilities, security)),
  };
}

/** HOME is missing on purpose: runc takes it from the container's /etc/passwd, as it does for Docker. No rlimits: the host's hold. */
function buildProcess(input: SpecInput, capabilities: readonly string[], security: SecurityChoice): OciProcess {
  const { container, host, user } = input;
  const { spec } = container;
  const apparmorProfile = chooseApparmor(security.apparmor, spec.privileged, host);
  return {
    terminal: spec.tty,
    user,
    args: container.args,
    env: overlayEnvironment(defaultEnvironment(hostnameOf(input), spec.tty), container.env),
    cwd: spec.workingDirectory === '' ? '/' : spec.workingDirectory,
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: security.noNewPrivileges,
    oomScoreAdj: spec.oomScoreAdj,
    ...(apparmorProfile === undefined ? {} : { apparmorProfile }),
  };
}

function buildLinux(input: SpecInput, seccomp: OciSeccomp | undefined): OciLinux {
  const { container, mounts, numberOf = deviceNumber } = input;
  const { privileged, resources, cgroupParent = CGROUP_PARENT } = container.spec;
  const domainname = input.domainname ?? container.spec.domainname;
  const propagation = rootPropagation(mounts);
  return {
    namespaces: namespaces(input),
    devices: privileged ? (input.hostDevices ?? []) : [],
    resources: { devices: privileged ? [EVERYTHING] : DEFAULT_DEVICE_RULES, ...ociLimits(resources, numberOf) },
    // Seen from the hierarchy's root, so that no ".." leads out of it.
    cgroupsPath: join('/', cgroupParent, container.id),
    // The spec's own domainname is newer than runc 1.1.
    sysctl: domainname === '' ? {} : { 'kernel.domainname': domainname },
    ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
    maskedPaths: privileged ? [] : MASKED_PATHS,
    readonlyPaths: privileged ? [] : READ_ONLY_PATHS,
    ...(seccomp === undefined ? {} : { seccomp }),
  };
}

function namespaces({ container, namespacePath, host }: SpecInput): OciNamespace[] {
  const cgroupNamespace = container.spec.cgroupNamespace ?? defaultCgroupNamespace(host);
  return [
    { type: 'mount' },
    { type: 'uts' },
    { type: 'pid' },
    { type: 'ipc' },
    ...(namespacePath === undefined ? [] : [{ type: 'network' as const, path: namespacePath }]),
    ...(cgroupNamespace === 'private' ? [{ type: 'cgroup' as const }] : []),
  ];
}

/** A user's own profile holds for a privileged container too; the default does not. */
function chooseSeccomp(input: SpecInput, capabilities: readonly string[], security: SecurityChoice) {
  const { host, container } = input;
  if (security.seccomp === 'unconfined') return undefined;
  if (security.seccomp === 'default' && (container.spec.privileged || !host.seccomp)) return undefined;
  const profile = security.seccomp === 'default' ? DEFAULT_PROFILE : security.seccomp;
  return resolveProfile(profile, { ...host, capabilities });
}

/** Docker's own profile is taken where it is loaded; Fairway loads none. A profile asked for must be there: runc says so. */
function chooseApparmor(asked: string | undefined, privileged: boolean, host: HostFacts): string | undefined {
  const { apparmorProfiles } = host;
  if (apparmorProfiles === undefined) {
    if (asked === undefined || asked === 'unconfined') return undefined;
    throw new EngineError(
      'invalidArgument',
      `AppArmor profile "${asked}" is asked for, but the kernel has no AppArmor`,
    );
  }
  if (asked !== undefined) return asked;
  return !privileged && apparmorProfiles.has(DOCKER_APPARMOR_PROFILE) ? DOCKER_APPARMOR_PROFILE : undefined;
}

function hostnameOf({ hostname, container }: SpecInput): string {
  return hostname ?? container.spec.hostname;
}
