import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { TestDaemon } from '../daemon.ts';
import {
  HOST_WAYS,
  isRelayed,
  LEAVES,
  NETWORKS,
  type NetworkName,
  OWN_WAYS,
  REACHES_GATEWAY,
  reason,
  type Source,
  type Way,
} from './matrix.ts';

const PEERS = new URL('peers.py', import.meta.url).pathname;
const FAMILIES = [4, 6] as const;
type Family = (typeof FAMILIES)[number];

/** Ports of every server: published on any address, on loopback, on the host's first address, on none. */
const PORTS = { any: 80, loopback: 81, one: 82, none: 90 } as const;
const HOST: Readonly<Record<Family, string>> = { 4: '192.0.2.2', 6: '2001:db8::2' };
const OTHER: Readonly<Record<Family, string>> = { 4: '192.0.2.3', 6: '2001:db8::3' };
const LAN: Readonly<Record<Family, string>> = { 4: '192.0.2.1', 6: '2001:db8::1' };
const LOOPBACK: Readonly<Record<Family, string>> = { 4: '127.0.0.1', 6: '::1' };

/** Of the LAN for macvlan, of their own for the others; the host's network has none. */
const CREATE: Readonly<Partial<Record<NetworkName, readonly string[]>>> = {
  user: ['--subnet', '10.2.0.0/24', '--subnet', 'fd00:2::/64'],
  internal: ['--internal', '--subnet', '10.3.0.0/24', '--subnet', 'fd00:3::/64'],
  routed: ['--subnet', '10.4.0.0/24', '--subnet', 'fd00:4::/64', ...gatewayMode('routed')],
  isolated: ['--internal', '--subnet', '10.5.0.0/24', '--subnet', 'fd00:5::/64', ...gatewayMode('isolated')],
  macvlan: [
    ...['-d', 'macvlan', '-o', 'parent=eth0', '--subnet', '192.0.2.0/24', '--ip-range', '192.0.2.128/27'],
    ...['--gateway', LAN[4], '--subnet', '2001:db8::/64', '--ip-range', '2001:db8::80/121', '--gateway', LAN[6]],
  ],
};

function gatewayMode(mode: string): string[] {
  return FAMILIES.flatMap((family) => ['-o', `com.docker.network.bridge.gateway_mode_ipv${family}=${mode}`]);
}

/** Where a container is: its network namespace, as the test process reaches it, and its addresses. */
interface Place {
  readonly path: string;
  readonly addresses: Readonly<Record<Family, string>>;
  readonly gateways: Readonly<Record<Family, string>>;
}

interface Question {
  readonly from: string;
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly address: string;
  readonly port: number;
}

interface Cell {
  readonly question: Question;
  /** For people: "the LAN to user, own, published, tcp, IPv4" */
  readonly text: string;
  /** Who shall answer, and why; null: nobody */
  readonly expected: string | null;
  readonly because: string;
  /** What the daemon passes on itself */
  readonly relayed: boolean;
}

/**
 * A host with a daemon and, on each network of the matrix, a server that publishes ports and a neighbour that asks. The LAN knows ways to
 * all containers, and those of internal networks have made themselves a way out.
 */
