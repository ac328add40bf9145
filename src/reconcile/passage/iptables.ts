import type { AddressFamily } from '../../model/address.ts';
import type { RunProgram } from '../../model/program.ts';
import type { Chain, Edit, Rule, Selector } from './chain.ts';
import { MARK } from './nft-chains.ts';

/** Which of iptables' two ways into the kernel: rules of the one are not seen by the other. */
export type Backend = 'nft' | 'legacy';

/** Of iptables' table "filter". */
export const FORWARD = 'FORWARD';

const PROGRAMS: Readonly<Record<AddressFamily, string>> = { 4: 'iptables', 6: 'ip6tables' };

/**
 * Reads and changes the filter table by iptables itself: what nft would write there, iptables cannot read any more, and
 * then refuses to show the table at all.
 */
export class Iptables {
  readonly #run: RunProgram;
  readonly #program: string;

  constructor(run: RunProgram, family: AddressFamily, backend: Backend) {
    this.#run = run;
    this.#program = `${PROGRAMS[family]}-${backend}`;
  }

  /** @returns undefined when it is not installed, or cannot read what is there */
  read(): Map<string, Chain> | undefined {
    const text = this.text();
    return text === undefined ? undefined : parseRules(text);
  }

  /** The same as `iptables -S` writes it. */
  text(): string | undefined {
    const { status, stdout } = this.#run(this.#program, ['-w', '-S']);
    return status === 0 ? stdout : undefined;
  }

  /** All of it, or nothing. @returns why it could not be done */
  edit(chains: ReadonlyMap<string, Chain>, { remove, add, at }: Edit): string | undefined {
    const rules = chains.get(at.chain)?.rules ?? [];
    const gone = new Set(remove.map(({ rule }) => rule));
    const left = rules.filter((rule) => !gone.has(rule));
    const position = at.before === undefined ? left.length : left.indexOf(at.before);
    const commands = [
      '*filter',
      ...remove.map(({ rule }) => rule.id.replace(/^-A/, '-D')),
      ...add.map((one) => `-I ${at.chain} ${position + 1} ${match(one)} -m comment --comment ${MARK} -j ACCEPT`),
      'COMMIT',
      '',
    ];
    const { status, stderr } = this.#run(`${this.#program}-restore`, ['-w', '--noflush'], commands.join('\n'));
    return status === 0 ? undefined : `${this.#program}: ${stderr.trim() || 'it is not installed'}`;
  }
}

function match(selector: Selector): string {
  const [key = '', value = ''] = selector.split(' ');
  switch (key) {
    case 'iifname':
      return `-i ${value}`;
    case 'oifname':
      return `-o ${value}`;
    case 'iifgroup':
      return `-m devgroup --src-group 0x${Number(value).toString(16)}`;
    default:
      return `-m devgroup --dst-group 0x${Number(value).toString(16)}`;
  }
}

/** @param text what `iptables -S` writes */
export function parseRules(text: string): Map<string, Chain> {
  const chains = new Map<string, { policy?: 'accept' | 'drop'; rules: Rule[] }>();
  for (const line of text.split('\n')) {
    const [, verb, name = '', rest = ''] = /^-(P|N|A) (\S+) ?(.*)$/.exec(line) ?? [];
    if (verb === 'P') chains.set(name, { policy: rest.startsWith('DROP') ? 'drop' : 'accept', rules: [] });
    else if (verb === 'N') chains.set(name, { rules: [] });
    else if (verb === 'A') chains.get(name)?.rules.push(parseRule(line, rest));
  }
  for (const { rules } of chains.values()) {
    for (const [index, rule] of rules.entries()) rules[index] = withKnownTarget(rule, chains);
  }
  return chains;
}

const COMMENT = /-m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+) ?/;

function parseRule(line: string, rest: string): Rule {
  const ours = rest.includes(`--comment ${MARK} `) ? selectorOf(rest) : undefined;
  const [, verb, target = ''] = /^-(j|g) (\S+)(?: --reject-with \S+)?$/.exec(rest.replace(COMMENT, '').trim()) ?? [];
  const end = verb === 'g' ? { goto: target } : verb === 'j' ? endOf(target) : undefined;
  return { id: line, ...(ours === undefined ? {} : { ours }), ...(end === undefined ? {} : { end }) };
}

function endOf(target: string): Rule['end'] {
  switch (target) {
    case 'ACCEPT':
      return 'accept';
    case 'DROP':
    case 'REJECT':
      return 'drop';
    case 'RETURN':
      return 'return';
    default:
      return { jump: target };
  }
}

/** LOG, CONNMARK and the like are no chains: the packet goes on. */
function withKnownTarget(rule: Rule, chains: ReadonlyMap<string, unknown>): Rule {
  const { end, ...rest } = rule;
  if (typeof end !== 'object' || chains.has('jump' in end ? end.jump : end.goto)) return rule;
  return rest;
}

function selectorOf(rest: string): Selector | undefined {
  const [, direction, group] = /--(src|dst)-group (0x[0-9a-f]+|\d+)/.exec(rest) ?? [];
  if (group !== undefined) return `${direction === 'src' ? 'iifgroup' : 'oifgroup'} ${Number(group)}`;
  const [, side, link] = /-(i|o) (\S+)/.exec(rest) ?? [];
  return link === undefined ? undefined : `${side === 'i' ? 'iifname' : 'oifname'} ${link}`;
}
