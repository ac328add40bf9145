import {
  addressBytes,
  addressFromBytes,
  type IpAddress,
  type MacAddress,
  macBytes,
  macFromBytes,
} from '../../model/address.ts';

/** A UDP datagram over IPv4 in an Ethernet frame: who has no address yet cannot use the kernel's own UDP. */
export interface UdpFrame {
  readonly fromMac: MacAddress;
  readonly toMac: MacAddress;
  readonly from: IpAddress;
  readonly to: IpAddress;
  readonly fromPort: number;
  readonly toPort: number;
  readonly payload: Uint8Array;
}

const ETHERNET = 14;
const IP = 20;
const UDP = 8;
const ETH_P_IP = 0x0800;
const IPPROTO_UDP = 17;

export function writeFrame(frame: UdpFrame): Buffer {
  const { payload } = frame;
  const bytes = Buffer.alloc(ETHERNET + IP + UDP + payload.length);
  bytes.set(macBytes(frame.toMac), 0);
  bytes.set(macBytes(frame.fromMac), 6);
  bytes.writeUInt16BE(ETH_P_IP, 12);
  const ip = bytes.subarray(ETHERNET);
  ip[0] = 0x45; // version 4, header of five words
  ip.writeUInt16BE(ip.length, 2);
  ip[8] = 64; // time to live
  ip[9] = IPPROTO_UDP;
  ip.set(addressBytes(frame.from), 12);
  ip.set(addressBytes(frame.to), 16);
  ip.writeUInt16BE(checksum(ip.subarray(0, IP)), 10);
  const udp = ip.subarray(IP);
  udp.writeUInt16BE(frame.fromPort, 0);
  udp.writeUInt16BE(frame.toPort, 2);
  udp.writeUInt16BE(udp.length, 4);
  udp.set(payload, UDP);
  udp.writeUInt16BE(udpChecksum(ip, udp), 6);
  return bytes;
}

/**
 * @returns undefined for everything but a whole UDP datagram over IPv4. Its checksum is not looked at: between virtual links
 * the kernel leaves it to hardware that is not there
 */
export function readFrame(bytes: Buffer): UdpFrame | undefined {
  if (bytes.length < ETHERNET + IP + UDP || bytes.readUInt16BE(12) !== ETH_P_IP) return undefined;
  const ip = bytes.subarray(ETHERNET);
  const header = (ip.readUInt8(0) & 0x0f) * 4;
  const length = ip.readUInt16BE(2);
  const isFragment = (ip.readUInt16BE(6) & 0x3fff) !== 0;
  if (ip.readUInt8(0) >> 4 !== 4 || header < IP || ip.readUInt8(9) !== IPPROTO_UDP || isFragment) return undefined;
  if (length > ip.length || length < header + UDP) return undefined;
  const udp = ip.subarray(header, length);
  const size = udp.readUInt16BE(4);
  if (size < UDP || size > udp.length) return undefined;
  return {
    toMac: macFromBytes(bytes.subarray(0, 6)),
    fromMac: macFromBytes(bytes.subarray(6, 12)),
    from: addressFromBytes(ip.subarray(12, 16)),
    to: addressFromBytes(ip.subarray(16, 20)),
    fromPort: udp.readUInt16BE(0),
    toPort: udp.readUInt16BE(2),
    payload: Uint8Array.from(udp.subarray(UDP, size)),
  };
}

/** Over the datagram and a header of its own (RFC 768); 0 would mean that there is none. */
function udpChecksum(ip: Buffer, udp: Buffer): number {
  const pseudo = Buffer.alloc(12);
  pseudo.set(ip.subarray(12, 20), 0);
  pseudo.writeUInt16BE(IPPROTO_UDP, 8);
  pseudo.writeUInt16BE(udp.length, 10);
  return checksum(Buffer.concat([pseudo, udp])) || 0xffff;
}

/** RFC 1071: the complement of the one's complement sum of all 16 bit words. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
