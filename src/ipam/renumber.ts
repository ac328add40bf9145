import {
  addressOf,
  addressToNumber,
  familyOf,
  type IpAddress,
  lengthOf,
  makePrefix,
  numberToAddress,
  type Prefix,
  prefixBounds,
  prefixContains,
} from '../model/address.ts';
import type { IpamPool } from '../model/network.ts';

/**
 * The address with the same place in another subnet of its family: 10.1.0.7 of 10.1.0.0/24 is 10.2.0.7 in 10.2.0.0/24.
 * @returns undefined where the other one is too small to have that place
 */
export function moveAddress(address: IpAddress, from: Prefix, to: Prefix): IpAddress | undefined {
  if (!prefixContains(from, address) || familyOf(from) !== familyOf(to)) return undefined;
  const place = addressToNumber(address) - prefixBounds(from).first;
  const { family, first, last } = prefixBounds(to);
  return first + place > last ? undefined : numberToAddress(family, first + place);
}

/**
 * The pool with all that was chosen in it, in another subnet: gateway, range and auxiliary addresses keep their places.
 * @returns undefined where the other one is too small for them
 */
export function movePool(pool: IpamPool, to: Prefix): IpamPool | undefined {
  const { subnet, range, gateway, auxiliary, ...rest } = pool;
  const places = Object.entries(auxiliary).map(([name, address]) => [name, moveAddress(address, subnet, to)] as const);
  const movedGateway = gateway === undefined ? undefined : moveAddress(gateway, subnet, to);
  const movedRange = range === undefined ? undefined : moveRange(range, subnet, to);
  const lost = places.some(([, address]) => address === undefined);
  if (
    lost ||
    (gateway !== undefined && movedGateway === undefined) ||
    (range !== undefined && movedRange === undefined)
  ) {
    return undefined;
  }
  return {
    ...rest,
    subnet: to,
    ...(movedRange === undefined ? {} : { range: movedRange }),
    ...(movedGateway === undefined ? {} : { gateway: movedGateway }),
    auxiliary: Object.fromEntries(
      places.flatMap(([name, address]) => (address === undefined ? [] : [[name, address]])),
    ),
  };
}

function moveRange(range: Prefix, from: Prefix, to: Prefix): Prefix | undefined {
  const first = moveAddress(addressOf(range), from, to);
  const fits = first !== undefined && lengthOf(range) >= lengthOf(to);
  return fits ? makePrefix(first, lengthOf(range)) : undefined;
}
