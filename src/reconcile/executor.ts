import { FAIRWAY_PROTOCOL, type RouteSpec } from '../kernel/rtnetlink.ts';
import type { LinkBin } from '../kernel/trash.ts';
import { prefixOf } from '../model/address.ts';
import { KernelError } from '../model/errors.ts';
import type { FirewallResource } from '../model/firewall.ts';
import {
  type AddressResource,
  isChild,
  type LinkResource,
  type NamespaceName,
  type PassageResource,
  type PortSecurityResource,
  type Resource,
  type RouteResource,
  type SwitchPortResource,
} from '../model/resource.ts';
import type { Announcer } from './announcer.ts';
import type { Applier } from './applier.ts';
import { Children } from './children.ts';
import { linkOfSysctl } from './foundation.ts';
import { unlessGone } from './gone.ts';
import { Links, type OwnedLink } from './links.ts';
import type { Listeners } from './listeners.ts';
import type { Neighbours } from './neighbours.ts';
import { neighboursOn, newcomers } from './newcomers.ts';
import type { Places } from './places.ts';
import type { PlanStep } from './plan.ts';
import { writeSetting } from './settings.ts';
import { byNamespace, changesOf, type StepOf, stepsOf } from './steps.ts';
import type { Wires } from './wires.ts';

/** RTPROT_KERNEL: as the kernel marks the routes it makes with an address */
const KERNEL_PROTOCOL = 2;

export interface ExecutorParts {
  readonly places: Places;
  readonly bin: LinkBin;
  readonly listeners: Listeners;
  readonly firewall: Applier<FirewallResource>;
  readonly switchPorts: Applier<SwitchPortResource>;
  readonly passages: Applier<PassageResource>;
  readonly portSecurity: Applier<PortSecurityResource>;
  readonly neighbours: Neighbours;
  readonly announcer: Announcer;
  readonly wires: Wires;
  readonly trace: (step: string, milliseconds: number) => void;
  /** Looks a wished resource up by key */
  readonly find: (key: string) => Resource | undefined;
  /** A process in a sandbox */
  readonly occupant: (sandbox: NamespaceName) => number | undefined;
}

