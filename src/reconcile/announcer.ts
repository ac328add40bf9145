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

/** Milliseconds after the link is up, when nobody wants it otherwise. One may be lost; Docker sends three as well. */
const TIMES: readonly number[] = [5, 100, 1000];

/**
 * Tells the neighbours of a new link which MAC address its IP addresses have now: to those who knew a former holder it would
 * be dead for half a minute. The kernel announces when a link comes up (arp_notify), but its bridge port forwards nothing
 * before the kernel's own deferred work has seen the carrier (net/core/link_watch.c), so it is told again. Setting
 * a link's MAC address to what it is makes the kernel announce (NETDEV_CHANGEADDR in net/ipv4/devinet.c and net/ipv6/ndisc.c).
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
    for (const link of links) this.#waiting.set(placeOf(link), link);
    const usual = links.filter(({ announce }) => announce === undefined);
    if (usual.length > 0) this.#schedule(usual, TIMES);
    for (const link of links) if (link.announce !== undefined) this.#schedule([link], timesOf(link.announce));
  }

  /** Links that go tell nothing more: asking for one that is gone would wait for the kernel to take others apart. */
  forget(links: readonly Neighbour[]): void {
    for (const link of links) this.#waiting.delete(placeOf(link));
  }

  #schedule(links: readonly Neighbour[], times: readonly number[]): void {
    for (const time of times) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        for (const link of links) if (this.#waiting.get(placeOf(link)) === link) this.#tell(link);
        if (time === times.at(-1)) this.forget(links.filter((link) => this.#waiting.get(placeOf(link)) === link));
      }, time);
      timer.unref();
      this.#timers.add(timer);
    }
  }

  /** A link that is gone by now has nothing to announce. */
  #tell({ namespace, name, mac }: Neighbour): void {
    try {
      const place = this.#places.at(namespace);
      const link = place.socket.link(name);
      if (link?.mac === mac && link.up) announceBy(place.socket, link.index, mac);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
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

/** With it the kernel forgets what is known of the link's neighbours (neigh_changeaddr): what somebody has said for good is said again. */
function announceBy(socket: Place['socket'], link: number, mac: MacAddress): void {
  const said = socket.neighbours().filter((neighbour) => neighbour.permanent && neighbour.link === link);
  socket.batch().setLink(link, { mac }).send();
  for (const { address, mac: holder } of said) {
    if (holder !== undefined) socket.keepNeighbour({ link, address, mac: holder });
  }
}

function placeOf({ namespace, name }: Neighbour): string {
  return `${namespace} ${name}`;
}

function timesOf({ count, interval }: Announcement): number[] {
  const first = TIMES[0] ?? 0;
  return Array.from({ length: count }, (_, i) => first + i * interval);
}
