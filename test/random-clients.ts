import assert from 'node:assert/strict';
import { request } from 'node:http';
import { SOCKET, type TestDaemon } from './daemon.ts';

/** What one client believes of a container it made. */
interface Believed {
  running: boolean;
  readonly networks: Set<string>;
  readonly port: number | undefined;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** A network all clients use; it stays. */
const COMMON = 'common';
/** Fewer than there are containers, so that some are refused */
const FIRST_PORT = 9000;
const PORTS = 12;

/** Numbers below 1 that are the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * One of many that work on a daemon at the same time, at random. Its networks and containers are its own, so it knows what each
 * answer must be; addresses, subnets, ports and the network "common" are everybody's. A port may be another's: then starting fails,
 * and in no other way.
 */
export class RandomClient {
  readonly #daemon: TestDaemon;
  readonly #name: string;
  readonly #random: () => number;
  readonly #networks = new Set([COMMON]);
  readonly #containers = new Map<string, Believed>();
  /** How often each operation was answered with each status */
  readonly answers = new Map<string, number>();

  constructor(daemon: TestDaemon, name: string, seed: number) {
    this.#daemon = daemon;
    this.#name = name;
    this.#random = random(seed);
  }

  /** One operation. @throws AssertionError when it is not answered as it must be */
  async step(): Promise<void> {
    const operations = [
      () => this.#createNetwork(),
      () => this.#removeNetwork(),
      () => this.#create(),
      () => this.#create(),
      () => this.#start(),
      () => this.#start(),
      () => this.#start(),
      () => this.#stop(),
      () => this.#restart(),
      () => this.#remove(),
      () => this.#connect(),
      () => this.#disconnect(),
    ];
    await this.#pick(operations)();
  }

  get containers(): ReadonlyMap<string, Believed> {
    return this.#containers;
  }

  /** Without the common one. */
  get networks(): string[] {
    return [...this.#networks].filter((network) => network !== COMMON);
  }

  async removeAll(): Promise<void> {
    for (const name of this.#containers.keys()) await this.#expect('DELETE', `/containers/${name}?force=1`, [204]);
    this.#containers.clear();
    for (const name of this.networks) await this.#expect('DELETE', `/networks/${name}`, [204]);
    for (const name of this.networks) this.#networks.delete(name);
  }

  async #createNetwork(): Promise<void> {
    const name = this.#someNetwork();
    await this.#expect('POST', '/networks/create', [this.#networks.has(name) ? 409 : 201], { Name: name });
    this.#networks.add(name);
  }

  /** One that runs holds its networks. */
  async #removeNetwork(): Promise<void> {
    const name = this.#someNetwork();
    const held = this.#containers.values().some(({ running, networks }) => running && networks.has(name));
    const status = !this.#networks.has(name) ? 404 : held ? 403 : 204;
    await this.#expect('DELETE', `/networks/${name}`, [status]);
    if (status === 204) this.#networks.delete(name);
  }

