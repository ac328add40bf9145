import type { TestDaemon } from '../daemon.ts';

/** A container on a bridge network, by what the kernel has of it. */
export interface Victim {
  readonly bridge: string;
  /** "10.208.1.1/24" */
  readonly gateway: string;
  readonly subnet: string;
  readonly veth: string;
  readonly mac: string;
  /** "10.208.1.2/24" */
  readonly address: string;
  /** File of its sandbox */
  readonly sandbox: string;
}

/** What somebody does to what belongs to a victim. */
export interface Blow {
  readonly name: string;
  /** For sh, on the host */
  readonly command: string;
}

/** A bridge of somebody else's, which the striker makes. */
export const ELSEWHERE = 'elsewhere';

/** @param network a network of the user's that the container is on */
export async function victimOf(daemon: TestDaemon, container: string, network: string): Promise<Victim> {
  const format = `{{$n := index .NetworkSettings.Networks "${network}"}}{{json (slice $n.NetworkID 0 12)}} {{json $n.EndpointID}} {{json $n.IPAddress}} {{json $n.IPPrefixLen}} {{json $n.Gateway}} {{json .NetworkSettings.SandboxKey}} {{json $n.MacAddress}}`;
  const text = await daemon.ok('inspect', '-f', format, container);
  const [id, endpoint, address, length, gateway, sandbox, mac] = text
    .split(' ')
    .map((word) => JSON.parse(word) as string);
  const subnet = await daemon.ok('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', network);
  return {
    bridge: `br-${id}`,
    gateway: `${gateway}/${length}`,
    subnet,
    veth: `veth${endpoint?.slice(0, 7)}`,
    address: `${address}/${length}`,
    sandbox: sandbox ?? '',
    mac: mac ?? '',
  };
}

/** Every kind of thing there is, deleted or changed. @param other one whose sandbox takes links in */
export function blowsAt(victim: Victim, other: Victim): Blow[] {
  return [...BLOWS_AT_ALL, ...atBridge(victim), ...atNeighbours(victim), ...atPort(victim), ...inside(victim, other)];
}

/**
 * So many times one to three blows at once, in an order that the seed decides. What one of them takes away, the next need
 * not find.
 */
