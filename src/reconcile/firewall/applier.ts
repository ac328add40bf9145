import { Conntrack, type PortRange } from '../../kernel/conntrack.ts';
import { NetworkNamespace } from '../../kernel/netns.ts';
import { Nftables } from '../../kernel/nftables.ts';
import { KernelError } from '../../model/errors.ts';
import type { FirewallResource } from '../../model/firewall.ts';
import type { FirewallMark } from '../../model/network.ts';
import type { Applier, Change } from '../applier.ts';
import { compile } from './meaning.ts';
import { decompile } from './reading.ts';
import { adminTableText, type DropReason, rulesetText } from './ruleset.ts';
import { Table } from './table.ts';

/** The firewall's table, and another for the administrator: that one is made when it is missing, and then left alone. */
export class FirewallApplier implements Applier<FirewallResource>, Disposable {
  /** Names of the tables whose changes by others matter, of any family */
  readonly tables: ReadonlySet<string>;
  readonly #nftables: Nftables;
  readonly #conntrack: Conntrack;
  readonly #admin: string;
  readonly #table: Table<FirewallResource>;

  /**
   * @param table its name; its family is inet. The administrator's is called `NAME-admin`
   * @param namespace where it is; unless told, the daemon's own
   * @param accept packets that may go to every port of a network that is not internal
   */
  constructor(table: string, namespace: NetworkNamespace = NetworkNamespace.home(), accept?: FirewallMark) {
    this.tables = new Set([table]);
    this.#admin = `${table}-admin`;
    this.#nftables = new Nftables(namespace);
    this.#conntrack = new Conntrack(namespace);
    const text = (internal: boolean, clamp: boolean) => rulesetText(table, { accept, internal, clamp });
    const texts = [
      [text(false, false), text(false, true)],
      [text(true, false), text(true, true)],
    ] as const;
    this.#table = new Table(table, this.#nftables, {
      family: 'inet',
      ruleset: (has) => texts[has('internal') ? 1 : 0][has('clamp') ? 1 : 0],
      compile,
      decompile,
      onDemand: false,
      made: () => this.#ensureAdminTable(),
    });
  }

  /** Packets that the table has dropped since it was made, by the reason; nothing while it is missing. */
  drops(): Partial<Record<DropReason, number>> {
    return this.#table.drops();
  }

  /** Removes the table, and the administrator's unless something was written into it. */
  clear(): void {
    const untouched = this.#exists(this.#admin) && !this.#hasRules(this.#admin);
    this.#table.clear();
    if (untouched) this.#nftables.run(`delete table inet ${this.#admin}\n`);
  }

  [Symbol.dispose](): void {
    this.#nftables[Symbol.dispose]();
    this.#conntrack[Symbol.dispose]();
  }

  /** @returns what the table says; nothing when it is missing or damaged, since then nothing it says is sure to hold */
  observe(): FirewallResource[] {
    return this.#table.observe();
  }

  /**
   * As Table.apply; UDP flows that were led elsewhere are forgotten.
   * @throws KernelError in nft's words; EngineError for a resource that cannot be said in nftables
   */
  apply(changes: readonly Change<FirewallResource>[]): void {
    this.#table.apply(changes);
    this.#conntrack.forgetUdp(changes.flatMap(({ before, after }) => [...udpPorts(before), ...udpPorts(after)]));
  }

  /** One that is there is left alone, whatever is in it. */
  #ensureAdminTable(): void {
    if (!this.#exists(this.#admin)) this.#nftables.run(adminTableText(this.#admin));
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
