import type { IpAddress, MacAddress } from './address.ts';
import type { TransportProtocol } from './firewall.ts';
import type { Health, HealthCheck } from './health.ts';
import type { Isolation } from './isolation.ts';
import type { Mount } from './mount.ts';
import type { Resources } from './resources.ts';

/** What `docker run`'s `--network` names. */
export type NetworkMode =
  | { readonly kind: 'network'; readonly name: string }
  | { readonly kind: 'host' }
  | { readonly kind: 'none' }
  | { readonly kind: 'container'; readonly container: string };

/** One more name for another container, which this one alone knows: `--link db:database`. */
export interface EndpointLink {
  /** Id or name */
  readonly container: string;
  readonly alias: string;
}

/** What a user asked of one attachment to a network. */
export interface EndpointRequest {
  readonly network: string;
  readonly aliases: readonly string[];
  readonly links?: readonly EndpointLink[];
  /** A static address, kept while the container exists */
  readonly address?: IpAddress;
  readonly address6?: IpAddress;
  /** More addresses, whatever the network's subnets: `--link-local-ip` */
  readonly linkLocal?: readonly IpAddress[];
  readonly mac?: MacAddress;
  readonly driverOptions: Readonly<Record<string, string>>;
  /** Highest gives the default route */
  readonly gatewayPriority: number;
}

/** `-p`: host ports to container ports. */
export interface PortBinding {
  readonly protocol: TransportProtocol;
  readonly containerPort: number;
  /** undefined: the network's default, usually 0.0.0.0 */
  readonly hostAddress?: IpAddress;
  /** First and last host port to choose from; undefined: an ephemeral port */
  readonly hostPorts?: { readonly first: number; readonly last: number };
}

/** `--log-driver` and `--log-opt`. */
export interface LogConfig {
  /** '' as asked: the daemon's default, which a created container has in its place */
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

/** "port/protocol": "80/tcp" */
export type PortKey = `${number}/${TransportProtocol}`;

/** When a container that ended is started again by itself. */
export interface RestartPolicy {
  readonly name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** Of on-failure; 0: no limit */
  readonly maximumRetries: number;
}

/** A container as a user described it, parsed and with defaults filled in; the image's part is merged in at create. */
export interface ContainerSpec {
  /** As the user named the image */
  readonly image: string;
  /** Said by an old word for the network mode "none" */
  readonly networkDisabled?: true;
  readonly hostname: string;
  readonly domainname: string;
  readonly user: string;
  readonly env: readonly string[];
  /** undefined: the image's; []: reset */
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly workingDirectory: string;
  readonly tty: boolean;
  /** Rows and columns a terminal begins with */
  readonly consoleSize?: readonly [number, number];
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly exposedPorts: readonly PortKey[];
  readonly stopSignal?: string;
  readonly healthCheck?: HealthCheck;
  /** Of health checks; undefined: /bin/sh -c */
  readonly shell?: readonly string[];
  /** Seconds between the stop signal and SIGKILL */
  readonly stopTimeout?: number;
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly groupAdd: readonly string[];
  readonly readOnlyRoot: boolean;
  /** As asked: binds, mounts and tmpfs */
  readonly mounts: readonly Mount[];
  /** Destinations of anonymous volumes; the image's too once created */
  readonly volumes: readonly string[];
  /** Containers whose mounts it gets: "name[:mode]" */
  readonly volumesFrom: readonly string[];
  readonly autoRemove: boolean;
  readonly restartPolicy: RestartPolicy;
  /** `--init`; undefined: as the daemon is told */
  readonly init?: boolean;
  readonly networkMode: NetworkMode;
  /**
   * One for each network it is on, in the order of connecting. As asked, empty for host, none and container:; once created,
   * a container in host or none mode is on the network of that name, and only those of container: have none.
   */
  readonly endpoints: readonly EndpointRequest[];
  /** `--link` on the default network; once created, by full ids. On user networks links are the endpoints' */
  readonly links: readonly EndpointLink[];
  readonly portBindings: readonly PortBinding[];
  readonly publishAll: boolean;
  readonly dns: readonly IpAddress[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  /** "host:ip"; ip may be host-gateway */
  readonly extraHosts: readonly string[];
  /** `--cgroupns`; undefined until the container is created: as the daemon or the host's cgroup version has it */
  readonly cgroupNamespace?: 'host' | 'private';
  /** seccomp=unconfined and the like */
  readonly securityOptions: readonly string[];
  readonly logConfig: LogConfig;
  readonly isolation: Isolation;
  readonly resources: Resources;
  /** Below which its cgroup lies, in every hierarchy; undefined: Fairway's own */
  readonly cgroupParent?: string;
  /** -1000 to 1000: who is killed first when the host runs short */
  readonly oomScoreAdj: number;
}

/** restarting: it ended, and waits for being started again by its restart policy. */
export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead';

export interface ContainerState {
  readonly status: ContainerStatus;
  readonly pid: number;
  readonly exitCode: number;
  /** The kernel killed a process of its last run for want of memory */
  readonly oomKilled: boolean;
  /** Why the last start failed, or '' */
  readonly error: string;
  /** ISO 8601 with nanoseconds; "0001-01-01T00:00:00Z" when it never happened */
  readonly startedAt: string;
  readonly finishedAt: string;
}

export const NEVER = '0001-01-01T00:00:00Z';

/** How a container is made to end. */
export interface Stop {
  readonly signal: number;
  /** Seconds until it is killed; negative: it is not */
  readonly timeout: number;
  /** It is a restart */
  readonly thenStart?: true;
}

/** What the store keeps of a container. */
export interface Container {
  /** 64 hexadecimal digits */
  readonly id: string;
  /** Without the leading slash */
  readonly name: string;
  readonly created: string;
  readonly spec: ContainerSpec;
  /** The image's configuration digest: "sha256:…" */
  readonly imageId: string;
  /** Entrypoint and command as they will run, the image's defaults merged in; never empty */
  readonly args: readonly string[];
  /** The image's and the user's, merged; without PATH's default */
  readonly env: readonly string[];
  /** All of them: what was asked, what other containers gave, anonymous volumes by their names */
  readonly mounts: readonly Mount[];
  /** The sandbox it runs in; undefined for host mode and before the first start */
  readonly sandbox?: string;
  /** How often it was started again by itself since somebody started it */
  readonly restartCount: number;
  /** Somebody stopped it, and nobody has started it since */
  readonly stoppedByHand: boolean;
  /** A stop or a restart is under way. When the daemon ends meanwhile, the next one carries it out */
  readonly stopping?: Stop;
  readonly state: ContainerState;
  /** As it was when the container's state last changed; while it runs, only the daemon's memory has the newest */
  readonly health?: Health;
  /** It is being made or taken away. When the daemon ends meanwhile, the next one takes it away, and these volumes with it */
  readonly unfinished?: { readonly volumes: readonly string[] };
}
