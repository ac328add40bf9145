/**
 * Answers a second and their delay at 127.0.0.11:53, by the redirect inside a throw-away namespace, with the load in a
 * process of its own; then the same for what dnsmasq, beside the load, is asked for. Run as root: node bench/dns.ts [seconds]
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { IncomingDatagrams, OutgoingDatagrams } from '../src/dns/datagrams.ts';
import type { Outside } from '../src/dns/names.ts';
import { outsideOf } from '../src/dns/outside.ts';
import { DnsServer } from '../src/dns/server.ts';
import { NetworkNamespace } from '../src/kernel/netns.ts';
import { watchReadable } from '../src/kernel/poll.ts';
import { nftResolverRedirect } from '../src/kernel/resolver-redirect.ts';
import { openTcpListener, openUdp, socketAddress } from '../src/kernel/socket.ts';
import * as sys from '../src/kernel/sys.ts';
import { type IpAddress, parseIpAddress } from '../src/model/address.ts';

const RESOLVER = parseIpAddress('127.0.0.11');
const LOOPBACK = parseIpAddress('127.0.0.1');
const NAMES = 1_000;
/** Milliseconds before the figures count */
const WARM_UP = 1_000;

/** Where dnsmasq listens in the namespace, and the domain it answers for */
const UPSTREAM_PORT = 5_300;
const LOCAL = 'app';
const FOREIGN = 'example';

