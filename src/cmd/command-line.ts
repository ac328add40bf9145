import { type Given, type SettingName, settingEntries } from './settings/index.ts';
import type { Setting } from './settings/setting.ts';

/** What the daemon is started with, unparsed. */
export interface CommandLine {
  readonly given: Given;
  readonly configFile?: string;
  /** Check the configuration, and end */
  readonly validate?: true;
  /** What to do with the user's docker context, instead of serving */
  readonly context?: 'install' | 'remove';
}

/** What a command line that does not start the daemon ends with: help, version, or a mistake. */
export interface Ending {
  readonly exitCode: number;
  readonly text: string;
}

/** A flag that is no setting. */
interface Extra {
  readonly flag: string;
  readonly short?: string;
  readonly kind: Setting['kind'];
  readonly value?: string;
  readonly help: string;
  readonly hidden?: true;
}

type Flag = Extra & { readonly name?: SettingName };

const EXTRA_FLAGS: readonly Extra[] = [
  { flag: 'config-file', kind: 'text', value: 'file', help: 'daemon.json with further settings' },
  { flag: 'validate', kind: 'flag', help: 'check the configuration, and end' },
  { flag: 'install-context', kind: 'flag', help: 'make the docker context "fairway" for this user, and end' },
  { flag: 'remove-context', kind: 'flag', help: 'take it away again, and end' },
  { flag: 'version', short: 'v', kind: 'flag', help: 'print the version, and end' },
  { flag: 'help', short: 'h', kind: 'flag', help: 'print this, and end' },
];

/** A command line that pflag would refuse, in its words (github.com/spf13/pflag: flag.go). */
class Mistake extends Error {}

/**
 * Reads the daemon's arguments by the rules of dockerd's parser: `--flag=value`, `--flag value`, `-f value`, `-fvalue`; switches
 * take their value behind a `=` only; of several values for one the last counts.
 * @param program how it was called, for its own words: fairwayd, or dockerd
 */
export function parseCommandLine(args: readonly string[], version: string, program = 'fairwayd'): CommandLine | Ending {
  const reader = new ArgumentReader(args);
  try {
    reader.read();
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    return { exitCode: 1, text: `${error.message}\nSee '${program} --help'.\n` };
  }
  const asked = (flag: string) => isTrue(reader.extra.get(flag));
  if (asked('help')) return { exitCode: 0, text: helpText(program) };
  if (asked('version')) return { exitCode: 0, text: `Fairway version ${version}\n` };
  if (reader.positional.length > 0) {
    return { exitCode: 1, text: `"${program}" accepts no arguments.\nSee '${program} --help'.\n` };
  }
  const configFile = reader.extra.get('config-file') ?? '';
  const context = asked('install-context') ? 'install' : asked('remove-context') ? 'remove' : undefined;
  return {
    given: reader.given,
    ...(configFile === '' ? {} : { configFile }),
    ...(asked('validate') ? { validate: true } : {}),
    ...(context === undefined ? {} : { context }),
  };
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(1|t|true)$/i.test(text);
}

/** Goes through the arguments once. */
class ArgumentReader {
  readonly given: Given = {};
  readonly extra = new Map<string, string>();
  readonly positional: string[] = [];
  readonly #flags: readonly Flag[] = allFlags();
  readonly #rest: string[];

  constructor(args: readonly string[]) {
    this.#rest = [...args];
  }

  /** @throws Mistake */
  read(): void {
    for (let arg = this.#rest.shift(); arg !== undefined; arg = this.#rest.shift()) {
      if (arg === '--') this.positional.push(...this.#rest.splice(0));
      else if (arg.startsWith('--')) this.#long(arg);
      else if (arg.startsWith('-') && arg !== '-') this.#short(arg);
      else this.positional.push(arg);
    }
  }

  #long(arg: string): void {
    const [, name = '', value] = /^--([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name === '' || name.startsWith('-')) throw new Mistake(`bad flag syntax: ${arg}`);
    const flag = this.#flags.find((candidate) => candidate.flag === name);
    if (flag === undefined) throw new Mistake(`unknown flag: --${name}`);
    this.#note(flag, value ?? (flag.kind === 'flag' ? 'true' : this.#next(`flag needs an argument: --${name}`)));
  }

  #short(arg: string): void {
    let letters = arg.slice(1);
    while (letters !== '') letters = this.#shortFlag(letters, arg);
  }

  /** Several switches may share one dash; what follows a letter that wants a value is its value. @returns what is left */
  #shortFlag(letters: string, arg: string): string {
    const letter = letters.charAt(0);
    const flag = this.#flags.find(({ short }) => short === letter);
    if (flag === undefined) throw new Mistake(`unknown shorthand flag: '${letter}' in ${arg}`);
    const rest = letters.slice(1);
    if (rest.startsWith('=')) this.#note(flag, rest.slice(1));
    else if (flag.kind !== 'flag') {
      this.#note(flag, rest === '' ? this.#next(`flag needs an argument: '${letter}' in ${arg}`) : rest);
    } else {
      this.#note(flag, 'true');
      return rest;
    }
    return '';
  }

  #next(otherwise: string): string {
    const value = this.#rest.shift();
    if (value === undefined) throw new Mistake(otherwise);
    return value;
  }

  #note({ name, flag, kind }: Flag, value: string): void {
    if (name === undefined) this.extra.set(flag, value);
    else this.given[name] = kind === 'list' ? [...(this.given[name] ?? []), value] : value;
  }
}

function allFlags(): Flag[] {
  const settings = settingEntries().filter(([, { fileOnly }]) => fileOnly !== true);
  return [...settings.map(([name, setting]) => ({ ...setting, name })), ...EXTRA_FLAGS];
}

function helpText(program: string): string {
  const flags = allFlags().filter(({ hidden }) => hidden !== true);
  const lines = flags
    .toSorted((a, b) => (a.flag < b.flag ? -1 : 1))
    .map(({ flag, short, kind, value = '', help }) => {
      const names = `${short === undefined ? '   ' : `-${short},`} --${flag}${kind === 'flag' ? '' : ` ${value}`}`;
      return `  ${names.padEnd(46)} ${help}\n`;
    });
  return `Usage:  ${program} [OPTIONS]

The Fairway daemon: a container engine that serves the Docker Engine API.

Options:
${lines.join('')}`;
}
