/**
 * Another program's filter chains, as far as it matters whether packets of ours come through: read from nftables or from
 * iptables, and told apart by nobody who uses them.
 */

/** `iifgroup 18007`, `oifname br0`: by which link a packet comes or goes. Ours accept what one of these is true of. */
export type Selector = `${'iifgroup' | 'oifgroup' | 'iifname' | 'oifname'} ${string}`;

export interface Rule {
  /** What the rule accepts, when it is one of ours */
  readonly ours?: Selector;
  /** What becomes of every packet that comes to this rule; left out for a rule that asks, or goes on */
  readonly end?: 'accept' | 'drop' | 'return' | { readonly jump: string } | { readonly goto: string };
  /** How the program that wrote it calls it: a handle, or the rule's text */
  readonly id: string;
}

export interface Chain {
  /** Of a base chain */
  readonly policy?: 'accept' | 'drop';
  readonly rules: readonly Rule[];
}

/** Where the packets end that no rule decides on. */
export interface Place {
  readonly chain: string;
  /** The rule that drops them; left out: the end of the chain */
  readonly before?: Rule;
}

/**
 * Chains whose jump comes before what would not be undone behind it: firewalld's zones reject, each in its own chain, what
 * goes to a link of no zone.
 */
const BEFORE: ReadonlySet<string> = new Set(['filter_FORWARD_ZONES', 'filter_FORWARD_POLICIES']);

/** Chains made for others' rules, which come after the user's and before the drop is logged (ufw-framework(8)). */
const WITHIN: ReadonlySet<string> = new Set(['ufw-after-forward', 'ufw6-after-forward']);

/**
 * Where a packet is dropped that no rule of these chains decides on: the last place to accept it, so that every rule the
 * administrator made for it still counts.
 * @returns undefined when it is not dropped
 */
export function dropOf(chains: ReadonlyMap<string, Chain>, base: string): Place | undefined {
  const policy = chains.get(base)?.policy;
  const found = follow(chains, base, new Set());
  if (found === 'through') return policy === 'drop' ? { chain: preferred(chains, base) ?? base } : undefined;
  return found === 'accepted' ? undefined : found;
}

/** The drop it comes to; or that it comes through to the end, or is accepted. */
function follow(
  chains: ReadonlyMap<string, Chain>,
  name: string,
  above: ReadonlySet<string>,
): Place | 'through' | 'accepted' {
  const seen = new Set([...above, name]);
  for (const rule of chains.get(name)?.rules ?? []) {
    const { end } = rule;
    if (end === undefined || rule.ours !== undefined) continue;
    if (end === 'drop') return { chain: name, before: rule };
    if (end === 'accept') return 'accepted';
    if (end === 'return') return 'through';
    const target = 'jump' in end ? end.jump : end.goto;
    if (seen.has(target)) continue;
    const inside = follow(chains, target, seen);
    if (inside === 'accepted') return inside;
    if (inside !== 'through') return BEFORE.has(target) ? { chain: name, before: rule } : inside;
    if ('goto' in end) return 'through';
  }
  return 'through';
}

/** Of the chains the base chain jumps to, one that is meant for such rules. */
function preferred(chains: ReadonlyMap<string, Chain>, base: string): string | undefined {
  const targets = chains
    .get(base)
    ?.rules.flatMap(({ end }) => (typeof end === 'object' && 'jump' in end ? [end.jump] : []));
  return targets?.find((target) => WITHIN.has(target) && chains.has(target));
}

/** What is to be done to chains so that exactly these selectors pass, at the place where they would be dropped. */
export interface Edit {
  readonly remove: readonly { readonly chain: string; readonly rule: Rule }[];
  readonly add: readonly Selector[];
  readonly at: Place;
}

/**
 * Ours are the very last before the drop: what others append later counts, too.
 * @returns undefined when all is as it should be
 */
export function editFor(
  chains: ReadonlyMap<string, Chain>,
  base: string,
  wanted: readonly Selector[],
): Edit | undefined {
  const place = dropOf(chains, base);
  const present = [...chains].flatMap(([chain, { rules }]) =>
    rules.flatMap((rule, index) => (rule.ours === undefined ? [] : [{ chain, rule, index, ours: rule.ours }])),
  );
  const due = place === undefined ? [] : wanted;
  const end = place === undefined ? 0 : indexOf(chains, place);
  const inPlace = present.filter(
    ({ chain, index }) => chain === place?.chain && index >= end - due.length && index < end,
  );
  const found = new Set(inPlace.map(({ ours }) => ours));
  const right = inPlace.length === present.length && found.size === present.length;
  if (right && found.size === due.length && due.every((selector) => found.has(selector))) return undefined;
  return { remove: present, add: due, at: place ?? { chain: base } };
}

function indexOf(chains: ReadonlyMap<string, Chain>, { chain, before }: Place): number {
  const rules = chains.get(chain)?.rules ?? [];
  return before === undefined ? rules.length : rules.indexOf(before);
}
