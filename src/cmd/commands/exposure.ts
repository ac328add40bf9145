import type { Exposure } from '../../engine/exposure.ts';
import { counted, table } from '../table.ts';
import { type Commands, JSON_OPTION, print } from './command.ts';

const HEAD = ['CONTAINER', 'NETWORK', 'ADDRESS', 'PROTOCOL', 'PORT', 'FROM', 'HOST FIREWALL'] as const;

/** `fairway exposure`: what of the containers others reach. */
export const exposureCommands: Commands = (program, daemon) => {
  program
    .command('exposure')
    .description('what is reachable from where, and what the host’s own firewall would have said of the same port')
    .option(...JSON_OPTION)
    .action(async (options: { json?: boolean }) => {
      print((await daemon().ask('GET', '/fairway/exposure')) as Exposure[], renderExposure, options.json);
    });
};

function renderExposure(exposures: readonly Exposure[]): string {
  if (exposures.length === 0) return 'Nothing of any container is reachable from elsewhere.\n';
  const rows = exposures.map(({ container, network, address, protocol, containerPort, from, hostFirewall }) => {
    return [container, network, address, protocol, containerPort, from.join(', '), hostFirewall || '-'];
  });
  return `${table(HEAD, rows)}\n${counted(rows.length, 'way')} in\n`;
}
