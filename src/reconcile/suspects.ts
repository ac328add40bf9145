import type { ForwardingInfo } from '../kernel/rtnetlink.ts';
import type { NamespaceName } from '../model/resource.ts';

/** What events say may have changed, since it was last looked at. */
export interface Suspicion {
  /** Links of the host to be asked for one by one */
  readonly links: ReadonlySet<string>;
  /** Something of ours is gone for certain, or events were lost: read the host's links, addresses and routes */
  readonly host: boolean;
  /** Links that others hang from, which came or went: read also the sandboxes with something on them */
  readonly parents: 'all' | ReadonlySet<string>;
  readonly firewall: boolean;
  /** Rules of other programs */
  readonly passages: boolean;
  /** Links of the host whose settings are to be read; '' for settings that belong to none */
  readonly settings: ReadonlySet<string>;
  /** What is inside them is to be read */
  readonly sandboxes: ReadonlySet<NamespaceName>;
  /** Sandboxes in which somebody has changed what leads to the resolver */
  readonly resolvers: ReadonlySet<NamespaceName>;
  /** Where somebody may have said for good, and wrongly, who holds an address */
  readonly neighbours: ReadonlySet<NamespaceName>;
  /** Sandboxes that may have lost their file */
  readonly pins: ReadonlySet<NamespaceName>;
}

/** A suspicion that grows. */
export class Suspects implements Suspicion {
  readonly links = new Set<string>();
  readonly settings = new Set<string>();
  readonly sandboxes = new Set<NamespaceName>();
  readonly resolvers = new Set<NamespaceName>();
  readonly neighbours = new Set<NamespaceName>();
  readonly pins = new Set<NamespaceName>();
  host = false;
  firewall = false;
  passages = false;
  #parents: 'all' | Set<string> = new Set();
  /** Bridges and their own addresses, which they do not know any more */
  readonly #missed = new Set<string>();

  get parents(): 'all' | ReadonlySet<string> {
    return this.#parents;
  }

  get isEmpty(): boolean {
    const { links, settings, sandboxes, resolvers, neighbours, pins } = this;
    const sets = [links, settings, sandboxes, resolvers, neighbours, pins, this.#missed];
    return !(this.host || this.firewall || this.passages) && sets.every(({ size }) => size === 0);
  }

  /** A bridge does not know its own address any more. */
  addMissed({ bridge, mac }: ForwardingInfo): void {
    this.#missed.add(`${bridge} ${mac}`);
  }

  /** It knows it again: the kernel forgets each new bridge's for a moment. */
  knows({ bridge, mac }: ForwardingInfo): void {
    this.#missed.delete(`${bridge} ${mac}`);
  }

  /** Nothing more is said of it: what is missed now is a wrong word of somebody's. */
  close(): Suspicion {
    if (this.#missed.size > 0) this.neighbours.add('host');
    return this;
  }

  addParent(link: string): void {
    if (this.#parents !== 'all') this.#parents.add(link);
    this.host = true;
  }

  /** The host, and what hangs from its links. */
  addHost(): void {
    this.host = true;
    this.firewall = true;
    this.passages = true;
    this.#parents = 'all';
  }
}
