/** What rtnetlink says, read into the model's words. rtnetlink(7); include/uapi/linux/{rtnetlink,if_link,if_addr}.h */

import {
  addressFromBytes,
  type InterfaceAddress,
  type IpAddress,
  interfaceAddress,
  type MacAddress,
  macFromBytes,
  makePrefix,
  type Prefix,
} from '../model/address.ts';
import type { LinkCounters, LinkTraffic } from '../model/usage.ts';
import { type LinkSettings, readSettings } from './link-kinds.ts';
import { Attributes, eachAttribute, fixedHeader, type Message, textAt } from './netlink.ts';
import { AF_INET, AF_INET6 } from './sys.ts';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_NEWNETCONF = 80;
export const RTM_NEWNSID = 88;
export const RTM_GETNSID = 90;

export const IFF_UP = 0x1;
const IFF_RUNNING = 0x40;
export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_LINK = 5;
export const IFLA_MASTER = 10;
const IFLA_STATS64 = 23;
export const IFLA_LINKINFO = 18;
export const IFLA_IFALIAS = 20;
export const IFLA_GROUP = 27;
export const IFLA_NET_NS_FD = 28;
export const IFLA_EXT_MASK = 29;
export const IFLA_NUM_TX_QUEUES = 31;
export const IFLA_NUM_RX_QUEUES = 32;
const IFLA_LINK_NETNSID = 37;
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
export const IFLA_INFO_SLAVE_KIND = 4;
export const IFLA_INFO_SLAVE_DATA = 5;
export const IFLA_BRPORT_MODE = 4;
export const IFLA_BRPORT_ISOLATED = 33;
export const IFLA_BR_MCAST_SNOOPING = 23;
/** linux/if_link.h, linux/if_bridge.h: struct br_boolopt_multi, values and which of them are meant; BR_BOOLOPT_NO_LL_LEARN is bit 0 */
export const IFLA_BR_MULTI_BOOLOPT = 46;

export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_BROADCAST = 4;
export const IFA_PROTO = 11;

export const RTA_DST = 1;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
/** In RTA_METRICS */
const RTAX_MTU = 2;
const RTM_F_CLONED = 0x200;

/** linux/netconf.h; sizeof(struct netconfmsg), padded */
const NETCONFA_IFINDEX = 1;
const NETCONF_SIZE = 4;
/** linux/net_namespace.h; sizeof(struct rtgenmsg), padded */
export const NETNSA_NSID = 1;
export const NETNSA_FD = 3;
const RTGEN_SIZE = 4;

/** linux/socket.h: the family of messages in which a bridge speaks of its ports and its forwarding table */
export const AF_BRIDGE = 7;
/** sizeof(struct ifinfomsg): family, type, index, flags, change */
const IFINFO_SIZE = 16;
/** sizeof(struct ifaddrmsg): family, prefix length, flags, scope, index */
const IFADDR_SIZE = 8;
/** sizeof(struct rtmsg): family, lengths of both ends, tos, table, protocol, scope, type, flags */
const RTMSG_SIZE = 12;

/** A network interface as the kernel has it. */
export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  /** 'bridge', 'veth', …; '' for hardware and lo */
  readonly kind: string;
  readonly mtu: number;
  /** undefined for links without an Ethernet address */
  readonly mac?: MacAddress;
  /** Administratively: IFF_UP */
  readonly up: boolean;
  /** Index of the bridge it is a port of, or 0 */
  readonly master: number;
  readonly group: number;
  readonly alias: string;
  /** Of a veth the other end's index, which counts in `peerNamespace`; else the link below (IFLA_LINK); or 0 */
  readonly peer: number;
  /** The peer's namespace as the link's own namespace numbers it; undefined: the same */
  readonly peerNamespace?: number;
  /** As a bridge port: IFLA_BRPORT_ISOLATED */
  readonly isolated: boolean;
  /** What the kind has to say for itself; undefined for kinds we do not make */
  readonly settings?: LinkSettings;
}

/** What a link is told apart by, and whose it is: that much of an event is read. */
export type LinkLabel = Pick<LinkInfo, 'index' | 'name' | 'up' | 'mtu' | 'group' | 'alias' | 'master'>;