  async #create(): Promise<void> {
    const name = this.#someContainer();
    const network = this.#pick([COMMON, ...this.#networks]);
    const port = this.#random() < 0.5 ? undefined : FIRST_PORT + Math.floor(this.#random() * PORTS);
    const bindings = port === undefined ? {} : { '80/tcp': [{ HostPort: String(port) }] };
    const status = this.#containers.has(name) ? 409 : 201;
    await this.#expect('POST', `/containers/create?name=${name}`, [status], {
      Image: 'busybox',
      Cmd: ['sleep', '3600'],
      StopSignal: 'KILL',
      HostConfig: { NetworkMode: network, PortBindings: bindings },
    });
    if (status === 201) this.#containers.set(name, { running: false, networks: new Set([network]), port });
  }

  async #start(): Promise<void> {
    await this.#begin('start', (believed) => (believed.running ? [304] : undefined));
  }

  async #restart(): Promise<void> {
    await this.#begin('restart', () => undefined);
  }

  /** @param known what is answered for certain */
  async #begin(how: string, known: (believed: Believed) => number[] | undefined): Promise<void> {
    const name = this.#someContainer();
    const believed = this.#containers.get(name);
    const whole = believed?.networks.isSubsetOf(this.#networks) ?? false;
    const free = believed?.port === undefined ? [204] : [204, 500];
    const expected = believed === undefined ? [404] : (known(believed) ?? (whole ? free : [404]));
    const { status, body } = await this.#expect('POST', `/containers/${name}/${how}?t=0`, expected);
    if (status === 500) assertTakenByAnother(name, body);
    if (believed !== undefined && status !== 304) believed.running = status === 204;
  }

  async #stop(): Promise<void> {
    const name = this.#someContainer();
    const believed = this.#containers.get(name);
    const status = believed === undefined ? 404 : believed.running ? 204 : 304;
    await this.#expect('POST', `/containers/${name}/stop?t=0`, [status]);
    if (believed !== undefined) believed.running = false;
  }

  async #remove(): Promise<void> {
    const name = this.#someContainer();
    const force = this.#random() < 0.7;
    const believed = this.#containers.get(name);
    const status = believed === undefined ? 404 : believed.running && !force ? 409 : 204;
    await this.#expect('DELETE', `/containers/${name}?force=${force}`, [status]);
    if (status === 204) this.#containers.delete(name);
  }

  async #connect(): Promise<void> {
    const [name, network] = [this.#someContainer(), this.#someNetwork()];
    const believed = this.#containers.get(name);
    const known = believed !== undefined && this.#networks.has(network);
    // As in Docker, one that does not run may be told twice.
    const status = !known ? 404 : believed.running && believed.networks.has(network) ? 403 : 200;
    // One that was on no network publishes nothing; when it comes back its port may be another's.
    const mayClash = status === 200 && believed?.running && believed.port !== undefined && believed.networks.size === 0;
    const statuses = mayClash === true ? [200, 500] : [status];
    const answer = await this.#expect('POST', `/networks/${network}/connect`, statuses, { Container: name });
    if (answer.status === 500) assertTakenByAnother(name, answer.body);
    if (answer.status === 200) believed?.networks.add(network);
  }

  async #disconnect(): Promise<void> {
    const [name, network] = [this.#someContainer(), this.#someNetwork()];
    const believed = this.#containers.get(name);
    const known = believed !== undefined && this.#networks.has(network);
    const status = !known ? 404 : believed.networks.has(network) ? 200 : 500;
    const { body } = await this.#expect('POST', `/networks/${network}/disconnect`, [status], { Container: name });
    if (status === 500) assert.match(JSON.stringify(body), /is not connected to/);
    if (status === 200) believed?.networks.delete(network);
  }

  async #expect(method: string, path: string, statuses: readonly number[], body?: unknown): Promise<Answer> {
    const answer = await ask(this.#daemon, method, path, body);
    const what = `${this.#name}: ${method} ${path} ${JSON.stringify(body ?? '')}`;
    assert.ok(
      statuses.includes(answer.status),
      `${what}: ${answer.status} ${JSON.stringify(answer.body)}, not ${statuses}`,
    );
    const counted = `${method} ${path.split(/[/?]/)[1]} ${/\/(\w+)(\?|$)/.exec(path.slice(12))?.[1] ?? ''}: ${answer.status}`;
    this.answers.set(counted, (this.answers.get(counted) ?? 0) + 1);
    return answer;
  }

  #someNetwork(): string {
    return `${this.#name}-net${Math.floor(this.#random() * 2)}`;
  }

  #someContainer(): string {
    return `${this.#name}-box${Math.floor(this.#random() * 3)}`;
  }

  #pick<T>(list: readonly T[]): T {
    const chosen = list[Math.floor(this.#random() * list.length)];
    assert.ok(chosen !== undefined);
    return chosen;
  }
}

/** The only failure that a client cannot foresee. */
function assertTakenByAnother(container: string, body: unknown): void {
  const owner = /port is already allocated: container \\?"([^"\\]+)\\?" has it/.exec(JSON.stringify(body))?.[1];
  assert.ok(owner !== undefined && owner !== container, `${container}: ${JSON.stringify(body)}`);
}

/** One request over a connection of its own. */
export function ask(daemon: TestDaemon, method: string, path: string, body?: unknown): Promise<Answer> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = request({ socketPath: daemon.host.path(SOCKET), method, path, headers, agent: false }, (response) => {
    let answer = '';
    response.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    response.on('error', reject);
    response.on('end', () => {
      const status = response.statusCode ?? 0;
      resolve({ status, body: /^[[{]/.test(answer) ? JSON.parse(answer) : answer });
    });
  });
  asked.on('error', reject);
  asked.end(text);
  return promise;
}

interface Inspected {
  readonly Name: string;
  readonly State: { readonly Running: boolean };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>>;
    readonly Ports: Readonly<Record<string, readonly { readonly HostPort: string }[] | null>>;
  };
}

