import type { DnsStatistics } from '../dns/server.ts';
import type { OciRuntimes } from '../model/oci-runtime.ts';
import type { RegistryConfig } from '../model/registry.ts';
import type { Contested } from '../reconcile/repairs.ts';
import type { CgroupAbilities } from '../runtime/spec/cgroups.ts';
import type { AddressPoolConfig } from './config.ts';
import type { Overlap } from './overlaps.ts';

export interface EngineInfo {
  /** Stable for this data root */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly containers: { readonly running: number; readonly paused: number; readonly stopped: number };
  readonly images: number;
  readonly kernelVersion: string;
  /** "Debian GNU/Linux 12 (bookworm)" */
  readonly operatingSystem: string;
  /** "12" */
  readonly osVersion: string;
  /** As uname -m prints it: x86_64 */
  readonly architecture: string;
  readonly cpus: number;
  /** Bytes */
  readonly memory: number;
  readonly dataRoot: string;
  readonly cgroupVersion: '1' | '2';
  /** As Docker lists them: "name=seccomp,profile=builtin" */
  readonly securityOptions: readonly string[];
  /** What its cgroups can limit */
  readonly limits: CgroupAbilities;
  readonly ipv4Forwarding: boolean;
  /** "name=value" */
  readonly labels: readonly string[];
  readonly liveRestore: boolean;
  readonly debug: boolean;
  readonly addressPools: readonly AddressPoolConfig[];
  readonly registries: RegistryConfig;
  /** Addresses of proxies; '' is none */
  readonly proxies: { readonly http: string; readonly https: string; readonly except: string };
  readonly runtimes: OciRuntimes;
  readonly networkDrivers: readonly string[];
  readonly logDrivers: readonly string[];
  /** Of containers that ask for none */
  readonly logDriver: string;
  readonly containerdVersion: string;
  readonly runcVersion: string;
  readonly eventListeners: number;
  readonly warnings: readonly string[];
}

export interface EngineVersion {
  readonly version: string;
  readonly kernelVersion: string;
  /** As Node and Go name it: amd64, arm64 */
  readonly architecture: string;
  readonly nodeVersion: string;
  readonly containerd: { readonly version: string; readonly revision: string };
  readonly runc: string;
}

/** Since the daemon's start. */
export interface EngineCounters {
  readonly containers: EngineInfo['containers'];
  /** What others changed in the kernel and was mended, by the kind of thing */
  readonly repairs: Readonly<Record<string, number>>;
  /** Of things that somebody undoes again and again, or that cannot be mended */
  readonly contested: number;
  /** Packets that the firewall has dropped since its table was made, by the reason */
  readonly drops: Readonly<Record<string, number>>;
  readonly dns: EngineStatus['dns'];
  readonly eventListeners: number;
}

/** What `fairway status` shows. */
export interface EngineStatus {
  readonly version: string;
  readonly pid: number;
  /** Seconds */
  readonly uptime: number;
  /** Bytes */
  readonly memory: number;
  readonly networks: readonly {
    readonly id: string;
    readonly name: string;
    readonly driver: string;
    readonly bridge?: string;
    readonly subnet?: string;
    readonly gateway?: string;
    readonly endpoints: number;
  }[];
  readonly endpoints: readonly {
    readonly container: string;
    readonly network: string;
    readonly link: string;
    readonly address: string;
    /** '' where it is the parent's */
    readonly mac: string;
    readonly defaultRoute: boolean;
  }[];
  readonly ports: readonly {
    readonly container: string;
    readonly protocol: string;
    readonly host: string;
    readonly hostPort: number;
    readonly containerPort: number;
    readonly count: number;
  }[];
  /** Networks that lie over what the host uses */
  readonly overlaps: readonly Overlap[];
  /** As EngineCounters.drops */
  readonly drops: Readonly<Record<string, number>>;
  readonly drift: {
    readonly repairs: number;
    readonly last?: { readonly at: string; readonly text: string };
    /** What somebody undoes again and again, and what cannot be mended: it waits */
    readonly contested: readonly Contested[];
    /** One line per step a reconcile would do now */
    readonly pending: readonly string[];
  };
  readonly dns: DnsStatistics;
}

/** One step a reconcile would do now. */
export interface PlanLine {
  readonly action: 'create' | 'update' | 'remove';
  /** resourceKey: "link host docker0" */
  readonly resource: string;
  readonly because: string;
}
