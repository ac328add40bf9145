import { Conntrack, type PortRange } from '../../kernel/conntrack.ts';
import { NetworkNamespace } from '../../kernel/netns.ts';
import { Nftables } from '../../kernel/nftables.ts';
import { KernelError } from '../../model/errors.ts';
import type { FirewallMark } from '../../model/network.ts';
import type { FirewallResource } from '../../model/resource.ts';
import type { Applier, Change } from '../applier.ts';
import { additions, deletions } from './element.ts';
import { type Listing, readDrops, readListing } from './listing.ts';
import { decompile } from './reading.ts';
import { adminTableText, type DropReason, rulesetText } from './ruleset.ts';
import { type ElementChange, Wanted } from './wanted.ts';

/**
 * Keeps one nftables table: its chains and rules never change, its elements are the firewall's resources. Touches no other
 * table, and makes one for the administrator when it is missing.
 *
 * Whether the rules are intact is told by a fingerprint: a hash of the table's own listing without handles and elements,
 * kept in the table itself since it was made, so that it outlives the daemon. A table that is missing or differs in
 * anything but elements, and one whose elements mean nothing exactly, is replaced in one transaction, never patched.
 */
export class FirewallApplier implements Applier<FirewallResource>, Disposable {
  /** Names of the tables whose changes by others matter */
  readonly tables: ReadonlySet<string>;
  readonly #nftables: Nftables;
  readonly #conntrack: Conntrack;
  readonly #table: string;
  /** What never changes of it, in nft's language */
  readonly #ruleset: string;
  /** What the table shall hold; at first, what it was found to hold */
  #wanted: Wanted | undefined;
  /** The table was seen to be missing or damaged */
  #damaged = false;
  /** What an intact table of this process looks like; not known before one was made or seen */
  #fingerprint: string | undefined;

  /**
   * @param table its name; its family is inet. The administrator's is called `NAME-admin`
   * @param namespace where it is; unless told, the daemon's own
   * @param accept packets that may go to every port of a network that is not internal
   */
  constructor(table: string, namespace: NetworkNamespace = NetworkNamespace.home(), accept?: FirewallMark) {
    this.#table = table;
    this.#ruleset = rulesetText(table, accept);
    this.tables = new Set([table]);
    this.#nftables = new Nftables(namespace);
    this.#conntrack = new Conntrack(namespace);
  }

  /** Packets that the table has dropped since it was made, by the reason; nothing while it is missing. */
  drops(): Partial<Record<DropReason, number>> {
    try {
      return readDrops(this.#nftables.run(`list counters table inet ${this.#table}`));
    } catch (error) {
      if (error instanceof KernelError && error.code === 'ENOENT') return {};
      throw error;
    }
  }

  /** Removes the table, and the administrator's unless something was written into it. */
  clear(): void {
    const table = this.#table;
    const admin = `${table}-admin`;
    const untouched = this.#exists(admin) && !this.#hasRules(admin);
    this.#nftables.run(
      `table inet ${table}\ndelete table inet ${table}\n${untouched ? `delete table inet ${admin}\n` : ''}`,
    );
    this.#wanted = undefined;
  }

  [Symbol.dispose](): void {
    this.#nftables[Symbol.dispose]();
    this.#conntrack[Symbol.dispose]();
  }

  /** @returns what the table says; nothing when it is missing or damaged, since then nothing it says is sure to hold */
  observe(): FirewallResource[] {
    return this.#look().resources;
  }

  /**
   * One transaction; the kernel holds either all of it or nothing. When the kernel turns out to be different than believed,
   * the table is replaced by one that holds all that is wanted. UDP flows that were led elsewhere are forgotten.
   * @throws KernelError in nft's words; EngineError for a resource that cannot be said in nftables
   */
  apply(changes: readonly Change<FirewallResource>[]): void {
    const wanted = this.#wanted ?? this.#look().wanted;
    const change = wanted.change(
      changes.flatMap(({ before }) => before ?? []),
      changes.flatMap(({ after }) => after ?? []),
    );
    try {
      this.#commit(change, wanted);
    } catch (error) {
      change.undo();
      throw error;
    }
    this.#conntrack.forgetUdp(changes.flatMap(({ before, after }) => [...udpPorts(before), ...udpPorts(after)]));
  }

  #look(): { resources: FirewallResource[]; wanted: Wanted } {
    const resources = this.#read();
    this.#damaged = resources === undefined;
    const wanted = this.#wanted ?? new Wanted(resources ?? []);
    this.#wanted = wanted;
    return { resources: resources ?? [], wanted };
  }

  #commit({ remove, add }: ElementChange, wanted: Wanted): void {
    const commands = deletions(this.#table, remove) + additions(this.#table, add);
    if (this.#damaged) this.#rebuild(wanted);
    else if (commands !== '') this.#runOrRebuild(commands, wanted);
  }

  #runOrRebuild(commands: string, wanted: Wanted): void {
    try {
      this.#nftables.run(commands);
    } catch (error) {
      if (!(error instanceof KernelError) || !['ENOENT', 'EEXIST'].includes(error.code)) throw error;
      this.#rebuild(wanted);
    }
  }

  /** Replaces the table, or makes it, without a moment without it. */
  #rebuild(wanted: Wanted): void {
    const table = this.#table;
    const known = this.#fingerprint;
    this.#nftables.run(
      `table inet ${table}\ndelete table inet ${table}\n${this.#ruleset}` +
        additions(table, wanted.elements()) +
        (known === undefined ? '' : this.#signature(known)),
    );
    if (known === undefined) {
      this.#fingerprint = this.#list({ terse: true }).fingerprint;
      this.#nftables.run(this.#signature(this.#fingerprint));
    }
    this.#damaged = false;
    this.#ensureAdminTable();
  }

  #signature(fingerprint: string): string {
    return additions(this.#table, [{ set: 'fingerprint', key: '1', comment: fingerprint }]);
  }

  #read(): FirewallResource[] | undefined {
    try {
      const { elements, fingerprint, original } = this.#list({ terse: false });
      if (original === undefined || fingerprint !== original) return undefined;
      this.#fingerprint = fingerprint;
      return decompile(elements);
    } catch (error) {
      if (error instanceof KernelError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  #list(options: { terse: boolean }): Listing {
    return readListing(this.#ruleset, this.#nftables.run(`list table inet ${this.#table}`, options));
  }

  /** One that is there is left alone, whatever is in it. */
  #ensureAdminTable(): void {
    const name = `${this.#table}-admin`;
    if (!this.#exists(name)) this.#nftables.run(adminTableText(name));
  }

  #exists(table: string): boolean {
    try {
      this.#nftables.run(`list table inet ${table}`, { terse: true });
      return true;
    } catch (error) {
      if (error instanceof KernelError && error.code === 'ENOENT') return false;
      throw error;
    }
  }

  #hasRules(table: string): boolean {
    return JSON.stringify(this.#nftables.run(`list table inet ${table}`, { terse: true })).includes('"rule":');
  }
}

function udpPorts(resource: FirewallResource | undefined): PortRange[] {
  if (resource?.meaning !== 'publish' || resource.protocol !== 'udp') return [];
  return [{ address: resource.hostAddress, first: resource.hostPort, count: resource.count }];
}
