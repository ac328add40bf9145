import { Command, CommanderError, Option } from 'commander';
import { type Given, type Setting, type SettingName, settingEntries } from './options.ts';

/** What the daemon is started with, unparsed. */
export interface CommandLine {
  readonly given: Given;
  readonly configFile?: string;
  /** What to do with the user's docker context, instead of serving */
  readonly context?: 'install' | 'remove';
}

/** What a command line that does not start the daemon ends with: help, version, or a mistake. */
export interface Ending {
  readonly exitCode: number;
  readonly text: string;
}

/** Reads fairwayd's arguments; `ending` when there is nothing to start. */
export function parseCommandLine(args: readonly string[], version: string): CommandLine | Ending {
  let text = '';
  const command = describeCommand(version).configureOutput({
    writeOut: (part) => (text += part),
    writeErr: (part) => (text += part),
  });
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? { exitCode: 0, text } : { exitCode: 1, text: mistake(error) };
  }
  return collect(command.opts());
}

/** Every setting as a flag. It never ends the process: its ending is thrown (CommanderError). */
function describeCommand(version: string): Command {
  const command = new Command('fairwayd')
    .description('The Fairway daemon: a container engine that serves the Docker Engine API.')
    .version(`Fairway version ${version}`, '-v, --version')
    .option('--config-file <file>', 'daemon.json with further settings (default /etc/fairway/daemon.json)')
    .option('--install-context', 'make the docker context "fairway" for this user, and end')
    .option('--remove-context', 'take it away again, and end')
    .allowExcessArguments(false)
    .exitOverride();
  for (const [, setting] of settingEntries()) {
    if (setting.kind === 'list')
      command.option(
        setting.flags,
        setting.help,
        (value: string, former: string[]) => [...former, value],
        [] as string[],
      );
    else command.addOption(describeOption(setting));
  }
  return command;
}

/** To commander `--no-x` would take back `--x`; to dockerd `--no-new-privileges` is a name like others. */
function describeOption({ flags, help }: Setting): Option {
  const option = new Option(flags, help);
  option.negate = false;
  return option;
}

/** commander's sentence in dockerd's shape. */
function mistake(error: CommanderError): string {
  const sentence = error.message.replace(/^error: /, '').replace(/^unknown option '([^']*)'/, 'unknown flag: $1');
  return `${sentence}\nSee 'fairwayd --help'.\n`;
}

/** By our names; what was not given is left out, so that the file's word counts. */
function collect(options: Readonly<Record<string, unknown>>): CommandLine {
  const given: Given = {};
  for (const [name, setting] of settingEntries()) {
    const value = options[optionKey(setting)];
    if (Array.isArray(value) ? value.length > 0 : value !== undefined) given[name as SettingName] = asText(value);
  }
  const configFile = options['configFile'];
  const context =
    options['installContext'] === true ? 'install' : options['removeContext'] === true ? 'remove' : undefined;
  return {
    given,
    ...(typeof configFile === 'string' && configFile !== '' ? { configFile } : {}),
    ...(context === undefined ? {} : { context }),
  };
}

/** "--data-root <dir>" is kept by commander under "dataRoot". */
function optionKey(setting: Setting): string {
  const long = /--([a-z-]+)/.exec(setting.flags)?.[1] ?? '';
  return long.replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}

function asText(value: unknown): string | string[] {
  return Array.isArray(value) ? value.map(String) : String(value);
}
