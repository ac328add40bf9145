import { addressOf, type IpAddress } from '../model/address.ts';
import type { LinkResource } from '../model/resource.ts';
import type { Neighbour } from './announcer.ts';
import { type LinkEnd, linkEnd } from './foundation.ts';
import type { PlanStep } from './plan.ts';
import { type StepOf, stepsOf } from './steps.ts';
import type { Wires } from './wires.ts';

/** Whom others on its wire hear of: the end in a sandbox, where it has a MAC address of its own. */
export function neighboursOn(link: LinkResource): Neighbour[] {
  const ends = link.type === 'veth' ? [link.peer, link] : link.type === 'macvlan' ? [link] : [];
  return ends.flatMap(({ namespace, name, mac }) =>
    namespace === 'host' || mac === undefined
      ? []
      : [{ namespace, name, mac, ...(link.announce === undefined ? {} : { announce: link.announce }) }],
  );
}

/** Of links that these steps make or mend, those of which others must hear. What they hold is noted, so that who comes next is told apart. */
export function newcomers(steps: readonly PlanStep[], wires: Wires): Neighbour[] {
  const addresses = Map.groupBy(stepsOf(steps, 'address', 'create'), ({ resource: { namespace, link } }) =>
    linkEnd(namespace, link),
  );
  const held = (end: LinkEnd): IpAddress[] =>
    (addresses.get(end) ?? []).map(({ resource }) => addressOf(resource.address));
  for (const { resource } of [...addresses.values()].flat()) {
    if (resource.namespace === 'host') wires.note(resource.link, addressOf(resource.address));
  }
  const links = stepsOf(steps, 'link', 'create', 'update');
  return links.filter((step) => mustBeTold(step, wires, held)).flatMap(({ resource }) => neighboursOn(resource));
}

/** What was mended, or wanted to be told, in any case. */
function mustBeTold(
  { action, resource }: StepOf<'link'>,
  wires: Wires,
  held: (end: LinkEnd) => readonly IpAddress[],
): boolean {
  if (resource.type !== 'veth' || resource.master === '') return true;
  const { master, peer } = resource;
  const known = wires.take(master, held(linkEnd(peer.namespace, peer.name)));
  return known || action === 'update' || resource.announce !== undefined;
}
