/** The part of the OCI runtime specification (config.md, config-linux.md, version 1.0.2) that Fairway writes. */
export interface OciSpec {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string;
  readonly mounts: readonly OciMount[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux: OciLinux;
}

/** What is executed, as whom and with which rights. */
export interface OciProcess {
  readonly terminal: boolean;
  /** Characters */
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: OciUser;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Absolute in the container; runc makes it when it is missing */
  readonly cwd: string;
  readonly capabilities: OciCapabilities;
  /** prctl(2) PR_SET_NO_NEW_PRIVS: set-user-ID programs give nothing */
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj?: number;
  /** setrlimit(2); -1: no limit, written as RLIM_INFINITY by encodeSpec */
  readonly rlimits: readonly { readonly type: string; readonly soft: number; readonly hard: number }[];
  readonly apparmorProfile?: string;
}

/** Numbers only: names are looked up in the container's files before (see resolveUser). */
export interface OciUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

/** capabilities(7). The ambient and inheritable sets stay empty, as in Docker: they would reach other users' programs. */
interface OciCapabilities {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly permitted: readonly string[];
}

/** One mount(2), in the order given. */
export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** Without a path a new one is made; a kind that is left out is shared with the host. */
export interface OciNamespace {
  readonly type: 'mount' | 'network' | 'uts' | 'pid' | 'ipc' | 'cgroup' | 'user';
  readonly path?: string;
}

/** A device node to be made. Those every container has (null, zero, tty, …) runc makes without being told. */
export interface OciDevice {
  readonly path: string;
  readonly type: 'c' | 'b' | 'p';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** One line for the device cgroup; what is left out means all. Later rules win. */
export interface OciDeviceRule {
  readonly allow: boolean;
  readonly type?: 'a' | 'b' | 'c';
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
}

/** A block device by its number, Documentation/admin-guide/devices.txt. */
export interface OciDeviceNumber {
  readonly major: number;
  readonly minor: number;
}

interface OciThrottle extends OciDeviceNumber {
  readonly rate: number;
}

/** What a container may use (config-linux.md, "Control groups"). Bytes, microseconds; what is left out is not limited. */
export interface OciLimits {
  readonly memory?: {
    readonly limit?: number;
    /** Memory and swap together */
    readonly swap?: number;
    readonly reservation?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly blockIO?: {
    readonly weight?: number;
    readonly weightDevice?: readonly (OciDeviceNumber & { readonly weight: number })[];
    readonly throttleReadBpsDevice?: readonly OciThrottle[];
    readonly throttleWriteBpsDevice?: readonly OciThrottle[];
    readonly throttleReadIOPSDevice?: readonly OciThrottle[];
    readonly throttleWriteIOPSDevice?: readonly OciThrottle[];
  };
}

/** What happens to these calls, when their arguments are so. */
export interface OciSeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly OciSeccompArgument[];
}

/** A comparison of one argument, as libseccomp names it: SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ, … */
export interface OciSeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
}

export interface OciSeccomp {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly OciSeccompRule[];
}

/** A line of uid_map, user_namespaces(7). */
export interface OciIdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** What only Linux has. */
export interface OciLinux {
  readonly uidMappings?: readonly OciIdMapping[];
  readonly gidMappings?: readonly OciIdMapping[];
  readonly namespaces: readonly OciNamespace[];
  readonly devices: readonly OciDevice[];
  readonly resources: OciLimits & { readonly devices: readonly OciDeviceRule[] };
  /** Below every hierarchy's root: "/fairway/<id>" */
  readonly cgroupsPath: string;
  readonly sysctl: Readonly<Record<string, string>>;
  readonly rootfsPropagation?: string;
  /** Read as empty */
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp?: OciSeccomp;
}
