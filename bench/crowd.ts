import { readdirSync, readFileSync } from 'node:fs';
import { median, type Paired, paired, timed } from './measure.ts';
import { call, docker, type Peer } from './peer.ts';

/** How many containers are started side by side. */
const CROWD = 50;
/** How many share the memory that is divided by their number. */
const WEIGHED = 20;
const SLEEP = { Image: 'busybox', Cmd: ['sleep', '3600'] };

/** Containers created before are started all at once, over the API; what is measured ends when the last one runs. */
export async function parallelStarts(ours: Peer, theirs: Peer | undefined, rounds: number): Promise<Paired> {
  const own: number[] = [];
  const other: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const a = await startCrowd(ours);
    const b = theirs === undefined ? undefined : await startCrowd(theirs);
    // The first round warms up.
    if (round === 0) continue;
    own.push(a);
    if (b !== undefined) other.push(b);
  }
  const name = `${CROWD} containers started in parallel (API)`;
  const compared =
    other.length === 0
      ? {}
      : { theirs: median(other), ratio: median(own.map((value, i) => value / (other[i] ?? Number.NaN))) };
  return { name, ours: median(own), ...compared, bar: { limit: 0.6, unit: '×' } };
}

async function startCrowd(peer: Peer): Promise<number> {
  const ids = await create(peer, CROWD);
  const milliseconds = await timed(async () => {
    await Promise.all(ids.map((id) => call(peer, 'POST', `/containers/${id}/start`)));
  });
  await remove(peer, ids);
  return milliseconds;
}

/** `docker exec` of a command that does nothing, in a container that runs; the whole CLI. */
export async function execs(ours: Peer, theirs: Peer | undefined, rounds: number): Promise<Paired> {
  const peers = theirs === undefined ? [ours] : [ours, theirs];
  for (const peer of peers) await docker(peer, 'run', '-d', '--name', 'entered', 'busybox', 'sleep', '3600');
  const enter = (peer: Peer) => async () => void (await docker(peer, 'exec', 'entered', 'true'));
  const result = await paired('docker exec (whole CLI)', enter(ours), theirs && enter(theirs), rounds, 1);
  for (const peer of peers) await docker(peer, 'rm', '-f', 'entered');
  return result;
}

/**
 * What a running container costs beyond its own processes: the memory of all others on the peer's host (daemon, containerd,
 * shims) with and without containers, divided by their number. Proportional set sizes, so that what is shared counts once.
 * @returns MiB a container
 */
export async function memoryPerContainer(peer: Peer): Promise<number> {
  // Once before, so that what is only loaded at first use is there on both sides.
  await remove(peer, await start(peer, WEIGHED));
  const before = overhead(peer);
  const ids = await start(peer, WEIGHED);
  const after = overhead(peer);
  await remove(peer, ids);
  return (after - before) / WEIGHED / 1024;
}

async function create(peer: Peer, count: number): Promise<string[]> {
  const made = Array.from({ length: count }, async () => {
    const { Id } = (await call(peer, 'POST', '/containers/create', SLEEP)) as { Id: string };
    return Id;
  });
  return Promise.all(made);
}

async function start(peer: Peer, count: number): Promise<string[]> {
  const ids = await create(peer, count);
  await Promise.all(ids.map((id) => call(peer, 'POST', `/containers/${id}/start`)));
  return ids;
}

async function remove(peer: Peer, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => call(peer, 'DELETE', `/containers/${id}?force=1`)));
}

/** KiB of all processes on the peer's host but the containers' own. */
function overhead(peer: Peer): number {
  const proc = peer.host.path('/proc');
  const sizes = readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => proportionalSize(`${proc}/${pid}`));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** 0 for a container's sleep, and for what ended meanwhile. */
function proportionalSize(directory: string): number {
  try {
    if (readFileSync(`${directory}/cmdline`, 'utf8').startsWith('sleep\0')) return 0;
    return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`${directory}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
