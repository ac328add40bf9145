import type { AddressInfo, LinkInfo, RouteInfo } from '../kernel/rtnetlink.ts';
import { FAIRWAY_PROTOCOL } from '../kernel/rtnetlink.ts';
import { type InterfaceAddress, lengthOf, prefixOf } from '../model/address.ts';
import type { AddressResource, NamespaceName, RouteResource } from '../model/resource.ts';
import type { Place } from './places.ts';
import type { LinkView } from './see-link.ts';

const RTN_UNICAST = 1;

/** One namespace as it was read. */
export interface Picture extends LinkView {
  readonly namespace: NamespaceName;
  readonly place: Place;
  readonly links: readonly LinkInfo[];
  readonly addresses: readonly AddressInfo[];
  readonly routes: readonly RouteInfo[];
}

/** Three dumps; links are found by name and by index. */
export function pictureOf(place: Place): Picture {
  const links = place.links();
  const known = new Map<string | number, LinkInfo>(
    links.flatMap((link) => [
      [link.index, link],
      [link.name, link],
    ]),
  );
  return {
    namespace: place.name,
    place,
    links,
    link: (which) => known.get(which),
    addresses: place.socket.addresses(),
    routes: place.socket.routes('main').filter((route) => route.type === RTN_UNICAST),
  };
}

/** An address without the route the kernel makes with it is not there as far as anybody can use it. */
export function seeAddress(
  wish: AddressResource,
  { link: find, addresses, routes }: Picture,
): AddressResource | undefined {
  const link = find(wish.link);
  if (link === undefined) return undefined;
  if (!addresses.some((found) => found.link === link.index && found.address === wish.address)) return undefined;
  if (!link.up || isHostAddress(wish.address)) return wish;
  const subnet = prefixOf(wish.address);
  return routes.some((route) => route.destination === subnet && route.link === link.index) ? wish : undefined;
}

/** /32 and /128: the kernel makes no route with them. */
function isHostAddress(address: InterfaceAddress): boolean {
  return lengthOf(address) === (address.includes(':') ? 128 : 32);
}

/** A container that may change its own routes has done so for a reason: any route to the destination will do there. */
export function seeRoute(wish: RouteResource, { place, link: find, routes }: Picture): RouteResource | undefined {
  const there = routes.filter((route) => route.destination === wish.destination);
  const ours = there.find((route) => route.protocol === FAIRWAY_PROTOCOL);
  if (ours !== undefined) {
    const { gateway: _, ...rest } = wish;
    const link = find(ours.link)?.name ?? '';
    return { ...rest, link, ...(ours.gateway === undefined ? {} : { gateway: ours.gateway }) };
  }
  const index = find(wish.link)?.index;
  return there.some((route) => place.name !== 'host' || route.link === index) ? wish : undefined;
}
