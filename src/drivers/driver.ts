import type { AddressFamily, IpAddress } from '../model/address.ts';
import type { PortKey } from '../model/container.ts';
import type { DriverOptions, Endpoint, Network, Sandbox, SubnetTraits } from '../model/network.ts';
import type { Resource } from '../model/resource.ts';

/** What must be known of a network before something can be allotted on it. */
export interface NetworkTraits {
  /** False: nothing is allotted; sandboxes on it have no link, no address and no published port (host, null) */
  readonly addresses: boolean;
  /** Links in sandboxes are called this and the lowest free number: "eth" */
  readonly interfacePrefix: string;
  /** Where `-p` publishes when it names no address */
  readonly hostBinding: IpAddress;
  /** False: `-p` has no effect, because containers are reached at their own addresses */
  readonly publishes: boolean;
  /** Families in which containers are reached at their own addresses: `-p` opens a port there and takes none of the host's */
  readonly routed: readonly AddressFamily[];
  /** False: links share another one's MAC address, and none can be asked for */
  readonly ownMac: boolean;
  /** How endpoints reach what is elsewhere: through the network's gateway, by their link itself, or not at all */
  readonly defaultRoute: 'gateway' | 'link' | 'none';
  /** The host has an address of each family on the network as containers have: these, else free ones */
  readonly hostAddresses?: readonly IpAddress[];
}

/** Those of networks that need no word about them. */
export const USUAL_TRAITS = {
  interfacePrefix: 'eth',
  publishes: true,
  routed: [],
  ownMac: true,
  defaultRoute: 'gateway',
} as const;

/**
 * A kind of network, as `docker network create --driver` names it. A driver does nothing: it says which kernel objects
 * must exist, as data, and the reconciler makes the kernel agree. The same input always gives the same description.
 */
export interface NetworkDriver<Options = unknown> {
  readonly name: string;
  /**
   * Text in, typed value out. Options the driver does not know are ignored, as Docker does.
   * @throws EngineError invalidArgument naming the option and the value; unsupported for what Docker knows and we don't yet
   */
  parse(options: DriverOptions): Options;
  traits(options: Options): NetworkTraits;
  /** What ipam must know before it allots subnets. */
  subnets(options: Options, internal: boolean): SubnetTraits;
  /**
   * Refuses a network that cannot be beside the others of this driver.
   * @throws EngineError in Docker's words
   */
  check?(network: Network<Options>, others: Iterable<Network<Options>>): void;
  /** What the host must hold while the network exists; wished by `network:<id>`. */
  network(network: Network<Options>): Resource[];
  /** What an endpoint adds, on the host and in its sandbox; wished by `endpoint:<id>`. */
  endpoint(network: Network<Options>, endpoint: Endpoint, sandbox: Sandbox): Resource[];
  /**
   * What a `--link` adds to the endpoint it goes out from; drivers without it need nothing.
   * @param ports that the other container exposes
   */
  link?(network: Network<Options>, from: Endpoint, to: Endpoint, ports: readonly PortKey[]): Resource[];
}
