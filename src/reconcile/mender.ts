import { type Owner, type Resource, resourceKey } from '../model/resource.ts';
import { diff } from './diff.ts';
import type { Executor } from './executor.ts';
import { foundations, linkEnd, rank } from './foundation.ts';
import type { Observer, Renamed, Scope } from './observer.ts';
import type { PlanStep } from './plan.ts';
import type { Wish, Wishes } from './wishes.ts';

/** A step that was carried out, or what was thrown instead. */
export interface Outcome {
  readonly step: PlanStep;
  readonly failure?: unknown;
}

/** Owners that rest on each other, lowest first; garbage is out of the way before all. */
const TURNS: readonly (string | undefined)[] = [undefined, 'host', 'network', 'sandbox', 'endpoint', 'attachment'];

/** Reads the kernel, compares it with the wishes and mends what differs. */
export class Mender {
  readonly #wishes: Wishes;
  readonly #observer: Observer;
  readonly #executor: Executor;
  /** Whether what nobody wishes is garbage: not before all wishes are known */
  removesGarbage = false;

  constructor(wishes: Wishes, observer: Observer, executor: Executor) {
    this.#wishes = wishes;
    this.#observer = observer;
    this.#executor = executor;
  }

  /** What `mend` would do. */
  plan(scope: Scope): PlanStep[] {
    const renamed = this.#observer.renamed(this.#wishes.keys);
    const back = new Set(renamed.map(({ wish }) => resourceKey(wish.resource)));
    const strays = new Set(renamed.map(({ from }) => `link host ${from}`));
    const rest = this.#plan(scope).filter(
      ({ resource }) => !back.has(resourceKey(resource)) && !strays.has(resourceKey(resource)),
    );
    return [...renamed.map(asStep), ...rest];
  }

  /**
   * Never throws for what a step does: everybody's things are mended as far as they can be.
   * @param admit steps it refuses are left out, together with what rests on them
   */
  mend(scope: Scope, admit: (step: PlanStep) => boolean = () => true): Outcome[] {
    const outcomes = [...this.#putBack(admit), ...this.#nameAnew(admit)];
    let plan = admitted(this.#plan(scope), admit);
    // Files that were unmounted while everything was read: what is planned for new sandboxes is not right for those.
    const late = plan.some(isNewSandbox) ? this.#putBack(admit) : [];
    if (late.length > 0) plan = admitted(this.#plan(scope), admit);
    outcomes.push(...late);
    return plan.length === 0 ? outcomes : [...outcomes, ...this.#carryOut(plan, scope)];
  }

  /** Links that bear another name than they were given. */
  #nameAnew(admit: (step: PlanStep) => boolean): Outcome[] {
    return this.#observer
      .renamed(this.#wishes.keys)
      .filter((renamed) => admit(asStep(renamed)))
      .map((renamed) => attempt(asStep(renamed), () => this.#executor.rename(renamed.index, renamed.wish.resource)));
  }

  /** Sandboxes whose file is gone, while somebody is in them. */
  #putBack(admit: (step: PlanStep) => boolean): Outcome[] {
    return this.#observer
      .unpinned(this.#wishes)
      .map(({ wish, pid }) => ({ pid, step: putBackStep(wish) }))
      .filter(({ step }) => admit(step))
      .map(({ pid, step }) => attempt(step, () => this.#executor.pin(step.resource, pid)));
  }

  /** What differs within the scope, read anew. */
  #plan(scope: Scope): PlanStep[] {
    const plan = diff(this.#observer.observe(this.#wishes.keys, scope), this.#wishes.keys);
    return this.removesGarbage ? plan : plan.filter(({ owner }) => owner !== undefined);
  }

  /** All at once; when that fails, what is left is done owner by owner, so that one trouble does not become everybody's. */
  #carryOut(plan: readonly PlanStep[], scope: Scope): Outcome[] {
    try {
      this.#executor.run(plan, true);
      return plan.map((step) => ({ step }));
    } catch {
      const owners = new Set(plan.map(({ owner }) => owner));
      const left = Map.groupBy(
        this.#plan(scope).filter(({ owner }) => owners.has(owner)),
        ({ owner }) => owner,
      );
      const failures = new Map<string, unknown>();
      for (const [, steps] of [...left].sort(([a], [b]) => turn(a) - turn(b))) {
        const { failure } = attempt(steps[0], () => this.#executor.run(steps, true));
        if (failure !== undefined) for (const { resource } of steps) failures.set(resourceKey(resource), failure);
      }
      return plan.map((step) => ({ step, failure: failures.get(resourceKey(step.resource)) }));
    }
  }
}

/** Those that may be carried out now: neither refused, nor resting on what is. In the plan's order, foundations come first. */
function admitted(plan: readonly PlanStep[], admit: (step: PlanStep) => boolean): PlanStep[] {
  const waiting = new Set(plan.filter((step) => !admit(step)).map(({ resource }) => resourceKey(resource)));
  if (waiting.size === 0) return [...plan];
  const waits = ({ resource }: PlanStep): boolean =>
    [resourceKey(resource), ...restsOn(resource)].some((key) => waiting.has(key));
  for (const step of plan.toSorted(byRank)) if (waits(step)) waiting.add(resourceKey(step.resource));
  return plan.filter((step) => !waiting.has(resourceKey(step.resource)));
}

function byRank(a: PlanStep, b: PlanStep): number {
  return rank(a.resource) - rank(b.resource);
}

/** What it cannot be made without, and the bridge of a port. */
function restsOn(resource: Resource): string[] {
  const isPort = resource.kind === 'link' && resource.type === 'veth' && resource.master !== '';
  return [...foundations(resource), ...(isPort ? [linkEnd(resource.namespace, resource.master)] : [])];
}

/** Garbage, which nobody owns, comes first. */
function turn(owner: Owner | undefined): number {
  return TURNS.indexOf(owner?.split(':')[0]);
}

function isNewSandbox({ action, resource }: PlanStep): boolean {
  return action === 'create' && resource.kind === 'namespace';
}

/** A failure is told, not thrown: the others' turn comes all the same. */
function attempt<S extends PlanStep | undefined>(step: S, work: () => void): { step: S; failure?: unknown } {
  try {
    work();
    return { step };
  } catch (failure) {
    return { step, failure };
  }
}

function putBackStep({ owner, resource }: Wish): PlanStep {
  return { action: 'update', owner, resource, because: 'its file was unmounted' };
}

function asStep({ from, wish: { owner, resource } }: Renamed): PlanStep {
  return { action: 'update', owner, resource, because: `was renamed to ${from}` };
}
