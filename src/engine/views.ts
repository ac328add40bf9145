import type { InterfaceAddress, IpAddress, MacAddress } from '../model/address.ts';
import type { Container, EndpointRequest } from '../model/container.ts';
import type { Health } from '../model/health.ts';
import type { Endpoint, Network, PublishedPort } from '../model/network.ts';
import type { Volume } from '../model/volume.ts';

/** A container's place on one network: what was asked, and what it has while it runs. */
export interface EndpointView {
  /** '' while no network of that name exists (allowed until start) */
  readonly networkId: string;
  readonly networkName: string;
  readonly request: EndpointRequest;
  /** While the container runs, on networks with addresses */
  readonly endpoint?: Endpoint;
  /** While the container runs, else '' */
  readonly endpointId: string;
  /** The network's, one of each family, also where another endpoint gives the default route; none on internal networks */
  readonly gateways: readonly IpAddress[];
  /** Name, aliases, short id, hostname; the first is what the address resolves to */
  readonly dnsNames: readonly string[];
}

export interface ContainerPaths {
  /** '' for what a container does not have (log of one that never ran has a path all the same) */
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
  readonly log: string;
}

export interface ContainerView {
  readonly container: Container;
  /** In the order they were connected */
  readonly networks: readonly EndpointView[];
  /** Live: while the container runs */
  readonly ports: readonly PublishedPort[];
  /** '' while there is none */
  readonly sandboxId: string;
  /** Path of the pinned network namespace, or '' */
  readonly sandboxKey: string;
  readonly paths: ContainerPaths;
  /** Paths of its volumes on the host, by their names */
  readonly volumePaths: Readonly<Record<string, string>>;
  /** What confines it: a profile, unconfined, or '' where there is no AppArmor */
  readonly apparmorProfile: string;
  readonly execIds: readonly string[];
  /** "/db:/web/database": its links on the default network */
  readonly links: readonly string[];
  /** "/web/database": what others call it by their links */
  readonly linkNames: readonly string[];
  /** Of one that has a health check and was started */
  readonly health?: Health;
}

export interface NetworkMember {
  readonly id: string;
  readonly name: string;
  readonly endpointId: string;
  /** None on host and none */
  readonly mac?: MacAddress;
  readonly addresses: readonly InterfaceAddress[];
}

export interface VolumeView {
  readonly volume: Volume;
  /** Path of its files on the host */
  readonly mountpoint: string;
  /** How many containers have it, running or not */
  readonly users: number;
}

export interface NetworkView {
  readonly network: Network;
  /** Running containers on it */
  readonly containers: readonly NetworkMember[];
  /** Containers whose configuration names it, running or not */
  readonly users: number;
}
