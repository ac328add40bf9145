import { writeFileSync } from 'node:fs';
import { eventually } from '../test/host.ts';
import { median, type Paired } from './measure.ts';
import { docker, type Peer } from './peer.ts';
import { report } from './report.ts';

/** Seconds each measurement sends. */
const SECONDS = '2';
const HOST = '192.0.2.2';
const WEB = 8080;
const IPERF = 5201;

/** One worker that answers and hangs up: each request is a connection of its own. */
const NGINX = `daemon off; master_process off; pid /run/nginx.pid; error_log /run/nginx.log;
events { worker_connections 4096; }
http { access_log off; server { listen 80; keepalive_timeout 0; return 200 'ok'; } }
`;

interface Traffic {
  readonly name: string;
  readonly unit: 'Gbit/s' | '/s' | 'µs';
  /** Against Docker: at least, but of a time, at most */
  readonly limit: number;
  measure(peer: Peer): Promise<number>;
}

const TRAFFIC: readonly Traffic[] = [
  { name: 'TCP between containers', unit: 'Gbit/s', limit: 1, measure: betweenContainers },
  { name: 'TCP between containers, round trip', unit: 'µs', limit: 1, measure: roundTrip },
  { name: 'TCP from outside to a published port', unit: 'Gbit/s', limit: 1, measure: fromOutside },
  { name: 'new connections, outside to published', unit: '/s', limit: 1.1, measure: connectionsFromOutside },
  { name: 'new connections, 127.0.0.1 to published', unit: '/s', limit: 1.6, measure: connectionsFromHost },
];

/** What goes through the networks that stand, beside Docker's. Prints a row for each kind of traffic. */
export async function traffic(ours: Peer, theirs: Peer | undefined, rounds: number): Promise<void> {
  const peers = theirs === undefined ? [ours] : [ours, theirs];
  for (const peer of peers) await prepare(peer);
  for (const kind of TRAFFIC) report(await compare(kind, ours, theirs, rounds));
  for (const peer of peers) await clear(peer);
}

async function compare(kind: Traffic, ours: Peer, theirs: Peer | undefined, rounds: number): Promise<Paired> {
  const pairs: [number, number][] = [];
  for (let round = 0; round <= rounds; round++) {
    const pair: [number, number] = [await kind.measure(ours), theirs === undefined ? 0 : await kind.measure(theirs)];
    if (round > 0) pairs.push(pair);
  }
  const own = { name: kind.name, unit: kind.unit, ours: median(pairs.map(([a]) => a)) };
  if (theirs === undefined) return own;
  const bar = { limit: kind.limit, unit: '×', ...(kind.unit === 'µs' ? {} : { least: true as const }) };
  return { ...own, theirs: median(pairs.map(([, b]) => b)), ratio: median(pairs.map(([a, b]) => a / b)), bar };
}

/** A server and a client on a user network; the programs are the host's, in the containers' network namespaces. */
async function prepare(peer: Peer): Promise<void> {
  await docker(peer, 'network', 'create', 'traffic');
  const ports = ['-p', `${WEB}:80`, '-p', `${IPERF}:${IPERF}`];
  await docker(peer, 'run', '-d', '--name', 'server', '--network', 'traffic', ...ports, 'busybox', 'sleep', '3600');
  await docker(peer, 'run', '-d', '--name', 'client', '--network', 'traffic', 'busybox', 'sleep', '3600');
  writeFileSync(peer.host.path('/run/nginx.conf'), NGINX);
  peer.host.spawn([...(await inside(peer, 'server')), 'nginx', '-c', '/run/nginx.conf']);
  peer.host.spawn([...(await inside(peer, 'server')), 'iperf3', '-s', '-p', String(IPERF)]);
  peer.host.spawn([...(await inside(peer, 'server')), 'qperf']);
  for (const port of [WEB, IPERF]) {
    await eventually(
      `port ${port} answers`,
      async () => (await peer.host.lan(['nc', '-z', HOST, `${port}`])).code === 0,
    );
  }
}

async function clear(peer: Peer): Promise<void> {
  await peer.host.shell('pkill -f "^nginx" || true; pkill -x iperf3 || true; pkill -x qperf || true');
  await docker(peer, 'rm', '-f', 'server', 'client');
  await docker(peer, 'network', 'rm', 'traffic');
}

/** The command that enters a container's network. */
export async function inside(peer: Peer, container: string): Promise<string[]> {
  return ['nsenter', '-t', await docker(peer, 'inspect', '-f', '{{.State.Pid}}', container), '-n'];
}

async function betweenContainers(peer: Peer): Promise<number> {
  return throughput(await peer.host.out([...(await inside(peer, 'client')), ...iperf(await addressOf(peer))]));
}

/** There and back, one byte each; qperf tells of half the way, with -uu in nanoseconds. */
async function roundTrip(peer: Peer): Promise<number> {
  const ask = ['qperf', '-t', SECONDS, '-uu', await addressOf(peer), 'tcp_lat'];
  const report = await peer.host.out([...(await inside(peer, 'client')), ...ask]);
  return (2 / 1000) * Number(/latency\s+=\s+([\d.]+)/.exec(report)?.[1] ?? Number.NaN);
}

function addressOf(peer: Peer): Promise<string> {
  return docker(peer, 'inspect', '-f', '{{.NetworkSettings.Networks.traffic.IPAddress}}', 'server');
}

async function fromOutside(peer: Peer): Promise<number> {
  return throughput((await peer.host.lan(iperf(HOST))).stdout);
}

async function connectionsFromOutside(peer: Peer): Promise<number> {
  return connections((await peer.host.lan(wrk(HOST))).stdout);
}

async function connectionsFromHost(peer: Peer): Promise<number> {
  return connections(await peer.host.out(wrk('127.0.0.1')));
}

function iperf(address: string): string[] {
  return ['iperf3', '-c', address, '-p', String(IPERF), '-t', SECONDS, '-J'];
}

/** @returns Gbit/s as received */
function throughput(json: string): number {
  const report = JSON.parse(json) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second / 1e9;
}

function wrk(address: string): string[] {
  return ['wrk', '-t', '1', '-c', '32', '-d', `${SECONDS}s`, '-H', 'Connection: close', `http://${address}:${WEB}/`];
}

/** @returns a second */
function connections(report: string): number {
  return Number(/^Requests\/sec:\s+([\d.]+)$/m.exec(report)?.[1] ?? Number.NaN);
}
