import { execFile } from 'node:child_process';
import { parseIpAddress, parseMacAddress } from '../../src/model/address.ts';
import type { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import * as frames from './frames.ts';

const PEERS = new URL('peers.py', import.meta.url).pathname;

/** A container, and its network namespace as the test process reaches it. */
export interface Tenant extends frames.Station {
  readonly name: string;
  readonly path: string;
}

/** Three containers of one network, and the host as they see it. */
export interface Neighbours {
  readonly bridge: string;
  readonly gateway: frames.Station;
  readonly attacker: Tenant;
  readonly victim: Tenant;
  readonly other: Tenant;
}

/** Makes a network with addresses of both families, and containers on it; with fewer than three, one is several of them. */
export async function makeNeighbours(
  daemon: TestDaemon,
  network: string,
  number: number,
  options: readonly string[] = [],
  names: readonly string[] = ['attacker', 'victim', 'other'],
): Promise<Neighbours> {
  const subnets = ['--subnet', `10.${number}.0.0/24`, '--subnet', `fd00:${number}::/64`];
  const id = await daemon.ok('network', 'create', '--ipv6', ...subnets, ...options, network);
  const bridge = `br-${id.slice(0, 12)}`;
  const run = async (name: string): Promise<Tenant> => {
    await daemon.ok('run', '-d', '--name', `${network}-${name}`, '--network', network, 'busybox', 'sleep', '6000');
    return find(daemon, `${network}-${name}`);
  };
  const [attacker, ...rest] = await Promise.all(names.map(run));
  if (attacker === undefined) throw new Error('nobody is there');
  const [victim = attacker, other = attacker] = rest;
  const link = await shown(() => daemon.host.shell(`ip link show ${bridge}; ip -6 addr show dev ${bridge}`));
  const gateway = station(link, `10.${number}.0.1`, `fd00:${number}::1`);
  return { bridge, gateway, attacker, victim, other };
}

export async function find(daemon: TestDaemon, name: string): Promise<Tenant> {
  const format =
    '{{.NetworkSettings.SandboxKey}}{{range .NetworkSettings.Networks}} {{.IPAddress}} {{.GlobalIPv6Address}}{{end}}';
  const [key = '', four = '', six = ''] = (await daemon.ok('inspect', '-f', format, name)).split(' ');
  const link = await shown(() => daemon.ok('exec', name, 'ip', 'addr', 'show', 'eth0'));
  return { name, path: daemon.host.path(key), ...station(link, four, six) };
}

/** What `ip` says of a link when it has its address of fe80::/64: that comes when the kernel has seen its carrier. */
async function shown(ask: () => Promise<string>): Promise<string> {
  let link = '';
  await eventually('the link has a link-local address', async () => {
    link = await ask();
    return /fe80:/.test(link);
  });
  return link;
}

/** @param link what `ip` says of it */
function station(link: string, four: string, six: string): frames.Station {
  const [mac = '', local = ''] = [/ether (\S+)/.exec(link)?.[1], /(fe80:\S+)\/64/.exec(link)?.[1]];
  return {
    mac: parseMacAddress(mac),
    four: parseIpAddress(four),
    six: parseIpAddress(six),
    local: parseIpAddress(local),
  };
}

/** What nobody may send who is not who he says he is, or is no router and no server: frames for the victim. */
export function forged({ gateway, attacker, victim, other }: Neighbours): Record<string, Buffer> {
  const to = victim.mac;
  const own = { from: attacker.mac, to };
  const all = { from: attacker.mac, to: frames.BROADCAST };
  const nodes = { from: attacker.mac, to: frames.ALL_NODES_MAC };
  const as = { mac: attacker.mac, four: gateway.four };
  return {
    'IPv4 from another container’s address': frames.udp4(own, other.four, victim.four, [1, 2]),
    'IPv4 from an address outside': frames.udp4(own, '203.0.113.9', victim.four, [1, 2]),
    'IPv4 from another container’s MAC address': frames.udp4(
      { from: other.mac, to },
      attacker.four,
      victim.four,
      [1, 3],
    ),
    'IPv4 from the gateway’s MAC address': frames.udp4({ from: gateway.mac, to }, attacker.four, victim.four, [1, 4]),
    'ARP: the gateway is here': frames.arp(own, 2, as, victim.four),
    'ARP to all: the gateway is here': frames.arp(all, 1, as, gateway.four),
    'ARP: I am elsewhere': frames.arp(own, 2, { mac: other.mac, four: attacker.four }, victim.four),
    'ARP with a tag of VLAN 0: the gateway is here': frames.tagged(frames.arp(all, 2, as, victim.four)),
    'IPv6 from another container’s address': frames.udp6(own, other.six, victim.six, [1, 2]),
    'IPv6 from another container’s link-local address': frames.udp6(own, other.local, victim.local, [1, 2]),
    'neighbour advertisement: the gateway is here': frames.neighbourAdvertisement(
      own,
      attacker.six,
      victim.six,
      gateway.six,
    ),
    'neighbour advertisement by the gateway': frames.neighbourAdvertisement(own, gateway.six, victim.six, gateway.six),
    'router advertisement': frames.routerAdvertisement(nodes, attacker.local),
    'router advertisement behind another header': frames.hiddenAdvertisement(nodes, attacker.local),
    redirect: frames.redirect(own, attacker.local, victim.six, attacker.six, gateway.six),
    'DHCP: an answer': frames.udp4(own, attacker.four, victim.four, [67, 68]),
    'DHCPv6: an answer': frames.udp6(own, attacker.local, victim.local, [547, 546]),
    'another protocol': frames.frame(own, 0x88b5, Buffer.from('IEEE 802, for local experiments')),
  };
}

/** What everybody may send in his own name. */
export function honest({ attacker, victim }: Neighbours): Record<string, Buffer> {
  const own = { from: attacker.mac, to: victim.mac };
  const nobody = { mac: attacker.mac, four: parseIpAddress('0.0.0.0') };
  return {
    IPv4: frames.udp4(own, attacker.four, victim.four, [1, 2]),
    IPv6: frames.udp6(own, attacker.six, victim.six, [1, 2]),
    'IPv6, link-local': frames.udp6(own, attacker.local, victim.local, [1, 2]),
    'ARP: I am here': frames.arp({ ...own, to: frames.BROADCAST }, 1, attacker, attacker.four),
    'ARP: is it free?': frames.arp({ ...own, to: frames.BROADCAST }, 1, nobody, victim.four),
    'neighbour advertisement': frames.neighbourAdvertisement(own, attacker.six, victim.six, attacker.six),
  };
}

/** @param patience seconds, unless all arrive sooner @returns the names of the frames that the victim's link saw */
export async function arrivals(
  { attacker, victim }: Neighbours,
  sent: Readonly<Record<string, Buffer>>,
  patience = 30,
): Promise<string[]> {
  const seen = await send(attacker.path, victim.path, 'eth0', Object.values(sent), patience);
  return Object.keys(sent).filter((_, at) => seen[at]);
}

/** @param by the link it leaves by @returns for each frame whether it was seen on `link` within so many seconds */
export function send(
  from: string,
  to: string,
  link: string,
  sent: readonly Buffer[],
  patience: number,
  by = 'eth0',
): Promise<boolean[]> {
  return new Promise((resolve, reject) => {
    const child = execFile('/usr/bin/python3', [PEERS, 'send'], { timeout: 120_000 }, (error, stdout, stderr) => {
      if (error !== null) reject(new Error(`peers.py: ${stderr}`, { cause: error }));
      else resolve(JSON.parse(stdout));
    });
    child.stdin?.end(
      JSON.stringify({ from, by, to, link, patience, frames: sent.map((frame) => frame.toString('hex')) }),
    );
  });
}
