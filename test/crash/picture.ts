import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ApiClient } from '../../src/api/client.ts';
import { Containerd, SNAPSHOTTER } from '../../src/runtime/containerd/client.ts';
import { TABLES } from '../../src/store/rows.ts';
import type { TestHost } from '../host.ts';
import { Namer } from './namer.ts';

/** All there is of an engine on a test host, by where it was seen; in it, names stand for what is another each time. */
export type Picture = Readonly<Record<string, readonly string[]>>;

export const DATA_ROOT = '/run/data';
export const EXEC_ROOT = '/run/fairway';

type Row = Readonly<Record<string, unknown>>;

/** Looks everywhere: store, API, kernel, containerd, files, processes. The daemon must be up. */
export async function takePicture(host: TestHost, client: ApiClient): Promise<Picture> {
  const tables = readStore(host.path(DATA_ROOT));
  const namer = new Namer(tables);
  const seen: Record<string, readonly string[]> = {};
  for (const [table, rows] of Object.entries(tables)) seen[`store ${table}`] = rows.map((row) => JSON.stringify(row));
  const [kernel, containerd, engine] = await Promise.all([
    lookAround(host),
    askContainerd(host.path(`${EXEC_ROOT}/containerd/containerd.sock`)),
    askEngine(client, tables['containers'] ?? []),
  ]);
  return namer.name({ ...seen, ...engine, ...kernel, ...containerd, processes: processes(host.path('/proc')) });
}

/** What differs, one line a piece: "-" is missing, "+" is too much. */
export function differences(wanted: Picture, seen: Picture): string[] {
  const places = new Set([...Object.keys(wanted), ...Object.keys(seen)]);
  return [...places].flatMap((place) => {
    const left = [...(seen[place] ?? [])];
    const missing = (wanted[place] ?? []).filter((line) => {
      const at = left.indexOf(line);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
    return [...missing.map((line) => `- ${place}: ${line}`), ...left.map((line) => `+ ${place}: ${line}`)];
  });
}

/** The daemon has the file for itself: a copy, with what is in its log, is as good while nothing is written. */
function readStore(dataRoot: string): Record<string, Row[]> {
  const copy = mkdtempSync(join(tmpdir(), 'fairway-crash-'));
  try {
    for (const file of ['fairway.db', 'fairway.db-wal']) {
      if (existsSync(join(dataRoot, file))) copyFileSync(join(dataRoot, file), join(copy, file));
    }
    const database = new DatabaseSync(join(copy, 'fairway.db'));
    const read = (table: string) => database.prepare(`SELECT json FROM ${table}`).all();
    const rows = TABLES.map((table) => [table, read(table).map(({ json }) => JSON.parse(String(json)))] as const);
    database.close();
    return Object.fromEntries(rows);
  } finally {
    rmSync(copy, { recursive: true });
  }
}

async function askEngine(client: ApiClient, containers: readonly Row[]): Promise<Picture> {
  const ask = async (path: string) => JSON.stringify(await client.ask('GET', path));
  const inspected = containers.map(({ id }) => ask(`/containers/${id}/json`));
  return {
    'API containers': [await ask('/containers/json?all=1'), ...(await Promise.all(inspected))],
    'API networks': [await ask('/networks')],
    'API volumes': [await ask('/volumes')],
    'API plan': [await ask('/fairway/plan')],
  };
}

async function askContainerd(socket: string): Promise<Picture> {
  const containerd = new Containerd(socket);
  try {
    const snapshots: string[] = [];
    for await (const { info } of containerd.snapshots.list({ snapshotter: SNAPSHOTTER })) {
      snapshots.push(...info.map(({ name, kind, parent }) => `${kind} ${name} on ${parent}`));
    }
    const { containers } = await containerd.containers.list({});
    const { tasks } = await containerd.tasks.list({});
    const { leases } = await containerd.leases.list({});
    return {
      'containerd containers': containers.map(({ id, snapshotKey }) => `${id} on ${snapshotKey}`),
      'containerd tasks': tasks.map(({ id, pid, status }) => `${id} is ${status}, "Pid":${pid}`),
      'containerd leases': leases.map(({ id }) => id),
      'containerd snapshots': snapshots,
    };
  } finally {
    containerd.close();
  }
}

/** Of one network namespace. A section begins with "@ " and its name. */
const NAMESPACE = `
echo "@ ip $0"; printf 'addr show\nneigh show\nroute show table all\nrule show\n' | ip -d -j -batch -
echo "@ nft $0"; nft -j list ruleset
echo "@ sockets $0"; exec ss -Hlntu
`;

/** One shell for all of it: on a busy machine starting programs is what takes time. */
const LOOK = `
sh -c "$0" host
cd ${EXEC_ROOT}/netns && for file in *; do nsenter --net="$file" sh -c "$0" "$file"; done
cd /
echo '@ files'
find ${EXEC_ROOT} ${DATA_ROOT} -xdev \\( -path '*/snapshots/*' -o -path '*/blobs/*' -o -path '*/merged' \\) -prune -o -printf '%y %p\\n'
find ${DATA_ROOT}/containerd/*overlayfs/snapshots -mindepth 1 -maxdepth 1 -printf 'one snapshot\\n'
echo '@ texts'
grep -r . ${DATA_ROOT}/containers --exclude='*log*'
echo '@ mounts'
sed -n 's/^[0-9]* [0-9]* [0-9:]* \\([^ ]*\\) \\(\\/run[^ ]*\\) .* - \\([^ ]*\\) .*/\\2 \\3 \\1/p' /proc/self/mountinfo
echo '@ cgroups'
find /sys/fs/cgroup -type d -name '*[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*'
`;

async function lookAround(host: TestHost): Promise<Record<string, string[]>> {
  const text = await host.out(['sh', '-c', LOOK, NAMESPACE]);
  const seen: Record<string, string[]> = {};
  let section: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('@ ')) {
      section = [];
      seen[line.slice(2)] = section;
    } else if (line.trim() !== '') section.push(line.trimEnd());
  }
  return seen;
}

/** Command lines. The shells that look are gone by then, or are no process of the engine's. */
function processes(proc: string): string[] {
  return readdirSync(proc).flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readFileSync(join(proc, name, 'cmdline'), 'utf8')
        .replaceAll('\0', ' ')
        .trimEnd();
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}
