import type { Resource } from '../model/resource.ts';

/** What must change about resources of one kind, removals first. `after` alone creates, `before` alone removes. */
export type Change<R extends Resource> =
  | { readonly before: R; readonly after?: R }
  | { readonly before?: R; readonly after: R };

/**
 * One kind's way into the kernel. All work is synchronous: between two awaits of the daemon the kernel always agrees with
 * what the reconciler believes.
 */
export interface Applier<R extends Resource> {
  /**
   * What of ours the kernel holds now, read from the kernel alone. A thing that is there but damaged is reported as it
   * is, or not at all, so that it is made again.
   * @param wished for kinds that can only be told by what is wished
   */
  observe(wished: readonly R[]): R[];
  /** Makes all changes, in one transaction where the kernel has one. @throws KernelError in the kernel's words */
  apply(changes: readonly Change<R>[]): void;
}
