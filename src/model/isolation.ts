/** Which namespace a container gets: a new one, the host's, or another container's. */
export type NamespaceMode =
  | { readonly kind: 'private' }
  | { readonly kind: 'host' }
  | { readonly kind: 'container'; readonly container: string };

/** As `private`, but others may share it; or without a /dev/shm. */
export type IpcMode = NamespaceMode | { readonly kind: 'shareable' } | { readonly kind: 'none' };

/** setrlimit(2). -1: no limit */
export interface Ulimit {
  /** As bash names it: nofile */
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** `--device`: a device node of the host, or a folder of them. */
export interface DeviceMapping {
  readonly host: string;
  readonly container: string;
  /** Out of r, w and m (mknod) */
  readonly permissions: string;
}

/** What separates a container from its host, beside network, mounts and capabilities. */
export interface Isolation {
  readonly pid: NamespaceMode;
  /** undefined until the container is created: as the daemon has it */
  readonly ipc?: IpcMode;
  /** The host's name is the container's, too */
  readonly hostUts: boolean;
  /** `--userns host` was said: shown again */
  readonly hostUser: boolean;
  /** Bytes of /dev/shm; 0 until the container is created: as the daemon has it */
  readonly shmSize: number;
  readonly ulimits: readonly Ulimit[];
  /** By names with dots: net.core.somaxconn */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly devices: readonly DeviceMapping[];
  /** "c 1:3 rwm" */
  readonly deviceRules: readonly string[];
  /** For the runtime, as the specification has them */
  readonly annotations: Readonly<Record<string, string>>;
  /** undefined: Docker's */
  readonly maskedPaths?: readonly string[];
  /** undefined: Docker's */
  readonly readonlyPaths?: readonly string[];
  /** `--isolation`: '' or "default" in any case, as it was said */
  readonly technology: string;
  /** Name of the OCI runtime; undefined until the container is created: the daemon's default */
  readonly runtime?: string;
}

/** Docker's: 64 MiB */
export const DEFAULT_SHM_SIZE = 64 << 20;

/** What a container has that asked for nothing. */
export const PLAIN_ISOLATION: Isolation = {
  pid: { kind: 'private' },
  ipc: { kind: 'private' },
  hostUts: false,
  hostUser: false,
  shmSize: DEFAULT_SHM_SIZE,
  ulimits: [],
  sysctls: {},
  devices: [],
  deviceRules: [],
  annotations: {},
  technology: '',
  runtime: 'runc',
};
