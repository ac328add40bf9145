import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, timed } from './measure.ts';
import { docker, type Peer } from './peer.ts';
import { report } from './report.ts';

/** Bytes a container prints, in lines of a usual length. */
const OUTPUT = 200_000_000;
const LINE = 'a line of ninety-nine characters, as logs have them: 2024-05-01T10:00:00 INFO request served OK';
const COMMAND = `yes '${LINE}' | head -c ${OUTPUT}`;
/** What the ratio must not exceed, and how long an answer may take meanwhile, at the 99th percentile. Milliseconds */
const BAR = { limit: 0.4, unit: '×' };
const PING_BAR = 20;
const PING_PAUSE = 5;

interface Run {
  readonly milliseconds: number;
  /** Answers to /_ping while it printed */
  readonly pings: readonly number[];
}

/** 200 MB of logs, from the start of the container to its end, and how the daemon answers meanwhile. Ours and theirs in turn. */
export async function benchLogs(ours: Peer, theirs: Peer | undefined, rounds: number): Promise<void> {
  const own: Run[] = [];
  const other: Run[] = [];
  for (let round = 0; round <= rounds; round++) {
    const a = await print(ours);
    const b = theirs === undefined ? undefined : await print(theirs);
    if (round === 0) continue;
    own.push(a);
    if (b !== undefined) other.push(b);
  }
  const times = (runs: readonly Run[]) => runs.map(({ milliseconds }) => milliseconds);
  const ratios = own.map(({ milliseconds }, i) => milliseconds / (other[i]?.milliseconds ?? Number.NaN));
  const compared = other.length === 0 ? {} : { theirs: median(times(other)), ratio: median(ratios) };
  report({ name: '200 MB of logs', ours: median(times(own)), ...compared, bar: BAR });
  const p99 = percentile99(own);
  const theirs99 = other.length === 0 ? {} : { theirs: percentile99(other) };
  report({ name: '/_ping meanwhile, p99', ours: p99, ...theirs99, bar: { limit: PING_BAR, unit: 'ms' } });
}

async function print(peer: Peer): Promise<Run> {
  const name = 'printing';
  const pings: number[] = [];
  let over = false;
  let pinging: Promise<void> | undefined;
  const milliseconds = await timed(async () => {
    await docker(peer, 'run', '-d', '--name', name, '--network', 'none', 'busybox', 'sh', '-c', COMMAND);
    pinging = (async () => {
      for (; !over; await sleep(PING_PAUSE)) pings.push(await timed(() => ping(peer)));
    })();
    await docker(peer, 'wait', name);
  });
  over = true;
  await pinging;
  await docker(peer, 'rm', name);
  return { milliseconds, pings };
}

function ping({ socket }: Peer): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = request({ socketPath: socket, path: '/_ping' }, (res) => res.resume().on('end', resolve));
    req.on('error', reject).end();
  });
}

function percentile99(runs: readonly Run[]): number {
  const sorted = runs.flatMap(({ pings }) => pings).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
}
