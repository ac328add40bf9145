import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NetworkNamespace, warmThreadPool } from '../../src/kernel/netns.ts';
import { type LinkInfo, RouteSocket } from '../../src/kernel/rtnetlink.ts';

/** Namespaces of one test, pinned in a directory of its own; all are gone when it is disposed. The test stays at home. */
export class Namespaces implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'fairway-kernel-'));
  readonly #made = new Map<string, NetworkNamespace>();

  static async begin(): Promise<Namespaces> {
    await warmThreadPool();
    return new Namespaces();
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  make(name: string): NetworkNamespace {
    const namespace = NetworkNamespace.create(this.path(name));
    this.#made.set(name, namespace);
    return namespace;
  }

  [Symbol.dispose](): void {
    for (const [name, namespace] of this.#made) {
      NetworkNamespace.unpin(this.path(name));
      namespace[Symbol.dispose]();
    }
    rmSync(this.directory, { recursive: true });
  }
}

/** A link that must be there. */
export function linkOf(socket: RouteSocket, which: number | string): LinkInfo {
  const link = socket.link(which);
  if (link === undefined) throw new Error(`no link ${which}`);
  return link;
}

/** Brings lo up, so that sockets of the namespace reach each other. */
export function raiseLoopback(namespace: NetworkNamespace): void {
  using socket = new RouteSocket(namespace);
  socket.batch().setLink('lo', { up: true }).send();
}
