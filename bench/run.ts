import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { execs, memoryPerContainer, parallelStarts } from './crowd.ts';
import { healing } from './heal.ts';
import { hundred } from './hundred.ts';
import { benchLogs } from './logs.ts';
import { median, type Paired, paired, timed } from './measure.ts';
import { names } from './names.ts';
import { manyNetworks } from './networks.ts';
import { call, daemonMemory, docker, findDockerd, type Peer, startDocker, startFairway } from './peer.ts';
import { pulls } from './pull.ts';
import { machine, report, writeReport } from './report.ts';
import { traffic } from './traffic.ts';

/** The bars of the README, each measured beside Docker where a dockerd is to be had. Prints medians and ratios. */
const dockerd = findDockerd(existsSync);
const rounds = Number(process.env['FAIRWAY_BENCH_ROUNDS'] ?? 15);
/** Of what is over in a tenth of a second, so many rounds are done at least, and so many before are not counted. */
const SHORT = 10;
const WARM_UP = 5;

await using ours = await startFairway();
await using theirs = dockerd === undefined ? undefined : await startDocker(dockerd);
const beside = theirs === undefined ? undefined : await version(theirs);
console.log(`Fairway on ${machine().machine}, Linux ${machine().kernel}`);
console.log(beside === undefined ? 'No dockerd found (FAIRWAY_BENCH_DOCKERD): Fairway alone.' : `Beside ${beside}`);
console.log(`${'what'.padEnd(44)}  ${'Fairway'.padStart(12)}  ${'Docker'.padStart(12)}  ${'ratio'.padStart(9)}`);

await compare('docker run --rm busybox true (whole CLI)', 0.55, (peer) => async () => {
  await docker(peer, 'run', '--rm', 'busybox', 'true');
});
await compare('docker run --rm --network none', undefined, (peer) => async () => {
  await docker(peer, 'run', '--rm', '--network', 'none', 'busybox', 'true');
});
await idle('idle');
report(await execs(ours, theirs, rounds));
report(await parallelStarts(ours, theirs, Math.ceil(rounds / 3)));
report(await pulls(ours, theirs, rounds));
await hundred(ours, theirs);
await networks();
await crowdOfNetworks();
await ranges();
await traffic(ours, theirs, Math.min(rounds, 7));
await networkPart();
await healing(ours.daemon, Math.min(rounds, 5));
await benchLogs(ours, theirs, Math.min(rounds, 5));
await idle('idle after all of the above');
await memory();
await names(ours, theirs, Math.min(rounds, 5));
writeReport(process.env['FAIRWAY_BENCH_REPORT'] ?? '.cache/bench.json', beside, rounds);

async function version(peer: Peer): Promise<string> {
  return `Docker ${await docker(peer, 'version', '--format', '{{.Server.Version}}')}`;
}

async function compare(
  name: string,
  limit: number | undefined,
  work: (peer: Peer) => () => Promise<void>,
  times = rounds,
): Promise<Paired> {
  const result = await paired(name, work(ours), theirs === undefined ? undefined : work(theirs), times, limit);
  report(result);
  return result;
}

/** create, connect, disconnect and rm of a network, over the API, on a running container. */
async function networks(): Promise<void> {
  const peers = theirs === undefined ? [ours] : [ours, theirs];
  for (const peer of peers) await docker(peer, 'run', '-d', '--name', 'member', 'busybox', 'sleep', '3600');
  const times = new Map<string, Map<Peer, number[]>>();
  const note = (what: string, peer: Peer, milliseconds: number) => {
    const byPeer = times.get(what) ?? new Map<Peer, number[]>();
    times.set(what, byPeer.set(peer, [...(byPeer.get(peer) ?? []), milliseconds]));
  };
  for (let round = 0; round <= rounds; round++) {
    for (const peer of peers) {
      const name = `bench${round}`;
      const steps: [string, () => Promise<unknown>][] = [
        ['create', () => call(peer, 'POST', '/networks/create', { Name: name })],
        ['connect', () => call(peer, 'POST', `/networks/${name}/connect`, { Container: 'member' })],
        ['disconnect', () => call(peer, 'POST', `/networks/${name}/disconnect`, { Container: 'member' })],
        ['rm', () => call(peer, 'DELETE', `/networks/${name}`)],
      ];
      for (const [what, step] of steps) {
        const milliseconds = await timed(async () => void (await step()));
        if (round > 0) note(what, peer, milliseconds);
      }
    }
  }
  for (const [what, byPeer] of times) {
    const own = byPeer.get(ours) ?? [];
    const other = theirs === undefined ? undefined : byPeer.get(theirs);
    const compared =
      other === undefined
        ? {}
        : { theirs: median(other), ratio: median(own.map((value, i) => value / (other[i] ?? Number.NaN))) };
    report({ name: `network ${what} (API)`, ours: median(own), ...compared, bar: { limit: 0.15, unit: '×' } });
  }
  for (const peer of peers) await docker(peer, 'rm', '-f', 'member');
}

