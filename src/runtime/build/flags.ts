import { parseError } from './parse-error.ts';

/** It is buildah's to understand. */
const KEPT = 'kept';

/** What an instruction's flags may be: those with values ask for what happens anyway when they are one of these, and are left out. */
type Rules = Readonly<Record<string, typeof KEPT | readonly string[]>>;

const WHERE: Rules = { chown: KEPT, chmod: KEPT, link: ['', 'true', 'false'], exclude: [] };
const RULES: Readonly<Record<string, Rules>> = {
  RUN: { mount: KEPT, network: ['default'], security: ['sandbox'], device: [] },
  COPY: { ...WHERE, from: KEPT, parents: ['false'] },
  ADD: { ...WHERE, 'keep-git-dir': ['false'], checksum: [], unpack: [] },
};

/**
 * The arguments of an instruction without the flags that change nothing: `--link` is about how layers are made, which is not seen in
 * them.
 * @throws EngineError invalidArgument for a flag that there is not, or that buildah of Debian 12 knows nothing of
 */
export function withUsableFlags(name: string, args: string, line: number): string {
  const rules = RULES[name];
  if (rules === undefined) return args;
  const flags = leadingFlags(args);
  const kept = flags.split(/\s+/).filter((flag) => flag !== '' && isKept(flag, name, rules, line));
  return [...kept, args.slice(flags.length)].join(' ');
}

function isKept(flag: string, instruction: string, rules: Rules, line: number): boolean {
  const [, name = '', value = ''] = /^--([^=]*)=?(.*)$/s.exec(flag) ?? [];
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (rule === undefined) throw parseError(line, `unknown flag: --${name}`);
  if (rule === KEPT) {
    if (name === 'mount' && /(^|,)type=secret(,|$)/.test(value) && /(^|,)env=/.test(value)) {
      throw parseError(line, 'RUN --mount=type=secret with env= is not supported by Fairway yet');
    }
    return true;
  }
  if (!rule.includes(value)) throw parseError(line, `${instruction} ${flag} is not supported by Fairway yet`);
  return false;
}

/** Those an instruction begins with, and the blanks behind them. */
export function leadingFlags(args: string): string {
  return /^(?:--\S+\s+)*/.exec(args)?.[0] ?? '';
}
