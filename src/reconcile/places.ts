import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { NetworkNamespace } from '../kernel/netns.ts';
import { isPinned } from '../kernel/pins.ts';
import { type LinkInfo, RouteSocket } from '../kernel/rtnetlink.ts';
import { readSysctl } from '../kernel/sysctl.ts';
import { KernelError } from '../model/errors.ts';
import type { NamespaceName } from '../model/resource.ts';

/** A network namespace the daemon can speak to from where it is. */
export class Place {
  readonly name: NamespaceName;
  readonly namespace: NetworkNamespace;
  readonly socket: RouteSocket;
  /** What was learnt when links were made or read, so that nothing has to be asked twice */
  readonly #indices = new Map<string, number>();
  readonly #names = new Map<number, string>();

  constructor(name: NamespaceName, namespace: NetworkNamespace) {
    this.name = name;
    this.namespace = namespace;
    this.socket = new RouteSocket(namespace);
  }

  learn(link: string, index: number): void {
    this.#indices.set(link, index);
    this.#names.set(index, link);
  }

  forget(link: string): void {
    const index = this.#indices.get(link);
    this.#indices.delete(link);
    if (index !== undefined) this.#names.delete(index);
  }

  /** The name this link was known by, without asking the kernel. */
  knownName(index: number): string | undefined {
    return this.#names.get(index);
  }

  /** Reads all links, and forgets what was believed of them. */
  links(): LinkInfo[] {
    const links = this.socket.links();
    this.#indices.clear();
    this.#names.clear();
    for (const { name, index } of links) this.learn(name, index);
    return links;
  }

  /** undefined when there is no such link. Asks the kernel only when the link was never heard of. */
  find(link: string): number | undefined {
    const known = this.#indices.get(link);
    if (known !== undefined) return known;
    const index = this.socket.link(link)?.index;
    if (index !== undefined) this.learn(link, index);
    return index;
  }

  /** @throws KernelError ENODEV */
  index(link: string): number {
    const index = this.find(link);
    if (index !== undefined) return index;
    throw new KernelError({ operation: `use link ${link} of ${this.name}`, errno: 19, sentence: '' }, 'ENODEV');
  }

  close(): void {
    this.socket[Symbol.dispose]();
    this.namespace[Symbol.dispose]();
  }
}

/** The host's network and the sandboxes' below the exec root. */
export class Places {
  readonly host: Place;
  readonly #directory: string;
  readonly #sandboxes = new Map<NamespaceName, Place>();
  /** The numbers by which the host's events speak of sandboxes */
  readonly #numbers = new Map<NamespaceName, number>();
  readonly #numbered = new Map<number, NamespaceName>();
  /** Made by others, without a name yet */
  readonly #provided = new Map<NamespaceName, NetworkNamespace>();

  /** @param directory where namespaces are pinned; made when missing */
  constructor(directory: string, home: NetworkNamespace) {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    this.#directory = directory;
    this.host = new Place('host', home);
  }

  path(name: NamespaceName): string {
    return join(this.#directory, name.slice('sandbox:'.length).slice(0, 12));
  }

  /** @throws KernelError ENOENT when the sandbox has no namespace */
  at(name: NamespaceName): Place {
    if (name === 'host') return this.host;
    const known = this.#sandboxes.get(name);
    if (known !== undefined) return known;
    // Where the namespace was unmounted, the file that bore it is still there.
    if (!this.isPinned(name)) throw new KernelError({ operation: `enter ${name}`, errno: 2, sentence: '' }, 'ENOENT');
    return this.#enter(new Place(name, NetworkNamespace.open(this.path(name))));
  }

  /** The sandbox that the host's events call by this number. */
  numbered(number: number): NamespaceName | undefined {
    return this.#numbered.get(number);
  }

  #enter(place: Place): Place {
    const { name, namespace } = place;
    this.#sandboxes.set(name, place);
    if (!this.#numbers.has(name)) {
      const number = this.host.socket.numberOf(namespace);
      this.#numbers.set(name, number);
      this.#numbered.set(number, name);
    }
    return place;
  }

