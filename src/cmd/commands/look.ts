import { renderPlan, renderStatus } from '../status.ts';
import { type Commands, JSON_OPTION, print } from './command.ts';

/** `fairway status`, `fairway plan`: they change nothing. */
export const lookCommands: Commands = (program, daemon) => {
  program
    .command('status')
    .description('daemon, networks, endpoints, ports and drift at a glance')
    .option(...JSON_OPTION)
    .action(async (options: { json?: boolean }) => print(await daemon().status(), renderStatus, options.json));
  program
    .command('plan')
    .description('what a reconcile would do now, without doing it')
    .option(...JSON_OPTION)
    .action(async (options: { json?: boolean }) => print(await daemon().plan(), renderPlan, options.json));
};
