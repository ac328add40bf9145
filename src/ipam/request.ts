import {
  type AddressFamily,
  familyOf,
  type InterfaceAddress,
  type IpAddress,
  isIpAddress,
  lengthOf,
  type Prefix,
  parseInterfaceAddress,
  parseIpAddress,
  prefixContains,
  prefixesOverlap,
  prefixOf,
} from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import type { PoolRequest } from '../model/network.ts';

export type { PoolRequest };

/** The same, checked: with a subnet, or with what is to be chosen. */
export type CheckedPool = ChosenPool | GivenPool;

/** Ranges and addresses belong to a subnet that was given, so there are none here. */
interface ChosenPool {
  readonly family: AddressFamily;
  readonly subnet?: never;
  /** undefined: as the default pools have it */
  readonly length?: number;
}

export interface GivenPool {
  readonly family: AddressFamily;
  readonly subnet: Prefix;
  readonly range?: Prefix;
  readonly gateway?: IpAddress;
  readonly auxiliary: Readonly<Record<string, IpAddress>>;
}

/**
 * Checks every pool of a `network create` and tells everything that is wrong at once, as Docker does
 * (moby: api/types/network/ipam.go, ValidateIPAM).
 * @param families those the network has; what is asked for IPv6 without IPv6 is not looked at, as in Docker
 * @throws EngineError invalidArgument "invalid network config:\n…"
 */
export function checkPools(requests: readonly PoolRequest[], families: readonly AddressFamily[]): CheckedPool[] {
  const problems: string[] = [];
  const pools = requests.flatMap((request) => checkPool(request, families, problems) ?? []);
  if (problems.length > 0) {
    const list = problems.length === 1 ? problems.join() : problems.map((problem) => `* ${problem}`).join('\n');
    throw new EngineError('invalidArgument', `invalid network config:\n${list}`);
  }
  return pools;
}

/** @param problems is added to, in Docker's words; with any, what is returned counts for nothing */
function checkPool(
  request: PoolRequest,
  families: readonly AddressFamily[],
  problems: string[],
): CheckedPool | undefined {
  const { subnet: text, range, gateway, auxiliary } = request;
  const rest = range !== undefined || gateway !== undefined || Object.keys(auxiliary).length > 0;
  if (text === undefined && !rest) return { family: 4 };
  const size = parseSize(text ?? '');
  if (size !== undefined && !rest) return size;
  const block = parseBlock(text ?? '');
  if (block === undefined) {
    problems.push(`invalid subnet ${text ?? ''}: invalid CIDR block notation`);
    return undefined;
  }
  const family = familyOf(block);
  if (family === 6 && !families.includes(6)) return { family };
  const within = prefixOf(block);
  if (differs(within, block)) problems.push(`invalid subnet ${block}: it should be ${within}`);
  if (range !== undefined) problems.push(...rangeProblems(range, within));
  const claims = [...(gateway === undefined ? [] : [['gateway', gateway, gateway] as const]), ...named(auxiliary)];
  for (const [what, shown, address] of claims) {
    const problem = addressProblem(address, within);
    if (problem !== undefined) problems.push(`invalid ${what} ${shown}: ${problem}`);
  }
  return problems.length > 0 ? undefined : given(within, request);
}

/** What it is, how the message shows it, and the address as text. */
function named(auxiliary: Readonly<Record<string, string>>): (readonly [string, string, string])[] {
  return Object.entries(auxiliary).map(([name, address]) => ['auxiliary address', name, address] as const);
}

/** For a request without problems: what is parsed here cannot fail. */
function given(subnet: Prefix, { range, gateway, auxiliary }: PoolRequest): GivenPool {
  const entries = Object.entries(auxiliary).map(([name, address]) => [name, parseIpAddress(address)] as const);
  return {
    family: familyOf(subnet),
    subnet,
    ...(range === undefined ? {} : { range: prefixOf(parseInterfaceAddress(range)) }),
    ...(gateway === undefined ? {} : { gateway: parseIpAddress(gateway) }),
    auxiliary: Object.fromEntries(entries),
  };
}

/** Of `--ip-range`; [] when it is a block of the subnet. */
function rangeProblems(text: string, subnet: Prefix): string[] {
  const range = parseBlock(text);
  if (range === undefined) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  if (familyOf(range) !== familyOf(subnet)) {
    return [`invalid ip-range ${text}: parent subnet is an IPv${familyOf(subnet)} block`];
  }
  const problems: string[] = [];
  const block = prefixOf(range);
  if (lengthOf(range) < lengthOf(subnet)) {
    problems.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${subnet}`);
  }
  if (differs(block, range)) problems.push(`invalid ip-range ${range}: it should be ${block}`);
  if (!prefixesOverlap(subnet, block)) {
    problems.push(`invalid ip-range ${text}: parent subnet ${subnet} doesn't contain ip-range`);
  }
  return problems;
}

/** Whether the block has host bits. Both are canonical text, whatever the user's spelling of IPv6 was. */
function differs(prefix: Prefix, block: InterfaceAddress): boolean {
  return (prefix as string) !== block;
}

/** Why an address cannot be in the subnet; undefined when it can. */
function addressProblem(text: string, subnet: Prefix): string | undefined {
  if (!isIpAddress(text)) return 'invalid address';
  const address = parseIpAddress(text);
  if (familyOf(address) !== familyOf(subnet)) return `parent subnet is an IPv${familyOf(subnet)} block`;
  if (!prefixContains(subnet, address)) return `parent subnet ${subnet} doesn't contain this address`;
  return undefined;
}

/** An address with its prefix length, host bits included; undefined when it is none. */
function parseBlock(text: string): InterfaceAddress | undefined {
  const slash = text.indexOf('/');
  if (slash < 0 || !isIpAddress(text.slice(0, slash)) || !/^\d{1,3}$/.test(text.slice(slash + 1))) return undefined;
  const address = parseIpAddress(text.slice(0, slash));
  const length = Number(text.slice(slash + 1));
  return length > (familyOf(address) === 4 ? 32 : 128) ? undefined : parseInterfaceAddress(`${address}/${length}`);
}

/**
 * Only a length (moby PR 50114): the unspecified address with it, or nothing before the slash; then IPv6 is told by what
 * IPv4 cannot have. Docker takes a length of 0 as no wish at all.
 */
function parseSize(text: string): ChosenPool | undefined {
  const bare = /^\/(\d{1,3})$/.exec(text)?.[1];
  const block = parseBlock(bare === undefined ? text : `${Number(bare) <= 32 ? '0.0.0.0' : '::'}/${bare}`);
  if (block === undefined || !/^(0\.0\.0\.0|::)\//.test(block)) return undefined;
  const length = lengthOf(block);
  return { family: familyOf(block), ...(length === 0 ? {} : { length }) };
}