export class Room implements AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly #places = new Map<string, Place>();
  #servers: ChildProcess | undefined;
  #cells: readonly Cell[] = [];

  private constructor(daemon: TestDaemon) {
    this.daemon = daemon;
  }

  static async create(): Promise<Room> {
    const flags = ['--ipv6', '--bip', '10.1.0.1/24', '--fixed-cidr-v6', 'fd00:1::/64'];
    const room = new Room(
      await TestDaemon.create(flags, async (host) => {
        await host.shell(`ip addr add ${OTHER[4]}/24 dev eth0
          ip addr add ${HOST[6]}/64 dev eth0 nodad; ip addr add ${OTHER[6]}/64 dev eth0 nodad preferred_lft 0`);
        await host.lanShell(`sysctl -qw net.ipv4.ip_forward=0; ip route add 10.0.0.0/8 via ${HOST[4]}
          ip addr add ${LAN[6]}/64 dev lan0 nodad; ip -6 route add fd00::/16 via ${HOST[6]}`);
      }),
    );
    try {
      await room.#build();
      return room;
    } catch (error) {
      await room[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #build(): Promise<void> {
    const { daemon } = this;
    await Promise.all(
      Object.entries(CREATE).map(([name, options]) => daemon.ok('network', 'create', '--ipv6', ...options, name)),
    );
    const run = (name: string, network: string, ...flags: string[]) =>
      daemon.ok('run', '-d', '--name', name, '--network', network, ...flags, 'busybox', 'sleep', '6000');
    await Promise.all(
      NETWORKS.flatMap((network) => [
        run(`server-${network}`, network, ...publishing(network)),
        ...(network === 'host' ? [] : [run(`client-${network}`, network)]),
      ]),
    );
    await this.#find();
    await this.#serve();
    await this.#breakOut();
    this.#cells = this.#matrix();
  }

  async #find(): Promise<void> {
    const { host } = this.daemon;
    const at = (pid: number): Place => ({ path: `/proc/${pid}/ns/net`, addresses: HOST, gateways: HOST });
    this.#places.set('the host', at(host.pid)).set('server-host', at(host.pid)).set('the LAN', at(host.lanPid));
    const names = NETWORKS.filter((name) => name !== 'host').flatMap((name) => [`server-${name}`, `client-${name}`]);
    const found = JSON.parse(await this.daemon.ok('inspect', ...names)) as {
      readonly Name: string;
      readonly NetworkSettings: {
        readonly SandboxKey: string;
        readonly Networks: Readonly<Record<string, Readonly<Record<string, string>>>>;
      };
    }[];
    for (const { Name, NetworkSettings } of found) {
      const [end = {}] = Object.values(NetworkSettings.Networks);
      this.#places.set(Name.slice(1), {
        path: host.path(NetworkSettings.SandboxKey),
        addresses: { 4: end['IPAddress'] ?? '', 6: end['GlobalIPv6Address'] ?? '' },
        gateways: { 4: end['Gateway'] ?? '', 6: end['IPv6Gateway'] ?? '' },
      });
    }
  }

  async #serve(): Promise<void> {
    const servers = [...NETWORKS.map((name) => `server-${name}`), 'the LAN'];
    const places = Object.fromEntries(servers.map((name) => [name, this.place(name).path]));
    const words = JSON.stringify({ ports: Object.values(PORTS), places });
    // It is in many namespaces and dies with the test process at the latest (prctl(2), PR_SET_PDEATHSIG).
    const command = ['--pdeathsig', 'KILL', '/usr/bin/python3', PEERS, 'serve', words];
    const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#servers = child;
    await once(child.stdout, 'data');
  }

  /** A container that may change its own routes does not get out of an internal network by it. */
  async #breakOut(): Promise<void> {
    for (const name of ['client-internal', 'client-isolated'] as const) {
      const { path } = this.place(name);
      await this.daemon.host.shell(`for family in -4 -6; do
        nsenter --net=${path.replace(/^\/proc\/\d+\/root/, '')} ip $family route add default dev eth0; done`);
    }
  }

  place(name: string): Place {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`there is no place called ${name}`);
    return place;
  }

  /** Every question of the matrix, and what Docker says of it. */
  #matrix(): Cell[] {
    const starts = [...this.#places].filter(([name]) => name !== 'server-host');
    return starts.flatMap(([name, { path, gateways }]) =>
      FAMILIES.flatMap((family) => [
        ...NETWORKS.flatMap((to) => [...OWN_WAYS, ...HOST_WAYS].flatMap((by) => this.#ask(name, to, by, family))),
        ...leaving(name, path, family),
        ...(gateways[family] === '' || !name.startsWith('client')
          ? []
          : toGateway(name, path, gateways[family], family)),
      ]),
    );
  }

  #ask(name: string, to: NetworkName, by: Way, family: Family): Cell[] {
    const server = this.place(`server-${to}`);
    const from = sourceOf(name, to);
    const why = reason(from, to, by);
    if (from === 'itself' && by.endsWith('loopback') && by !== 'own, published on loopback') return []; // its own loopback
    return questions(by, server.addresses[family], family, NETWORKS.indexOf(to)).map((question) => ({
      question: { ...question, from: this.place(name).path },
      text: `${from} (${name}) to ${to}; ${by}; ${question.protocol}, IPv${family}`,
      expected: why === undefined ? null : question.protocol === 'icmp' ? 'pong' : `server-${to}`,
      because: why ?? 'no row of the matrix',
      relayed: isRelayed(by, family),
    }));
  }

  /**
   * Asks everything at once and compares. An answer that must not be is a failure at once; where one is missing that must be, all is
   * asked again with more patience: so silence counts only where everybody else was heard.
   * @param down no daemon is there to pass anything on
   */
  async check({ down = false } = {}): Promise<number> {
    for (let patience = 0.7; ; patience *= 2) {
      const answers = await ask(
        this.#cells.map(({ question }) => question),
        patience,
      );
      const wrong = this.#cells.flatMap(({ expected, relayed, text, because }, at) => {
        const wanted = down && relayed ? null : expected;
        const found = answers[at] ?? null;
        return found === wanted ? [] : [{ found, text: `${text}: ${found}, expected ${wanted}: ${because}` }];
      });
      if (wrong.length === 0) return this.#cells.length;
      if (patience > 10 || wrong.some(({ found }) => found !== null))
        assert.fail(wrong.map(({ text }) => text).join('\n'));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#servers?.kill('SIGKILL');
    await this.daemon[Symbol.asyncDispose]();
  }
}

