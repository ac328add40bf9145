import type { Owner, Resource } from '../model/resource.ts';

/** One thing that differs between wish and kernel, and what is to be done about it. */
export interface PlanStep {
  readonly action: 'create' | 'update' | 'remove';
  /** Who wishes it; undefined for garbage: it carries our mark and nobody wishes it */
  readonly owner?: Owner;
  /** As it shall be; for a removal as it is */
  readonly resource: Resource;
  /** As it is, for an update */
  readonly observed?: Resource;
  /** Why, in words for people: "missing", "mtu is 1400, wanted 1500" */
  readonly because: string;
}

/** A step that was taken, or could not be. */
export interface Repair extends PlanStep {
  /** The failure's message */
  readonly error?: string;
}