/** The last of 2,000 networks against the first. Docker has none to compare: its pools end at 31. */
async function crowdOfNetworks(): Promise<void> {
  const { first, last } = await manyNetworks(ours);
  const name = 'network create, the last of 2,000 / first';
  const bar = { limit: 1.5, unit: '×' };
  report({ name, ours: last, theirs: first, against: 'the first', ratio: last / first, bar });
}

/** Start and rm with 500 published ports in one range, against those with one; and what they cost in memory. */
async function ranges(): Promise<void> {
  const create = async (peer: Peer, ports: number): Promise<string> => {
    const bindings = Object.fromEntries(
      Array.from({ length: ports }, (_, i) => [`${20_000 + i}/tcp`, [{ HostPort: String(20_000 + i) }]]),
    );
    const spec = {
      Image: 'busybox',
      Cmd: ['sleep', '3600'],
      ExposedPorts: Object.fromEntries(Object.keys(bindings).map((key) => [key, {}])),
      HostConfig: { PortBindings: bindings },
    };
    const { Id } = (await call(peer, 'POST', '/containers/create', spec)) as { Id: string };
    return `/containers/${Id}`;
  };
  const life = async (peer: Peer, ports: number): Promise<Record<'start' | 'rm', number>> => {
    const container = await create(peer, ports);
    const start = await timed(async () => void (await call(peer, 'POST', `${container}/start`)));
    return { start, rm: await timed(async () => void (await call(peer, 'DELETE', `${container}?force=1`))) };
  };
  const pairs: Record<'many' | 'one', Record<'start' | 'rm', number>>[] = [];
  for (let round = 0; round < WARM_UP + Math.max(rounds, SHORT); round++) {
    const pair = { many: await life(ours, 500), one: await life(ours, 1) };
    if (round >= WARM_UP) pairs.push(pair);
  }
  for (const what of ['start', 'rm'] as const) {
    report({
      name: `${what} with 500 ports in a range / with one`,
      ours: median(pairs.map(({ many }) => many[what])),
      theirs: median(pairs.map(({ one }) => one[what])),
      against: 'with one',
      ratio: median(pairs.map(({ many, one }) => many[what] / one[what])),
      bar: { limit: 1.1, unit: '×' },
    });
  }
  const before = await daemonMemory(ours);
  const container = await create(ours, 500);
  await call(ours, 'POST', `${container}/start`);
  const memory = (await daemonMemory(ours)) - before;
  report({ name: 'memory of the daemon for 500 ports', unit: 'MiB', ours: memory, bar: { limit: 10, unit: 'MiB' } });
  await call(ours, 'DELETE', `${container}?force=1`);
  if (theirs === undefined) return;
  const [many, one] = [await life(theirs, 500), await life(theirs, 1)];
  for (const what of ['start', 'rm'] as const) {
    const name = `Docker: ${what}, 500 ports / one`;
    report({ name, ours: many[what], theirs: one[what], against: 'with one', ratio: many[what] / one[what] });
  }
}

/**
 * What the daemon noted of starts on a user network with a published port: sandbox, endpoint, DNS and firewall, step by step. The
 * daemon is a fresh one, which says what the others shall not spend time on.
 */
async function networkPart(): Promise<void> {
  await using talkative = await startFairway(['--debug']);
  await docker(talkative, 'network', 'create', 'traced');
  for (let round = 0; round < WARM_UP + Math.max(rounds, SHORT); round++) {
    await docker(talkative, 'run', '--rm', '--network', 'traced', '-p', '18080:80', 'busybox', 'true');
  }
  const own = traces(talkative.daemon.log).slice(WARM_UP);
  const steps = [...new Set(own.flatMap((trace) => Object.keys(trace)))];
  const medians = steps.map((step) => `${step} ${median(own.map((trace) => trace[step] ?? 0)).toFixed(2)}`);
  const total = median(own.map((trace) => trace['total'] ?? Number.NaN));
  report({ name: 'network part of a start', ours: total, bar: { limit: 8, unit: 'ms' } });
  console.log(`  of that, in ms: ${medians.join(', ')}`);
}

function traces(log: string): Record<string, number>[] {
  const found = log.matchAll(/"network":(\{[^}]*\})/g);
  return [...found].map((match) => JSON.parse(match[1] ?? '{}') as Record<string, number>);
}

/** Memory and processor time of the daemon when nothing happens. */
async function idle(when: string): Promise<void> {
  const pid = await ours.daemon.pid();
  const ticks = async () => {
    const fields = (await ours.host.out(['cat', `/proc/${pid}/stat`])).split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  await sleep(3000);
  const before = await ticks();
  await sleep(10_000);
  const used = (await ticks()) - before;
  report({ name: `memory, ${when}`, unit: 'MiB', ours: await daemonMemory(ours), bar: { limit: 120, unit: 'MiB' } });
  report({ name: `processor time in 10 s, ${when}`, ours: used * 10 });
}

/** Of daemon, containerd and shims. */
async function memory(): Promise<void> {
  const own = await memoryPerContainer(ours);
  const other = theirs === undefined ? undefined : await memoryPerContainer(theirs);
  const beside = other === undefined ? {} : { theirs: other, ratio: own / other };
  report({ name: 'memory a container costs', unit: 'MiB', ours: own, ...beside, bar: { limit: 1.1, unit: '×' } });
}
