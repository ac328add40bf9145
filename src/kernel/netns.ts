import { closeSync, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pin, unpin } from './pins.ts';
import { SettingTrees } from './setting-trees.ts';
import * as sys from './sys.ts';

/** Of this thread: /proc/self would speak of the main thread. */
const OWN = '/proc/thread-self/ns/net';

/**
 * A network namespace, held open. A socket lives in the namespace it was opened in, so one short visit is enough to talk to
 * a namespace for good.
 */
export class NetworkNamespace implements Disposable {
  /** Where this thread was born, and where it is whenever no visit is under way. */
  static readonly #home = new NetworkNamespace(sys.open(OWN));
  static #here = NetworkNamespace.#home;
  static readonly #trees = new SettingTrees();
  readonly fd: number;
  /** Directories of /proc/sys/net that are held open, by name */
  readonly #settings = new Map<string, number>();

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** The daemon's own. Disposing it does nothing. */
  static home(): NetworkNamespace {
    return NetworkNamespace.#home;
  }

  /**
   * Makes a namespace that lives until it is unpinned and no process is left in it.
   * @param path in an existing directory @throws KernelError EEXIST when the path is taken
   */
  static create(path: string): NetworkNamespace {
    sys.unshareNetworkNamespace();
    try {
      pin(OWN, path);
      return new NetworkNamespace(sys.open(OWN));
    } finally {
      comeBack(NetworkNamespace.#here);
    }
  }

  /** @param path a pinned namespace, or /proc/PID/ns/net @throws KernelError ENOENT */
  static open(path: string): NetworkNamespace {
    return new NetworkNamespace(sys.open(path));
  }

  /** Gives one that has no name a name, as `create` does. @throws KernelError EEXIST when the path is taken */
  pin(path: string): void {
    pin(`/proc/thread-self/fd/${this.fd}`, path);
  }

  /** Takes away the name. The kernel removes the namespace when nothing uses it any more. A missing one is fine. */
  static unpin(path: string): void {
    unpin(path);
  }

  /**
   * Runs `work` in the namespace. It must be synchronous: what runs later runs at home. The process is aborted when it
   * cannot come back, since it would go on working in a container's network.
   * @throws TypeError when `work` returns a promise
   */
  run<T>(work: () => T): T {
    const from = NetworkNamespace.#here;
    if (from === this) return work();
    sys.enterNetworkNamespace(this.fd);
    NetworkNamespace.#here = this;
    try {
      const result = work();
      if (result instanceof Promise) throw new TypeError('work in a network namespace must be synchronous');
      return result;
    } finally {
      comeBack(from);
      NetworkNamespace.#here = from;
    }
  }

  /**
   * A path to a directory of /proc/sys/net as this namespace has it, which leads straight there: SettingTrees says why.
   * @throws Error ENOENT
   */
  settings(directory: 'ipv4' | 'ipv6'): string {
    let fd = this.#settings.get(directory);
    if (fd === undefined) {
      const tree = this === NetworkNamespace.#home ? '/proc/sys' : NetworkNamespace.#trees.path();
      fd = this.run(() => openSync(`${tree}/net/${directory}`, 'r'));
      this.#settings.set(directory, fd);
    }
    return `/proc/self/fd/${fd}`;
  }

  [Symbol.dispose](): void {
    if (this === NetworkNamespace.#home) return;
    sys.close(this.fd);
    for (const fd of this.#settings.values()) closeSync(fd);
    this.#settings.clear();
  }
}

function comeBack(namespace: NetworkNamespace): void {
  try {
    sys.enterNetworkNamespace(namespace.fd);
  } catch {
    process.abort();
  }
}

/**
 * Starts libuv's threads now. They are born in the namespace the caller happens to be in and stay there, so the first
 * asynchronous file access must not be one made inside a visit.
 */
export async function warmThreadPool(): Promise<void> {
  await stat('/');
}
