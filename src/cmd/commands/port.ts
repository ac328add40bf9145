import type { Commands } from './command.ts';

/** `fairway port add`, `port rm`: published ports of a container that is there already. */
export const portCommands: Commands = (program, daemon) => {
  const port = program.command('port').description('publish ports of a container, running or not, or take them back');
  const change = (verb: 'add' | 'rm', method: 'POST' | 'DELETE', description: string) =>
    port
      .command(verb)
      .description(description)
      .argument('<container>')
      .argument('<ports...>', 'as `docker run -p` takes them: 8080:80, 127.0.0.1:5353:53/udp, 8000-8009:8000-8009')
      .action(async (container: string, Ports: string[]) => {
        await daemon().ask(method, `/fairway/containers/${encodeURIComponent(container)}/ports`, { Ports });
      });
  change('add', 'POST', 'publish more ports; they stay over restarts');
  change('rm', 'DELETE', 'take published ports back; a container port alone means all it is published on');
};
