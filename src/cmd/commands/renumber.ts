import type { RenumberPlan } from '../../engine/renumber.ts';
import { table } from '../table.ts';
import { type Commands, JSON_OPTION, print } from './command.ts';

interface Options {
  readonly subnet?: string;
  readonly apply?: boolean;
  readonly json?: boolean;
}

/** `fairway renumber NETWORK`: the way out of an overlap. */
export const renumberCommands: Commands = (program, daemon) => {
  program
    .command('renumber')
    .description('where a network could go that overlaps something of the host, and what that means for its containers')
    .argument('<network>', 'name or id')
    .option('--subnet <CIDR>', 'where to; unless told, the next free subnet of the same size')
    .option('--apply', 'do it; nothing may run on the network')
    .option(...JSON_OPTION)
    .action(async (network: string, { subnet, apply, json }: Options) => {
      const query = subnet === undefined ? '' : `?subnet=${encodeURIComponent(subnet)}`;
      const path = `/fairway/networks/${encodeURIComponent(network)}/renumber${query}`;
      const plan = (await daemon().ask(apply === true ? 'POST' : 'GET', path)) as RenumberPlan;
      print(plan, (shown) => renderRenumber(shown, apply === true), json);
    });
};

function renderRenumber({ network, moves, containers }: RenumberPlan, done: boolean): string {
  const steps = moves.map(
    ({ from, to, gateway }) => `  ${from} → ${to}${gateway === undefined ? '' : `, gateway ${gateway}`}`,
  );
  const rows = containers.flatMap(({ name, running, addresses, ports }) =>
    addresses.map((one) => [
      name,
      running ? 'running' : 'stopped',
      one.from,
      one.to ?? '(no place)',
      one.static ? '--ip' : '',
      ports.join(', '),
    ]),
  );
  const members = rows.length === 0 ? [] : [table(['CONTAINER', 'STATE', 'FROM', 'TO', '', 'PORTS'], rows)];
  const running = containers.filter((container) => container.running).map(({ name }) => name);
  const advice =
    running.length > 0
      ? `Stop first: docker stop ${running.join(' ')}`
      : `To do it: fairway renumber --apply ${moves.map(({ to }) => `--subnet ${to}`).join(' ')} ${network}`;
  return `${[`Network ${network}${done ? ' is renumbered' : ''}`, ...steps, ...members, ...(done ? [] : [advice])].join('\n')}\n`;
}
