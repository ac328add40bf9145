import { type AddressFamily, type Prefix, parseIpAddress, parsePrefix, UNSPECIFIED } from '../../model/address.ts';
import { EngineError } from '../../model/errors.ts';
import type { BridgeRule, FirewallResource, OpenRule, PublishRule, TransportProtocol } from '../../model/firewall.ts';
import { type Element, elementId } from './element.ts';
import { compile } from './meaning.ts';

const FAMILIES = [4, 6] as const;

/**
 * What the elements mean: the reverse of compile.
 * @returns undefined when something is missing or left over, so that they do not mean anything exactly
 */
export function decompile(elements: readonly Element[]): FirewallResource[] | undefined {
  try {
    const resources = readLeniently(elements);
    const found = new Set(elements.map(elementId));
    const meant = new Set(resources.flatMap(compile).map(elementId));
    return found.size === meant.size && found.isSubsetOf(meant) ? resources : undefined;
  } catch (error) {
    if (error instanceof EngineError) return undefined; // an address or a name that is none of ours
    throw error;
  }
}

function readLeniently(elements: readonly Element[]): FirewallResource[] {
  const bySet = Map.groupBy(elements, (element) => element.set);
  const of = (set: Element['set']) => bySet.get(set) ?? [];
  const marks = (set: Element['set']) => new Set(of(set).map(({ key }) => key));
  const bridges = new BridgeMarks(marks);
  return [
    ...of('carried').map(({ key }): FirewallResource => {
      return { kind: 'firewall', meaning: 'carry', bridge: key.slice(1, key.indexOf('" . "')) };
    }),
    ...of('guarded').map(({ key }): FirewallResource => {
      return { kind: 'firewall', meaning: 'forward-guard', family: key === 'ipv6' ? 6 : 4 };
    }),
    ...of('clamp').map((): FirewallResource => ({ kind: 'firewall', meaning: 'clamp' })),
    ...of('linked4').map(linkRule),
    ...FAMILIES.flatMap((family) => {
      const ports = [`port${family}`, `range${family}`, `port${family}_any`, `range${family}_any`] as const;
      const sources = new Map(of(`sources${family}`).map(({ key, value }) => [key, value]));
      const publishing = ports.flatMap(of).map((element) => published(element, family));
      return [
        ...of(`subnets${family}`).map((element) => bridges.rule(element, family)),
        ...of(`masqueraded${family}`).map((element) => masqueradeRule(element, sources.get(element.key))),
        ...new Map(publishing.map((one) => [rangeOf(one), one])).values().map(publishRule),
        ...[...of(`opened${family}`), ...of(`through${family}`)].map(openRule),
      ];
    }),
  ];
}

/** What the table says of bridges by their names. */
class BridgeMarks {
  readonly #internal: ReadonlySet<string>;
  readonly #confined: ReadonlySet<string>;
  readonly #unprotected: ReadonlySet<string>;
  readonly #routed: ReadonlySet<string>;

  constructor(marks: (set: Element['set']) => ReadonlySet<string>) {
    this.#internal = marks('internal');
    this.#confined = marks('confined');
    this.#unprotected = marks('unprotected');
    this.#routed = marks('routed');
  }

  rule({ key }: Element, family: AddressFamily): BridgeRule {
    const [subnet = '', ...rest] = key.split(' . ');
    const name = rest.join(' . ');
    const ofFamily = `ipv${family} . ${name}`;
    const unprotected = this.#unprotected.has(ofFamily);
    return {
      kind: 'firewall',
      meaning: 'bridge',
      bridge: name.slice(1, -1),
      subnet: readPrefix(subnet),
      internal: this.#internal.has(name),
      mode: this.#routed.has(ofFamily) ? 'routed' : unprotected ? 'nat-unprotected' : 'nat',
      ...(this.#confined.has(`${name} . ${name}`) ? { icc: false } : {}),
    };
  }
}

function masqueradeRule({ key, comment = '' }: Element, source: string | undefined): FirewallResource {
  const [subnet = ''] = key.split(' . ');
  const rule = { kind: 'firewall', meaning: 'masquerade', bridge: comment, subnet: readPrefix(subnet) } as const;
  return source === undefined ? rule : { ...rule, source: parseIpAddress(source) };
}

function linkRule({ key, comment = '' }: Element): FirewallResource {
  const [from = '', to = '', protocol, port] = key.split(' . ');
  return {
    kind: 'firewall',
    meaning: 'link',
    bridge: comment,
    from: parseIpAddress(from),
    to: parseIpAddress(to),
    protocol: readProtocol(protocol),
    port: Number(port),
  };
}

/** What is the same for all elements of one published range, and for no other's. */
function rangeOf({ hostAddress, protocol, first }: ReturnType<typeof published>): string {
  return `${hostAddress} ${protocol} ${first}`;
}

function publishRule(range: ReturnType<typeof published>): PublishRule {
  const { hostAddress, protocol, first, last, address, port, bridge } = range;
  return {
    kind: 'firewall',
    meaning: 'publish',
    protocol: readProtocol(protocol),
    hostAddress: parseIpAddress(hostAddress),
    hostPort: first,
    count: last - first + 1,
    address: parseIpAddress(address),
    port,
    bridge,
  };
}

/** The fields of one element, those of its range where it is one port of many. */
function published({ key, value = '', comment = '' }: Element, family: AddressFamily) {
  const [ports = '', protocol = '', hostAddress = UNSPECIFIED[family]] = key.split(' . ').reverse();
  const [address = '', ownPort] = value.split(' . ');
  const [bridge = '', range = ports] = comment.split(' ');
  const [first = 0, last = first] = range.split('-').map(Number);
  const port = ownPort === undefined ? first : Number(ownPort) - (Number(ports) - first);
  return { hostAddress, protocol, first, last, address, port, bridge };
}

function openRule({ key, comment = '' }: Element): OpenRule {
  const [ports = '', protocol = '', address = '', through] = key.split(' . ').reverse();
  const [port = 0, last = port] = ports.split('-').map(Number);
  return {
    kind: 'firewall',
    meaning: 'open',
    protocol: readProtocol(protocol),
    address: parseIpAddress(address),
    port,
    count: last - port + 1,
    bridge: comment,
    ...(through === undefined ? {} : { through: through.slice(1, -1) }),
  };
}

/** Another than ours becomes one of ours here, and so an element that was not found. */
function readProtocol(text: string | undefined): TransportProtocol {
  return text === 'udp' || text === 'sctp' ? text : 'tcp';
}

function readPrefix(text: string): Prefix {
  return parsePrefix(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`);
}
