import {
  addressOf,
  familyOf,
  type IpAddress,
  lengthOf,
  type Prefix,
  parseIpAddress,
  parsePrefix,
} from '../../model/address.ts';
import { EngineError } from '../../model/errors.ts';
import type { BridgeRule, FirewallResource, PublishRule } from '../../model/resource.ts';
import { type Element, elementId } from './element.ts';

/** Any address of the host. */
const ANY = '0.0.0.0';

/**
 * The elements that say in nftables what the resource says in words. A range of ports with the same numbers inside is one
 * element. One with other numbers is an element for each port, all added in one transaction, since nft has no words for
 * shifting a range but a rule of its own; their comment tells that they belong together.
 * @throws EngineError unsupported for IPv6; invalidArgument for a bridge whose name nft cannot write
 */
export function compile(resource: FirewallResource): Element[] {
  switch (resource.meaning) {
    case 'bridge': {
      const name = quoted(resource.bridge);
      const elements: Element[] = [
        { set: 'bridges', key: name },
        { set: 'subnets4', key: `${prefixText(resource.subnet)} . ${name}` },
      ];
      if (resource.icc !== false) elements.push({ set: 'turning', key: `${name} . ${name}` });
      if (resource.internal) elements.push({ set: 'internal', key: name });
      return elements;
    }
    case 'masquerade':
      return [{ set: 'masqueraded4', key: prefixText(resource.subnet), comment: checked(resource.bridge) }];
    case 'forward-guard':
      return [{ set: 'guarded', key: 'ipv4' }];
    case 'publish':
      return compilePublish(resource);
  }
}

function compilePublish({ protocol, hostAddress, hostPort, count, address, port, bridge }: PublishRule): Element[] {
  const any = hostAddress === ANY;
  const from = any ? protocol : `${ipv4(hostAddress)} . ${protocol}`;
  const last = hostPort + count - 1;
  const comment = checked(bridge);
  if (count > 1 && hostPort === port) {
    const key = `${from} . ${hostPort}-${last}`;
    return [{ set: any ? 'range4_any' : 'range4', key, value: ipv4(address), comment }];
  }
  return Array.from({ length: count }, (_, i) => ({
    set: any ? 'port4_any' : 'port4',
    key: `${from} . ${hostPort + i}`,
    value: `${ipv4(address)} . ${port + i}`,
    comment: count === 1 ? comment : `${comment} ${hostPort}-${last}`,
  }));
}

/** nft lists a prefix that holds one address as that address. */
function prefixText(prefix: Prefix): string {
  const address = ipv4(addressOf(prefix));
  return lengthOf(prefix) === 32 ? address : prefix;
}

function ipv4(address: IpAddress): string {
  if (familyOf(address) === 4) return address;
  throw new EngineError('unsupported', `Cannot filter ${address}: IPv6 is not supported by this version`);
}

/** In nft's strings `"` ends, `*` means anything, and there is no escape for the first. Comments are split at spaces. */
function checked(bridge: string): string {
  if (!/["*\\\s]/.test(bridge)) return bridge;
  throw new EngineError('invalidArgument', `Cannot filter bridge ${bridge}: nftables has no way to write its name`);
}

function quoted(bridge: string): string {
  return `"${checked(bridge)}"`;
}

/**
 * What the elements mean: the reverse of compile.
 * @returns undefined when something is missing or left over, so that they do not mean anything exactly
 */
export function decompile(elements: readonly Element[]): FirewallResource[] | undefined {
  const resources = readLeniently(elements);
  const found = new Set(elements.map(elementId));
  const meant = new Set(resources?.flatMap(compile).map(elementId));
  return found.size === meant.size && found.isSubsetOf(meant) ? resources : undefined;
}

function readLeniently(elements: readonly Element[]): FirewallResource[] | undefined {
  const bySet = Map.groupBy(elements, (element) => element.set);
  const of = (set: Element['set']) => bySet.get(set) ?? [];
  const internal = new Set(of('internal').map(({ key }) => key));
  const turning = new Set(of('turning').map(({ key }) => key));
  const publishing = [...of('port4'), ...of('range4'), ...of('port4_any'), ...of('range4_any')];
  try {
    return [
      ...of('subnets4').map((element) => bridgeRule(element, internal, turning)),
      ...of('masqueraded4').map(masqueradeRule),
      ...of('guarded').map((): FirewallResource => ({ kind: 'firewall', meaning: 'forward-guard' })),
      ...new Map(publishing.map((element) => [rangeOf(element), element])).values().map(publishRule),
    ];
  } catch (error) {
    if (error instanceof EngineError) return undefined; // an address that is none of ours
    throw error;
  }
}

function bridgeRule({ key }: Element, internal: ReadonlySet<string>, turning: ReadonlySet<string>): BridgeRule {
  const [subnet = '', ...rest] = key.split(' . ');
  const name = rest.join(' . ');
  return {
    kind: 'firewall',
    meaning: 'bridge',
    bridge: name.slice(1, -1),
    subnet: readPrefix(subnet),
    internal: internal.has(name),
    ...(turning.has(`${name} . ${name}`) ? {} : { icc: false }),
  };
}

function masqueradeRule({ key, comment = '' }: Element): FirewallResource {
  return { kind: 'firewall', meaning: 'masquerade', bridge: comment, subnet: readPrefix(key) };
}

/** What is the same for all elements of one published range, and for no other's. */
function rangeOf(element: Element): string {
  const { hostAddress, protocol, first } = published(element);
  return `${hostAddress} ${protocol} ${first}`;
}

function publishRule(element: Element): PublishRule {
  const { hostAddress, protocol, first, last, address, port, bridge } = published(element);
  return {
    kind: 'firewall',
    meaning: 'publish',
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    hostAddress: parseIpAddress(hostAddress),
    hostPort: first,
    count: last - first + 1,
    address: parseIpAddress(address),
    port,
    bridge,
  };
}

/** The fields of one element, those of its range where it is one port of many. */
function published({ key, value = '', comment = '' }: Element) {
  const [ports = '', protocol = '', hostAddress = ANY] = key.split(' . ').reverse();
  const [address = '', ownPort] = value.split(' . ');
  const [bridge = '', range = ports] = comment.split(' ');
  const [first = 0, last = first] = range.split('-').map(Number);
  const port = ownPort === undefined ? first : Number(ownPort) - (Number(ports) - first);
  return { hostAddress, protocol, first, last, address, port, bridge };
}

function readPrefix(text: string): Prefix {
  return parsePrefix(text.includes('/') ? text : `${text}/32`);
}
