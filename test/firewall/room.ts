import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { parseIpAddress, parsePrefix } from '../../src/model/address.ts';
import type { BridgeRule, FirewallResource, PublishRule } from '../../src/model/firewall.ts';
import { FirewallApplier } from '../../src/reconcile/firewall/applier.ts';
import { TestHost } from '../host.ts';
import type { Target } from './peer.ts';

const PEER = new URL('peer.ts', import.meta.url).pathname;

/** Three bridges, "int" being internal, with two containers each: their names are the bridge's and a digit. */
const BRIDGES = { a: '10.1.0', b: '10.2.0', int: '10.3.0' } as const;

/** The same bridges' prefixes of IPv6. */
const BRIDGES6 = { a: 'fd00:1', b: 'fd00:2', int: 'fd00:3' } as const;

export type BridgeName = keyof typeof BRIDGES;

/** Where a probe starts: the LAN, the host, a container, or what else a test has made. */
export type Place = 'lan' | 'host' | 'far' | 'a1' | 'a2' | 'b1' | 'b2' | 'int1' | 'int2';

/**
 * A host with two addresses on its LAN (192.0.2.2 and 192.0.2.3), bridges br-a (10.1.0.0/24), br-b (10.2.0.0/24) and the
 * internal br-int (10.3.0.0/24), each with the host at .1 and containers at .2 and .3, and the firewall under test. The LAN
 * routes all of 10.0.0.0/8 through the host. The same in IPv6: 2001:db8::2 and ::3 on the LAN, fd00:1::/64 to fd00:3::/64
 * behind the bridges, the LAN at 2001:db8::1. All of it in namespaces of the test's own.
 */
export class Room implements AsyncDisposable {
  readonly host: TestHost;
  readonly firewall: FirewallApplier;
  readonly #resources = new AsyncDisposableStack();

  private constructor(host: TestHost) {
    this.host = this.#resources.use(host);
    const namespace = this.#resources.use(NetworkNamespace.open(`/proc/${host.pid}/ns/net`));
    this.firewall = this.#resources.use(new FirewallApplier('fairway', namespace));
  }

