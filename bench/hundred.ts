import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDaemon } from '../test/daemon.ts';
import { timed } from './measure.ts';
import { call, daemonMemory, docker, type Peer } from './peer.ts';
import { report } from './report.ts';
import { inside } from './traffic.ts';

const NETWORK = 'hundred';
const COUNT = 100;
/** Published by the first of them, which serves HTTP there */
const PORT = 18_090;
const HOST = '192.0.2.2';
/** Milliseconds it is watched for after the restart */
const AFTER = 1000;
const OUTAGE = [process.execPath, '--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'outage.ts')];

/** Milliseconds */
interface Times {
  readonly start: number;
  readonly removal: number;
}

/** A hundred containers on one network, one after another over the API; in between, of ours: their memory, and the daemon killed and started. */
export async function hundred(ours: Peer & { readonly daemon: TestDaemon }, theirs: Peer | undefined): Promise<void> {
  const before = await daemonMemory(ours);
  const own = await run(ours, async () => {
    const more = (await daemonMemory(ours)) - before;
    report({
      name: `memory of the daemon for ${COUNT} containers`,
      unit: 'MiB',
      ours: more,
      bar: { limit: 30, unit: 'MiB' },
    });
    await restart(ours);
  });
  const other = theirs === undefined ? undefined : await run(theirs, async () => undefined);
  for (const what of ['start', 'removal'] as const) {
    const compared = other === undefined ? {} : { theirs: other[what], ratio: own[what] / other[what] };
    const name = `${COUNT} containers on one network, ${what}`;
    report({ name, ours: own[what], ...compared, bar: { limit: 0.5, unit: '×' } });
  }
}

async function run(peer: Peer, meanwhile: () => Promise<void>): Promise<Times> {
  await docker(peer, 'network', 'create', NETWORK);
  const ids: string[] = [];
  for (let index = 0; index < COUNT; index++) ids.push(await create(peer, index));
  const start = await timed(async () => {
    for (const id of ids) await call(peer, 'POST', `/containers/${id}/start`);
  });
  await meanwhile();
  const removal = await timed(async () => {
    for (const id of ids) await call(peer, 'DELETE', `/containers/${id}?force=1`);
  });
  await docker(peer, 'network', 'rm', NETWORK);
  return { start, removal };
}

async function create(peer: Peer, index: number): Promise<string> {
  const port = '80/tcp';
  const published = index === 0 ? { PortBindings: { [port]: [{ HostPort: String(PORT) }] } } : {};
  const made = await call(peer, 'POST', `/containers/create?name=one-of-${index}`, {
    Image: 'busybox',
    Cmd: index === 0 ? ['httpd', '-f', '-h', '/var/www'] : ['sleep', '3600'],
    ...(index === 0 ? { ExposedPorts: { [port]: {} } } : {}),
    HostConfig: { NetworkMode: NETWORK, ...published },
  });
  return (made as { Id: string }).Id;
}

/** The daemon is killed and started while a container asks for a name, and the LAN for a published port. */
async function restart(ours: Peer & { readonly daemon: TestDaemon }): Promise<void> {
  const { host } = ours;
  const names = watch(host.spawn([...(await inside(ours, 'one-of-1')), ...OUTAGE, 'names', 'one-of-0']));
  const port = watch(host.spawnLan([...OUTAGE, 'port', `${HOST}:${PORT}`]));
  await Promise.all([names.begun, port.begun]);
  await ours.daemon.stop('SIGKILL');
  const back = await timed(() => ours.daemon.start());
  report({ name: `API back with ${COUNT} containers, after a kill`, ours: back, bar: { limit: 1500, unit: 'ms' } });
  await sleep(AFTER);
  const figures: readonly [string, number, number][] = [
    ['  no answer to a name meanwhile', await names.end(), 1500],
    ['  no connection to a published port meanwhile', await port.end(), 50],
  ];
  for (const [name, longest, limit] of figures) report({ name, ours: longest, bar: { limit, unit: 'ms' } });
}

interface Watch {
  readonly begun: Promise<unknown>;
  /** @returns milliseconds without an answer */
  end(): Promise<number>;
}

/** @param child outage.ts, at a place */
function watch({ stdin, stdout }: ChildProcess): Watch {
  if (stdin === null || stdout === null) throw new Error('no streams');
  const begun = once(stdout, 'data');
  const longest = text(stdout).then((printed) => Number(printed.trim().split('\n').at(-1)));
  return {
    begun,
    end: () => {
      stdin.end();
      return longest;
    },
  };
}