export interface AddressInfo {
  /** Index */
  readonly link: number;
  readonly address: InterfaceAddress;
  /** Who made it (IFAPROT_*); left out when nobody said, and by kernels before 5.18 */
  readonly protocol?: number;
}

export interface RouteInfo {
  readonly destination: Prefix;
  readonly gateway?: IpAddress;
  /** Index; 0 when it has none or several */
  readonly link: number;
  /** 254: main, 255: local */
  readonly table: number;
  /** Who made it: 2 the kernel, 3 boot, 4 an administrator; others are marks of programs */
  readonly protocol: number;
  /** 0: anywhere, 253: on the link, 254: this host */
  readonly scope: number;
  /** 1: unicast, 2: local, 3: broadcast, 5: multicast, 7: unreachable */
  readonly type: number;
  /** Bytes; where the route says another than its link */
  readonly mtu?: number;
}

/** @returns the index of the link whose settings are told; −1 for all, −2 for those to come */
export function parseSettingsOwner(message: Message): number {
  const attributes = Attributes.parse(fixedHeader(message, NETCONF_SIZE), NETCONF_SIZE);
  return (attributes.u32(NETCONFA_IFINDEX) ?? -1) | 0;
}

/** @returns the number of a namespace; −1 when it has none */
export function parseNamespaceNumber(message: Message): number {
  const attributes = Attributes.parse(fixedHeader(message, RTGEN_SIZE), RTGEN_SIZE);
  return (attributes.u32(NETNSA_NSID) ?? -1) | 0;
}

/** @throws KernelError EBADMSG when it is too short */
export function parseLink(message: Message): LinkInfo {
  const header = fixedHeader(message, IFINFO_SIZE);
  const attributes = Attributes.parse(header, IFINFO_SIZE);
  const info = attributes.nested(IFLA_LINKINFO);
  const mac = macOf(attributes.bytes(IFLA_ADDRESS));
  const peerNamespace = attributes.u32(IFLA_LINK_NETNSID);
  const kind = info.text(IFLA_INFO_KIND) ?? '';
  const settings = readSettings(kind, info.nested(IFLA_INFO_DATA));
  return {
    index: header.readInt32LE(4),
    name: attributes.text(IFLA_IFNAME) ?? '',
    kind,
    mtu: attributes.u32(IFLA_MTU) ?? 0,
    ...(mac === undefined ? {} : { mac }),
    up: (header.readUInt32LE(8) & IFF_UP) !== 0,
    master: attributes.u32(IFLA_MASTER) ?? 0,
    group: attributes.u32(IFLA_GROUP) ?? 0,
    alias: attributes.text(IFLA_IFALIAS) ?? '',
    peer: attributes.u32(IFLA_LINK) ?? 0,
    ...(peerNamespace === undefined ? {} : { peerNamespace }),
    isolated: isIsolated(info),
    ...(settings === undefined ? {} : { settings }),
  };
}

/** Whether a link's description says that it is operational. @throws KernelError EBADMSG when it is too short */
export function parseRunning(message: Message): boolean {
  return (fixedHeader(message, IFINFO_SIZE).readUInt32LE(8) & IFF_RUNNING) !== 0;
}

/** A tenth of the work of `parseLink`: links can change ten thousand times a second. @throws KernelError EBADMSG when it is too short */
export function parseLinkLabel(message: Message): LinkLabel {
  const header = fixedHeader(message, IFINFO_SIZE);
  const up = (header.readUInt32LE(8) & IFF_UP) !== 0;
  const label = { index: header.readInt32LE(4), name: '', up, mtu: 0, group: 0, alias: '', master: 0 };
  // What a bridge says of its ports does not tell whose they are.
  const isWhole = header.readUInt8(0) !== AF_BRIDGE;
  eachAttribute(header, IFINFO_SIZE, (type, from, to) => {
    if (type === IFLA_IFNAME) label.name = textAt(header, from, to);
    else if (type === IFLA_IFALIAS) label.alias = textAt(header, from, to);
    else if (type === IFLA_MTU) label.mtu = numberAt(header, from, to);
    else if (type === IFLA_GROUP) label.group = numberAt(header, from, to);
    else if (type === IFLA_MASTER && isWhole) label.master = numberAt(header, from, to);
  });
  return label;
}