async function main(seconds: number): Promise<void> {
  const namespace = `fairway-bench-${process.pid}`;
  execFileSync('ip', ['netns', 'add', namespace]);
  const children: ChildProcess[] = [];
  const inside = (...command: readonly string[]) => start(children, 'ip', ['netns', 'exec', namespace, ...command]);
  try {
    execFileSync('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    const server = start(children, process.execPath, [import.meta.filename, 'serve', `/run/netns/${namespace}`]);
    await line(server);
    inside('dnsmasq', ...DNSMASQ);
    for (const { title, domain, names } of LOADS) {
      console.log(title);
      for (const outstanding of [1, 16, 64]) {
        const before = cpuSeconds(server);
        const parameters = [String(seconds), String(outstanding), domain, String(names)];
        const client = inside(process.execPath, import.meta.filename, 'load', ...parameters);
        const figures = JSON.parse(await line(client)) as Figures;
        print(outstanding, figures, cpuSeconds(server) - before);
        await once(client, 'exit');
      }
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
    execFileSync('ip', ['netns', 'delete', namespace]);
  }
}

/** Names nobody asked for before are not in the cache, and push others out of it. */
const LOADS = [
  { title: 'names of containers:', domain: LOCAL, names: NAMES },
  { title: 'forwarded to dnsmasq, which has its share of the CPUs:', domain: FOREIGN, names: Number.MAX_SAFE_INTEGER },
  { title: 'forwarded once, then kept:', domain: FOREIGN, names: NAMES },
];

const DNSMASQ = [
  '--no-daemon',
  '--no-resolv',
  '--no-hosts',
  '--conf-file=/dev/null',
  '--pid-file=',
  '--bind-interfaces',
  '--listen-address=127.0.0.1',
  `--port=${UPSTREAM_PORT}`,
  '--local-ttl=60',
  `--address=/${FOREIGN}/10.0.0.1`,
];

function print(outstanding: number, figures: Figures, cpu: number): void {
  const rate = Math.round(figures.answers / figures.seconds);
  const perCore = Math.round(figures.total / cpu);
  console.log(
    `  ${String(outstanding).padStart(2)} outstanding: ${rate} answers/s (${perCore} per second of the server's CPU), ` +
      `p50 ${figures.p50} µs, p99 ${figures.p99} µs, ${figures.lost} lost`,
  );
}

function start(children: ChildProcess[], program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function line(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no output to read');
  const [chunk] = await once(child.stdout, 'data');
  return String(chunk);
}

/** User and system time of a process, all threads: fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms. */
function cpuSeconds(child: ChildProcess): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function serve(path: string): void {
  const addresses = new Map<string, readonly IpAddress[]>();
  for (let index = 0; index < NAMES; index++) {
    addresses.set(`c${index}.${LOCAL}`, [parseIpAddress(`10.89.${index >> 8}.${index & 255}`)]);
  }
  const quiet = () => undefined;
  const upstreams = [{ address: LOOPBACK, from: 'sandbox', port: UPSTREAM_PORT }] as const;
  let outside: Outside | undefined;
  const namespace = NetworkNamespace.open(path);
  const server = new DnsServer({
    names: {
      lookup: (_, name) => addresses.get(name),
      services: () => [],
      reverse: quiet,
      outside: (name) => (outside ??= outsideOf(name, { upstreams, forwards: true, ndotsSet: false, search: [] })),
    },
    servicePorts: new Map(),
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    openSocket: () => namespace.run(() => sys.socket(sys.AF_INET, sys.SOCK_DGRAM, 0)),
  });
  const udp = openUdp(namespace, RESOLVER, 0);
  const tcp = openTcpListener(namespace, RESOLVER, 0);
  nftResolverRedirect(namespace, { address: RESOLVER, udpPort: udp.port, tcpPort: tcp.port });
  server.attach('sandbox:bench', { udp: udp.fd, tcp: tcp.fd });
  console.log('ready');
}

interface Figures {
  readonly answers: number;
  readonly total: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
}

/** Keeps `outstanding` queries under way and measures each from sending to answer. */
async function load(seconds: number, outstanding: number, domain: string, names: number): Promise<void> {
  const socket = sys.socket(sys.AF_INET, sys.SOCK_DGRAM, 0);
  sys.bind(socket, socketAddress(LOOPBACK, 0), 'bind the load');
  const server = socketAddress(RESOLVER, 53);
  const [incoming, outgoing] = [new IncomingDatagrams(512), new OutgoingDatagrams(512)];
  const sent = new Float64Array(outstanding);
  const delays: number[] = [];
  let [total, lost, counting, next] = [0, 0, false, 0];
  const ask = (id: number): void => {
    sent[id] = performance.now();
    outgoing.queue(socket, query(id, [`c${next++ % names}`, domain]), server);
  };
  const receive = (): void => {
    incoming.receive(socket, (reply) => {
      const id = reply.readUInt16BE(0);
      if (counting) delays.push(performance.now() - (sent[id] ?? 0));
      total++;
      ask(id);
    });
    outgoing.flush();
  };
  using _watch = watchReadable(socket, receive);
  for (let id = 0; id < outstanding; id++) ask(id);
  const repair = setInterval(() => {
    for (let id = 0; id < outstanding; id++) {
      if (performance.now() - (sent[id] ?? 0) < 500) continue;
      lost++;
      ask(id);
    }
  }, 100);
  await sleep(WARM_UP);
  counting = true;
  await sleep(seconds * 1_000);
  clearInterval(repair);
  delays.sort((a, b) => a - b);
  const at = (part: number): number => Math.round((delays[Math.floor(delays.length * part)] ?? 0) * 1_000);
  const figures: Figures = { answers: delays.length, total, seconds, p50: at(0.5), p99: at(0.99), lost };
  console.log(JSON.stringify(figures));
}

/** A question for the address of a name, recursion desired. */
function query(id: number, labels: readonly string[]): Buffer {
  const name = labels.map((label) => String.fromCharCode(label.length) + label).join('');
  const message = Buffer.alloc(12 + name.length + 5);
  message.writeUInt16BE(id, 0);
  message.writeUInt16BE(0x0100, 2);
  message.writeUInt16BE(1, 4);
  message.write(`${name}\0\0\u0001\0\u0001`, 12, 'latin1');
  return message;
}

const [role = '2', ...rest] = process.argv.slice(2);
if (role === 'serve') serve(rest[0] ?? '');
else if (role === 'load') await load(Number(rest[0]), Number(rest[1]), rest[2] ?? '', Number(rest[3]));
else await main(Number(role));
