import { Command } from 'commander';
import { ApiClient } from '../api/client.ts';
import { errorMessage } from '../model/errors.ts';
import { attachCommands } from './commands/attach.ts';
import type { Commands } from './commands/command.ts';
import { exposureCommands } from './commands/exposure.ts';
import { lookCommands } from './commands/look.ts';
import { portCommands } from './commands/port.ts';
import { renumberCommands } from './commands/renumber.ts';
import { COMPLETION_SHELLS, completion } from './completion.ts';
import { parseListenAddress } from './values.ts';
import { VERSION } from './version.ts';

const DEFAULT_HOST = 'unix:///run/fairway/fairway.sock';

const COMMANDS: readonly Commands[] = [lookCommands, exposureCommands, attachCommands, portCommands, renumberCommands];

await main();

async function main(): Promise<void> {
  const program = new Command('fairway')
    .description('Looks into a Fairway daemon. Containers and networks are the docker CLI’s business.')
    .version(`Fairway version ${VERSION}`, '-v, --version')
    .option('-H, --host <socket>', 'the daemon’s socket', process.env['FAIRWAY_HOST'] ?? DEFAULT_HOST);
  const daemon = () => new ApiClient({ socketPath: socketPath(program.opts<{ host: string }>().host) });
  for (const add of COMMANDS) add(program, daemon);
  program
    .command('completion')
    .description('a script that completes this command on your shell')
    .argument('<shell>', COMPLETION_SHELLS.join(', '))
    .action((shell: string) => void process.stdout.write(completion(program, shell)));
  try {
    await program.parseAsync();
  } catch (error) {
    process.stderr.write(`fairway: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  }
}

/** @throws Error for a TCP address: the client speaks to this machine's daemon only */
function socketPath(host: string): string {
  const address = parseListenAddress(host);
  if (address.kind === 'unix') return address.path;
  throw new Error(`only unix sockets are supported, not ${host}`);
}
