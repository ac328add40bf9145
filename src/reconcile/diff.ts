import { isChild, type LinkResource, type Resource, resourceKey } from '../model/resource.ts';
import { difference, mustBeRemade } from './compare.ts';
import { foundations, linkEnd, linkEnds, rank } from './foundation.ts';
import type { PlanStep } from './plan.ts';
import type { Wish } from './wishes.ts';

/**
 * What leads from `observed` to `wished`: removals first, the last made first; then creations and updates in the order
 * things rest on each other. Pure. Nothing is planned for what the kernel removes by itself together with its link or
 * namespace, and everything is planned that it will lose that way and that is still wished.
 */
export function diff(observed: ReadonlyMap<string, Resource>, wished: ReadonlyMap<string, Wish>): PlanStep[] {
  const ground = new Ground(observed, wished);
  const steps: PlanStep[] = [];
  for (const [key, resource] of observed) {
    if (!wished.has(key) && !ground.endsByItself(resource)) {
      steps.push({ action: 'remove', resource, because: unwished(resource) });
    }
  }
  for (const [key, wish] of wished) steps.push(...stepsFor(wish, observed.get(key), ground));
  refreshRoutes(steps, observed, wished);
  return inOrder(steps);
}

function unwished(resource: Resource): string {
  if (resource.kind === 'neighbour') return `somebody else holds it, not ${resource.mac ?? 'nobody'}`;
  if (resource.kind !== 'forwarding') return 'nobody wishes it';
  return resource.port === undefined
    ? 'the bridge does not know that it is its own'
    : `it is not behind ${resource.port}`;
}

function stepsFor({ owner, resource }: Wish, observed: Resource | undefined, ground: Ground): PlanStep[] {
  if (observed === undefined) return [{ action: 'create', owner, resource, because: 'missing' }];
  const what = difference(observed, resource);
  const because = ground.lost(resource) ?? (mustBeRemade(observed, resource) ? what : ground.lost(observed));
  if (because !== undefined) {
    const create: PlanStep = { action: 'create', owner, resource, because };
    // The daemon's sockets, a veth's end on the host, a route by another link: the kernel leaves those where they are.
    return ground.endsByItself(observed)
      ? [create]
      : [{ action: 'remove', owner, resource: observed, because }, create];
  }
  if (what !== '') return [{ action: 'update', owner, resource, observed, because: what }];
  if (ground.masterIsNew(resource)) {
    return [{ action: 'update', owner, resource, observed, because: 'its bridge is made anew' }];
  }
  return [];
}

/** Which namespaces and links go, and which come, whatever else is planned. */
class Ground {
  readonly #coming = new Set<string>();
  readonly #leaving = new Set<string>();

  constructor(observed: ReadonlyMap<string, Resource>, wished: ReadonlyMap<string, Wish>) {
    for (const [key, resource] of observed) {
      if (!wished.has(key)) this.#mark(this.#leaving, resource);
    }
    for (const kind of ['namespace', 'link']) {
      for (const [key, { resource }] of wished) {
        if (resource.kind === kind) this.#consider(resource, observed.get(key));
      }
    }
  }

  #consider(wished: Resource, observed: Resource | undefined): void {
    const remade = observed !== undefined && (this.lost(wished) !== undefined || mustBeRemade(observed, wished));
    if (remade) this.#mark(this.#leaving, observed);
    if (remade || observed === undefined) this.#mark(this.#coming, wished);
  }

  #mark(set: Set<string>, resource: Resource): void {
    if (resource.kind === 'namespace') set.add(resourceKey(resource));
    if (resource.kind === 'link' && !isLoopback(resource)) for (const end of linkEnds(resource)) set.add(end);
  }

  /** Told in words when a foundation goes or comes, and takes the resource with it. */
  lost(resource: Resource): string | undefined {
    const key = foundations(resource).find((one) => this.#coming.has(one) || this.#leaving.has(one));
    return key === undefined ? undefined : `${key} is made anew`;
  }

  masterIsNew(resource: Resource): boolean {
    return isVeth(resource) && this.#coming.has(linkEnd(resource.namespace, resource.master));
  }

  /**
   * True when no step is needed to be rid of it. Settings, loopbacks and links of others cannot be removed. Links are told
   * even when their namespace goes: the host's end of a veth must be out of traffic at once, not when the kernel gets to it,
   * and so must the addresses of one that hangs from a parent.
   */
  endsByItself(resource: Resource): boolean {
    if (resource.kind === 'sysctl' || resource.kind === 'parent' || isLoopback(resource)) return true;
    if (isChild(resource)) return this.#leaving.has(linkEnd('host', resource.parent));
    if (resource.kind === 'link') return resource.namespace !== 'host' && this.#gone(resource);
    return ['address', 'route', 'neighbour', 'forwarding'].includes(resource.kind) && this.#gone(resource);
  }

  #gone(resource: Resource): boolean {
    return foundations(resource).some((key) => this.#leaving.has(key));
  }
}

function isVeth(resource: Resource): resource is LinkResource & { type: 'veth' } {
  return resource.kind === 'link' && resource.type === 'veth';
}

function isLoopback(resource: Resource): boolean {
  return resource.kind === 'link' && resource.type === 'loopback';
}

/** The kernel drops a link's routes with its last address, and those through its subnet with any: they are made again. */
function refreshRoutes(
  steps: PlanStep[],
  observed: ReadonlyMap<string, Resource>,
  wished: ReadonlyMap<string, Wish>,
): void {
  const losing = new Set<string>();
  for (const { action, resource } of steps) {
    if (action === 'remove' && resource.kind === 'address') losing.add(linkEnd(resource.namespace, resource.link));
  }
  if (losing.size === 0) return;
  const planned = new Set(steps.filter((step) => step.action !== 'remove').map((step) => resourceKey(step.resource)));
  for (const [key, { owner, resource }] of wished) {
    const now = observed.get(key);
    if (resource.kind !== 'route' || now?.kind !== 'route' || planned.has(key)) continue;
    if (!losing.has(linkEnd(now.namespace, now.link))) continue;
    const because = `an address of ${now.link} goes`;
    steps.push({ action: 'remove', owner, resource: now, because }, { action: 'create', owner, resource, because });
  }
}

function inOrder(steps: readonly PlanStep[]): PlanStep[] {
  const removals = steps.filter((step) => step.action === 'remove');
  const others = steps.filter((step) => step.action !== 'remove');
  return [
    ...removals.sort((a, b) => rank(b.resource) - rank(a.resource)),
    ...others.sort((a, b) => rank(a.resource) - rank(b.resource)),
  ];
}
