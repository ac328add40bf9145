import { type MacAddress, macFromBytes } from '../model/address.ts';

/**
 * A locally administered unicast address (IEEE 802: bit 1 of the first byte set, bit 0 clear), as Docker 28 gives to
 * endpoints. Random rather than derived from the IP address, so that a neighbour's stale entry never fits a new holder.
 * @param random 6 random bytes
 */
export function endpointMac(random: Uint8Array): MacAddress {
  return macFromBytes(Uint8Array.from(random.subarray(0, 6), (byte, i) => (i === 0 ? (byte & 0xfc) | 0x02 : byte)));
}
