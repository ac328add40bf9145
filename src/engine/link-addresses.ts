import {
  addressOf,
  addressToNumber,
  type InterfaceAddress,
  interfaceAddress,
  numberToAddress,
  parsePrefix,
  prefixBounds,
  prefixContains,
} from '../model/address.ts';
import type { Attachment } from '../model/attachment.ts';
import { EngineError } from '../model/errors.ts';

/** Part of the link-local block (RFC 3927), which nobody routes; 169.254.169.254, where clouds answer, is not in it. */
const PAIRS = parsePrefix('169.254.192.0/18');

/**
 * The lowest two addresses that no link has: a /31 (RFC 3021).
 * @throws EngineError unavailable when all are taken
 */
export function freePair(
  attachments: readonly Attachment[],
): readonly [readonly InterfaceAddress[], readonly InterfaceAddress[]] {
  const { first, last } = prefixBounds(PAIRS);
  const taken = new Set<bigint>();
  for (const { addresses } of attachments.flatMap(({ ends }) => ends)) {
    for (const address of addresses.map(addressOf)) {
      if (prefixContains(PAIRS, address)) taken.add(addressToNumber(address));
    }
  }
  for (let low = first; low < last; low += 2n) {
    if (taken.has(low) || taken.has(low + 1n)) continue;
    return [[interfaceAddress(numberToAddress(4, low), 31)], [interfaceAddress(numberToAddress(4, low + 1n), 31)]];
  }
  throw new EngineError('unavailable', `Cannot link: no free pair of addresses in ${PAIRS}`);
}
