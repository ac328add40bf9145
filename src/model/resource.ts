import type { AddressFamily, InterfaceAddress, IpAddress, MacAddress, Prefix } from './address.ts';
import { type FirewallResource, firewallKey, type TransportProtocol } from './firewall.ts';

/** The network namespace a resource lives in: the daemon's own, or a sandbox's. */
export type NamespaceName = 'host' | `sandbox:${string}`;

/**
 * The scope that can be reconciled alone. `host` holds what every network needs (forwarding, constant tables); the
 * others end when their network, sandbox, endpoint or attachment ends.
 */
export type Owner = 'host' | `${'network' | 'sandbox' | 'endpoint' | 'attachment'}:${string}`;

/** A network namespace pinned by a bind mount below the exec root. Key: the sandbox. */
interface NamespaceResource {
  readonly kind: 'namespace';
  readonly name: NamespaceName;
}

/** How a new link in a sandbox tells its neighbours of its addresses: so often, so many milliseconds apart. */
export interface Announcement {
  readonly count: number;
  readonly interval: number;
}

interface LinkBase {
  readonly kind: 'link';
  readonly namespace: NamespaceName;
  /** At most 15 bytes: IFNAMSIZ − 1 */
  readonly name: string;
  /** Bytes of payload a frame carries */
  readonly mtu?: number;
  readonly mac?: MacAddress;
  readonly up: boolean;
  /** Of a link that is in a sandbox or has its other end there; undefined: as usual */
  readonly announce?: Announcement;
  /** Only observed: it does not say whose it is, as after a crash during its birth */
  readonly marked?: false;
}

/** A Linux bridge. With `adopt`, an existing one is used as it is found, and never removed. */
export interface BridgeLink extends LinkBase {
  readonly type: 'bridge';
  readonly adopt: boolean;
}

/** Both ends of a veth pair: the host's, a port of `master`, and the sandbox's; or one in each of two sandboxes. */
export interface VethLink extends LinkBase {
  readonly type: 'veth';
  /** A bridge; '' between two sandboxes */
  readonly master: string;
  /** No traffic to other isolated ports of the same bridge (IFLA_BRPORT_ISOLATED); icc=false */
  readonly isolated: boolean;
  readonly peer: {
    readonly namespace: NamespaceName;
    readonly name: string;
    readonly mac?: MacAddress;
    readonly mtu: number;
  };
}

/** The loopback link of a sandbox, which the kernel makes: only its state is ours. */
interface LoopbackLink extends LinkBase {
  readonly type: 'loopback';
}

/** An IEEE 802.1Q sub-interface: "eth0.50". A link that has the name already is used as it is found, and never removed. */
export interface VlanLink extends LinkBase {
  readonly type: 'vlan';
  readonly namespace: 'host';
  readonly parent: string;
  /** 1 to 4094 */
  readonly id: number;
}

/** A link that leads nowhere; others hang from it and reach each other. */
export interface DummyLink extends LinkBase {
  readonly type: 'dummy';
  readonly namespace: 'host';
}

/** bridge: they reach each other; private: never; vepa: by way of the switch; passthru: one alone, with the parent's own place */
export type MacvlanMode = 'bridge' | 'private' | 'vepa' | 'passthru';
/** Whether frames (l2) or packets (l3) are handed on; l3s: packets that pass the host's firewall */
export type IpvlanMode = 'l2' | 'l3' | 'l3s';
export type IpvlanFlag = 'bridge' | 'private' | 'vepa';

/** A link with a MAC address of its own on the parent's wire. */
export interface MacvlanLink extends LinkBase {
  readonly type: 'macvlan';
  /** A link of the host */
  readonly parent: string;
  readonly mode: MacvlanMode;
}

/** A link with IP addresses of its own and the parent's MAC address. */
export interface IpvlanLink extends LinkBase {
  readonly type: 'ipvlan';
  /** A link of the host */
  readonly parent: string;
  readonly mode: IpvlanMode;
  readonly flag: IpvlanFlag;
}

export type LinkResource = BridgeLink | VethLink | LoopbackLink | VlanLink | DummyLink | MacvlanLink | IpvlanLink;

/** A link of the host that others hang from: it must be there, and is never made, changed or removed by us. Key: its name. */
export interface ParentResource {
  readonly kind: 'parent';
  readonly namespace: 'host';
  readonly link: string;
}

/** A link of the host as a port of an Open vSwitch bridge, which somebody else has made. Key: link. */
export interface SwitchPortResource {
  readonly kind: 'switch-port';
  readonly namespace: 'host';
  readonly bridge: string;
  readonly link: string;
  /** IEEE 802.1Q, 1 to 4094: an access port of that VLAN; undefined: a trunk of all */
  readonly tag?: number;
  /** The other end of the pair, by which packets come in */
  readonly inner: { readonly namespace: NamespaceName; readonly link: string };
}

/** Key: namespace, link, prefix. With `adopt`, one that is there already is used as it is found, and stays when the owner goes. */
export interface AddressResource {
  readonly kind: 'address';
  readonly namespace: NamespaceName;
  readonly link: string;
  readonly address: InterfaceAddress;
  readonly adopt: boolean;
}

/** Key: namespace, destination. */
export interface RouteResource {
  readonly kind: 'route';
  readonly namespace: NamespaceName;
  /** "0.0.0.0/0" for the default route */
  readonly destination: Prefix;
  readonly gateway?: IpAddress;
  readonly link: string;
}

