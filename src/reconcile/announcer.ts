import type { MacAddress } from '../model/address.ts';
import { KernelError } from '../model/errors.ts';
import type { Announcement, NamespaceName } from '../model/resource.ts';
import type { Place, Places } from './places.ts';

/** A link in a sandbox, as its neighbours see it. */
export interface Neighbour {
  readonly namespace: NamespaceName;
  readonly name: string;
  readonly mac: MacAddress;
  readonly announce?: Announcement;
}

/** When nobody wants it otherwise: one may be lost. As in Docker */
const USUAL: Announcement = { count: 3, interval: 1000 };
/** Milliseconds after the link is up, until somebody may hear it: after that, and after each time that nobody could */
const FIRST = 5;
const AGAIN = 10;
/** Milliseconds until it is told for whoever may hear it all the same */
const PATIENCE = 500;

/**
 * Tells the neighbours of a new link which MAC address its IP addresses have now: to those who knew a former holder it would
 * be dead for half a minute. A bridge port forwards nothing before the kernel's own deferred work has seen the carrier
 * (net/core/link_watch.c), which takes some milliseconds; the same work tells that the link runs. Setting
 * a link's MAC address to what it is makes the kernel announce (arp_notify, ndisc_notify: NETDEV_CHANGEADDR in net/ipv4/devinet.c and
 * net/ipv6/ndisc.c).
 */
export class Announcer {
  readonly #places: Pick<Places, 'at' | 'release'>;
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Links that have something left to tell, by where they are */
  readonly #waiting = new Map<string, Neighbour>();

  constructor(places: Pick<Places, 'at' | 'release'>) {
    this.#places = places;
  }

  announce(links: readonly Neighbour[]): void {
    for (const link of links) {
      const { count } = link.announce ?? USUAL;
      this.forget([link]);
      if (count === 0) continue;
      this.#waiting.set(placeOf(link), link);
      this.#later(link, FIRST, () => this.#begin(link, FIRST));
    }
  }

  /** Links that go tell nothing more: asking for one that is gone would wait for the kernel to take others apart. */
  forget(links: readonly Neighbour[]): void {
    for (const link of links) this.#waiting.delete(placeOf(link));
  }

  /** @param waited milliseconds until now */
  #begin(link: Neighbour, waited: number): void {
    const { count } = link.announce ?? USUAL;
    if (this.#tell(link, waited >= PATIENCE)) this.#goOn(link, count - 1);
    else this.#later(link, AGAIN, () => this.#begin(link, waited + AGAIN));
  }

  /** @param left how often it is still to be told */
  #goOn(link: Neighbour, left: number): void {
    if (left === 0) {
      this.forget([link]);
      return;
    }
    this.#later(link, (link.announce ?? USUAL).interval, () => {
      this.#tell(link, true);
      this.#goOn(link, left - 1);
    });
  }

  /** Does something unless the link has gone, or was made again, meanwhile. */
  #later(link: Neighbour, milliseconds: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.#waiting.get(placeOf(link)) === link) work();
    }, milliseconds);
    timer.unref();
    this.#timers.add(timer);
  }

  /**
   * A link that is gone by now has nothing to announce.
   * @param anyway whether or not it is heard @returns false when nobody would hear it yet, and nothing was told
   */
  #tell({ namespace, name, mac }: Neighbour, anyway: boolean): boolean {
    try {
      const { socket } = this.#places.at(namespace);
      const link = socket.link(name);
      if (link?.mac !== mac || !link.up) return true;
      if (!anyway && !socket.runs(link.index)) return false;
      announceBy(socket, link.index, mac);
      return true;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      return true;
    } finally {
      this.#places.release();
    }
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
  }
}

/** With it the kernel forgets what is known of the link's neighbours (neigh_changeaddr): it is told what was said for good, and what was learnt. */
function announceBy(socket: Place['socket'], link: number, mac: MacAddress): void {
  const known = socket.neighbours().filter((neighbour) => neighbour.link === link);
  socket.batch().setLink(link, { mac }).send();
  for (const { address, mac: holder, permanent, fixed } of known) {
    // What is fixed, and by nobody, are groups: the kernel knows them anyhow.
    if (holder !== undefined && (permanent || !fixed)) socket.keepNeighbour({ link, address, mac: holder, permanent });
  }
}

function placeOf({ namespace, name }: Neighbour): string {
  return `${namespace} ${name}`;
}
