import { readFileSync } from 'node:fs';
import { NetworkNamespace } from '../kernel/netns.ts';
import { type LinkInfo, RouteSocket } from '../kernel/rtnetlink.ts';
import {
  type InterfaceAddress,
  isIpAddress,
  lengthOf,
  makePrefix,
  type Prefix,
  parseIpAddress,
  prefixOf,
} from '../model/address.ts';
import { isTrash } from './marks.ts';

/**
 * Shorter routes are ways to everywhere else, not networks: 0.0.0.0/0, and the halves 0.0.0.0/1 and 128.0.0.0/1 by which
 * VPNs outdo it.
 */
const SHORTEST_NETWORK = 8;

/**
 * What the host itself uses or reaches, so that no network chosen for containers hides it: its addresses with their
 * subnets, routes of all tables, resolvers. Links that are being deleted do not count.
 */
export function hostPrefixes(namespace: NetworkNamespace = NetworkNamespace.home()): Prefix[] {
  using socket = new RouteSocket(namespace);
  const trash = new Set(
    socket
      .links()
      .filter(isTrash)
      .map((link) => link.index),
  );
  const addresses = socket.addresses().filter(({ link }) => !trash.has(link));
  const routes = socket.routes('all').filter(({ link }) => !trash.has(link));
  const prefixes = [
    ...addresses.map(({ address }) => prefixOf(address)),
    ...routes.map(({ destination }) => destination),
    ...resolvers(),
  ];
  return [...new Set(prefixes.filter((prefix) => lengthOf(prefix) >= SHORTEST_NETWORK))];
}

/** resolv.conf(5): one address behind each "nameserver", perhaps with a zone. */
function resolvers(): Prefix[] {
  let text = '';
  try {
    text = readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    return []; // none is configured
  }
  const names = [...text.matchAll(/^nameserver\s+([^\s%]+)/gm)].map((match) => match[1] ?? '');
  return names.filter(isIpAddress).map((name) => makePrefix(parseIpAddress(name), name.includes(':') ? 128 : 32));
}

/** A link of the host as it is found, with its addresses: what an adopted bridge brings along. */
export interface HostLink {
  readonly link: LinkInfo;
  readonly addresses: readonly InterfaceAddress[];
}

export function hostLink(name: string, namespace: NetworkNamespace = NetworkNamespace.home()): HostLink | undefined {
  using socket = new RouteSocket(namespace);
  const link = socket.link(name);
  if (link === undefined) return undefined;
  return { link, addresses: socket.addresses(link.index).map(({ address }) => address) };
}
