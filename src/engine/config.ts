import type { InterfaceAddress, IpAddress, Prefix } from '../model/address.ts';
import type { LogConfig } from '../model/container.ts';
import type { IdMaps } from '../model/id-map.ts';
import type { Ulimit } from '../model/isolation.ts';
import type { Logger } from '../model/logger.ts';
import type { DriverOptions, FirewallMark } from '../model/network.ts';
import type { OciRuntimes } from '../model/oci-runtime.ts';
import type { RegistryConfig } from '../model/registry.ts';
import type { SecurityChoice } from '../runtime/spec/security.ts';

/** A range networks take their subnets from when nobody names one. */
export interface AddressPoolConfig {
  readonly base: Prefix;
  /** Length of the subnets cut from it */
  readonly size: number;
}

/** dockerd's network flags, parsed. */
export interface NetworkConfig {
  /** `--bip`: docker0's address; its prefix is the default network's subnet */
  readonly bip?: InterfaceAddress;
  readonly bip6?: InterfaceAddress;
  /** `--mtu`: bytes; of the default network only. auto: as networks have it whose options say none, what the way out takes */
  readonly mtu: number | 'auto';
  /** `--bridge`: an existing bridge for the default network; "none": no default network at all */
  readonly bridge?: string;
  /** `--icc`: containers of the default network reach each other */
  readonly icc: boolean;
  /** `--ip`: where the default network publishes ports when `-p` names no address */
  readonly ip: IpAddress;
  readonly fixedCidr?: Prefix;
  readonly fixedCidrV6?: Prefix;
  readonly defaultGateway?: IpAddress;
  readonly defaultGatewayV6?: IpAddress;
  /** `--ipv6`: the default network has IPv6, too */
  readonly ipv6: boolean;
  /** Empty: Docker's pools */
  readonly defaultAddressPools: readonly AddressPoolConfig[];
  /** `--default-network-opt`, by driver: options of new networks that do not set them */
  readonly defaultNetworkOptions: Readonly<Record<string, DriverOptions>>;
  readonly dns: readonly IpAddress[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  /** `--host-gateway-ip`: at most one a family; empty: the default network's gateways */
  readonly hostGateways: readonly IpAddress[];
  /** False: forwarding is left as it is */
  readonly ipForward: boolean;
  /** What enters and leaves by links of strangers is forwarded, too, where Fairway switched forwarding on */
  readonly ipForwardNoDrop: boolean;
  readonly ipMasq: boolean;
  /** `--iptables`, `--ip6tables`: false: no rules of that family, and so neither NAT nor published ports */
  readonly firewall: { readonly ipv4: boolean; readonly ipv6: boolean };
  /** `--bridge-accept-fwmark`: packets with it reach unpublished ports, too */
  readonly acceptMark?: FirewallMark;
  /** Other hosts reach published ports at the containers' own addresses */
  readonly allowDirectRouting: boolean;
}

/** What containers get that say nothing themselves. */
export interface ContainerDefaults {
  readonly ulimits: readonly Ulimit[];
  readonly noNewPrivileges: boolean;
  readonly seccomp: SecurityChoice['seccomp'];
  /** For `docker info`: a file, builtin or unconfined */
  readonly seccompName: string;
  readonly ipcMode: 'private' | 'shareable';
  /** Bytes of /dev/shm */
  readonly shmSize: number;
  /** undefined: as the host's cgroup version has it */
  readonly cgroupNamespace?: 'host' | 'private';
}

/** What can be changed while the daemon runs. */
export interface ReloadableConfig {
  readonly debug: boolean;
  /** "name=value", shown by `docker info` */
  readonly labels: readonly string[];
  /**
   * True: `Engine.close` leaves containers running. Fairway's default is true where Docker's is false: the network
   * does not depend on the daemon, so neither should containers.
   */
  readonly liveRestore: boolean;
  /** Seconds for containers that `Engine.close` stops; those that need longer have it. -1 is no limit */
  readonly shutdownTimeout: number;
  readonly registry: RegistryConfig;
  readonly runtimes: OciRuntimes;
}

export interface EngineConfig {
  /** What outlives a reboot: store, images, container files */
  readonly dataRoot: string;
  /** What does not: sandboxes, FIFOs, containerd's socket */
  readonly execRoot: string;
  /** Socket of a containerd somebody else runs; undefined: a private one is started */
  readonly containerd?: string;
  /** Of containerd's, for all that is ours; undefined: "fairway". Several daemons can use one containerd, by different ones */
  readonly containerdNamespace?: string;
  readonly logger: Logger;
  readonly network: NetworkConfig;
  /** `--log-driver`, `--log-opt`: of containers that say nothing themselves */
  readonly log: LogConfig;
  /** Told of every step the reconciler takes. Milliseconds */
  readonly trace?: (step: string, milliseconds: number) => void;
  /** What holds until `Engine.reload` */
  readonly reloadable: ReloadableConfig;
  /** Containers get a first process that reaps, unless they say otherwise */
  readonly init: boolean;
  /** The program for it; undefined: found on the host */
  readonly initPath?: string;
  /** `--userns-remap`: what containers' users are on the host; undefined: the same */
  readonly remap?: IdMaps;
  /** undefined: Docker's */
  readonly defaults?: ContainerDefaults;
  /** `Engine.close` stops containers and takes back all that was made in the kernel */
  readonly leaveNoTrace: boolean;
  /** Shown by `docker info` and `docker version` */
  readonly version: string;
}
