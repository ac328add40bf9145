import { readFileSync } from 'node:fs';
import type { NetworkNamespace } from '../../kernel/netns.ts';
import { Nftables } from '../../kernel/nftables.ts';
import { FAIRWAY_GROUP } from '../../kernel/rtnetlink.ts';
import { type AddressFamily, FAMILIES } from '../../model/address.ts';
import { errorMessage } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import type { RunProgram } from '../../model/program.ts';
import { type PassageResource, resourceKey } from '../../model/resource.ts';
import type { Applier, Change } from '../applier.ts';
import { dropOf, type Edit, editFor, type Selector } from './chain.ts';
import { type Backend, FORWARD, Iptables } from './iptables.ts';
import { type BaseChain, chainsAt, editTable, familiesOf, readTable } from './nft-chains.ts';
import { inputVerdict, type Knock, type Verdict } from './verdict.ts';

export interface PassageOptions {
  readonly namespace: NetworkNamespace;
  readonly logger: Logger;
  /** Tables that are Fairway's own */
  readonly own: ReadonlySet<string>;
  readonly run: RunProgram;
}

/** What has to be done to another program's chains. */
interface Repair {
  /** For people: "iptables-nft FORWARD", "inet firewalld filter_FORWARD" */
  readonly where: string;
  readonly families: readonly AddressFamily[];
  readonly edit: Edit;
  /** @returns why it could not be done */
  carryOut(): string | undefined;
}

/**
 * Lets Fairway's packets through other firewalls of the host. One table's accept does not overrule another's drop, so where a
 * chain at the forward hook drops what it does not know, rules are added that accept what comes from or goes to links of
 * Fairway: what may really pass is decided in its own table. Two rules do for all networks: they go by the link group.
 * They bear the comment "fairway". Nothing else of the other program is touched.
 */
export class PassageApplier implements Applier<PassageResource>, Disposable {
  readonly #options: PassageOptions;
  readonly #nftables: Nftables;
  readonly #wanted = new Map<string, PassageResource>();
  /** The rules may not be what is wanted */
  #doubtful = true;
  /** What the host's own firewall says, while nobody has changed it */
  readonly #input = new Map<AddressFamily, (knock: Knock) => Verdict>();
  /** What could not be done, and was told */
  readonly #told = new Set<string>();

  constructor(options: PassageOptions) {
    this.#options = options;
    this.#nftables = new Nftables(options.namespace);
  }

  [Symbol.dispose](): void {
    this.#nftables[Symbol.dispose]();
  }

  /** Nothing tells of changes by iptables-legacy: whether there is something of it to be looked at now and then. */
  get unwatched(): boolean {
    return this.#wanted.size > 0 && FAMILIES.some((family) => this.#hasLegacy(family));
  }

  /**
   * What the host's own firewall would say of packets to a port of the host, if Fairway did not lead them elsewhere. Reads
   * it once, and again after somebody has changed something.
   */
  hostInput(family: AddressFamily): (knock: Knock) => Verdict {
    const known = this.#input.get(family) ?? this.#readInput(family);
    this.#input.set(family, known);
    return known;
  }

