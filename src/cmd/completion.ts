import type { Command, Option } from 'commander';

/** What can be typed behind `fairway`, and behind each of its commands. */
interface Words {
  readonly commands: readonly { readonly name: string; readonly help: string; readonly options: readonly string[] }[];
  readonly options: readonly string[];
}

const SHELLS: Readonly<Record<string, (words: Words) => string>> = { bash, zsh, fish };

/** The shells there is a script for. */
export const COMPLETION_SHELLS: readonly string[] = Object.keys(SHELLS);

/** A script that completes `fairway` on a shell. @throws Error for one that is not known */
export function completion(program: Command, shell: string): string {
  const script = SHELLS[shell];
  if (script === undefined)
    throw new Error(`there is no completion for ${shell}: want ${COMPLETION_SHELLS.join(', ')}`);
  const flags = (options: readonly Option[]) => [...options.map(({ long }) => long ?? ''), '--help'];
  return script({
    commands: program.commands.map((command) => ({
      name: command.name(),
      help: command.description(),
      options: [...flags(command.options), ...(command.name() === 'completion' ? COMPLETION_SHELLS : [])],
    })),
    options: flags(program.options),
  });
}

function bash({ commands, options }: Words): string {
  const cases = commands.map(({ name, options: own }) => `    ${name}) words="${own.join(' ')}" ;;`);
  return `# Completion of fairway for bash: source <(fairway completion bash)
_fairway() {
  local word words="${[...commands.map(({ name }) => name), ...options].join(' ')}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
${cases.join('\n')}
    esac
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _fairway fairway
`;
}

function zsh({ commands, options }: Words): string {
  const described = commands.map(({ name, help }) => `'${name}:${quoted(help)}'`);
  const cases = commands.map(({ name, options: own }) => `    ${name}) compadd -- ${own.join(' ')}; return ;;`);
  return `#compdef fairway
# Completion of fairway for zsh: source <(fairway completion zsh)
_fairway() {
  local -a commands=(${described.join(' ')})
  local word
  for word in "\${words[@]:1:CURRENT-2}"; do
    case "$word" in
${cases.join('\n')}
    esac
  done
  _describe command commands
  compadd -- ${options.join(' ')}
}
compdef _fairway fairway
`;
}

function fish({ commands, options }: Words): string {
  const names = commands.map(({ name }) => name).join(' ');
  const lines = commands.flatMap(({ name, help, options: own }) => [
    `complete -c fairway -f -n 'not __fish_seen_subcommand_from ${names}' -a ${name} -d '${quoted(help)}'`,
    ...own.map((word) => `complete -c fairway -f -n '__fish_seen_subcommand_from ${name}' ${fishWord(word)}`),
  ]);
  const general = options.map((word) => `complete -c fairway -f ${fishWord(word)}`);
  return `# Completion of fairway for fish: fairway completion fish | source\n${[...lines, ...general].join('\n')}\n`;
}

function fishWord(word: string): string {
  return word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`;
}

/** Within single quotes of any of the three. */
function quoted(text: string): string {
  return text.replaceAll("'", '’').replaceAll(':', ' ');
}
