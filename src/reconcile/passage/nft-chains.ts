import type { Nftables } from '../../kernel/nftables.ts';
import type { AddressFamily } from '../../model/address.ts';
import type { Chain, Edit, Rule, Selector } from './chain.ts';

/** A filter chain at a hook, of anybody. */
export interface BaseChain {
  /** nft's: ip, ip6 or inet */
  readonly family: string;
  readonly table: string;
  readonly name: string;
}

type Json = Readonly<Record<string, unknown>>;

const FAMILIES: Readonly<Record<string, readonly AddressFamily[]>> = { ip: [4], ip6: [6], inet: [4, 6] };

/** How our rules are marked, here and in iptables. */
export const MARK = 'fairway';

/** The address families whose packets come by. */
export function familiesOf({ family }: BaseChain): readonly AddressFamily[] {
  return FAMILIES[family] ?? [];
}

/** All filter chains packets of IPv4 and IPv6 pass there; those of a bridge's own frames are none. */
export function chainsAt(nftables: Nftables, at: 'forward' | 'input'): BaseChain[] {
  return objects(nftables.run('list chains'), 'chain').flatMap(({ family, table, name, hook, type }) =>
    hook === at && type === 'filter' && Object.hasOwn(FAMILIES, String(family))
      ? [{ family: String(family), table: String(table), name: String(name) }]
      : [],
  );
}

/** The chains of a table by their names. */
export function readTable(nftables: Nftables, { family, table }: BaseChain): Map<string, Chain> {
  const listing = nftables.run(`list table ${family} ${table}`, { terse: true });
  const rules = Map.groupBy(objects(listing, 'rule'), ({ chain }) => String(chain));
  return new Map(
    objects(listing, 'chain').map(({ name, policy }) => [
      String(name),
      {
        ...(policy === 'drop' || policy === 'accept' ? { policy } : {}),
        rules: (rules.get(String(name)) ?? []).map(readRule),
      },
    ]),
  );
}

/** One transaction. @throws KernelError, EPERM for a table that another program owns */
export function editTable(nftables: Nftables, { family, table }: BaseChain, { remove, add, at }: Edit): void {
  const where = at.before === undefined ? 'add' : 'insert';
  const position = at.before === undefined ? '' : `position ${at.before.id} `;
  nftables.run(
    [
      ...remove.map(({ chain, rule }) => `delete rule ${family} ${table} ${chain} handle ${rule.id}`),
      ...add.map(
        (one) => `${where} rule ${family} ${table} ${at.chain} ${position}${match(one)} accept comment "${MARK}"`,
      ),
    ].join('\n'),
  );
}

function match(selector: Selector): string {
  const [key = '', value = ''] = selector.split(' ');
  return key.endsWith('name') ? `${key} "${value}"` : `${key} ${value}`;
}

function objects(listing: unknown, kind: string): Json[] {
  const all = isObject(listing) ? listing['nftables'] : undefined;
  if (!Array.isArray(all)) return [];
  return all.filter(isObject).flatMap((object) => (isObject(object[kind]) ? [object[kind]] : []));
}

function readRule({ handle, expr, comment }: Json): Rule {
  const statements = Array.isArray(expr) ? expr.filter(isObject) : [];
  const ours = comment === MARK ? selectorOf(statements[0]) : undefined;
  const end = endOf(statements);
  return { id: String(handle), ...(ours === undefined ? {} : { ours }), ...(end === undefined ? {} : { end }) };
}

function selectorOf(statement: Json | undefined): Selector | undefined {
  const condition = statement?.['match'];
  if (!isObject(condition) || !isObject(condition['left']) || !isObject(condition['left']['meta'])) return undefined;
  return `${condition['left']['meta']['key']} ${condition['right']}` as Selector;
}

/** What every packet comes to; what only counts and logs goes on. */
function endOf(statements: readonly Json[]): Rule['end'] {
  const telling = statements.filter((statement) => !('counter' in statement) && !('log' in statement));
  const [only] = telling;
  if (telling.length !== 1 || only === undefined) return undefined;
  if ('accept' in only) return 'accept';
  if ('drop' in only || 'reject' in only) return 'drop';
  if ('return' in only) return 'return';
  if (isObject(only['jump'])) return { jump: String(only['jump']['target']) };
  if (isObject(only['goto'])) return { goto: String(only['goto']['target']) };
  return undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
