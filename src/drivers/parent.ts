import { type AddressFamily, FAMILIES, parseIpAddress } from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import { type DriverOptions, type Network, shortId } from '../model/network.ts';
import type { Resource } from '../model/resource.ts';
import { USUAL_TRAITS } from './driver.ts';

/** Options of networks whose links hang from a link of the host. */
export interface ParentOptions {
  /** undefined: from a dummy of the network's own, which leads nowhere */
  readonly parent?: string;
}

type OnParent = Pick<Network<ParentOptions>, 'id' | 'options'>;

/** What all such networks have in common: ports need no publishing where containers are stations of the wire. */
export const parentTraits = {
  ...USUAL_TRAITS,
  addresses: true,
  hostBinding: parseIpAddress('0.0.0.0'),
  publishes: false,
} as const;

/**
 * Families of which a network on a wire has a gateway, whether or not the user names one: not on a dummy, which leads nowhere, and
 * not where nothing shall get out (libnetwork: GetSkipGwAlloc of macvlan and ipvlan).
 */
export function wireGateways({ parent }: ParentOptions, internal: boolean): readonly AddressFamily[] {
  return parent === undefined || internal ? [] : FAMILIES;
}

/** "eth0.50": an 802.1Q sub-interface. Its number is between 1 and 4094. */
const VLAN_NAME = /^([^.]+)\.([1-9]\d{0,3})$/;
const HIGHEST_VLAN = 4094;

/** @throws EngineError internal in Docker's words: its drivers refuse wrong options with a plain error, which is a 500 */
export function parseParent(driver: string, options: DriverOptions): ParentOptions {
  const { parent = '' } = options;
  if (parent === 'lo') {
    throw new EngineError('internal', `loopback interface is not a valid ${driver} parent link`);
  }
  return parent === '' ? {} : { parent };
}

/**
 * One word out of a list, the first unless told.
 * @throws EngineError internal in Docker's words
 */
export function parseWord<W extends string>(label: string, words: readonly [W, ...W[]], value = ''): W {
  const [usual] = words;
  if (value === '') return usual;
  const word = words.find((known) => known === value);
  if (word !== undefined) return word;
  const [driver = '', what = ''] = label.split('_');
  // Docker says "mode" again for the modes only.
  const hint = `'${usual}'${what === 'mode' ? ' mode' : ''} is the ${driver} driver default`;
  throw new EngineError('internal', `requested ${driver} ${what} '${value}' is not valid, ${hint}`);
}

/** Docker's name for a network's dummy, by which it speaks of the network, too. */
export function dummyName({ id }: Pick<Network, 'id'>): string {
  return `dm-${shortId(id)}`;
}

export function parentOf(network: OnParent): string {
  return network.options.parent ?? dummyName(network);
}

/** Other networks that hang from the same link. */
export function neighboursOf<O extends ParentOptions>(
  network: Network<O>,
  others: Iterable<Network<O>>,
): readonly Network<O>[] {
  return [...others].filter((other) => other.id !== network.id && parentOf(other) === parentOf(network));
}

/** The link the network hangs from: a dummy of its own, a VLAN made where it is missing, or one that must be there. */
export function describeParent(network: OnParent): Resource[] {
  const name = parentOf(network);
  if (network.options.parent === undefined) {
    return [{ kind: 'link', type: 'dummy', namespace: 'host', name, up: true }];
  }
  const [, parent, number] = VLAN_NAME.exec(name) ?? [];
  if (parent !== undefined && Number(number) <= HIGHEST_VLAN) {
    return [{ kind: 'link', type: 'vlan', namespace: 'host', name, up: true, parent, id: Number(number) }];
  }
  return [{ kind: 'parent', namespace: 'host', link: name }];
}
