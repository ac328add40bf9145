import { Command } from 'commander';
import { ApiClient } from '../api/client.ts';
import { errorMessage } from '../model/errors.ts';
import { COMPLETION_SHELLS, completion } from './completion.ts';
import { renderPlan, renderStatus } from './status.ts';
import { parseListenAddress } from './values.ts';
import { VERSION } from './version.ts';

const DEFAULT_HOST = 'unix:///run/fairway/fairway.sock';

await main();

async function main(): Promise<void> {
  const program = new Command('fairway')
    .description('Looks into a Fairway daemon. Containers and networks are the docker CLI’s business.')
    .version(`Fairway version ${VERSION}`, '-v, --version')
    .option('-H, --host <socket>', 'the daemon’s socket', process.env['FAIRWAY_HOST'] ?? DEFAULT_HOST);
  const client = () => new ApiClient({ socketPath: socketPath(program.opts<{ host: string }>().host) });
  const json = ['--json', 'print JSON for programs'] as const;
  program
    .command('status')
    .description('daemon, networks, endpoints, ports and drift at a glance')
    .option(...json)
    .action(async (options: { json?: boolean }) => print(await client().status(), renderStatus, options.json));
  program
    .command('plan')
    .description('what a reconcile would do now, without doing it')
    .option(...json)
    .action(async (options: { json?: boolean }) => print(await client().plan(), renderPlan, options.json));
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

/** For people, or as JSON for programs. */
function print<T>(value: T, render: (value: T) => string, asJson: boolean | undefined): void {
  process.stdout.write(asJson === true ? `${JSON.stringify(value, undefined, 2)}\n` : render(value));
}