  /**
   * @param bridgeNetfilter Something else on the host (Docker, Kubernetes) has loaded br_netfilter: frames between the ports of
   *   a bridge pass the firewall too. A container then reaches itself by way of the host only when its port is in hairpin mode
   */
  static async create({ bridgeNetfilter = false } = {}): Promise<Room> {
    const room = new Room(await TestHost.create());
    try {
      await room.#build(bridgeNetfilter);
      return room;
    } catch (error) {
      await room[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #build(bridgeNetfilter: boolean): Promise<void> {
    const names = Object.keys(BRIDGES) as BridgeName[];
    const bridges = names.map((name) => {
      const containers = [1, 2].map((digit) => containerScript(name, digit));
      return `ip link add br-${name} type bridge; ip link set br-${name} up
        ip addr add ${BRIDGES[name]}.1/24 dev br-${name}; ip addr add ${BRIDGES6[name]}::1/64 dev br-${name} nodad
        sysctl -qw net.ipv4.conf.br-${name}.route_localnet=1\n${containers.join('\n')}`;
    });
    await this.host.shell(`set -e; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; ip addr add 192.0.2.3/24 dev eth0
      ip addr add 2001:db8::2/64 dev eth0 nodad; ip addr add 2001:db8::3/64 dev eth0 nodad preferred_lft 0
      ${bridges.join('\n')}`);
    await this.host.shell(
      bridgeNetfilter
        ? `sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
           for port in a1 a2 b1 b2 int1 int2; do bridge link set dev v-$port hairpin on; done`
        : '[ ! -e /proc/sys/net/bridge ] || sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0',
    );
    await this.host.lanShell(`ip route add 10.0.0.0/8 via 192.0.2.2
      ip addr add 2001:db8::1/64 dev lan0 nodad; ip route add fd00::/16 via 2001:db8::2`);
    this.add(...names.map((name) => bridge(name)), masquerade('a'), masquerade('b'));
    this.add(...names.map((name) => bridge6(name)), masquerade6('a'), masquerade6('b'));
  }

  add(...resources: FirewallResource[]): void {
    this.firewall.apply(resources.map((after) => ({ after })));
  }

  remove(...resources: FirewallResource[]): void {
    this.firewall.apply(resources.map((before) => ({ before })));
  }

  /** Starts a server that answers tcp and udp on these ports of every address. */
  async serve(place: Place, ...ports: number[]): Promise<void> {
    const child = this.#spawn(place, [process.execPath, PEER, 'serve', place, ...ports.map(String)]);
    await heard(child);
  }

  /** Opens a connection. @returns a function that sends words and resolves to what comes back; the first words are the server's */
  async talk(place: Place, address: string, port: number): Promise<(words: string) => Promise<string>> {
    const child = this.#spawn(place, [process.execPath, PEER, 'talk', address, String(port)]);
    await heard(child);
    return async (words) => {
      child.stdin?.write(words);
      return heard(child);
    };
  }

  #spawn(place: Place, command: readonly string[]): ChildProcess {
    const child = place === 'lan' ? this.host.spawnLan(command) : this.host.spawn(within(place, command));
    child.stderr?.pipe(process.stderr);
    return child;
  }

  /** @returns for each target who answered, and the address by which it saw the client: "a1 192.0.2.1"; or null */
  async probe(place: Place, targets: readonly Target[]): Promise<(string | null)[]> {
    return JSON.parse(await this.run(place, [process.execPath, PEER, 'probe', JSON.stringify(targets)]));
  }

  /** @returns what the command writes */
  async run(place: Place, command: readonly string[]): Promise<string> {
    const { stdout, stderr } =
      place === 'lan' ? await this.host.lan(command) : await this.host.exec(within(place, command));
    if (stdout === '') throw new Error(`${command.join(' ')} in ${place} says nothing: ${stderr}`);
    return stdout;
  }

  /** Asks over tcp and over udp. @param wanted who shall answer each, and is waited for; null: nobody */
  async hears(place: Place, address: string, port: number, wanted: readonly (string | null)[]): Promise<void> {
    const questions = (['tcp', 'udp'] as const).map((protocol, at) => ({
      protocol,
      address,
      port,
      awaited: (wanted[at] ?? null) !== null,
    }));
    assert.deepEqual(await this.probe(place, questions), wanted);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** What it says next. @throws Error when it ends instead */
async function heard(child: ChildProcess): Promise<string> {
  const end = new AbortController();
  const { signal } = end;
  if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} has ended with ${child.exitCode}`);
  try {
    const said = once(child.stdout ?? child, 'data', { signal }).then(([chunk]) => String(chunk));
    const ended = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`${child.spawnargs.slice(-4).join(' ')} ended with ${code}`);
    });
    return await Promise.race([said, ended]);
  } finally {
    end.abort();
  }
}

function containerScript(bridge: BridgeName, digit: number): string {
  const name = `${bridge}${digit}`;
  const net = BRIDGES[bridge];
  const net6 = BRIDGES6[bridge];
  return `ip netns add ${name}; ip link add v-${name} master br-${bridge} up type veth peer name eth0 netns ${name}
    ip -n ${name} link set lo up; ip -n ${name} addr add ${net}.${digit + 1}/24 dev eth0; ip -n ${name} link set eth0 up
    ip -n ${name} route add default via ${net}.1; ip -n ${name} addr add ${net6}::${digit + 1}/64 dev eth0 nodad
    ip -n ${name} -6 route add default via ${net6}::1`;
}

function within(place: Place, command: readonly string[]): readonly string[] {
  return place === 'host' ? command : ['ip', 'netns', 'exec', place, ...command];
}

export function bridge(name: BridgeName): BridgeRule {
  const subnet = parsePrefix(`${BRIDGES[name]}.0/24`);
  return { kind: 'firewall', meaning: 'bridge', bridge: `br-${name}`, subnet, internal: name === 'int', mode: 'nat' };
}

export function bridge6(name: BridgeName): BridgeRule {
  return { ...bridge(name), subnet: parsePrefix(`${BRIDGES6[name]}::/64`) };
}

export function masquerade(name: BridgeName) {
  return { kind: 'firewall', meaning: 'masquerade', bridge: `br-${name}`, subnet: bridge(name).subnet } as const;
}

export function masquerade6(name: BridgeName) {
  return { kind: 'firewall', meaning: 'masquerade', bridge: `br-${name}`, subnet: bridge6(name).subnet } as const;
}

/** `-p ADDRESS:FROM:TO`, both tcp and udp, to container a1 or, when told, b1, by its address of the same family */
export function publish(
  hostAddress: string,
  hostPort: number,
  port: number,
  { count = 1, container = 'a1' }: { count?: number; container?: 'a1' | 'b1' } = {},
): PublishRule[] {
  const name = container === 'a1' ? 'a' : 'b';
  const address = parseIpAddress(hostAddress.includes(':') ? `${BRIDGES6[name]}::2` : `${BRIDGES[name]}.2`);
  return (['tcp', 'udp'] as const).map((protocol) => ({
    kind: 'firewall',
    meaning: 'publish',
    protocol,
    hostAddress: parseIpAddress(hostAddress),
    hostPort,
    count,
    address,
    port,
    bridge: `br-${name}`,
  }));
}
