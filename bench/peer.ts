import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { TestDaemon } from '../test/daemon.ts';
import { busyboxTar } from '../test/fixtures.ts';
import { eventually, TestHost } from '../test/host.ts';

/** A daemon under measurement: Fairway, or Docker on a host of the same kind. Both hold busybox:latest. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  readonly host: TestHost;
  /** The API's socket, as this process reaches it */
  readonly socket: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Of the daemon, on the host */
  readonly pidfile: string;
}

export async function startFairway(flags: readonly string[] = []): Promise<Peer & { readonly daemon: TestDaemon }> {
  const daemon = await TestDaemon.create(flags);
  return {
    name: 'Fairway',
    daemon,
    host: daemon.host,
    socket: daemon.host.path('/run/fairway/fairway.sock'),
    environment: daemon.env(),
    pidfile: '/run/fairway/fairwayd.pid',
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** @param dockerd path of Docker's daemon; docker-proxy lies beside it or on the PATH */
export async function startDocker(dockerd: string): Promise<Peer> {
  const host = await TestHost.create();
  const environment = {
    DOCKER_HOST: 'unix:///run/docker.sock',
    DOCKER_CONFIG: '/run/docker-config',
    DOCKER_CLI_HINTS: 'false',
  };
  try {
    const flags = [
      '--data-root',
      '/run/data',
      '--exec-root',
      '/run/docker',
      '-H',
      'unix:///run/docker.sock',
      '--pidfile',
      '/run/docker.pid',
    ];
    const child = host.spawn([dockerd, ...flags, '--config-file', '/dev/null'], {
      PATH: `${dirname(dockerd)}:${process.env['PATH']}`,
    });
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-20_000)));
    child.stdout?.resume();
    await eventually(
      'dockerd answers',
      async () => {
        if (child.exitCode !== null) throw new Error(`dockerd ended:\n${log}`);
        return (await host.exec(['docker', 'version'], { env: environment })).code === 0;
      },
      60_000,
    );
    await host.out(['docker', 'import', '--change', 'CMD ["sh"]', await busyboxTar(), 'busybox:latest'], {
      env: environment,
    });
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
  return {
    name: 'Docker',
    host,
    socket: host.path('/run/docker.sock'),
    environment,
    pidfile: '/run/docker.pid',
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/** Docker's daemon to compare with: FAIRWAY_BENCH_DOCKERD, or the one that is installed; undefined: none. */
export function findDockerd(exists: (path: string) => boolean): string | undefined {
  const candidates = [
    process.env['FAIRWAY_BENCH_DOCKERD'],
    '/usr/sbin/dockerd',
    '/usr/bin/dockerd',
    '/usr/local/bin/dockerd',
  ];
  return candidates.find((path) => path !== undefined && path !== '' && exists(path));
}

/** `docker …` on the peer's host; throws when it fails. */
export async function docker(peer: Peer, ...args: string[]): Promise<string> {
  return peer.host.out(['docker', ...args], { env: peer.environment, timeout: 300_000 });
}

/** Resident, MiB. */
export async function daemonMemory({ host, pidfile }: Peer): Promise<number> {
  const pid = await host.out(['cat', pidfile]);
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(host.path(`/proc/${pid}/status`), 'utf8'))?.[1]) / 1024;
}

/** One API request, its answer parsed. @throws Error when the status is 400 or more */
export function call(peer: Peer, method: string, path: string, body?: unknown): Promise<unknown> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const req = request({ socketPath: peer.socket, method, path: join('/v1.41', path), headers }, (res) => {
      let answer = '';
      res.on('data', (chunk: Buffer) => (answer += chunk.toString()));
      res.on('end', () => {
        if ((res.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${res.statusCode} ${answer}`));
        else resolve(answer === '' ? undefined : JSON.parse(answer));
      });
    });
    req.on('error', reject);
    req.end(text);
  });
}
