import type { Owner, Resource, ResourceKind } from '../model/resource.ts';
import { resourceKey } from '../model/resource.ts';
import type { Change } from './applier.ts';
import type { PlanStep } from './plan.ts';

type Of<K extends ResourceKind> = Extract<Resource, { kind: K }>;

export interface StepOf<K extends ResourceKind> extends PlanStep {
  readonly resource: Of<K>;
  readonly owner: Owner;
}

/** Steps of one kind with one of these actions, in their order. Garbage counts as the host's. */
export function stepsOf<K extends ResourceKind>(
  steps: readonly PlanStep[],
  kind: K,
  ...actions: PlanStep['action'][]
): StepOf<K>[] {
  return steps
    .filter((step) => step.resource.kind === kind && actions.includes(step.action))
    .map((step) => ({ ...step, owner: step.owner ?? 'host' }) as StepOf<K>);
}

/** Resources of steps, by the namespace they live in. */
export function byNamespace<T extends { readonly namespace: string }>(
  resources: readonly T[],
): Map<T['namespace'], T[]> {
  return Map.groupBy(resources, (resource) => resource.namespace);
}

/** What steps of one kind change, for an applier that makes all changes at once. */
export function changesOf<K extends 'firewall' | 'passage' | 'port-security'>(
  steps: readonly PlanStep[],
  kind: K,
): Change<Of<K>>[] {
  return stepsOf(steps, kind, 'create', 'update', 'remove').map(({ action, resource, observed }) => {
    if (action === 'remove') return { before: resource };
    return observed?.kind === kind ? { before: observed as Of<K>, after: resource } : { after: resource };
  });
}

/** One line for people: "created link host br-1a2b3c (missing)". */
export function describeStep({ action, resource, because }: PlanStep): string {
  return `${action}d ${resourceKey(resource)} (${because})`;
}
