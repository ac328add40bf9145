import {
  addressBytes,
  type IpAddress,
  type MacAddress,
  macBytes,
  macFromBytes,
  parseIpAddress,
  parseMacAddress,
} from '../../src/model/address.ts';

/** Frames as a container with CAP_NET_RAW can write them, byte by byte. */

export interface Station {
  readonly mac: MacAddress;
  readonly four: IpAddress;
  readonly six: IpAddress;
  /** fe80::/64 from its MAC address (RFC 4291 appendix A) */
  readonly local: IpAddress;
}

/** Where the frame says it is from, and for whom. */
interface Ends {
  readonly from: MacAddress;
  readonly to: MacAddress;
}

export const BROADCAST = parseMacAddress('ff:ff:ff:ff:ff:ff');
/** RFC 2464 section 7: of ff02::1 */
export const ALL_NODES_MAC = parseMacAddress('33:33:00:00:00:01');
/** IEEE 802.1D table 7-10: a bridge does not forward these; LLDP's */
export const LINK_LOCAL_MAC = parseMacAddress('01:80:c2:00:00:0e');
const ALL_NODES = parseIpAddress('ff02::1');
/** RFC 1112 section 4 */
const ALL_SYSTEMS = parseIpAddress('224.0.0.1');

const [IP, ARP, VLAN, IP6] = [0x0800, 0x0806, 0x8100, 0x86dd];
const [IGMP, UDP, ICMP6] = [2, 17, 58];

function u16(...values: number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]));
}

/** RFC 1071 */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

export function frame({ from, to }: Ends, type: number, ...payload: Uint8Array[]): Buffer {
  return Buffer.concat([macBytes(to), macBytes(from), u16(type), ...payload]);
}

/** IEEE 802.1Q: a tag of VLAN 0 says nothing but a priority, and the receiver takes the frame as if it had none. */
export function tagged(inner: Buffer): Buffer {
  return Buffer.concat([inner.subarray(0, 12), u16(VLAN, 0), inner.subarray(12)]);
}

/** RFC 826. @param operation 1 asks, 2 answers @param sender who is said to be where */
export function arp(
  ends: Ends,
  operation: 1 | 2,
  sender: { mac: MacAddress; four: IpAddress },
  target: IpAddress,
): Buffer {
  const claim = [macBytes(sender.mac), addressBytes(sender.four), macBytes(BROADCAST), addressBytes(target)];
  return frame(ends, ARP, u16(1, IP, 0x0604, operation), ...claim);
}

export function udp4(
  ends: Ends,
  source: string,
  target: string,
  ports: readonly [number, number],
  words = '?',
): Buffer {
  const data = Buffer.from(words);
  return ip4(ends, source, target, UDP, Buffer.concat([u16(...ports, 8 + data.length, 0), data]));
}

function ip4(ends: Ends, source: string, target: string, protocol: number, payload: Buffer): Buffer {
  const [from, to] = [source, target].map((address) => addressBytes(parseIpAddress(address)));
  const fixed = u16(0x4500, 20 + payload.length, 1, 0, (64 << 8) | protocol, 0);
  const head = Buffer.concat([fixed, from ?? fixed, to ?? fixed]);
  head.writeUInt16BE(checksum(head), 10);
  return frame(ends, IP, head, payload);
}

/** RFC 1112 section 6.4: the last 23 bits of the group's address */
export function groupMac(group: IpAddress): MacAddress {
  const [, second = 0, ...rest] = addressBytes(group);
  return macFromBytes(Uint8Array.of(0x01, 0x00, 0x5e, second & 0x7f, ...rest));
}

/** RFC 2236 section 2: who is a member of a group, to be answered within a tenth of a second */
export function membershipQuery(from: MacAddress, source: IpAddress): Buffer {
  const query = u16(0x1101, 0, 0, 0);
  query.writeUInt16BE(checksum(query), 2);
  return ip4({ from, to: groupMac(ALL_SYSTEMS) }, source, ALL_SYSTEMS, IGMP, query);
}

/** @param extension headers before the payload; the last of them leads to it */
function ip6(
  ends: Ends,
  source: IpAddress,
  target: IpAddress,
  next: number,
  payload: Buffer,
  ...extension: Buffer[]
): Buffer {
  const body = Buffer.concat([...extension, payload]);
  const head = Buffer.concat([
    u16(0x6000, 0, body.length, (next << 8) | 255),
    addressBytes(source),
    addressBytes(target),
  ]);
  return frame(ends, IP6, head, body);
}

function sum6(source: IpAddress, target: IpAddress, next: number, payload: Buffer, at: number): Buffer {
  const pseudo = Buffer.concat([addressBytes(source), addressBytes(target), u16(0, payload.length, 0, next)]);
  payload.writeUInt16BE(checksum(Buffer.concat([pseudo, payload])), at);
  return payload;
}

export function udp6(
  ends: Ends,
  source: IpAddress,
  target: IpAddress,
  ports: readonly [number, number],
  words = '?',
): Buffer {
  const data = Buffer.from(words);
  return ip6(
    ends,
    source,
    target,
    UDP,
    sum6(source, target, UDP, Buffer.concat([u16(...ports, 8 + data.length, 0), data]), 6),
  );
}

function icmp6(source: IpAddress, target: IpAddress, type: number, ...body: Uint8Array[]): Buffer {
  return sum6(source, target, ICMP6, Buffer.concat([u16(type << 8, 0), ...body]), 2);
}

/** RFC 4861 section 4.4, with the flags solicited and override. @param claims the address that is said to be at `ends.from` */
export function neighbourAdvertisement(ends: Ends, source: IpAddress, target: IpAddress, claims: IpAddress): Buffer {
  const body = [u16(0x6000, 0), addressBytes(claims), u16(0x0201), macBytes(ends.from)];
  return ip6(ends, source, target, ICMP6, icmp6(source, target, 136, ...body));
}

/** RFC 4861 section 4.2: "I am your router for half an hour, and your prefix is 2001:db8:bad::/64" */
function advertisement(source: IpAddress): Buffer {
  const prefix = [u16(0x0304, 0x40c0, 0, 3600, 0, 3600, 0, 0), addressBytes(parseIpAddress('2001:db8:bad::'))];
  return icmp6(source, ALL_NODES, 134, u16(0x4000, 1800, 0, 0, 0, 0), ...prefix);
}

export function routerAdvertisement(ends: Ends, source: IpAddress): Buffer {
  return ip6(ends, source, ALL_NODES, ICMP6, advertisement(source));
}

/** The same behind a hop-by-hop header (RFC 8200 section 4.3), which holds nothing but padding. */
export function hiddenAdvertisement(ends: Ends, source: IpAddress): Buffer {
  const padding = Buffer.from([ICMP6, 0, 1, 4, 0, 0, 0, 0]);
  return ip6(ends, source, ALL_NODES, 0, advertisement(source), padding);
}

/** RFC 4861 section 4.5: "for `destination`, there is a better way by `target`" */
export function redirect(
  ends: Ends,
  source: IpAddress,
  victim: IpAddress,
  target: IpAddress,
  destination: IpAddress,
): Buffer {
  const body = [u16(0, 0), addressBytes(target), addressBytes(destination)];
  return ip6(ends, source, victim, ICMP6, icmp6(source, victim, 137, ...body));
}
