import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KernelEvent, KernelEvents } from '../kernel/events.ts';
import type { NetworkNamespace } from '../kernel/netns.ts';
import { watchMounts } from '../kernel/poll.ts';
import { RESOLVER_TABLE } from '../kernel/resolver-redirect.ts';
import type { AddressInfo, ForwardingInfo, NeighbourInfo } from '../kernel/rtnetlink.ts';
import { addressOf } from '../model/address.ts';
import type { NamespaceName } from '../model/resource.ts';
import { isOurs, isTrash } from './marks.ts';
import { SettingWatches } from './setting-watches.ts';
import { Suspects, type Suspicion } from './suspects.ts';
import type { Wires } from './wires.ts';

/** Milliseconds: what changes together is looked at together. */
const DEBOUNCE = 5;
/** For links that are there and only changed. Each one we make does so five times, and asking waits for the kernel's rtnl lock. */
const LINK_DEBOUNCE = 25;

/** Another program changes its rules in many transactions: to load all of them takes it about as long. */
const PASSAGE_DEBOUNCE = 50;
/** A container that starts mounts several things. */
const MOUNT_DEBOUNCE = 50;
/** Milliseconds in which a daemon that starts answers: until then nothing is done that can wait. */
const MOMENT = 1000;
/** Milliseconds between looks at what the kernel tells nothing of. */
const PERIOD = 5000;
/** Links whose settings are looked at each time, of some 20 µs, and sandboxes, of some 300 µs: the API waits meanwhile. */
const LINKS_A_TIME = 200;
const SANDBOXES_A_TIME = 20;
/** Sandboxes whose files are looked at each time, of some 5 µs: with a thousand of them every start would look at all */
const PINS_A_TIME = 100;
/** And links whose settings are begun to be watched, of some 300 µs */
const FOLLOWED_A_TIME = 20;
/** After events were lost, looking takes at most one in so many parts of the time: more will be lost as long as the storm goes on. */
const SHARE = 5;