/** Compares the daemon with what its clients believe, and the kernel with what the daemon says. */
export async function compare(daemon: TestDaemon, clients: readonly RandomClient[]): Promise<void> {
  const believed = new Map(clients.flatMap(({ containers }) => [...containers]));
  const listed = (await ask(daemon, 'GET', '/containers/json?all=1')).body as { Id: string }[];
  const all = await Promise.all(
    listed.map(async ({ Id }) => (await ask(daemon, 'GET', `/containers/${Id}/json`)).body as Inspected),
  );
  const inspected = new Map(all.map((one) => [one.Name.slice(1), one]));
  assert.deepEqual([...inspected.keys()].sort(), [...believed.keys()].sort(), 'containers');
  const holders = new Set<string>();
  const hold = (what: string) => assert.ok(holders.size < holders.add(what).size, `${what} is held twice`);
  for (const [name, { running, networks, port }] of believed) {
    const { State, NetworkSettings } = inspected.get(name) ?? assert.fail(name);
    assert.equal(State.Running, running, name);
    assert.deepEqual(Object.keys(NetworkSettings.Networks).sort(), [...networks].sort(), name);
    const addresses = Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress);
    assert.ok(
      addresses.every((address) => running === (address !== '')),
      `${name}: ${addresses}`,
    );
    for (const address of addresses) if (running) hold(address);
    const ports = new Set((NetworkSettings.Ports['80/tcp'] ?? []).map(({ HostPort }) => Number(HostPort)));
    assert.deepEqual([...ports], running && port !== undefined && networks.size > 0 ? [port] : [], name);
    for (const each of ports) hold(`port ${each}`);
  }
  const found = ((await ask(daemon, 'GET', '/networks')).body as { Name: string }[]).map(({ Name }) => Name);
  const own = clients.flatMap(({ networks }) => networks);
  assert.deepEqual(found.sort(), ['bridge', 'host', 'none', COMMON, ...own].sort(), 'networks');
  await compareKernel(daemon, believed, inspected);
}

/** What is in the kernel is what is described, and names lead to whom they should. */
async function compareKernel(
  daemon: TestDaemon,
  believed: ReadonlyMap<string, Believed>,
  inspected: ReadonlyMap<string, Inspected>,
): Promise<void> {
  assert.match(await daemon.host.out([`${import.meta.dirname}/../bin/fairway`, 'plan']), /nothing to do/i);
  const running = [...believed].filter(([, container]) => container.running);
  const sandboxes = (await daemon.host.shell('ls /run/fairway/netns')).split('\n').filter((name) => name !== '');
  assert.equal(sandboxes.length, running.length, 'sandboxes');
  const there = running.filter(([, { networks }]) => networks.has(COMMON)).map(([name]) => name);
  const [asking] = there;
  if (asking === undefined) return;
  const pid = await daemon.inspect(asking, '{{.State.Pid}}');
  // With the network's name: the bare one may lead to any network both are on.
  const questions = there.flatMap((name) => [`${name}.${COMMON}`, 'A']);
  const command = ['nsenter', '-t', pid, '-n', 'dig', '+short', '+time=30', '@127.0.0.11', ...questions];
  const answered = (await daemon.host.out(command)).split('\n');
  const addresses = there.map((name) => inspected.get(name)?.NetworkSettings.Networks[COMMON]?.IPAddress);
  assert.deepEqual(answered, addresses, 'names');
}

/** What is in the kernel and on disk whoever runs there, in words that can be compared. */
export async function traces(daemon: TestDaemon): Promise<Readonly<Record<string, string>>> {
  const { host } = daemon;
  return {
    links: await host.shell("ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | sort"),
    addresses: await host.shell("ip -4 -o addr | awk '{print $2, $4}' | sort"),
    routes: await host.shell('ip route | sed "s/ linkdown//"'),
    firewall: await host.shell("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'"),
    sockets: await host.shell('ss -Hlntu | grep -v 127.0.0 || true'),
    sandboxes: await host.shell('ls /run/fairway/netns'),
    folders: await host.shell('ls /run/data/containers'),
  };
}