/** Carries out a plan: one netlink batch per namespace and stage, one firewall transaction. Synchronous throughout. */
export class Executor {
  readonly #parts: ExecutorParts;
  readonly #links: Links;
  readonly #children: Children;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#links = new Links(parts.places, parts.bin);
    this.#children = new Children(parts.places);
  }

  /**
   * @param careful the kernel was found to be different than believed: addresses may be there without their route
   * @throws KernelError or EngineError at the first stage that fails; what was done until then stays done
   */
  run(steps: readonly PlanStep[], careful: boolean): void {
    const removals = steps.filter((step) => step.action === 'remove');
    const others = steps.filter((step) => step.action !== 'remove');
    this.#keepInhabited(stepsOf(steps, 'namespace', 'create').map(({ resource }) => resource.name));
    try {
      if (removals.length > 0) this.#remove(removals);
      if (others.length > 0) this.#make(others, careful);
      // All at once: what is taken away and what takes its place may be the same rules.
      this.#timed('passages', () => this.#pass(steps));
    } finally {
      this.#parts.places.release();
    }
  }

  /**
   * Never a second namespace beside the one that somebody is in. Its file was unmounted after it was looked for, and it gets it back.
   * @throws KernelError EEXIST then: what was planned for a new one is not right for it
   */
  #keepInhabited(names: readonly NamespaceName[]): void {
    const { places, occupant } = this.#parts;
    for (const name of names) {
      const pid = occupant(name);
      if (pid === undefined) continue;
      places.pin(name, pid);
      throw new KernelError({ operation: `create ${name}`, errno: 17, sentence: `process ${pid} is in it` }, 'EEXIST');
    }
  }

  /** Gives a link of the host the name it was made with. */
  rename(index: number, link: Resource): void {
    if (link.kind === 'link') this.#links.rename(index, link.name);
  }

  /** Gives a sandbox its file back. @param pid of a process in it */
  pin(sandbox: Resource, pid: number): void {
    if (sandbox.kind === 'namespace') this.#parts.places.pin(sandbox.name, pid);
  }

  /** In the order things rest on each other, what rests on others first. */
  #remove(steps: readonly PlanStep[]): void {
    const namespaces = stepsOf(steps, 'namespace', 'remove').map(({ resource }) => resource.name);
    const going = new Set(namespaces);
    this.#timed('firewall remove', () => this.#firewall(steps));
    this.#timed('listeners close', () => {
      for (const { resource } of stepsOf(steps, 'listener', 'remove')) this.#parts.listeners.remove(resource, going);
    });
    this.#timed('switch ports remove', () => this.#switchPorts(steps));
    this.#timed('neighbours remove', () => this.#removeNeighbours(steps));
    this.#timed('addresses remove', () => this.#removeAddressing(steps));
    this.#timed('links remove', () => {
      const links = stepsOf(steps, 'link', 'remove').map(({ resource }) => resource);
      this.#parts.announcer.forget(links.flatMap(neighboursOn));
      for (const { type, name } of links) if (type === 'bridge') this.#parts.wires.end(name);
      this.#children.removeFromSandboxes(links, going);
      this.#children.silenceOnHost(links);
      this.#links.remove(links, going);
    });
    this.#timed('port security remove', () => this.#securePorts(steps));
    // Last: the kernel begins to take them apart at once, and nobody else gets at links meanwhile.
    this.#timed('namespaces unpin', () => {
      for (const name of namespaces) this.#parts.places.discard(name);
    });
  }

  /** The other way round: namespaces, links, addresses and routes, then what needs them. */
  #make(steps: readonly PlanStep[], careful: boolean): void {
    this.#timed('namespaces', () => {
      for (const { resource } of stepsOf(steps, 'namespace', 'create')) this.#parts.places.create(resource.name);
    });
    const sysctls = stepsOf(steps, 'sysctl', 'create', 'update').map(({ resource }) => resource);
    const ofLinks = sysctls.filter(({ path }) => linkOfSysctl(path) !== undefined);
    this.#timed('sysctls', () => this.#write(sysctls.filter((sysctl) => !ofLinks.includes(sysctl))));
    // Before the links: what comes in by a port is looked at from its first frame.
    this.#timed('port security', () => this.#securePorts(steps));
    this.#timed('links', () => this.#makeLinks(steps, careful));
    this.#timed('switch ports', () => this.#switchPorts(steps));
    // Before the addresses: on a link without IPv6 there is no room for one of it.
    this.#timed('link sysctls', () => this.#write(ofLinks));
    const told = newcomers(steps, this.#parts.wires);
    this.#timed('addresses', () => this.#makeAddressing(steps, careful));
    this.#timed('marks', () => this.#links.mark(ownedLinks(steps, 'create').filter(({ link }) => isBornInside(link))));
    this.#timed('listeners', () => {
      for (const { resource } of stepsOf(steps, 'listener', 'create', 'update')) {
        this.#parts.listeners.create(resource, this.#parts.find);
      }
    });
    this.#timed('firewall', () => this.#firewall(steps));
    this.#parts.announcer.announce(told);
  }

  /** Tells how long `work` took, when it did not throw. */
  #timed(step: string, work: () => void): void {
    const start = performance.now();
    work();
    this.#parts.trace(step, performance.now() - start);
  }

  #pass(steps: readonly PlanStep[]): void {
    const changes = changesOf(steps, 'passage');
    if (changes.length > 0) this.#parts.passages.apply(changes);
  }

  #securePorts(steps: readonly PlanStep[]): void {
    const changes = changesOf(steps, 'port-security');
    if (changes.length > 0) this.#parts.portSecurity.apply(changes);
  }

  #firewall(steps: readonly PlanStep[]): void {
    const changes = changesOf(steps, 'firewall');
    if (changes.length > 0) this.#parts.firewall.apply(changes);
  }

  #switchPorts(steps: readonly PlanStep[]): void {
    const changes = stepsOf(steps, 'switch-port', 'create', 'remove').map(({ action, resource }) =>
      action === 'remove' ? { before: resource } : { after: resource },
    );
    if (changes.length > 0) this.#parts.switchPorts.apply(changes);
  }

  /** One visit to each namespace: /proc/sys/net shows that of the thread which opens it. */
  #write(sysctls: readonly StepOf<'sysctl'>['resource'][]): void {
    for (const [name, group] of byNamespace(sysctls)) {
      const { namespace } = this.#parts.places.at(name);
      namespace.run(() => {
        for (const sysctl of group) writeSetting(namespace, sysctl);
      });
    }
  }

  #makeLinks(steps: readonly PlanStep[], careful: boolean): void {
    for (const { resource } of stepsOf(steps, 'parent', 'create')) this.#children.checkParent(resource);
    const created = ownedLinks(steps, 'create');
    for (const name of this.#links.createBridges(ofTypes(created, 'bridge'))) this.#parts.wires.begin(name, careful);
    this.#children.createDummies(ofTypes(created, 'dummy'));
    this.#children.createVlans(ofTypes(created, 'vlan'));
    this.#links.createVeths(ofTypes(created, 'veth'));
    this.#children.createSlaves(ofTypes(created, 'macvlan', 'ipvlan'));
    this.#links.update(ownedLinks(steps, 'update'));
  }

  /**
   * Links come up before they have addresses: what they would announce then, nobody could hear yet (announcer.ts). Routes need them up.
   * The host's ends come up first: their settings are there by now, and the other ends have a carrier.
   */
  #makeAddressing(steps: readonly PlanStep[], careful: boolean): void {
    const ends = stepsOf(steps, 'link', 'create', 'update').flatMap(({ resource }) => endsToRaise(resource));
    const addresses = stepsOf(steps, 'address', 'create').map(({ resource }) => resource);
    const routes = stepsOf(steps, 'route', 'create').map(({ resource }) => resource);
    for (const [name, group] of byNamespace<AddressResource | RouteResource | End>([
      ...ends.toSorted(hostFirst),
      ...addresses,
      ...routes,
    ])) {
      const place = this.#parts.places.at(name);
      const present = careful ? place.socket.addresses() : [];
      const batch = place.socket.batch();
      for (const one of group) {
        const index = place.index(one.link);
        if (!('kind' in one)) batch.setLink(index, { up: true });
        else if (one.kind === 'route') batch.addRoute({ ...routeOf(one), link: index, protocol: FAIRWAY_PROTOCOL });
        else if (present.some(({ link, address }) => link === index && address === one.address)) {
          // Somebody deleted the route the kernel had made with it. Adding the address anew would cost all routes of the link.
          batch.addRoute({ destination: prefixOf(one.address), link: index, protocol: KERNEL_PROTOCOL });
        } else batch.addAddress(index, one.address, name === 'host' ? FAIRWAY_PROTOCOL : undefined);
      }
      batch.send();
    }
  }

  #removeNeighbours(steps: readonly PlanStep[]): void {
    for (const { resource } of stepsOf(steps, 'neighbour', 'remove')) this.#parts.neighbours.remove(resource);
    for (const { resource } of stepsOf(steps, 'forwarding', 'remove')) this.#parts.neighbours.remove(resource);
  }

  /** Routes before the addresses they need; a link that is gone took both along. */
  #removeAddressing(steps: readonly PlanStep[]): void {
    const addresses = stepsOf(steps, 'address', 'remove').map(({ resource }) => resource);
    const routes = stepsOf(steps, 'route', 'remove').map(({ resource }) => resource);
    for (const [name, group] of byNamespace<AddressResource | RouteResource>([...routes, ...addresses])) {
      unlessGone(() => {
        const place = this.#parts.places.at(name);
        const batch = place.socket.batch();
        for (const one of group) {
          const index = place.find(one.link);
          if (index === undefined) continue;
          if (one.kind === 'route') batch.deleteRoute({ ...routeOf(one), link: index, protocol: FAIRWAY_PROTOCOL });
          else batch.deleteAddress(index, one.address);
        }
        batch.send();
      });
    }
  }
}