function numberAt(header: Buffer, from: number, to: number): number {
  return to - from < 4 ? 0 : header.readUInt32LE(from);
}

/** struct rtnl_link_stats64 (linux/if_link.h): packets, bytes, errors, dropped, each first received, then sent */
export function parseCounters(message: Message): LinkCounters {
  const attributes = Attributes.parse(fixedHeader(message, IFINFO_SIZE), IFINFO_SIZE);
  const counters = attributes.bytes(IFLA_STATS64) ?? Buffer.alloc(64);
  const at = (index: number) => (counters.length < 64 ? 0 : Number(counters.readBigUInt64LE(index * 8)));
  const traffic = (from: number): LinkTraffic => {
    return { packets: at(from), bytes: at(from + 2), errors: at(from + 4), dropped: at(from + 6) };
  };
  return { name: attributes.text(IFLA_IFNAME) ?? '', received: traffic(0), sent: traffic(1) };
}

function isIsolated(info: Attributes): boolean {
  if (info.text(IFLA_INFO_SLAVE_KIND) !== 'bridge') return false;
  return info.nested(IFLA_INFO_SLAVE_DATA).u8(IFLA_BRPORT_ISOLATED) === 1;
}

/** @returns undefined for families other than IPv4 and IPv6 */
export function parseAddress(message: Message): AddressInfo | undefined {
  const header = fixedHeader(message, IFADDR_SIZE);
  const family = header.readUInt8(0);
  const attributes = Attributes.parse(header, IFADDR_SIZE);
  // On a point-to-point link IFA_ADDRESS is the other end's
  const address = ipOf(family, attributes.bytes(IFA_LOCAL) ?? attributes.bytes(IFA_ADDRESS));
  if (address === undefined) return undefined;
  const protocol = attributes.u8(IFA_PROTO);
  return {
    link: header.readUInt32LE(4),
    address: interfaceAddress(address, prefixLength(family, header.readUInt8(1))),
    ...(protocol === undefined ? {} : { protocol }),
  };
}

/** @returns undefined for families other than IPv4 and IPv6, and for what is only a cache entry */
export function parseRoute(message: Message): RouteInfo | undefined {
  const header = fixedHeader(message, RTMSG_SIZE);
  const family = header.readUInt8(0);
  const unspecified = unspecifiedAddress(family);
  if (unspecified === undefined || header.readUInt32LE(8) & RTM_F_CLONED) return undefined;
  const attributes = Attributes.parse(header, RTMSG_SIZE);
  const gateway = ipOf(family, attributes.bytes(RTA_GATEWAY));
  const destination = ipOf(family, attributes.bytes(RTA_DST)) ?? unspecified;
  const mtu = attributes.nested(RTA_METRICS).u32(RTAX_MTU);
  return {
    destination: makePrefix(destination, prefixLength(family, header.readUInt8(1))),
    ...(gateway === undefined ? {} : { gateway }),
    link: attributes.u32(RTA_OIF) ?? 0,
    table: attributes.u32(RTA_TABLE) ?? header.readUInt8(4),
    protocol: header.readUInt8(5),
    scope: header.readUInt8(6),
    type: header.readUInt8(7),
    ...(mtu === undefined ? {} : { mtu }),
  };
}

/** Bytes in an address of the family; 0 for families that are none of ours. */
function addressSize(family: number): number {
  if (family === AF_INET) return 4;
  return family === AF_INET6 ? 16 : 0;
}

/** undefined where it is no address of the family. */
export function ipOf(family: number, bytes: Buffer | undefined): IpAddress | undefined {
  const size = addressSize(family);
  return size > 0 && bytes?.length === size ? addressFromBytes(bytes) : undefined;
}

function unspecifiedAddress(family: number): IpAddress | undefined {
  const size = addressSize(family);
  return size > 0 ? addressFromBytes(new Uint8Array(size)) : undefined;
}

/** A hostile length would make a prefix that no other code expects. */
function prefixLength(family: number, length: number): number {
  return Math.min(length, 8 * addressSize(family));
}

/** undefined where it is none of Ethernet. */
export function macOf(bytes: Buffer | undefined): MacAddress | undefined {
  return bytes?.length === 6 ? macFromBytes(bytes) : undefined;
}
