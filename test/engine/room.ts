import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { EngineConfig, NetworkConfig, ReloadableConfig } from '../../src/engine/config.ts';
import type { Containers } from '../../src/engine/containers.ts';
import { Engine } from '../../src/engine/engine.ts';
import { parseIpAddress } from '../../src/model/address.ts';
import type { ContainerSpec, EndpointRequest } from '../../src/model/container.ts';
import type { Logger } from '../../src/model/logger.ts';
import { Containerd } from '../../src/runtime/containerd/client.ts';
import { Snapshots } from '../../src/runtime/snapshots.ts';
import { Store } from '../../src/store/store.ts';
import { busyboxTar } from '../fixtures.ts';
import { eventually, TestHost } from '../host.ts';
import { NO_REGISTRIES } from '../no-registries.ts';
import { PLAIN_SPEC } from '../plain-spec.ts';

const MARK = 'FAIRWAY_TEST_ENGINE_INSIDE';
/** On the test host's own tmpfs. */
const DATA_ROOT = '/run/data';
const EXEC_ROOT = '/run/fairway';

/** Whether this process runs on a test host already. */
export const isInside = process.env[MARK] === '1';

/** Runs a test file again on a host of its own, where an engine may do what it wants. */
export async function runInside(file: string): Promise<void> {
  await using host = await TestHost.create();
  const command = ['env', '-u', 'NODE_TEST_CONTEXT', process.execPath, '--test-reporter=spec', file];
  // Sooner than the test runner gives up, so that what was said until then is told.
  const finished = await host.exec(command, { env: { [MARK]: '1' }, timeout: 200_000 });
  assert.equal(finished.code, 0, `${finished.stdout}\n${finished.stderr}`);
}

/** An engine in this process, with busybox in it. */
export class EngineRoom implements AsyncDisposable {
  engine: Engine;
  readonly lines: string[];
  #network: Partial<NetworkConfig>;

  private constructor(engine: Engine, lines: string[], network: Partial<NetworkConfig>) {
    this.engine = engine;
    this.lines = lines;
    this.#network = network;
  }

  static async create(network: Partial<NetworkConfig> = {}, over: Partial<EngineConfig> = {}): Promise<EngineRoom> {
    const lines: string[] = [];
    const engine = await Engine.start({ ...configuration(lines, network), ...over });
    const source = { repository: 'busybox', tag: 'latest', changes: ['CMD ["sh"]'], message: '' };
    await engine.images.import(createReadStream(await busyboxTar()), source);
    return new EngineRoom(engine, lines, network);
  }

  get containers(): Containers {
    return this.engine.containers;
  }

