import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import type { DnsStatistics, Upstream } from '../../src/dns/server.ts';
import { type IpAddress, parseIpAddress } from '../../src/model/address.ts';
import { eventually, type Finished, TestHost } from '../host.ts';
import type { ResolverSetup } from './resolver-process.ts';

const SANDBOX = '/run/fairway/sandbox';
const LAN_SERVER = parseIpAddress('192.0.2.1');
const SILENT_SERVER = parseIpAddress('192.0.2.9');
const WEB = parseIpAddress('10.89.0.2');
const SECOND = parseIpAddress('10.89.0.3');
const SIX = parseIpAddress('fd00::2');

/** A private host with a DNS server on its LAN, and our resolver in a sandbox of that host. */
class Scene implements AsyncDisposable {
  readonly host: TestHost;
  readonly #resolver: ChildProcess;

  private constructor(host: TestHost, resolver: ChildProcess) {
    this.host = host;
    this.#resolver = resolver;
  }

  static async create(upstreams: readonly Upstream[], forwards = true): Promise<Scene> {
    const host = await TestHost.create();
    try {
      host.spawnLan(['dnsmasq', ...DNSMASQ, '--listen-address=192.0.2.1', '--address=/lan.example/198.51.100.7']);
      await eventually('the LAN has a DNS server', async () => {
        const { stdout } = await host.lan(['dig', '+short', '+tries=1', '@192.0.2.1', 'lan.example']);
        return stdout.trim() === '198.51.100.7';
      });
      const setup: ResolverSetup = {
        path: SANDBOX,
        names: { web: [WEB], 'web.app': [WEB], both: [WEB, SECOND, SIX], many: many() },
        reverse: { [WEB]: 'web.app' },
        upstreams,
        forwards,
      };
      const script = new URL('resolver-process.ts', import.meta.url).pathname;
      const resolver = host.spawn([process.execPath, script, JSON.stringify(setup)]);
      resolver.stderr?.pipe(process.stderr);
      if (resolver.stdout === null) throw new Error('the resolver has no output');
      await once(resolver.stdout, 'data');
      return new Scene(host, resolver);
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a client in the sandbox. */
  run(command: readonly string[]): Promise<Finished> {
    return this.host.exec(['nsenter', `--net=${SANDBOX}`, ...command]);
  }

  /** What dig prints with +short, one line each, sorted. */
  async dig(...args: readonly string[]): Promise<string[]> {
    const { stdout } = await this.run(['dig', '+short', '+tries=1', '+timeout=30', '@127.0.0.11', ...args]);
    return stdout.split('\n').filter(Boolean).sort();
  }

  /** Another server has four seconds for its answer: it is asked again when the machine took them all. */
  async finds(address: string, ...args: readonly string[]): Promise<void> {
    await eventually(`${args.join(' ')} is ${address}`, async () => (await this.dig(...args)).join() === address);
  }

  /** The whole text dig prints. */
  async report(...args: readonly string[]): Promise<string> {
    return (await this.run(['dig', '+tries=1', '+timeout=30', '@127.0.0.11', ...args])).stdout;
  }

  /** Ends the resolver and returns its last words. */
  async close(): Promise<DnsStatistics & { leftOpen: number }> {
    const output = once(this.#resolver.stdout ?? this.#resolver, 'data');
    this.#resolver.stdin?.write('close\n');
    return JSON.parse(String(await output));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
  }
}

const DNSMASQ = [
  '--no-daemon',
  '--no-resolv',
  '--no-hosts',
  '--bind-interfaces',
  '--conf-file=/dev/null',
  '--pid-file=',
];

function many() {
  return Array.from({ length: 300 }, (_, index) => parseIpAddress(`10.90.${index >> 8}.${index & 255}`));
}

test('dig and nslookup find names, addresses and what a name lacks, over UDP and TCP', async () => {
  await using scene = await Scene.create([]);
  for (const protocol of ['+notcp', '+tcp']) {
    assert.deepEqual(await scene.dig(protocol, 'WEB'), [WEB]);
    assert.deepEqual(await scene.dig(protocol, 'web.app.'), [WEB]);
    assert.deepEqual(await scene.dig(protocol, 'both'), [WEB, SECOND]);
    assert.deepEqual(await scene.dig(protocol, 'both', 'AAAA'), [SIX]);
    assert.deepEqual(await scene.dig(protocol, '-x', WEB), ['web.app.']);
    for (const type of ['AAAA', 'MX', 'TXT', 'HTTPS']) {
      const report = await scene.report(protocol, 'web', type);
      assert.match(report, /status: NOERROR.*\n.*ANSWER: 0/, `${protocol} ${type}`);
      assert.doesNotMatch(report, /WARNING|Warning/);
    }
  }
  const { stdout } = await scene.run(['nslookup', '-nosearch', 'web', '127.0.0.11']);
  assert.match(stdout, /Name:\s+web\nAddress: 10\.89\.0\.2\n/);
  const reverse = await scene.run(['nslookup', WEB, '127.0.0.11']);
  assert.match(reverse.stdout, /name = web\.app\./);
});

test('an answer too long for UDP comes over TCP', async () => {
  await using scene = await Scene.create([]);
  assert.match(await scene.report('+ignore', '+noedns', 'many'), /flags:[^;]* tc/);
  assert.equal((await scene.dig('many')).length, 300);
});

test("what is unknown is asked of the host's server, from the host", async () => {
  await using scene = await Scene.create([{ address: LAN_SERVER, from: 'host' }]);
  await scene.finds('198.51.100.7', 'lan.example');
  await scene.finds('198.51.100.7', '+tcp', 'lan.example');
  assert.match(await scene.report('unknown.example'), /status: (NXDOMAIN|REFUSED|SERVFAIL)/);
  assert.deepEqual(await scene.dig('web'), [WEB]);
});

test('a server that is down or silent costs no failure: the next one answers', async () => {
  const closed: Upstream = { address: LAN_SERVER, from: 'host', port: 5454 };
  const silent: Upstream = { address: SILENT_SERVER, from: 'host' };
  await using scene = await Scene.create([closed, silent, { address: LAN_SERVER, from: 'host' }]);
  await scene.finds('198.51.100.7', 'lan.example');
  await scene.finds('198.51.100.7', '+tcp', 'lan.example');
});

test('a server is reached by IPv6, also by a link-local address with its zone', async () => {
  const [global, local] = [parseIpAddress('fd99::1'), `${parseIpAddress('fe80::53')}%eth0` as IpAddress];
  for (const address of [global, local]) {
    await using scene = await Scene.create([{ address, from: 'host' }]);
    await scene.host.shell('ip addr add fd99::2/64 dev eth0 nodad');
    await scene.host.lanShell('for a in fd99::1/64 fe80::53/64; do ip addr add $a dev lan0 nodad; done');
    scene.host.spawnLan([
      'dnsmasq',
      ...DNSMASQ,
      '--listen-address=fd99::1',
      '--listen-address=fe80::53',
      '--address=/six.example/198.51.100.6',
    ]);
    await scene.finds('198.51.100.6', 'six.example');
    await scene.finds('198.51.100.6', '+tcp', 'six.example');
  }
});

test('without forwarding, the host is not asked, but a server in the sandbox is', async () => {
  const own: Upstream = { address: parseIpAddress('127.0.0.1'), from: 'sandbox', port: 5300 };
  await using scene = await Scene.create([{ address: LAN_SERVER, from: 'host' }, own], false);
  assert.match(await scene.report('lan.example'), /status: SERVFAIL/);
  const enter = ['nsenter', `--net=${SANDBOX}`];
  scene.host.spawn([
    ...enter,
    'dnsmasq',
    ...DNSMASQ,
    '--port=5300',
    '--listen-address=127.0.0.1',
    '--address=/own.example/198.51.100.8',
  ]);
  await eventually('the sandbox has a DNS server', async () => {
    const answer = await scene.run(['dig', '+short', '+tries=1', '-p', '5300', '@127.0.0.1', 'own.example']);
    return answer.stdout.trim() === '198.51.100.8';
  });
  await scene.finds('198.51.100.8', 'own.example');
  await scene.finds('198.51.100.8', '+tcp', 'own.example');
  const { answered, cached, forwarded, failed, leftOpen } = await scene.close();
  assert.deepEqual([answered, cached, leftOpen], [0, 0, 0]);
  assert.ok(forwarded >= 2 && failed >= 1, `${forwarded} forwarded, ${failed} failed`);
});

test('a container that serves DNS on every address of its own is left alone, and asks us all the same', async () => {
  await using scene = await Scene.create([{ address: LAN_SERVER, from: 'host' }]);
  const enter = ['nsenter', `--net=${SANDBOX}`];
  const anyAddress = DNSMASQ.filter((option) => option !== '--bind-interfaces');
  scene.host.spawn([...enter, 'dnsmasq', ...anyAddress, '--address=/web/198.51.100.9']);
  await eventually('the container serves DNS on 0.0.0.0:53', async () => {
    const { stdout } = await scene.run(['dig', '+short', '+tries=1', '@127.0.0.1', 'web']);
    return stdout.trim() === '198.51.100.9';
  });
  assert.deepEqual(await scene.dig('web'), [WEB]);
  assert.deepEqual(await scene.dig('+tcp', 'web'), [WEB]);
});