/** Key: namespace, path. */
export interface SysctlResource {
  readonly kind: 'sysctl';
  readonly namespace: NamespaceName;
  /** Below /proc/sys, with slashes: "net/ipv4/ip_forward" */
  readonly path: string;
  readonly value: string;
}

/**
 * The resolver of a sandbox: UDP and TCP sockets opened in it on a free port of 127.0.0.11, and the redirect from port
 * 53 to them inside the sandbox. Key: namespace.
 */
export interface ResolverListener {
  readonly kind: 'listener';
  readonly purpose: 'resolver';
  readonly namespace: NamespaceName;
  readonly address: IpAddress;
}

/** Where what reaches a published port's own socket is passed on to. */
export interface RelayTarget {
  readonly address: IpAddress;
  readonly port: number;
}

/** Host ports held by bound sockets while they are published, so that a second user fails. Key: protocol, address, port. */
export interface PortReservation {
  readonly kind: 'listener';
  readonly purpose: 'reservation';
  readonly namespace: 'host';
  readonly protocol: TransportProtocol;
  readonly address: IpAddress;
  readonly port: number;
  readonly count: number;
  /** Of "::" alone: its sockets hold the ports of "0.0.0.0" as well. Half as many are half the work */
  readonly dualStack?: true;
  /** For what the kernel cannot translate; its port goes with the first of the range */
  readonly relay?: RelayTarget;
}

export type ListenerResource = ResolverListener | PortReservation;

/**
 * What comes from or goes to this link of the host passes the host's other firewalls, as far as Fairway's own lets it. Key:
 * family, link.
 */
export interface PassageResource {
  readonly kind: 'passage';
  readonly family: AddressFamily;
  readonly link: string;
  /** It may be somebody else's, and then bears no mark of Fairway: it is told by its name */
  readonly adopted: boolean;
}

/**
 * What comes in by this port of a bridge bears these addresses and no others, in frames, packets, and in what ARP and neighbour
 * discovery say; and it is no router's and no DHCP server's word. Key: link.
 */
export interface PortSecurityResource {
  readonly kind: 'port-security';
  readonly namespace: 'host';
  readonly link: string;
  readonly mac: MacAddress;
  /** In the order of their text */
  readonly addresses: readonly IpAddress[];
}

/**
 * Who a link takes for the holder of an address, whatever it hears. None is wished: those that are found say something wrong of an
 * address of ours, and go. Key: namespace, link, address.
 */
export interface NeighbourResource {
  readonly kind: 'neighbour';
  readonly namespace: NamespaceName;
  readonly link: string;
  readonly address: IpAddress;
  readonly mac?: MacAddress;
}

/** By which port a bridge reaches a MAC address, whatever it hears; likewise. Key: bridge, MAC address. */
export interface ForwardingResource {
  readonly kind: 'forwarding';
  readonly namespace: 'host';
  readonly bridge: string;
  readonly mac: MacAddress;
  /** Name of a link; the bridge's own: frames are for the host. Undefined where a bridge does not know its own address */
  readonly port?: string;
}

/** A kernel object that must exist: plain, comparable data. */
export type Resource =
  | NamespaceResource
  | LinkResource
  | ParentResource
  | SwitchPortResource
  | AddressResource
  | RouteResource
  | SysctlResource
  | FirewallResource
  | PassageResource
  | PortSecurityResource
  | NeighbourResource
  | ForwardingResource
  | ListenerResource;

export type ResourceKind = Resource['kind'];

/** Links that vanish with the link of the host they hang from. */
export type ChildLink = VlanLink | MacvlanLink | IpvlanLink;

export function isChild(resource: Resource): resource is ChildLink {
  return resource.kind === 'link' && 'parent' in resource;
}

/**
 * What several owners may wish together, in the same words: it goes when the last of them does. Networks of one parent share it.
 */
export function isShared(resource: Resource): boolean {
  return resource.kind === 'parent' || (resource.kind === 'link' && resource.type === 'vlan');
}

/** What makes two descriptions speak of the same kernel object. */
export function resourceKey(resource: Resource): string {
  switch (resource.kind) {
    case 'namespace':
      return `namespace ${resource.name}`;
    case 'link':
      return `link ${resource.namespace} ${resource.name}`;
    case 'switch-port':
      return `switch-port ${resource.link}`;
    case 'parent':
      return `parent ${resource.link}`;
    case 'address':
      return `address ${resource.namespace} ${resource.link} ${resource.address}`;
    case 'route':
      return `route ${resource.namespace} ${resource.destination}`;
    case 'sysctl':
      return `sysctl ${resource.namespace} ${resource.path}`;
    case 'firewall':
      return `firewall ${firewallKey(resource)}`;
    case 'passage':
      return `passage ${resource.family} ${resource.link}`;
    case 'port-security':
      return `port-security ${resource.link}`;
    case 'neighbour':
      return `neighbour ${resource.namespace} ${resource.link} ${resource.address}`;
    case 'forwarding':
      return `forwarding ${resource.bridge} ${resource.mac}`;
    case 'listener':
      return resource.purpose === 'resolver'
        ? `listener resolver ${resource.namespace}`
        : `listener reservation ${resource.protocol} ${resource.address}:${resource.port}`;
  }
}
