import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figures } from './dns-load.ts';
import { median, type Paired } from './measure.ts';
import { docker, type Peer } from './peer.ts';
import { report } from './report.ts';
import { inside } from './traffic.ts';

const NETWORK = 'app';
const NAMES = 200;
/** Seconds each measurement asks, and questions under way */
const SECONDS = '2';
const OUTSTANDING = '64';
/** What dnsmasq on the LAN answers for, every name the same */
const FOREIGN = 'example';
/** Names nobody asked for before are not in a cache. */
const FRESH = String(Number.MAX_SAFE_INTEGER);

interface Question {
  readonly name: string;
  readonly domain: string;
  readonly names: string;
  /** At least this many times Docker's */
  readonly least: number;
}

const QUESTIONS: readonly Question[] = [
  { name: 'DNS: names of containers', domain: NETWORK, names: String(NAMES), least: 1 },
  { name: 'DNS: forwarded, never asked before', domain: FOREIGN, names: FRESH, least: 2 },
  { name: 'DNS: forwarded before', domain: FOREIGN, names: String(NAMES), least: 2 },
];

/** Answers at 127.0.0.11 of a container, asked from its network; the host's resolver is a dnsmasq on the LAN. A row for each kind of name. */
export async function names(ours: Peer, theirs: Peer | undefined, rounds: number): Promise<void> {
  const peers = theirs === undefined ? [ours] : [ours, theirs];
  for (const peer of peers) await prepare(peer);
  for (const question of QUESTIONS) await compare(question, ours, theirs, rounds);
  for (const peer of peers) await docker(peer, 'rm', '-f', 'asking', 'named');
  for (const peer of peers) await docker(peer, 'network', 'rm', NETWORK);
}

async function prepare(peer: Peer): Promise<void> {
  const upstream = ['--no-daemon', '--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--pid-file='];
  peer.host.spawnLan(['dnsmasq', ...upstream, '--bind-interfaces', '--local-ttl=60', `--address=/${FOREIGN}/10.0.0.1`]);
  await docker(peer, 'network', 'create', NETWORK);
  const aliases = Array.from({ length: NAMES }, (_, i) => ['--network-alias', `c${i}`]).flat();
  await docker(peer, 'run', '-d', '--name', 'named', '--network', NETWORK, ...aliases, 'busybox', 'sleep', '3600');
  await docker(peer, 'run', '-d', '--name', 'asking', '--network', NETWORK, 'busybox', 'sleep', '3600');
}

async function compare(question: Question, ours: Peer, theirs: Peer | undefined, rounds: number): Promise<void> {
  const own: Rate[] = [];
  const ratios: number[] = [];
  const other: Rate[] = [];
  for (let round = 0; round <= rounds; round++) {
    const a = await rate(ours, question);
    const b = theirs === undefined ? undefined : await rate(theirs, question);
    if (round === 0) continue;
    own.push(a);
    if (b === undefined) continue;
    other.push(b);
    ratios.push(a.answers / b.answers);
  }
  const figures: Paired = { name: question.name, unit: '/s', ours: median(own.map(({ answers }) => answers)) };
  if (other.length === 0) report(figures);
  else {
    const bar = { limit: question.least, unit: '×', least: true } as const;
    report({ ...figures, theirs: median(other.map(({ answers }) => answers)), ratio: median(ratios), bar });
  }
  if (question.domain !== NETWORK) return;
  const perCore = median(own.map((one) => one.perCore));
  const bar = { limit: 80_000, unit: '/s', least: true } as const;
  report({ name: 'DNS: names, per second of the daemon’s processor', unit: '/s', ours: perCore, bar });
}

interface Rate {
  /** A second */
  readonly answers: number;
  /** Answers for a second of the daemon's processor time */
  readonly perCore: number;
}

async function rate(peer: Peer, { domain, names: count }: Question): Promise<Rate> {
  const program = [process.execPath, '--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'dns-load.ts')];
  const pid = await daemonPid(peer);
  const before = processorSeconds(peer, pid);
  const printed = await peer.host.out([
    ...(await inside(peer, 'asking')),
    ...program,
    SECONDS,
    OUTSTANDING,
    domain,
    count,
  ]);
  const { answers, total, seconds } = JSON.parse(printed) as Figures;
  return { answers: answers / seconds, perCore: total / (processorSeconds(peer, pid) - before) };
}

/** As its host counts. */
function daemonPid({ host, pidfile }: Peer): Promise<string> {
  return host.out(['cat', pidfile]);
}

/** User and system time of a process, all threads: fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms. */
function processorSeconds({ host }: Peer, pid: string): number {
  const stat = readFileSync(host.path(`/proc/${pid}/stat`), 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
