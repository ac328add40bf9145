import { posix } from 'node:path';
import type { NetworkNamespace } from '../kernel/netns.ts';
import { watchSysctls } from '../kernel/sysctl.ts';
import { KernelError } from '../model/errors.ts';

/** Tells of settings of links that somebody writes, of which netlink does not tell: most of them. */
export class SettingWatches implements Disposable {
  readonly #namespace: NetworkNamespace;
  readonly #changed: (link: string) => void;
  readonly #watches = new Map<string, DisposableStack>();

  constructor(namespace: NetworkNamespace, changed: (link: string) => void) {
    this.#namespace = namespace;
    this.#changed = changed;
  }

  /**
   * Begins, or begins anew for a link that was made anew. What cannot be watched is not.
   * @param paths of settings below /proc/sys
   */
  follow(link: string, paths: readonly string[]): void {
    this.drop(link);
    if (paths.length === 0) return;
    const stack = new DisposableStack();
    this.#watches.set(link, stack);
    for (const directory of new Set(paths.map((path) => posix.dirname(path)))) {
      try {
        stack.use(watchSysctls(this.#namespace, directory, () => this.#changed(link)));
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
      }
    }
  }

  has(link: string): boolean {
    return this.#watches.has(link);
  }

  drop(link: string): void {
    this.#watches.get(link)?.dispose();
    this.#watches.delete(link);
  }

  /** Ends those of links that are not among these. */
  keep(links: ReadonlySet<string>): void {
    for (const link of [...this.#watches.keys()]) if (!links.has(link)) this.drop(link);
  }

  [Symbol.dispose](): void {
    this.keep(new Set());
  }
}
