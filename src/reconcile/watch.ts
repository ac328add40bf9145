import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KernelEvent, KernelEvents } from '../kernel/events.ts';
import type { NetworkNamespace } from '../kernel/netns.ts';

/** Milliseconds: what changes together is looked at together. */
const DEBOUNCE = 5;
/** For links that are there and only changed. Each one we make does so five times, and asking waits for the kernel's rtnl lock. */
const LINK_DEBOUNCE = 25;

/** Another program changes its rules in many transactions: to load all of them takes it about as long. */
const PASSAGE_DEBOUNCE = 50;
/** Milliseconds between looks at what the kernel tells nothing of. */
const PERIOD = 5000;

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
}

export interface WatchOptions {
  readonly namespace: NetworkNamespace;
  /** The firewall tables that are ours */
  readonly tables: ReadonlySet<string>;
  /** Whether there is something of which the kernel tells nothing */
  unwatched(): boolean;
  /** The name of a link we know and wish, or hang something from, by its index; undefined for all others */
  nameOf(index: number): string | undefined;
  /** Whether something of ours hangs, or should hang, from the link of this name */
  isParent(name: string): boolean;
  /** Called a few milliseconds after the first event; returns in how many milliseconds to look again, if at all */
  look(suspicion: Suspicion): number | undefined;
}

/**
 * Turns kernel events into suspicions. Events of our own changes come too: of what we removed nothing is known any more
 * when they arrive; what we made is asked for one by one, which costs little; our own firewall transactions bear our name.
 */
export class Watch implements Disposable {
  readonly #options: WatchOptions;
  readonly #events: KernelEvents;
  readonly #links = new Set<string>();
  #parents: 'all' | Set<string> = new Set();
  #host = false;
  #firewall = false;
  #passages = false;
  /** Events of the nftables transaction that is being told */
  #touched = false;
  #foreign = false;
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  readonly #ticks: NodeJS.Timeout;
  #due = Number.POSITIVE_INFINITY;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#events = new KernelEvents(options.namespace, (event) => this.#hear(event));
    this.#ticks = setInterval(() => this.#tick(), PERIOD).unref();
  }

  /** Resolves when what the kernel told so far has been looked at. */
  async idle(): Promise<void> {
    await sleep(DEBOUNCE);
    while (this.#due !== Number.POSITIVE_INFINITY) await sleep(DEBOUNCE);
  }

  /** Looks at everything again, in so many milliseconds. What happens before then is looked at as usual. */
  lookAgain(milliseconds: number): void {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => {
      this.#suspectAll();
      this.#schedule(0);
    }, milliseconds);
    this.#again.unref();
  }

  #tick(): void {
    if (!this.#options.unwatched()) return;
    this.#passages = true;
    this.#schedule(0);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#ticks);
    clearTimeout(this.#again);
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
    this.#events[Symbol.dispose]();
  }

  #hear(event: KernelEvent): void {
    switch (event.kind) {
      case 'link':
        this.#hearLink(event);
        break;
      case 'address':
        if (event.removed) this.#suspectHost(event.address.link);
        break;
      case 'route':
        if (event.removed) this.#suspectHost(event.route.link);
        break;
      case 'firewall':
        if (this.#options.tables.has(event.table)) this.#touched = true;
        else if (!event.element) this.#foreign = true;
        break;
      case 'generation':
        this.#hearGeneration(event.author);
        break;
      case 'overrun':
        this.#suspectAll();
    }
    if (this.#host || this.#firewall) this.#schedule(DEBOUNCE);
    else if (this.#passages) this.#schedule(PASSAGE_DEBOUNCE);
    else if (this.#links.size > 0) this.#schedule(LINK_DEBOUNCE);
  }

  #hearLink({ index, name, removed }: KernelEvent & { kind: 'link' }): void {
    const known = this.#options.nameOf(index);
    const changed = removed || known !== name;
    if (changed) for (const parent of [known, name]) if (parent !== undefined) this.#suspectParent(parent);
    if (known === undefined) return;
    if (changed) this.#host = true;
    else this.#links.add(name);
  }

  #suspectParent(name: string): void {
    if (!this.#options.isParent(name)) return;
    if (this.#parents !== 'all') this.#parents.add(name);
    this.#host = true;
  }

  #suspectAll(): void {
    this.#host = true;
    this.#firewall = true;
    this.#passages = true;
    this.#parents = 'all';
  }

  /** @param author of the transaction whose events have just been told */
  #hearGeneration(author: string): void {
    const own = author === ownName();
    if (this.#touched && !own) this.#firewall = true;
    if (this.#foreign && !own) this.#passages = true;
    this.#touched = false;
    this.#foreign = false;
  }

  #suspectHost(index: number): void {
    if (this.#options.nameOf(index) !== undefined) this.#host = true;
  }

  /** An earlier appointment stays. */
  #schedule(milliseconds: number): void {
    const due = performance.now() + milliseconds;
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#look(), milliseconds);
  }

  #look(): void {
    this.#due = Number.POSITIVE_INFINITY;
    const suspicion = {
      links: new Set(this.#links),
      host: this.#host,
      firewall: this.#firewall,
      passages: this.#passages,
      parents: this.#parents,
    };
    this.#links.clear();
    this.#parents = new Set();
    this.#host = false;
    this.#firewall = false;
    this.#passages = false;
    const again = this.#options.look(suspicion);
    if (again !== undefined) this.lookAgain(again);
  }
}

/** As nftables tells authors: the thread's name, which changes with `process.title`. */
function ownName(): string {
  return readFileSync('/proc/thread-self/comm', 'latin1').trimEnd();
}
