import type { NetworkNamespace } from '../../kernel/netns.ts';
import { Nftables } from '../../kernel/nftables.ts';
import type { PortSecurityResource } from '../../model/resource.ts';
import type { Applier, Change } from '../applier.ts';
import type { DropReason } from '../firewall/ruleset.ts';
import { Table } from '../firewall/table.ts';
import { compilePort, decompilePorts } from './meaning.ts';
import { portRulesetText } from './ruleset.ts';

/**
 * Holds ports of bridges to their addresses, by a table of the family bridge. It is there only while a network wants it: every frame of
 * every bridge passes it, and a kernel without that family does everything else.
 */
export class PortSecurityApplier implements Applier<PortSecurityResource>, Disposable {
  readonly #nftables: Nftables;
  readonly #table: Table<PortSecurityResource>;

  /** @param table its name */
  constructor(table: string, namespace: NetworkNamespace) {
    this.#nftables = new Nftables(namespace);
    const ruleset = portRulesetText(table);
    this.#table = new Table(table, this.#nftables, {
      family: 'bridge',
      ruleset: () => ruleset,
      compile: compilePort,
      decompile: decompilePorts,
      onDemand: true,
    });
  }

  /** Frames that were dropped since the table was made. */
  drops(): Partial<Record<DropReason, number>> {
    return this.#table.drops();
  }

  clear(): void {
    this.#table.clear();
  }

  observe(): PortSecurityResource[] {
    return this.#table.observe();
  }

  /** @throws KernelError in nft's words, also where the kernel filters no bridges */
  apply(changes: readonly Change<PortSecurityResource>[]): void {
    this.#table.apply(changes);
  }

  [Symbol.dispose](): void {
    this.#nftables[Symbol.dispose]();
  }
}