  /** Ends the engine and starts another one on the same data, with other flags when told. Containers go on. */
  async restart(
    between: () => Promise<void> = async () => undefined,
    network: Partial<NetworkConfig> = this.#network,
  ): Promise<void> {
    await this.engine.close();
    await between();
    this.#network = network;
    this.engine = await Engine.start(configuration(this.lines, this.#network));
  }

  /** @returns the container's id */
  async run(name: string, command: readonly string[], spec: Partial<ContainerSpec> = {}): Promise<string> {
    const { id } = await this.containers.create(name, containerSpec(command, spec));
    await this.containers.start(id);
    return id;
  }

  /** A command in a running container. @returns what it printed */
  async exec(container: string, ...command: string[]): Promise<string> {
    const { id } = await this.engine.execs.create(container, {
      command,
      tty: false,
      attachStdin: false,
      attachStdout: true,
      attachStderr: true,
      env: [],
      workingDirectory: '',
      user: '',
      privileged: false,
      detachKeys: '',
    });
    const parts: string[] = [];
    const attachment = await this.engine.execs.start(id, { detach: false, tty: false });
    attachment.subscribe((_, chunk) => void parts.push(chunk.toString()));
    await attachment.ended;
    return parts.join('');
  }

  /** Everything a container could leave behind on the host, in words that can be compared. */
  async traces(): Promise<Readonly<Record<string, unknown>>> {
    // A container that vanished by itself leaves the list before its layer is gone; a new daemon would hide one that stays.
    const known = new Set(this.containers.list().map(({ container }) => container.id));
    await eventually('only containers have layers', async () => (await listSnapshots()).every((id) => known.has(id)));
    const snapshots = await listSnapshots();
    await this.engine.close();
    using store = Store.open(join(DATA_ROOT, 'fairway.db'));
    const rows = (['sandboxes', 'endpoints', 'containers'] as const).map((table) =>
      store.rows(table).map(({ id }) => id),
    );
    store.close();
    this.engine = await Engine.start(configuration(this.lines, this.#network));
    return {
      rows,
      links: (await sh('ip -br link')).split('\n').map((line) => line.split(/[\s@]/)[0]),
      namespaces: list(join(EXEC_ROOT, 'netns')),
      // A bridge without ports says so, in words that come and go with its first port.
      addresses: await sh(`ip -4 -o addr | awk '{print $2, $4}'`),
      routes: await sh('ip route | sed "s/ linkdown//"'),
      firewall: await sh('nft list ruleset'),
      sockets: await sh('ss -Hlntu | grep -v 127.0.0.1 || true'),
      folders: list(join(DATA_ROOT, 'containers')),
      fifos: list(join(EXEC_ROOT, 'io')),
      snapshots,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { container } of this.containers.list()) {
      await this.containers.remove(container.id, { force: true, volumes: true, link: false });
    }
    await this.engine.close();
  }
}

async function listSnapshots(): Promise<string[]> {
  const containerd = new Containerd(join(EXEC_ROOT, 'containerd/containerd.sock'));
  try {
    return (await new Snapshots(containerd).list()).sort();
  } finally {
    containerd.close();
  }
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** @returns stdout without its last newline */
export async function sh(script: string): Promise<string> {
  return (await promisify(execFile)('sh', ['-c', script])).stdout.trimEnd();
}

/** Output of a container from its beginning to its end, or until now. */
export async function output(room: EngineRoom, container: string, follow = true): Promise<string> {
  const parts: string[] = [];
  const { signal } = new AbortController();
  const query = { stdout: true, stderr: true, follow, signal };
  for await (const { line } of room.containers.logs(container, query)) parts.push(line.toString());
  return parts.join('');
}

export function request(network: string, over: Partial<EndpointRequest> = {}): EndpointRequest {
  return { network, aliases: [], driverOptions: {}, gatewayPriority: 0, ...over };
}

export function networkRequest(name: string, subnet?: string) {
  const pools = subnet === undefined ? [] : [{ subnet: subnet as never, auxiliary: {} }];
  const nothing = { ipamDriver: '', ipamOptions: {}, driverOptions: {}, labels: {} };
  return { name, driver: 'bridge', internal: false, attachable: false, pools, ...nothing };
}

export function containerSpec(command: readonly string[], over: Partial<ContainerSpec> = {}): ContainerSpec {
  return { ...PLAIN_SPEC, networkMode: { kind: 'network', name: 'bridge' }, command, ...over };
}

/** dockerd's defaults, but for live-restore. */
export const RELOADABLE: ReloadableConfig = {
  debug: false,
  labels: [],
  liveRestore: true,
  shutdownTimeout: 15,
  runtimes: { byName: {}, chosen: 'runc' },
  registry: NO_REGISTRIES,
};

/** Flags nobody gave. */
const QUIET_NETWORK = {
  ipv6: false,
  defaultNetworkOptions: {},
  hostGateways: [],
  ipForwardNoDrop: false,
  firewall: { ipv4: true, ipv6: true },
  allowDirectRouting: false,
} as const;

function configuration(lines: string[], network: Partial<NetworkConfig>): EngineConfig {
  const note = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  const logger: Logger = { debug: () => undefined, info: note('info'), warn: note('warn'), error: note('error') };
  return {
    dataRoot: DATA_ROOT,
    execRoot: EXEC_ROOT,
    logger,
    reloadable: RELOADABLE,
    network: {
      mtu: 1500,
      icc: true,
      ip: parseIpAddress('0.0.0.0'),
      defaultAddressPools: [],
      dns: [],
      dnsOptions: [],
      dnsSearch: [],
      ipForward: true,
      ipMasq: true,
      ...QUIET_NETWORK,
      ...network,
    },
    log: { driver: 'json-file', options: {} },
    init: false,
    leaveNoTrace: false,
    version: '0.0.0-test',
  };
}