  #readInput(family: AddressFamily): (knock: Knock) => Verdict {
    const foreign = chainsAt(this.#nftables, 'input').filter(({ table }) => !this.#options.own.has(table));
    const texts: string[] = [];
    const unread: Verdict[] = [];
    for (const chain of foreign.filter((one) => familiesOf(one).includes(family))) {
      const text = isIptables(chain, 'INPUT') ? this.#iptables(family, 'nft').text() : undefined;
      if (text !== undefined) texts.push(text);
      else if (dropOf(readTable(this.#nftables, chain), chain.name) !== undefined) {
        unread.push(`unknown: ${chain.family} ${chain.table} ${chain.name}`);
      }
    }
    if (this.#hasLegacy(family)) texts.push(this.#iptables(family, 'legacy').text() ?? '');
    return (knock) => {
      const verdicts = [...texts.map((text) => inputVerdict(text, knock)), ...unread];
      return verdicts.find((one) => one === 'drop') ?? verdicts.find((one) => one !== 'accept') ?? 'accept';
    };
  }

  /** What is wished, but for families that do not pass everywhere; and what passes that nobody wishes. */
  observe(wished: readonly PassageResource[]): PassageResource[] {
    this.#input.clear();
    this.#wanted.clear();
    for (const passage of wished) this.#wanted.set(resourceKey(passage), passage);
    const repairs = this.#repairs().filter(({ where }) => !this.#told.has(where));
    this.#doubtful = repairs.length > 0;
    const broken = new Set(repairs.filter(({ edit }) => edit.add.length > 0).flatMap(({ families }) => families));
    const stray = repairs.flatMap(({ edit, families }) => (edit.remove.length > 0 ? families : []));
    const whole = [...this.#wanted.values()].filter(({ family }) => !broken.has(family));
    return [
      ...whole,
      ...[...new Set(stray)].map((family) => ({ kind: 'passage', family, link: '', adopted: false }) as const),
    ];
  }

  /**
   * Reads nothing while the same rules do for what is wanted. What cannot be done is told once, and does not fail the change: the network stands, and its
   * owner must see to the rest.
   */
  apply(changes: readonly Change<PassageResource>[]): void {
    const former = this.#selectors(FAMILIES).join();
    for (const { before } of changes) if (before !== undefined) this.#wanted.delete(resourceKey(before));
    for (const { after } of changes) if (after !== undefined) this.#wanted.set(resourceKey(after), after);
    if (!this.#doubtful && this.#selectors(FAMILIES).join() === former) return;
    const repairs = this.#repairs();
    this.#doubtful = false;
    for (const where of [...this.#told])
      if (!repairs.some((repair) => repair.where === where)) this.#told.delete(where);
    for (const { where, carryOut } of repairs) {
      const reason = carryOut();
      if (reason === undefined) this.#told.delete(where);
      else this.#tell(where, reason);
    }
  }

  #tell(where: string, reason: string): void {
    if (this.#told.has(where)) return;
    this.#told.add(where);
    this.#options.logger.warn(`another firewall drops what containers send, and cannot be changed: ${where}`, {
      reason,
    });
  }

  #repairs(): Repair[] {
    const foreign = chainsAt(this.#nftables, 'forward').filter(({ table }) => !this.#options.own.has(table));
    return [
      ...foreign.flatMap((chain) => this.#ofTable(chain)),
      ...FAMILIES.flatMap((family) => (this.#hasLegacy(family) ? this.#ofIptables(family, 'legacy') : [])),
    ];
  }

  /** A table of iptables' name is iptables', unless it cannot read it. */
  #ofTable(chain: BaseChain): Repair[] {
    const { family, table, name } = chain;
    if (isIptables(chain, FORWARD)) {
      const repairs = this.#ofIptables(family === 'ip' ? 4 : 6, 'nft');
      if (repairs !== undefined) return repairs;
    }
    const families = familiesOf(chain);
    const edit = editFor(readTable(this.#nftables, chain), name, this.#selectors(families));
    const carryOut = () => reasonOf(() => editTable(this.#nftables, chain, edit ?? NOTHING));
    return edit === undefined ? [] : [{ where: `${family} ${table} ${name}`, families, edit, carryOut }];
  }

  #ofIptables(family: AddressFamily, backend: 'nft'): Repair[] | undefined;
  #ofIptables(family: AddressFamily, backend: 'legacy'): Repair[];
  #ofIptables(family: AddressFamily, backend: 'nft' | 'legacy'): Repair[] | undefined {
    const iptables = this.#iptables(family, backend);
    const chains = iptables.read();
    if (chains === undefined) return backend === 'nft' ? undefined : [];
    const edit = editFor(chains, FORWARD, this.#selectors([family]));
    if (edit === undefined) return [];
    const where = `${family === 4 ? 'iptables' : 'ip6tables'}-${backend} ${FORWARD}`;
    return [{ where, families: [family], edit, carryOut: () => iptables.edit(chains, edit) }];
  }

  #iptables(family: AddressFamily, backend: Backend): Iptables {
    const { namespace, run } = this.#options;
    return new Iptables((...command) => namespace.run(() => run(...command)), family, backend);
  }

  #selectors(families: readonly AddressFamily[]): Selector[] {
    const links = new Set<string>();
    let made = false;
    // One of two thousand networks more is no reason to copy them all.
    for (const { family, adopted, link } of this.#wanted.values()) {
      if (!families.includes(family)) continue;
      if (adopted) links.add(link);
      else made = true;
    }
    const group: Selector[] = made ? [`iifgroup ${FAIRWAY_GROUP}`, `oifgroup ${FAIRWAY_GROUP}`] : [];
    return [...group, ...[...links].flatMap((link): Selector[] => [`iifname ${link}`, `oifname ${link}`])];
  }

  /** Asking iptables-legacy itself would make the table, where there is none. */
  #hasLegacy(family: AddressFamily): boolean {
    const path = `/proc/thread-self/net/ip${family === 4 ? '' : '6'}_tables_names`;
    return this.#options.namespace.run(() => {
      try {
        return readFileSync(path, 'latin1').split('\n').includes('filter');
      } catch {
        return false; // the kernel has not loaded it
      }
    });
  }
}

function isIptables({ family, table, name }: BaseChain, chain: string): boolean {
  return family !== 'inet' && table === 'filter' && name === chain;
}

const NOTHING: Edit = { remove: [], add: [], at: { chain: '' } };

function reasonOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
