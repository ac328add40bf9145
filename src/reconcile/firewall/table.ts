import type { Nftables } from '../../kernel/nftables.ts';
import { KernelError } from '../../model/errors.ts';
import type { Resource } from '../../model/resource.ts';
import type { Change } from '../applier.ts';
import { additions, deletions, type Element } from './element.ts';
import { fingerprint, type Listing, readDrops, readListing } from './listing.ts';
import type { DropReason, SetName, TableFamily } from './ruleset.ts';
import { type ElementChange, Wanted } from './wanted.ts';

/** What a table's elements mean. */
export interface TableMeaning<R extends Resource> {
  readonly family: TableFamily;
  /** The table without an element, in nft's language. @param has whether a set has elements */
  ruleset(has: (set: SetName) => boolean): string;
  /** @throws EngineError for a resource that cannot be said in nftables */
  compile(resource: R): Element[];
  /** The reverse; undefined when the elements do not mean anything exactly */
  decompile(elements: readonly Element[]): R[] | undefined;
  /** The table is there only while something is in it: what it hooks into costs something, or the kernel may not have it */
  readonly onDemand: boolean;
  /** Called when the table was made anew */
  made?(): void;
}

/**
 * Keeps one nftables table: its chains and rules change with which of its sets are in use at most, its elements are the
 * resources. Touches no other table.
 *
 * Whether the rules are intact is told by a fingerprint: a hash of the table's own listing without handles and elements,
 * kept in the table itself since it was made, so that it outlives the daemon. A table that is missing or differs in
 * anything but elements, and one whose elements mean nothing exactly, is replaced in one transaction, never patched. So is one
 * that needs other rules.
 */
export class Table<R extends Resource> {
  readonly #nftables: Nftables;
  readonly #meaning: TableMeaning<R>;
  /** As nft writes it: "inet fairway" */
  readonly #words: string;
  /** What the table shall hold; at first, what it was found to hold */
  #wanted: Wanted<R> | undefined;
  /** The table was seen to be missing or damaged */
  #damaged = false;
  /** The text that the table was made from, while it is there and intact */
  #ruleset: string | undefined;
  /** What an intact table looks like, by its text; not known before one was made or seen */
  readonly #fingerprints = new Map<string, string>();

  constructor(name: string, nftables: Nftables, meaning: TableMeaning<R>) {
    this.#words = `${meaning.family} ${name}`;
    this.#nftables = nftables;
    this.#meaning = meaning;
  }

  /** Packets that the table has dropped since it was made, by the reason; nothing while it is missing. */
  drops(): Partial<Record<DropReason, number>> {
    const output = this.#ifThere(() => this.#nftables.run(`list counters table ${this.#words}`));
    return output === undefined ? {} : readDrops(output);
  }

  /** Removes the table. */
  clear(): void {
    this.#nftables.run(this.#removal());
    this.#wanted = undefined;
  }

  /** @returns what the table says; nothing when it is missing or damaged, since then nothing it says is sure to hold */
  observe(): R[] {
    return this.#look().resources;
  }

  /**
   * One transaction; the kernel holds either all of it or nothing. When the kernel turns out to be different than believed,
   * the table is replaced by one that holds all that is wanted.
   * @throws KernelError in nft's words; EngineError for a resource that cannot be said in nftables
   */
  apply(changes: readonly Change<R>[]): void {
    const wanted = this.#wanted ?? this.#look().wanted;
    const change = wanted.change(
      changes.flatMap(({ before }) => before ?? []),
      changes.flatMap(({ after }) => after ?? []),
    );
    try {
      if (this.#meaning.onDemand && wanted.isEmpty) this.#discard();
      else this.#commit(change, wanted);
    } catch (error) {
      change.undo();
      throw error;
    }
  }

  #look(): { resources: R[]; wanted: Wanted<R> } {
    const resources = this.#read();
    this.#damaged = resources === undefined;
    const wanted = this.#wanted ?? new Wanted(this.#meaning.compile, resources ?? []);
    this.#wanted = wanted;
    return { resources: resources ?? [], wanted };
  }

  #commit({ remove, add }: ElementChange, wanted: Wanted<R>): void {
    const ruleset = this.#meaning.ruleset((set) => wanted.has(set));
    const commands = deletions(this.#words, remove) + additions(this.#words, add);
    if (this.#damaged || ruleset !== this.#ruleset) this.#rebuild(wanted, ruleset);
    else if (commands !== '') this.#runOrRebuild(commands, wanted, ruleset);
  }

  #runOrRebuild(commands: string, wanted: Wanted<R>, ruleset: string): void {
    try {
      this.#nftables.run(commands);
    } catch (error) {
      if (!(error instanceof KernelError) || !['ENOENT', 'EEXIST'].includes(error.code)) throw error;
      this.#rebuild(wanted, ruleset);
    }
  }

  /** Replaces the table, or makes it, without a moment without it. */
  #rebuild(wanted: Wanted<R>, ruleset: string): void {
    const known = this.#fingerprints.get(ruleset);
    this.#nftables.run(
      this.#removal() +
        ruleset +
        additions(this.#words, wanted.elements()) +
        (known === undefined ? '' : this.#signature(known)),
    );
    if (known === undefined) {
      const made = fingerprint(ruleset, this.#list({ terse: true }));
      this.#fingerprints.set(ruleset, made);
      this.#nftables.run(this.#signature(made));
    }
    this.#ruleset = ruleset;
    this.#damaged = false;
    this.#meaning.made?.();
  }

  #discard(): void {
    this.#nftables.run(this.#removal());
    this.#damaged = true;
  }

  /** Also where it is missing. */
  #removal(): string {
    return `table ${this.#words}\ndelete table ${this.#words}\n`;
  }

  #signature(comment: string): string {
    return additions(this.#words, [{ set: 'fingerprint', key: '1', comment }]);
  }

  #read(): R[] | undefined {
    const listing = this.#ifThere(() => this.#list({ terse: false }));
    if (listing?.original === undefined) return undefined;
    const { elements, original } = listing;
    const used = new Set<SetName>(elements.map(({ set }) => set));
    const ruleset = this.#meaning.ruleset((set) => used.has(set));
    if (fingerprint(ruleset, listing) !== original) return undefined;
    this.#fingerprints.set(ruleset, original);
    this.#ruleset = ruleset;
    return this.#meaning.decompile(elements);
  }

  #list(options: { terse: boolean }): Listing {
    return readListing(this.#nftables.run(`list table ${this.#words}`, options));
  }

  #ifThere<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (error instanceof KernelError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }
}
