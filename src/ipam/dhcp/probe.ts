import {
  addressBytes,
  addressFromBytes,
  type IpAddress,
  type MacAddress,
  macBytes,
  macFromBytes,
} from '../../model/address.ts';

const ETHERNET = 14;
/** ARP over Ethernet for IPv4: RFC 826 */
const ARP = 28;
const ETH_P_ARP = 0x0806;
const ETH_P_IP = 0x0800;
const REQUEST = 1;
const NOBODY = '0.0.0.0';

/** The question whether somebody has an address, in an Ethernet frame: who asks names none of its own (RFC 5227 section 1.1). */
export function writeProbe(own: MacAddress, address: IpAddress): Buffer {
  const bytes = Buffer.alloc(ETHERNET + ARP);
  bytes.fill(0xff, 0, 6);
  bytes.set(macBytes(own), 6);
  bytes.writeUInt16BE(ETH_P_ARP, 12);
  const arp = bytes.subarray(ETHERNET);
  arp.writeUInt16BE(1 /* Ethernet */, 0);
  arp.writeUInt16BE(ETH_P_IP, 2);
  arp.set([6, 4], 4);
  arp.writeUInt16BE(REQUEST, 6);
  arp.set(macBytes(own), 8);
  arp.set(addressBytes(address), 24);
  return bytes;
}

/** Whether a frame shows that another machine has the address, or is about to take it (RFC 5227 section 2.1.1). */
export function claims(bytes: Buffer, own: MacAddress, address: IpAddress): boolean {
  if (bytes.length < ETHERNET + ARP || bytes.readUInt16BE(12) !== ETH_P_ARP) return false;
  const arp = bytes.subarray(ETHERNET);
  if (arp.readUInt16BE(2) !== ETH_P_IP || arp.readUInt16BE(4) !== 0x0604) return false;
  if (macFromBytes(arp.subarray(8, 14)) === own) return false;
  const from = addressFromBytes(arp.subarray(14, 18));
  const about = addressFromBytes(arp.subarray(24, 28));
  return from === address || (from === NOBODY && about === address && arp.readUInt16BE(6) === REQUEST);
}
