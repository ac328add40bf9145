import {
  type AddressFamily,
  familyOf,
  type InterfaceAddress,
  type IpAddress,
  type MacAddress,
  ofFamily,
  type Prefix,
  prefixContains,
} from './address.ts';
import type { TransportProtocol } from './firewall.ts';
import type { Announcement, NamespaceName } from './resource.ts';

/** Driver options as a user writes them: `-o com.docker.network.bridge.name=br0`. */
export type DriverOptions = Readonly<Record<string, string>>;

/** A driver option that says yes or no, as Go's strconv.ParseBool reads it; undefined when it says neither. */
export function optionFlag(value: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value)) return true;
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(value) ? false : undefined;
}

/** What a packet's mark must be, in the bits that the mask has. */
export interface FirewallMark {
  readonly mark: number;
  readonly mask: number;
}

/** One subnet of a network, of either family. Fields the user did not give are filled in by ipam. */
export interface IpamPool {
  readonly subnet: Prefix;
  /** The user named the subnet, so static addresses of its family are allowed (Docker 28's rule) */
  readonly subnetRequested?: true;
  /** Dynamic addresses come from here; undefined: from the whole subnet */
  readonly range?: Prefix;
  /** What the bridge carries and containers route through */
  readonly gateway?: IpAddress;
  /** The user named the gateway */
  readonly gatewayRequested?: true;
  /** Reserved addresses by name */
  readonly auxiliary: Readonly<Record<string, IpAddress>>;
}

/** What a network driver wants of the subnets of its networks. */
export interface SubnetTraits {
  /** More than one subnet of a family (macvlan, ipvlan); the bridge driver knows one of each */
  readonly manySubnets: boolean;
  /** Its networks work without any address family at all (macvlan, ipvlan) */
  readonly subnetless: boolean;
  /** Families of which a network gets a gateway when the user names none. [] where nothing is routed by one: isolated, ipvlan l3, no parent */
  readonly gateways: readonly AddressFamily[];
  /** Its containers are on a LAN whose DHCP server can address them */
  readonly onLan?: true;
  /** Subnets may overlap those of other such networks: an address is held in all of them at once */
  readonly sharedSubnets: boolean;
}

/** One subnet as a user asks for it. What is left out is chosen. Parsed values may be given as well: they are text. */
export interface PoolRequest {
  /** "10.0.0.0/24"; "0.0.0.0/24", "::/64" and "/24" ask for a size alone */
  readonly subnet?: string;
  /** Dynamic addresses come from here */
  readonly range?: string;
  readonly gateway?: string;
  /** Reserved addresses by name */
  readonly auxiliary: Readonly<Record<string, string>>;
}

export interface Network<Options = unknown> {
  /** 64 hexadecimal digits */
  readonly id: string;
  readonly name: string;
  /** The driver's name: bridge, host, null */
  readonly driver: string;
  /** ISO 8601 with nanoseconds, UTC */
  readonly created: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  /** Which families its endpoints get addresses of; at least one */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Who allots addresses: "default" is ipam */
  readonly ipamDriver: string;
  /** null: there was no talk of them, which inspect tells apart from none */
  readonly ipamOptions: Readonly<Record<string, string>> | null;
  /** Bytes, where no option says how many: what the host's way out takes. undefined: as the driver likes */
  readonly mtu?: number;
  /** IPv4 first; none on networks without addresses (host, none) */
  readonly pools: readonly IpamPool[];
  /** `--config-only`: subnets for the networks that are made from this one, which is nothing but their configuration */
  readonly configuration?: readonly PoolRequest[];
  /** `--config-from`: name of the network whose configuration this one took */
  readonly configFrom?: string;
  /** As the user wrote them; shown by inspect */
  readonly driverOptions: DriverOptions;
  /** The same, parsed by the driver */
  readonly options: Options;
  readonly labels: Readonly<Record<string, string>>;
}

/** bridge, host and none exist always and cannot be created or removed. */
export const PREDEFINED_NETWORKS: readonly string[] = ['bridge', 'host', 'none'];

export interface Sandbox {
  /** 64 hexadecimal digits */
  readonly id: string;
  readonly namespace: NamespaceName;
  /** Containers on user networks ask the embedded resolver at 127.0.0.11 */
  readonly resolver: boolean;
  /** What the container's user sets there, over what Fairway would: net/core/somaxconn → 1024 */
  readonly sysctls?: Readonly<Record<string, string>>;
}

/** Host ports that lead to a container's ports. `count` > 1: an equally long range on both sides. */
export interface PublishedPort {
  readonly protocol: TransportProtocol;
  readonly containerPort: number;
  readonly hostAddress: IpAddress;
  /** 0: none, since containers are reached at their own addresses there (gateway mode routed) */
  readonly hostPort: number;
  readonly count: number;
}

/** What a DHCP server of the LAN has given for a while. */
export interface Lease {
  readonly address: InterfaceAddress;
  readonly gateway?: IpAddress;
  readonly dns: readonly IpAddress[];
  readonly server: IpAddress;
  /** Of the server, or of the relay that leads to it */
  readonly serverMac: MacAddress;
  /** Milliseconds since 1970 */
  readonly obtained: number;
  /** Seconds after that: when it is asked to go on (T1), when anybody is asked (T2), when it ends */
  readonly renewAfter: number;
  readonly rebindAfter: number;
  readonly endsAfter: number;
}

/** A sandbox's place on a network, with everything that was allotted to it. */
export interface Endpoint {
  /** 64 hexadecimal digits */
  readonly id: string;
  readonly network: string;
  readonly sandbox: string;
  readonly container: string;
  /** The link's name in the sandbox: eth0 */
  readonly interfaceName: string;
  /** undefined where the link shares its parent's (ipvlan) */
  readonly mac?: MacAddress;
  /** At most one of each family, IPv4 first */
  readonly addresses: readonly InterfaceAddress[];
  /** `--link-local-ip`: more addresses, which ipam knows nothing of */
  readonly linkLocal?: readonly IpAddress[];
  /** Settings of its link in the sandbox, by their paths below /proc/sys */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** How its link tells the neighbours of itself; undefined: as usual */
  readonly announce?: Announcement;
  /** Where the IPv4 address is from, with `--ipam-driver dhcp` */
  readonly lease?: Lease;
  /**
   * The default routes this endpoint gives the sandbox, at most one of each family (another endpoint may give the other's):
   * through this address or, where it is unspecified ("0.0.0.0"), by the link itself
   */
  readonly gateways: readonly IpAddress[];
  /** Published on the endpoint that is the gateway of the host address's family */
  readonly ports: readonly PublishedPort[];
}

/** The first subnet of the family; of several, the one that holds the family's address out of these. */
export function poolOf(
  { pools }: Network,
  family: AddressFamily,
  addresses: readonly IpAddress[] = [],
): IpamPool | undefined {
  const address = ofFamily(addresses, family);
  return pools.find(
    ({ subnet }) => familyOf(subnet) === family && (address === undefined || prefixContains(subnet, address)),
  );
}

/** The first hexadecimal digits of an id, as users see them. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
