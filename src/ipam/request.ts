import {
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

/** One subnet as a user asks for it. What is left out is chosen. Parsed values may be given as well: they are text. */
export interface PoolRequest {
  readonly subnet?: string;
  /** Dynamic addresses come from here */
  readonly range?: string;
  readonly gateway?: string;
  /** Reserved addresses by name */
  readonly auxiliary: Readonly<Record<string, string>>;
}

/** The same, checked. */
export interface CheckedPool {
  readonly subnet?: Prefix;
  readonly range?: Prefix;
  readonly gateway?: IpAddress;
  readonly auxiliary: Readonly<Record<string, IpAddress>>;
}

/**
 * Checks every pool of a `network create` and tells everything that is wrong at once, as Docker does
 * (api/types/network/ipam.go).
 * @throws EngineError invalidArgument "invalid network config:\n…"; unsupported for IPv6
 */
export function checkPools(requests: readonly PoolRequest[]): CheckedPool[] {
  const problems: string[] = [];
  const pools = requests.map((request) => checkPool(request, problems));
  if (problems.length > 0) {
    const list = problems.length === 1 ? problems.join() : problems.map((problem) => `* ${problem}`).join('\n');
    throw new EngineError('invalidArgument', `invalid network config:\n${list}`);
  }
  for (const { subnet } of pools) {
    if (subnet !== undefined && familyOf(subnet) === 6) {
      throw new EngineError('unsupported', `IPv6 subnet ${subnet} is not supported by this version`);
    }
  }
  return pools;
}

/** @param problems is added to, in Docker's words; with any, what is returned counts for nothing */
function checkPool(request: PoolRequest, problems: string[]): CheckedPool {
  const { subnet: text, range, gateway, auxiliary } = request;
  const rest = range !== undefined || gateway !== undefined || Object.keys(auxiliary).length > 0;
  if (text === undefined && !rest) return { auxiliary: {} };
  const subnet = parseBlock(text ?? '');
  if (subnet === undefined) {
    problems.push(`invalid subnet ${text ?? ''}: invalid CIDR block notation`);
    return { auxiliary: {} };
  }
  if (prefixOf(subnet) !== text) problems.push(`invalid subnet ${subnet}: it should be ${prefixOf(subnet)}`);
  const within = prefixOf(subnet);
  if (range !== undefined) problems.push(...rangeProblems(range, within));
  const claims = [...(gateway === undefined ? [] : [['gateway', gateway, gateway] as const]), ...named(auxiliary)];
  for (const [what, shown, address] of claims) {
    const problem = addressProblem(address, within);
    if (problem !== undefined) problems.push(`invalid ${what} ${shown}: ${problem}`);
  }
  return problems.length > 0 ? { auxiliary: {} } : checked(within, request);
}

/** What it is, how the message shows it, and the address as text. */
function named(auxiliary: Readonly<Record<string, string>>): (readonly [string, string, string])[] {
  return Object.entries(auxiliary).map(([name, address]) => ['auxiliary address', name, address] as const);
}

/** For a request without problems: what is parsed here cannot fail. */
function checked(subnet: Prefix, { range, gateway, auxiliary }: PoolRequest): CheckedPool {
  const entries = Object.entries(auxiliary).map(([name, address]) => [name, parseIpAddress(address)] as const);
  return {
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
  if (lengthOf(range) < lengthOf(subnet)) {
    problems.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${subnet}`);
  }
  if (prefixOf(range) !== text) problems.push(`invalid ip-range ${range}: it should be ${prefixOf(range)}`);
  if (!prefixesOverlap(subnet, prefixOf(range))) {
    problems.push(`invalid ip-range ${text}: parent subnet ${subnet} doesn't contain ip-range`);
  }
  return problems;
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