function ownedLinks(steps: readonly PlanStep[], action: PlanStep['action']): OwnedLink[] {
  return stepsOf(steps, 'link', action).map(({ resource, owner }) => ({ link: resource, owner }));
}

function ofTypes<T extends LinkResource['type']>(
  links: readonly OwnedLink[],
  ...types: readonly T[]
): OwnedLink<Extract<LinkResource, { type: T }>>[] {
  type Wanted = Extract<LinkResource, { type: T }>;
  return links.filter((owned): owned is OwnedLink<Wanted> => types.some((type) => type === owned.link.type));
}

/** In several steps: of the others, one message is all. */
function isBornInside(link: LinkResource): boolean {
  return link.type === 'veth' || (isChild(link) && link.namespace !== 'host');
}

/** An end of a link that is to be brought up when its settings and addresses are there. */
interface End {
  readonly namespace: NamespaceName;
  readonly link: string;
}

function hostFirst(a: End, b: End): number {
  return Number(b.namespace === 'host') - Number(a.namespace === 'host');
}

function endsToRaise(link: LinkResource): End[] {
  if (!link.up) return [];
  const own = { namespace: link.namespace, link: link.name };
  if (link.type === 'veth') return [own, { namespace: link.peer.namespace, link: link.peer.name }];
  return link.type === 'loopback' || link.namespace !== 'host' ? [own] : [];
}

function routeOf({ destination, gateway }: RouteResource): Pick<RouteSpec, 'destination' | 'gateway'> {
  return gateway === undefined ? { destination } : { destination, gateway };
}
