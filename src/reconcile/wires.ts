import type { IpAddress } from '../model/address.ts';
import type { NamespaceName } from '../model/resource.ts';
import type { Place } from './places.ts';
import type { Wishes } from './wishes.ts';

/** So few may hear everything: a frame to all ports of a bridge costs a microsecond or two a port. */
const FEW = 32;
/** How many addresses are remembered of one bridge, of some 100 bytes */
const MEMORY = 4096;

/**
 * Bridges whose whole past is known: made by this daemon, and nobody but our sandboxes ever spoke there. An address that nobody had
 * before is in nobody's memory, so that its first holder need not be told to a thousand ports: that would be most of what it costs.
 */
export class Wires {
  readonly #wishes: Wishes;
  readonly #host: Pick<Place, 'knownName'>;
  /** Addresses that somebody has or had, by the bridge's name; undefined where not all of them are known */
  readonly #pasts = new Map<string, Set<IpAddress> | undefined>();

  constructor(wishes: Wishes, host: Pick<Place, 'knownName'>) {
    this.#wishes = wishes;
    this.#host = host;
  }

  /**
   * A bridge was made. One that is made again is remembered by those who are on it.
   * @param again it was missing: there may have been one before this daemon
   */
  begin(bridge: string, again: boolean): void {
    if (!this.#pasts.has(bridge)) this.#pasts.set(bridge, again && this.#isPeopled(bridge) ? undefined : new Set());
  }

  /** The bridge goes, with all who were on it. */
  end(bridge: string): void {
    this.#pasts.delete(bridge);
  }

  /** Somebody is on the bridge, of whose past nothing is known. @param bridge index */
  meetStranger(bridge: number): void {
    const name = this.#host.knownName(bridge);
    if (name !== undefined && this.#pasts.has(name)) this.#pasts.set(name, undefined);
  }

  /** Something was missed. */
  doubtAll(): void {
    for (const bridge of this.#pasts.keys()) this.#pasts.set(bridge, undefined);
  }

  /** Somebody has this address: the bridge itself, or who is on it. */
  note(bridge: string, address: IpAddress): void {
    const past = this.#pasts.get(bridge);
    past?.add(address);
    if (past !== undefined && past.size > MEMORY) this.#pasts.set(bridge, undefined);
  }

  /** Somebody gave a link an address, as keepalived does. @param link index */
  noteIn(namespace: NamespaceName, link: number, address: IpAddress): void {
    if (namespace === 'host') this.note(this.#host.knownName(link) ?? '', address);
    else
      for (const { resource } of this.#wishes.inside(namespace)) {
        if (resource.kind === 'link' && resource.type === 'veth') this.note(resource.master, address);
      }
  }

  /** An endpoint takes these. @returns whether somebody may have known another holder, or few are bothered */
  take(bridge: string, addresses: readonly IpAddress[]): boolean {
    const past = this.#pasts.get(bridge);
    const told = past === undefined || past.size < FEW || addresses.some((address) => past.has(address));
    for (const address of addresses) this.note(bridge, address);
    return told;
  }

  #isPeopled(bridge: string): boolean {
    const wishes = this.#wishes.keys.values();
    return wishes.some(
      ({ resource }) => resource.kind === 'link' && resource.type === 'veth' && resource.master === bridge,
    );
  }
}