/** `-p`, of tcp and udp, for all networks alike: those that publish nothing discard it. */
function publishing(network: NetworkName): string[] {
  const index = NETWORKS.indexOf(network);
  const specs = [
    `80${10 + index}:${PORTS.any}`,
    ...FAMILIES.flatMap((family) => {
      const at = (address: string) => (family === 6 ? `[${address}]` : address);
      return [
        `${at(LOOPBACK[family])}:81${10 + index}:${PORTS.loopback}`,
        `${at(HOST[family])}:82${10 + index}:${PORTS.one}`,
      ];
    }),
  ];
  return specs.flatMap((spec) => ['-p', `${spec}/tcp`, '-p', `${spec}/udp`]);
}

function sourceOf(name: string, to: NetworkName): Source {
  if (name === 'the host' || name === 'the LAN') return name;
  const network = name.slice('server-'.length) as NetworkName;
  if (network !== to) return network;
  return name.startsWith('server') ? 'itself' : 'neighbour';
}

type Asked = Omit<Question, 'from'>;

function both(address: string, port: number): Asked[] {
  return [
    { protocol: 'tcp', address, port },
    { protocol: 'udp', address, port },
  ];
}

function questions(by: Way, own: string, family: Family, index: number): Asked[] {
  const [any, loopback, one] = [8010 + index, 8110 + index, 8210 + index];
  switch (by) {
    case 'own, published':
      return both(own, PORTS.any);
    case 'own, published on loopback':
      return both(own, PORTS.loopback);
    case 'own, not published':
      return both(own, PORTS.none);
    case 'own, ping':
      return [{ protocol: 'icmp', address: own, port: 0 }];
    case 'any, at the host':
      return both(HOST[family], any);
    case 'any, at loopback':
      return both(LOOPBACK[family], any);
    case 'loopback, at loopback':
      return both(LOOPBACK[family], loopback);
    case 'loopback, at the host':
      return both(HOST[family], loopback);
    case 'one, at it':
      return both(HOST[family], one);
    case 'one, at another':
      return both(OTHER[family], one);
  }
}

function leaving(name: string, from: string, family: Family): Cell[] {
  if (name === 'the LAN') return [];
  const source = sourceOf(name, 'host');
  const leaves = LEAVES.includes(source === 'itself' ? 'the host' : source);
  const asked: Asked[] = [...both(LAN[family], PORTS.any), { protocol: 'icmp', address: LAN[family], port: 0 }];
  return asked.map((question) => ({
    question: { ...question, from },
    text: `${name} to the LAN, ${question.protocol}, IPv${family}`,
    expected: leaves ? (question.protocol === 'icmp' ? 'pong' : 'the LAN') : null,
    because: 'what leads out leads to the LAN',
    relayed: false,
  }));
}

function toGateway(name: string, from: string, address: string, family: Family): Cell[] {
  const network = name.slice('client-'.length) as NetworkName;
  const reaches = REACHES_GATEWAY.includes(network);
  return both(address, PORTS.none).map((question) => ({
    question: { ...question, from },
    text: `${name} to the host by its gateway, ${question.protocol}, IPv${family}`,
    expected: reaches ? 'server-host' : network === 'macvlan' ? 'the LAN' : null,
    because: 'a gateway is the host, and on macvlan the LAN’s',
    relayed: false,
  }));
}

function ask(questions: readonly Question[], patience: number): Promise<(string | null)[]> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      '/usr/bin/python3',
      [PEERS, 'ask'],
      { maxBuffer: 64 << 20, timeout: 120_000 },
      (error, stdout, stderr) => {
        if (error !== null) reject(new Error(`peers.py: ${stderr}`, { cause: error }));
        else resolve(JSON.parse(stdout));
      },
    );
    child.stdin?.end(JSON.stringify({ patience, questions }));
  });
}