export interface WatchOptions {
  readonly namespace: NetworkNamespace;
  /** Told of strangers, and of addresses that somebody takes */
  readonly wires: Wires;
  /** The firewall tables that are ours */
  readonly tables: ReadonlySet<string>;
  /** Whether there is something of which the kernel tells nothing */
  unwatched(): boolean;
  /** The name of a link we know and wish, or hang something from, by its index; undefined for all others */
  nameOf(index: number): string | undefined;
  /** Whether something of ours hangs, or should hang, from the link of this name */
  isParent(name: string): boolean;
  /** The sandbox that has this number to the host */
  sandboxOf(number: number): NamespaceName | undefined;
  sandboxes(): readonly NamespaceName[];
  /** Whether it says something wrong of an address of ours */
  isWrong(neighbour: NeighbourInfo | ForwardingInfo, where: NamespaceName): boolean;
  /** Whether a bridge may miss what was said of this address until now */
  isMissed(neighbour: ForwardingInfo): boolean;
  /** Links of the host that have settings; '' where some belong to none */
  linksWithSettings(): readonly string[];
  /** Below /proc/sys */
  settingsOf(link: string): readonly string[];
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
  readonly #mounts: Disposable;
  readonly #settings: SettingWatches;
  /** Links of whose settings the kernel has told since the last look: they may have been made anew */
  readonly #renewed = new Set<string>();
  #suspicion = new Suspects();
  /** Events of the nftables transaction that is being told */
  #touched = false;
  #foreign = false;
  /** Namespaces, by number, in which the table that leads to the resolver is being changed */
  readonly #redirects = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  readonly #ticks: NodeJS.Timeout;
  /** Of what is looked at later */
  readonly #timers = new Set<NodeJS.Timeout>();
  #due = Number.POSITIVE_INFINITY;
  #againDue = Number.POSITIVE_INFINITY;
  /** Where the next look at settings begins */
  #turn = 0;
  /** What has to be looked at after events were lost, and before there were any, part by part */
  #backlog: { readonly links: string[]; readonly sandboxes: NamespaceName[] } = { links: [], sandboxes: [] };
  /** Sandboxes that may have lost their file; who has waited longest comes first */
  readonly #pins = new Set<NamespaceName>();
  /** Links of the start, of whose settings nobody tells yet */
  readonly #unfollowed: string[] = [];
  /** Milliseconds the last look took, and the time before which there is no other after events were lost */
  #cost = 0;
  #calm = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#events = new KernelEvents(options.namespace, (event) => this.#hear(event));
    this.#ticks = setInterval(() => this.#tick(), PERIOD).unref();
    this.#settings = new SettingWatches(options.namespace, (link) => {
      this.#suspicion.settings.add(link);
      this.#schedule(DEBOUNCE);
    });
    this.#later(() => this.#unfollowed.push(...options.linksWithSettings()));
    this.#mounts = watchMounts(() => {
      this.#suspectPins();
      this.#schedule(MOUNT_DEBOUNCE);
    });
  }

  /** Resolves when what the kernel told so far has been looked at. */
  async idle(): Promise<void> {
    do {
      await sleep(DEBOUNCE);
      // What came late, or is more than a turn's share, is not heard yet.
      this.#events.catchUp();
    } while (this.#due !== Number.POSITIVE_INFINITY);
  }

  /** Looks at the host again, in so many milliseconds; an earlier appointment stays. What happens before then is looked at as usual. */
  lookAgain(milliseconds: number): void {
    const due = performance.now() + milliseconds;
    if (due >= this.#againDue) return;
    clearTimeout(this.#again);
    this.#againDue = due;
    this.#again = setTimeout(() => {
      this.#againDue = Number.POSITIVE_INFINITY;
      this.#suspicion.addHost();
      this.#schedule(0);
    }, milliseconds);
    this.#again.unref();
  }

  /** Looks at these sandboxes in a moment, some at a time. */
  lookInside(sandboxes: readonly NamespaceName[]): void {
    if (sandboxes.length > 0) this.#later(() => this.#backlog.sandboxes.push(...sandboxes));
  }

  #later(add: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      add();
      this.#schedule(0);
    }, MOMENT).unref();
    this.#timers.add(timer);
  }

  #tick(): void {
    const links = this.#options.linksWithSettings();
    this.#settings.keep(new Set(links));
    if (this.#turn >= links.length) this.#turn = 0;
    for (const link of links.slice(this.#turn, this.#turn + LINKS_A_TIME)) this.#suspicion.settings.add(link);
    this.#turn += LINKS_A_TIME;
    if (this.#options.unwatched()) this.#suspicion.passages = true;
    this.#schedule(0);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#ticks);
    for (const timer of this.#timers) clearTimeout(timer);
    clearTimeout(this.#again);
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
    this.#mounts[Symbol.dispose]();
    this.#settings[Symbol.dispose]();
    this.#events[Symbol.dispose]();
  }

  #hear(event: KernelEvent): void {
    if ('namespace' in event) this.#hearInside(event, event.namespace);
    else this.#hearHost(event);
    const { host, firewall, passages, isEmpty } = this.#suspicion;
    if (host || firewall) this.#schedule(Math.max(DEBOUNCE, this.#calm - performance.now()));
    else if (!isEmpty) this.#schedule(passages ? PASSAGE_DEBOUNCE : LINK_DEBOUNCE);
  }

  #hearHost(event: KernelEvent): void {
    switch (event.kind) {
      case 'link':
        this.#hearLink(event);
        break;
      case 'address':
        if (event.removed) this.#suspectHost(event.address.link);
        else this.#hearAddress(event.address, 'host');
        break;
      case 'route':
        if (event.removed) this.#suspectHost(event.route.link);
        break;
      case 'settings':
        this.#hearSettings(event.link);
        break;
      case 'neighbour':
        this.#hearHostNeighbour(event.neighbour, event.removed);
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
  }

  #suspectAll(): void {
    this.#options.wires.doubtAll();
    this.#suspicion.addHost();
    this.#suspectPins();
    this.#suspicion.neighbours.add('host');
    this.#backlog = { links: [...this.#options.linksWithSettings()], sandboxes: [...this.#options.sandboxes()] };
    this.#calm = performance.now() + this.#cost * SHARE;
  }

  #suspectPins(): void {
    for (const sandbox of this.#options.sandboxes()) this.#pins.add(sandbox);
  }

  /** Nobody waits for what comes: somebody inside may have a use for it. */
  #hearInside(event: KernelEvent, namespace: number): void {
    switch (event.kind) {
      case 'firewall':
        if (event.table === RESOLVER_TABLE) this.#redirects.add(namespace);
        break;
      case 'generation': {
        const touched = this.#redirects.delete(namespace) && event.author !== ownName();
        const sandbox = touched ? this.#options.sandboxOf(namespace) : undefined;
        if (sandbox !== undefined) this.#suspicion.resolvers.add(sandbox);
        break;
      }
      case 'neighbour': {
        const sandbox = this.#options.sandboxOf(namespace);
        if (sandbox !== undefined && !event.removed) this.#hearNeighbour(event.neighbour, sandbox);
        break;
      }
      default: {
        const sandbox = this.#options.sandboxOf(namespace);
        if (sandbox === undefined) break;
        if (event.kind === 'address' && !event.removed) this.#hearAddress(event.address, sandbox);
        if (event.kind === 'link' || ('removed' in event && event.removed)) this.#suspicion.sandboxes.add(sandbox);
      }
    }
  }

  #hearAddress({ link, address }: AddressInfo, where: NamespaceName): void {
    this.#options.wires.noteIn(where, link, addressOf(address));
  }

  #hearLink({ index, name, removed, port }: KernelEvent & { kind: 'link' }): void {
    if (removed) this.#settings.drop(name);
    if (port !== undefined && !isOurs(port) && !isTrash(port)) this.#options.wires.meetStranger(port.master);
    const known = this.#options.nameOf(index);
    const changed = removed || known !== name;
    if (changed) for (const parent of [known, name]) if (parent !== undefined) this.#suspectParent(parent);
    if (known === undefined) return;
    if (changed) this.#suspicion.host = true;
    else this.#suspicion.links.add(name);
  }

  #hearHostNeighbour(neighbour: NeighbourInfo | ForwardingInfo, removed: boolean): void {
    if (!removed) this.#hearNeighbour(neighbour, 'host');
    if (neighbour.kind !== 'forwarding') return;
    if (!removed && neighbour.port === neighbour.bridge) this.#suspicion.knows(neighbour);
    else if (removed && this.#options.isMissed(neighbour)) this.#suspicion.addMissed(neighbour);
  }

  #hearNeighbour(neighbour: NeighbourInfo | ForwardingInfo, where: NamespaceName): void {
    if (this.#options.isWrong(neighbour, where)) this.#suspicion.neighbours.add(where);
  }

  #suspectParent(name: string): void {
    if (!this.#options.isParent(name)) return;
    this.#suspicion.addParent(name);
  }

  /** @param link index; negative for all and for those that come */
  #hearSettings(link: number): void {
    const name = link < 0 ? '' : this.#options.nameOf(link);
    if (name === undefined) return;
    this.#suspicion.settings.add(name);
    // This is also how the kernel tells that a link's settings are there, several times for a new one.
    this.#renewed.add(name);
  }

  #followSettings(link: string): void {
    if (link !== '') this.#settings.follow(link, this.#options.settingsOf(link));
  }

  /** @param author of the transaction whose events have just been told */
  #hearGeneration(author: string): void {
    const own = author === ownName();
    if (this.#touched && !own) this.#suspicion.firewall = true;
    if (this.#foreign && !own) this.#suspicion.passages = true;
    this.#touched = false;
    this.#foreign = false;
  }

  /** Who switches a link's IPv6 off takes its addresses away. */
  #suspectHost(index: number): void {
    const name = this.#options.nameOf(index);
    if (name === undefined) return;
    this.#suspicion.host = true;
    this.#suspicion.settings.add(name);
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
    // Before they are read: what is written after that is told.
    for (const link of this.#renewed) this.#followSettings(link);
    this.#renewed.clear();
    const suspicion = this.#suspicion;
    this.#suspicion = new Suspects();
    for (const link of this.#unfollowed.splice(0, FOLLOWED_A_TIME)) {
      if (!this.#settings.has(link)) this.#followSettings(link);
      suspicion.settings.add(link);
    }
    const { links, sandboxes } = this.#backlog;
    for (const link of links.splice(0, LINKS_A_TIME)) suspicion.settings.add(link);
    for (const sandbox of sandboxes.splice(0, SANDBOXES_A_TIME)) {
      suspicion.sandboxes.add(sandbox);
      suspicion.neighbours.add(sandbox);
    }
    for (const sandbox of Array.from(this.#pins).slice(0, PINS_A_TIME)) {
      this.#pins.delete(sandbox);
      suspicion.pins.add(sandbox);
    }
    const begin = performance.now();
    const again = this.#options.look(suspicion.close());
    this.#cost = performance.now() - begin;
    if (again !== undefined) this.lookAgain(again);
    const left = links.length + sandboxes.length + this.#unfollowed.length + this.#pins.size;
    if (left > 0) this.#schedule(LINK_DEBOUNCE);
  }
}

/** As nftables tells authors: the thread's name, which changes with `process.title`. */
function ownName(): string {
  return readFileSync('/proc/thread-self/comm', 'latin1').trimEnd();
}
