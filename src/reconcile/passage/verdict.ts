import type { TransportProtocol } from '../../model/firewall.ts';

/** The first packet of a connection from another machine to a port of the host. */
export interface Knock {
  readonly protocol: TransportProtocol;
  readonly port: number;
}

/** What a firewall says of it; `unknown` with the rule that asks what the knock does not tell. */
export type Verdict = 'accept' | 'drop' | `unknown: ${string}`;

interface Line {
  /** Without the chain's name */
  readonly text: string;
  readonly conditions: string;
  readonly verb: 'j' | 'g';
  readonly target: string;
}

interface Chain {
  readonly policy?: Verdict;
  readonly lines: Line[];
}

const COMMENT = /-m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+) ?/;

/** What iptables' INPUT would say, as far as its rules ask for no more than protocol, port, state and lo. @param text of `iptables -S` */
export function inputVerdict(text: string, knock: Knock): Verdict {
  const chains = parse(text);
  return walk(chains, 'INPUT', knock, new Set()) ?? chains.get('INPUT')?.policy ?? 'accept';
}

function parse(text: string): Map<string, Chain> {
  const chains = new Map<string, Chain>();
  for (const row of text.split('\n')) {
    const [, verb, name = '', rest = ''] = /^-(P|N|A) (\S+) ?(.*)$/.exec(row) ?? [];
    if (verb === 'P') chains.set(name, { policy: rest.startsWith('DROP') ? 'drop' : 'accept', lines: [] });
    else if (verb === 'N') chains.set(name, { lines: [] });
    const [, conditions = '', how, target = ''] = /^(.*?)-(j|g) (\S+)/.exec(rest.replace(COMMENT, '')) ?? [];
    if (verb === 'A' && target !== '') {
      chains.get(name)?.lines.push({ text: rest, conditions, verb: how === 'g' ? 'g' : 'j', target });
    }
  }
  return chains;
}

/** @returns undefined when the chain decides nothing */
function walk(
  chains: ReadonlyMap<string, Chain>,
  name: string,
  knock: Knock,
  above: ReadonlySet<string>,
): Verdict | undefined {
  if (above.has(name)) return undefined;
  for (const { text, conditions, verb, target } of chains.get(name)?.lines ?? []) {
    const fits = matches(conditions, knock);
    if (fits === false) continue;
    const verdict = verdictOf(target) ?? walk(chains, target, knock, new Set([...above, name]));
    if (fits === undefined && verdict !== undefined) return `unknown: ${text}`;
    if (verdict !== undefined) return verdict;
    if (fits && (target === 'RETURN' || verb === 'g')) return undefined;
  }
  return undefined;
}

function verdictOf(target: string): Verdict | undefined {
  if (target === 'ACCEPT') return 'accept';
  return target === 'DROP' || target === 'REJECT' ? 'drop' : undefined;
}

/** Whether the knock fits; undefined when that is not told. */
function matches(conditions: string, { protocol, port }: Knock): boolean | undefined {
  const words = conditions
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  let sure = true;
  for (let at = 0; at < words.length; at += 2) {
    const value = words[at + 1] ?? '';
    const fits = matchesOne(words[at] ?? '', value, { protocol, port });
    if (fits === false) return false;
    if (fits === undefined) sure = false;
  }
  return sure ? true : undefined;
}

function matchesOne(option: string, value: string, { protocol, port }: Knock): boolean | undefined {
  switch (option) {
    case '-m':
      return ['tcp', 'udp', 'conntrack', 'state', 'multiport'].includes(value) ? true : undefined;
    case '-p':
      return value === protocol || value === 'all';
    case '--dport':
    case '--dports':
      return value.split(',').some((range) => {
        const [first = 0, last = first] = range.split(':').map(Number);
        return port >= first && port <= last;
      });
    case '--ctstate':
    case '--state':
      return value.split(',').includes('NEW');
    case '-i':
      return value === 'lo' ? false : undefined;
    default:
      return undefined;
  }
}
