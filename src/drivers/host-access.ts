import {
  addressOf,
  familyOf,
  type IpAddress,
  interfaceAddress,
  isIpAddress,
  type MacAddress,
  makePrefix,
  parseIpAddress,
  parseMacAddress,
} from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import { type DriverOptions, type Endpoint, type Network, optionFlag } from '../model/network.ts';
import type { IpvlanLink, MacvlanLink, Resource } from '../model/resource.ts';

/**
 * `-o host_access=true`: the kernel keeps a parent's own traffic from the links that hang from it, so the host gets one of them
 * itself, with an address on the network, and routes to the containers by it. The link is silent on the wire: it answers for its own address
 * alone and speaks in no other's name, so that nobody on the LAN takes it for the host's other ways in.
 */
export interface HostAccess {
  /** The host's addresses on the network, at most one of each family; a family without one gets a free address */
  readonly addresses: readonly IpAddress[];
}

/** Under which name the host's address is reserved among the network's auxiliary ones; inspect shows it. */
export const HOST_ACCESS = 'host_access';

/** Bits of an address of each family */
const WHOLE = { 4: 32, 6: 128 } as const;

/** @throws EngineError invalidArgument naming the option and the value */
export function parseHostAccess(options: DriverOptions): { readonly hostAccess?: HostAccess } {
  const { host_access: asked = '', host_address: text = '' } = options;
  const wanted = asked === '' ? false : optionFlag(asked);
  if (wanted === undefined) throw refused('host_access', asked, 'it is true or false');
  if (text !== '' && !wanted) throw refused('host_address', text, 'it needs host_access=true');
  if (!wanted) return {};
  const addresses = text === '' ? [] : text.split(',').map(parseAddress);
  if (new Set(addresses.map(familyOf)).size < addresses.length) {
    throw refused('host_address', text, 'it is one address of each family');
  }
  return { hostAccess: { addresses } };
}

function parseAddress(text: string): IpAddress {
  if (!isIpAddress(text)) throw refused('host_address', text, 'invalid IP address');
  return parseIpAddress(text);
}

/** @throws EngineError invalidArgument when links of this mode do not reach each other, and so not the host's either */
export function needsMode(mode: string, usual: string, access: { readonly hostAccess?: HostAccess }): void {
  if (access.hostAccess === undefined || mode === usual) return;
  throw new EngineError(
    'invalidArgument',
    `option host_access needs mode ${usual}: in mode ${mode} no link reaches another`,
  );
}

function refused(label: string, value: string, reason: string): EngineError {
  return new EngineError('invalidArgument', `failed to parse ${label} value: ${value} (${reason})`);
}

type Accessible = Pick<Network<{ readonly hostAccess?: HostAccess }>, 'id' | 'options' | 'pools'>;

/** The host's link on the network. */
function shimName({ id }: Pick<Network, 'id'>): string {
  return `fwm-${id.slice(0, 11)}`;
}

/** Locally administered, the rest from the network's id: the same after every repair. */
function shimMac(id: string): MacAddress {
  return parseMacAddress(`02:${id.slice(0, 10).replace(/..(?=.)/g, '$&:')}`);
}

/** What the host holds on the network. @param link without name and MAC address */
export function describeHostAccess(
  network: Accessible,
  link: Omit<MacvlanLink, 'name' | 'namespace' | 'mac'> | Omit<IpvlanLink, 'name' | 'namespace' | 'mac'>,
): Resource[] {
  if (network.options.hostAccess === undefined) return [];
  const name = shimName(network);
  const own = network.pools.flatMap(({ auxiliary }) => auxiliary[HOST_ACCESS] ?? []);
  const setting = (path: string, value: string): Resource => ({ kind: 'sysctl', namespace: 'host', path, value });
  const six = (item: string, value: string) => setting(`net/ipv6/conf/${name}/${item}`, value);
  const mac = link.type === 'macvlan' ? { mac: shimMac(network.id) } : {};
  return [
    { ...link, ...mac, name, namespace: 'host' },
    // Documentation/networking/ip-sysctl.rst: answers for this link's address alone; asks in its name alone.
    setting(`net/ipv4/conf/${name}/arp_ignore`, '1'),
    setting(`net/ipv4/conf/${name}/arp_announce`, '2'),
    six('accept_ra', '0'),
    six('disable_ipv6', own.some((address) => familyOf(address) === 6) ? '0' : '1'),
    ...own.map((address): Resource => {
      const whole = interfaceAddress(address, WHOLE[familyOf(address)]);
      return { kind: 'address', namespace: 'host', link: name, address: whole, adopt: false };
    }),
  ];
}

/** The host's ways to one container. */
export function describeHostRoutes(network: Accessible, endpoint: Endpoint): Resource[] {
  if (network.options.hostAccess === undefined) return [];
  return endpoint.addresses.map((address) => {
    const destination = makePrefix(addressOf(address), WHOLE[familyOf(address)]);
    return { kind: 'route', namespace: 'host', destination, link: shimName(network) };
  });
}