  #forgetNumber(name: NamespaceName): void {
    const number = this.#numbers.get(name);
    this.#numbers.delete(name);
    if (number !== undefined && this.#numbered.get(number) === name) this.#numbered.delete(number);
  }

  /** Closes what is open to sandboxes. With a thousand of them, descriptors are better spent on their sockets. */
  release(): void {
    for (const name of [...this.#sandboxes.keys()]) this.#close(name);
  }

  /**
   * The namespace that a sandbox shall be when it is created, in place of a new one. It is closed with the sandbox.
   * @returns what closes it, unless it has become the sandbox
   */
  provide(name: NamespaceName, namespace: NetworkNamespace): Disposable {
    this.#withdraw(name);
    this.#provided.set(name, namespace);
    return { [Symbol.dispose]: () => this.#withdraw(name) };
  }

  #withdraw(name: NamespaceName): void {
    this.#provided.get(name)?.[Symbol.dispose]();
    this.#provided.delete(name);
  }

  /** @throws KernelError EEXIST when it is there already */
  create(name: NamespaceName): void {
    this.#close(name);
    const path = this.path(name);
    if (existsSync(path) && !isPinned(path)) NetworkNamespace.unpin(path);
    const provided = this.#provided.get(name);
    provided?.pin(path);
    this.#provided.delete(name);
    this.#forgetNumber(name);
    this.#enter(new Place(name, provided ?? NetworkNamespace.create(path)));
  }

  /** Gives the namespace of a process the sandbox's name among the files again. @throws KernelError ENOENT when it has ended */
  pin(name: NamespaceName, pid: number): void {
    using namespace = NetworkNamespace.open(`/proc/${pid}/ns/net`);
    NetworkNamespace.unpin(this.path(name));
    namespace.pin(this.path(name));
  }

  /** Whether a sandbox has its file. */
  isPinned(name: NamespaceName): boolean {
    try {
      return isPinned(this.path(name));
    } catch {
      return false; // the file itself is gone
    }
  }

  /** The kernel takes the namespace apart in the background when nothing uses it any more. */
  discard(name: NamespaceName): void {
    this.#close(name);
    this.#forgetNumber(name);
    this.#withdraw(name);
    NetworkNamespace.unpin(this.path(name));
  }

  /** Every namespace pinned here, by the name it was wished with, or by its own. */
  pinned(wished: Iterable<NamespaceName>): Set<NamespaceName> {
    const names = new Map([...wished].map((name) => [this.path(name), name]));
    const paths = readdirSync(this.#directory).map((file) => join(this.#directory, file));
    return new Set(paths.filter(isPinned).map((path) => names.get(path) ?? (`sandbox:${basename(path)}` as const)));
  }

  /**
   * Whether bridged frames pass the IP firewall (br_netfilter, which Docker loads). Then a container's packet to its own
   * published port is translated inside the bridge and must leave by the port it came in: hairpin mode. Without need it
   * would only echo broadcasts to their senders.
   */
  bridgesAreFiltered(): boolean {
    const { namespace } = this.host;
    try {
      // Asked for each port: a value that is missing would be told by an exception, which costs more than all the rest.
      if (!namespace.run(() => existsSync('/proc/sys/net/bridge'))) return false;
      return readSysctl(namespace, 'net/bridge/bridge-nf-call-iptables') === '1';
    } catch {
      return false; // br_netfilter was just unloaded
    }
  }

  /** Clears away files that are no namespaces: left by a create that was killed half-way, or by a reboot. */
  sweep(): void {
    for (const file of readdirSync(this.#directory)) {
      const path = join(this.#directory, file);
      if (!isPinned(path)) NetworkNamespace.unpin(path);
    }
  }

  close(): void {
    this.release();
    this.host.socket[Symbol.dispose](); // its namespace is the caller's
  }

  #close(name: NamespaceName): void {
    this.#sandboxes.get(name)?.close();
    this.#sandboxes.delete(name);
  }
}
