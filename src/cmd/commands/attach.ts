import type { Command } from 'commander';
import type { AttachmentView } from '../../engine/attachments.ts';
import { table } from '../table.ts';
import { type Commands, JSON_OPTION, print } from './command.ts';

interface HostOptions {
  readonly bridge?: string;
  readonly ovs?: string;
  readonly vlan?: string;
  readonly parent?: string;
  readonly ip?: string[];
  readonly gateway?: string[];
  readonly mac?: string;
  readonly ifname?: string;
  readonly mtu?: string;
}

/** `fairway link`, `attach`, `detach`, `attachments`: links in containers that belong to no network. */
export const attachCommands: Commands = (program, daemon) => {
  program
    .command('link')
    .description('join two containers by a veth pair of their own')
    .argument('<container>')
    .argument('<other>')
    .argument('[address]', 'of the first, with its prefix: 10.1.1.1/32')
    .argument('[otherAddress]', 'of the second')
    .option('--ifname <name>', 'what the link is called in the first')
    .option('--other-ifname <name>', 'what it is called in the second')
    .option('--mtu <bytes>', 'of both ends')
    .action(async (container: string, other: string, address?: string, otherAddress?: string, options = {}) => {
      const { ifname, otherIfname, mtu } = options as { ifname?: string; otherIfname?: string; mtu?: string };
      const Ends = [
        { Container: container, Interface: ifname, Addresses: list(address) },
        { Container: other, Interface: otherIfname, Addresses: list(otherAddress) },
      ];
      await daemon().ask('POST', '/fairway/links', { Ends, Mtu: number(mtu) });
    });
  hostAttachment(program, daemon);
  program
    .command('detach')
    .description('take away a link that `link` or `attach` has made')
    .argument('<container>')
    .argument('<interface>', 'its name in the container, as `fairway attachments` shows it')
    .action(async (container: string, link: string) => {
      await daemon().ask('DELETE', `/fairway/attachments/${encodeURIComponent(container)}/${encodeURIComponent(link)}`);
    });
  program
    .command('attachments')
    .description('what `link` and `attach` have made')
    .option(...JSON_OPTION)
    .action(async (options: { json?: boolean }) => {
      print((await daemon().ask('GET', '/fairway/attachments')) as AttachmentView[], renderAttachments, options.json);
    });
};

function hostAttachment(program: Command, daemon: Parameters<Commands>[1]): void {
  program
    .command('attach')
    .description('attach a container to a bridge or a network card of the host')
    .argument('<container>')
    .option('--bridge <name>', 'a Linux bridge that is there')
    .option('--ovs <name>', 'an Open vSwitch bridge that is there')
    .option('--vlan <number>', 'with --ovs: the VLAN it belongs to')
    .option('--parent <name>', 'a link of the host: the container gets a macvlan on it')
    .option('--ip <address...>', 'with its prefix: 192.168.1.9/24')
    .option('--gateway <address...>', 'where the default route leads')
    .option('--mac <address>', 'a MAC address; a random one unless told')
    .option('--ifname <name>', 'what the link is called in the container; link0 and up unless told')
    .option('--mtu <bytes>')
    .action(async (container: string, options: HostOptions) => {
      const { bridge, ovs, vlan, parent, ip, gateway, mac, ifname, mtu } = options;
      const End = { Container: container, Interface: ifname, Mac: mac, Addresses: ip, Gateways: gateway };
      await daemon().ask('POST', '/fairway/attachments', {
        End,
        Bridge: bridge,
        Switch: ovs,
        Vlan: number(vlan),
        Parent: parent,
        Mtu: number(mtu),
      });
    });
}

function list(text: string | undefined): string[] {
  return text === undefined ? [] : [text];
}

/** What is no number is the daemon's to refuse. */
function number(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

function renderAttachments(attachments: readonly AttachmentView[]): string {
  if (attachments.length === 0) return 'No attachments.\n';
  const rows = attachments.map(({ container, link, to, addresses, mac, up }) => [
    container,
    link,
    to,
    addresses.join(' ') || '-',
    mac,
    up ? 'up' : 'waits for its containers',
  ]);
  return `${table(['CONTAINER', 'LINK', 'TO', 'ADDRESS', 'MAC', ''], rows)}\n`;
}
