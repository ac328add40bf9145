import { addressFromBytes, type IpAddress, type MacAddress, macBytes, macFromBytes } from '../model/address.ts';

/**
 * A locally administered unicast address (IEEE 802: bit 1 of the first byte set, bit 0 clear), as Docker 28 gives to
 * endpoints. Random rather than derived from the IP address, so that a neighbour's stale entry never fits a new holder.
 * @param random 6 random bytes
 */
export function endpointMac(random: Uint8Array): MacAddress {
  return macFromBytes(Uint8Array.from(random.subarray(0, 6), (byte, i) => (i === 0 ? (byte & 0xfc) | 0x02 : byte)));
}

/** The address the kernel gives a link by itself: fe80::/64 and the MAC address with a bit turned (RFC 4291 appendix A). */
export function linkLocalAddress(mac: MacAddress): IpAddress {
  const [first = 0, ...rest] = macBytes(mac);
  const host = [first ^ 0x02, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  return addressFromBytes(Uint8Array.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...host]));
}
