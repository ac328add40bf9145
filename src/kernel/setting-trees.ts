import { closeSync } from 'node:fs';
import { KernelError } from '../model/errors.ts';
import { mountNowhere } from './sys-mounts.ts';

/** How many directories one tree may remember. Each is some hundred nanoseconds to every look-up, a new tree 200 µs. */
const MEMORY = 64;

/**
 * Trees of settings as /proc/sys, for directories of namespaces. In one tree, those of all namespaces have the same parent and name: a
 * look-up goes through all that were ever opened (proc_sys_compare in fs/proc/proc_sysctl.c), with 1,000 namespaces for 4 ms. So a tree
 * is left for a new one, in which nothing was looked up yet. Before Linux 5.8 they are all the same one, and only slow.
 */
export class SettingTrees {
  #root: number | undefined;
  #left = 0;

  /** Leads to what /proc/sys is for whoever looks it up. */
  path(): string {
    if (this.#left-- <= 0) this.#renew();
    return this.#root === undefined ? '/proc/sys' : `/proc/self/fd/${this.#root}/sys`;
  }

  /** Where it is not allowed, there is the host's. */
  #renew(): void {
    const former = this.#root;
    try {
      this.#root = mountNowhere('proc');
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      this.#root = undefined;
    }
    if (former !== undefined) closeSync(former);
    this.#left = MEMORY;
  }
}