export function randomBlows(seed: number, rounds: number, victims: readonly Victim[]): Blow[] {
  const next = numbers(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  return Array.from({ length: rounds }, () => {
    const several = Array.from({ length: 1 + Math.floor(next() * 3) }, () => {
      const victim = pick(victims);
      const other = pick(victims.filter((one) => one !== victim));
      return pick(blowsAt(victim, other));
    });
    return {
      name: several.map(({ name }) => name).join(' + '),
      command: several.map(({ command }) => `{ ${command}; } 2>/dev/null || true`).join('; '),
    };
  });
}

/** The same numbers from 0 to 1 for the same seed (mulberry32, by Tommy Ettinger, public domain). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const BLOWS_AT_ALL: readonly Blow[] = [
  { name: 'nft flush ruleset', command: 'nft flush ruleset' },
  { name: 'table deleted', command: 'nft delete table inet fairway' },
  { name: 'chain flushed', command: 'nft flush chain inet fairway forward' },
  { name: 'rule added', command: 'nft add rule inet fairway forward drop' },
  { name: 'elements of a set deleted', command: 'nft flush set inet fairway bridges' },
  { name: 'elements of a map deleted', command: 'nft flush map inet fairway port4_any' },
  { name: 'ip_forward=0', command: 'sysctl -qw net.ipv4.ip_forward=0' },
];

/** Linux before 6.2 renames no link that is up. @returns shell */
export function renamed(link: string, name: string): string {
  return `ip link set ${link} name ${name} 2>/dev/null || {
    ip link set ${link} down; ip link set ${link} name ${name}; ip link set ${name} up; }`;
}

function atBridge({ bridge, gateway, subnet }: Victim): Blow[] {
  return [
    { name: 'bridge deleted', command: `ip link del ${bridge}` },
    { name: 'bridge set down', command: `ip link set ${bridge} down` },
    { name: 'bridge renamed', command: renamed(bridge, 'mine') },
    { name: 'bridge MTU changed', command: `ip link set ${bridge} mtu 1280` },
    { name: 'bridge MAC changed', command: `ip link set ${bridge} address 02:00:00:00:00:01` },
    { name: 'address deleted', command: `ip addr del ${gateway} dev ${bridge}` },
    { name: 'addresses flushed', command: `ip addr flush dev ${bridge}` },
    { name: 'route deleted', command: `ip route del ${subnet}` },
    { name: 'route_localnet=0', command: `sysctl -qw net.ipv4.conf.${bridge}.route_localnet=0` },
    { name: 'disable_ipv6=0', command: `sysctl -qw net.ipv6.conf.${bridge}.disable_ipv6=0` },
  ];
}

/** Nobody's MAC address. */
const STRANGER = '02:00:00:00:00:99';

function atNeighbours({ bridge, veth, mac, address }: Victim): Blow[] {
  const host = `$(ip -br link show dev ${bridge} | awk '{ print $3 }')`;
  return [
    {
      name: 'wrong neighbour on the bridge',
      command: `ip neigh replace ${ip(address)} lladdr ${STRANGER} dev ${bridge} nud permanent`,
    },
    { name: 'container’s MAC bound to the bridge', command: `bridge fdb replace ${mac} dev ${bridge} self permanent` },
    { name: 'bridge’s MAC bound to a port', command: `bridge fdb replace ${host} dev ${veth} master static` },
  ];
}

/** "10.208.1.2" of "10.208.1.2/24" */
function ip(address: string): string {
  return address.split('/')[0] ?? '';
}

function atPort({ veth }: Victim): Blow[] {
  return [
    { name: 'veth deleted', command: `ip link del ${veth}` },
    { name: 'veth set down', command: `ip link set ${veth} down` },
    { name: 'veth renamed', command: renamed(veth, 'mine') },
    { name: 'veth out of its bridge', command: `ip link set ${veth} nomaster` },
    { name: 'veth on another bridge', command: `ip link set ${veth} master ${ELSEWHERE}` },
    { name: 'veth isolated', command: `bridge link set dev ${veth} isolated on` },
  ];
}

function inside({ sandbox, address, gateway, bridge }: Victim, other: Victim): Blow[] {
  const visit = (name: string, command: string): Blow => ({
    name: `sandbox: ${name}`,
    command: `nsenter --net=${sandbox} sh -c '${command}'`,
  });
  return [
    visit('default route deleted', 'ip route del default'),
    visit('address deleted', `ip addr del ${address} dev eth0`),
    visit('addresses flushed', 'ip addr flush dev eth0'),
    visit('link set down', 'ip link set eth0 down'),
    visit('link deleted', 'ip link del eth0'),
    visit('link renamed', 'ip link set eth0 down; ip link set eth0 name eth9'),
    visit('link MTU changed', 'ip link set eth0 mtu 1280'),
    visit('link MAC changed', 'ip link set eth0 address 02:00:00:00:00:02'),
    visit('link moved to another', `ip link set eth0 netns ${other.sandbox} name eth7`),
    visit('wrong gateway', `ip neigh replace ${ip(gateway)} lladdr ${STRANGER} dev eth0 nud permanent`),
    ...(other.bridge === bridge
      ? [visit('wrong neighbour', `ip neigh replace ${ip(other.address)} lladdr ${STRANGER} dev eth0 nud permanent`)]
      : []),
    visit('loopback set down', 'ip link set lo down'),
    visit('nft flush ruleset', 'nft flush ruleset'),
    { name: 'sandbox: file unmounted', command: `umount -l ${sandbox}` },
  ];
}
