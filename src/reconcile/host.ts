import { NetworkNamespace } from '../kernel/netns.ts';
import { type LinkInfo, RouteSocket } from '../kernel/rtnetlink.ts';
import type { InterfaceAddress } from '../model/address.ts';

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
