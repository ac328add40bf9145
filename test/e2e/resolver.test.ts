import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const FAIRWAY = join(import.meta.dirname, '../../bin/fairway');

interface Answer {
  readonly status: string;
  readonly addresses: readonly string[];
  /** Seconds, of the first record */
  readonly ttl: number;
  readonly milliseconds: number;
}

describe('the resolver and other servers', () => {
  let daemon: TestDaemon;
  const pidFiles = mkdtempSync(join(tmpdir(), 'fairway-dns-'));
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.host.lanShell('ip addr add 192.0.2.3/24 dev lan0');
    await daemon.ok('network', 'create', '--subnet', '10.80.0.0/24', 'app');
    await runOn('app', 'web', '--expose', '8080');
    await serve(
      '192.0.2.1',
      '--address=/outside.test/203.0.113.7',
      '--address=/lan.test/2001:db8::66',
      '--local-ttl=30',
    );
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    rmSync(pidFiles, { recursive: true });
  });

  const runOn = (network: string, name: string, ...options: string[]) =>
    daemon.ok('run', '-d', '--name', name, '--network', network, ...options, 'busybox', 'sleep', '600');
  const pids = new Map<string, Promise<string>>();
  const pidOf = (container: string) => {
    const pid = pids.get(container) ?? daemon.inspect(container, '{{.State.Pid}}');
    pids.set(container, pid);
    return pid;
  };
  const pidFile = (address: string) => join(pidFiles, address);
  const status = () => daemon.host.out([FAIRWAY, 'status'], { env: daemon.env() });

  /** A name server on the LAN, which answers REFUSED to what it does not know. */
  async function serve(address: string, ...records: string[]): Promise<void> {
    const quiet = [
      '--keep-in-foreground',
      '--no-resolv',
      '--no-hosts',
      '--conf-file=/dev/null',
      '--bind-interfaces',
      '--user=root',
    ];
    const own = [
      `--listen-address=${address}`,
      `--pid-file=${pidFile(address)}`,
      '--host-record=ready.test,203.0.113.1',
    ];
    daemon.host.spawnLan(['dnsmasq', ...quiet, ...own, ...records]);
    await eventually(`${address} serves names`, async () => {
      const { stdout } = await daemon.host.lan(['dig', '+short', '+time=20', '+tries=1', `@${address}`, 'ready.test']);
      return stdout.includes('203.0.113.1');
    });
  }

  async function silence(address: string): Promise<void> {
    const pid = readFileSync(pidFile(address), 'utf8').trim();
    await daemon.host.lanShell(`kill ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.02; done`);
  }

  /** Asks as a container would; dig is the test machine's, the network the container's. */
  async function ask(container: string, name: string, type = 'A'): Promise<Answer> {
    const dig = ['dig', '+nocookie', '+tries=1', '+time=30', '@127.0.0.11', name, type];
    const { stdout } = await daemon.host.exec(['nsenter', '-t', await pidOf(container), '-n', ...dig]);
    const records = [...stdout.matchAll(/^\S+\s+(\d+)\s+IN\s+(?:A|AAAA|SRV)\s+(.+)$/gm)];
    return {
      status: /status: (\w+)/.exec(stdout)?.[1] ?? stdout,
      addresses: records.map(([, , data = '']) => data),
      ttl: Number(records[0]?.[1]),
      milliseconds: Number(/Query time: (\d+) msec/.exec(stdout)?.[1]),
    };
  }

  test('an answer is kept as long as it holds, and asked for again afterwards', async () => {
    const records = (last: number) =>
      [`long.test,203.0.113.${last},600`, `short.test,203.0.113.${last},1`].map((record) => `--host-record=${record}`);
    await serve('192.0.2.3', ...records(8));
    await runOn('app', 'keeper', '--dns', '192.0.2.3');
    for (const name of ['long.test', 'short.test']) {
      assert.deepEqual((await ask('keeper', name)).addresses, ['203.0.113.8'], name);
    }
    await silence('192.0.2.3');
    await serve('192.0.2.3', ...records(9));
    await sleep(1_100);
    const kept = await ask('keeper', 'LONG.test');
    assert.deepEqual([kept.addresses, kept.ttl < 600], [['203.0.113.8'], true]);
    assert.deepEqual((await ask('keeper', 'short.test')).addresses, ['203.0.113.9']);
    assert.match(await status(), /DNS: \d+ questions: \d+ known, [1-9]\d* from the cache/);
  });

  test('a dead server is felt once; the servers of --dns are asked from the container', async () => {
    await runOn('app', 'patient', '--dns', '192.0.2.9', '--dns', '192.0.2.1');
    // How long the dead one is waited for, in milliseconds; a busy machine may take longer for other reasons.
    const waited = 250;
    let asked = 0;
    let fast = 0;
    await eventually('five questions in a row do not wait for the dead server', async () => {
      const { addresses, milliseconds } = await ask('patient', `a${asked++}.outside.test`);
      assert.deepEqual(addresses, ['203.0.113.7']);
      fast = milliseconds < waited ? fast + 1 : 0;
      return fast === 5;
    });
    const text = await status();
    assert.match(text, /192\.0\.2\.9 +sandbox:\w+ +fails/);
    assert.match(text, /192\.0\.2\.1 +sandbox:\w+ +answers +[\d.]+ ms/);
  });

  test('a server that refuses leads to the next one; when all do, that is a failure', async () => {
    await runOn('app', 'refused', '--dns', '192.0.2.3', '--dns', '192.0.2.1');
    assert.deepEqual((await ask('refused', 'outside.test')).addresses, ['203.0.113.7']);
    assert.equal((await ask('refused', 'nobody.example')).status, 'SERVFAIL');
  });

  test('on internal networks the host’s servers are not asked, but those of --dns are', async () => {
    await daemon.ok('network', 'create', '--internal', '--subnet', '10.82.0.0/24', 'inner');
    await runOn('inner', 'server', '--ip', '10.82.0.53');
    await runOn('inner', 'plainly');
    await runOn('inner', 'own', '--dns', '10.82.0.53');
    await daemon.inside('server', [
      'dnsmasq',
      '--no-daemon',
      '--no-resolv',
      '--no-hosts',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--user=root',
      '--listen-address=10.82.0.53',
      '--bind-interfaces',
      '--address=/outside.test/10.82.0.99',
    ]);
    assert.equal((await ask('plainly', 'outside.test')).status, 'SERVFAIL');
    assert.deepEqual((await ask('plainly', 'server')).addresses, ['10.82.0.53']);
    await eventually(
      'the server of --dns answers',
      async () => (await ask('own', 'outside.test')).addresses[0] === '10.82.0.99',
    );
  });

  test('what a name lacks is empty, and so is the step of the search list that follows', async () => {
    assert.deepEqual((await ask('web', 'other.lan.test', 'AAAA')).addresses, ['2001:db8::66']);
    for (const name of ['web', 'web.lan.test']) {
      const { status: code, addresses } = await ask('web', name, 'AAAA');
      assert.deepEqual([code, addresses], ['NOERROR', []], name);
    }
    assert.equal((await ask('web', 'web')).ttl, 5);
  });

  test('a program with glibc’s resolver finds names, at once and of one family', async () => {
    const own = await daemon.inspect('web', '{{.NetworkSettings.Networks.app.IPAddress}}');
    const file = daemon.host.path(await daemon.inspect('web', '{{.ResolvConfPath}}'));
    const inside = async (...command: string[]) => {
      const script = `mount --bind "$0" /etc/resolv.conf && exec "$@"`;
      const path = file.slice(file.indexOf('/root') + '/root'.length);
      const enter = ['nsenter', '-t', await pidOf('web'), '-n', 'unshare', '-m', 'sh', '-c', script, path, ...command];
      return daemon.host.exec(enter);
    };
    assert.match((await inside('getent', 'ahosts', 'web')).stdout, new RegExp(`^${own}\\s+STREAM web$`, 'm'));
    assert.match((await inside('getent', 'ahostsv4', 'web.app')).stdout, new RegExp(`^${own} `));
    assert.equal((await inside('getent', 'ahostsv6', 'outside.test')).stdout.includes('203.0.113.7'), false);
    assert.match((await inside('getent', 'hosts', own)).stdout, /web\.app/);
  });

  test('an exposed port is a service', async () => {
    const { addresses } = await ask('web', '_8080._tcp.web', 'SRV');
    assert.equal(addresses[0], '0 0 8080 web.app.');
    assert.deepEqual((await ask('web', '_8081._tcp.web', 'SRV')).addresses, []);
  });

  test('host.docker.internal is the host, which answers', async () => {
    const answer = await daemon.docker(['exec', 'web', 'ping', '-c1', '-W20', 'host.docker.internal']);
    assert.match(answer.stdout, /\(10\.80\.0\.1\).*[\s\S]* 0% packet loss/);
  });

  test('with ndots of one’s own, an unknown name of one label is empty, so that the search list goes on', async () => {
    await runOn('app', 'dotted', '--dns-opt', 'ndots:2');
    assert.deepEqual(
      [(await ask('dotted', 'printer')).status, (await ask('web', 'printer')).status],
      ['NOERROR', 'SERVFAIL'],
    );
    assert.match(await daemon.ok('exec', 'dotted', 'cat', '/etc/resolv.conf'), /^options ndots:2$/m);
  });

  test('running containers follow the host’s resolv.conf at once, except where the file was changed inside', async () => {
    await runOn('bridge', 'plain');
    await runOn('bridge', 'edited');
    await daemon.ok('exec', 'edited', 'sh', '-c', 'echo "# mine" >> /etc/resolv.conf');
    await silence('192.0.2.3');
    await serve('192.0.2.3', '--address=/outside.test/203.0.113.77', '--local-ttl=30');
    assert.deepEqual((await ask('web', 'outside.test')).addresses, ['203.0.113.7']);
    const servers = async (container: string) =>
      (await daemon.ok('exec', container, 'cat', '/etc/resolv.conf')).match(/(?<=nameserver )\S+/g);
    assert.deepEqual(await servers('plain'), ['192.0.2.1']);
    await daemon.host.shell("printf 'nameserver 192.0.2.3\\nsearch other.test\\n' > /run/resolv.conf");
    await eventually('the resolver asks the new server', async () => {
      return (await ask('web', 'outside.test')).addresses[0] === '203.0.113.77';
    });
    await eventually('the file names it', async () => (await servers('plain'))?.[0] === '192.0.2.3');
    await eventually('the other file has its search list', async () =>
      /^search other\.test$/m.test(await daemon.ok('exec', 'web', 'cat', '/etc/resolv.conf')),
    );
    assert.deepEqual(await servers('edited'), ['192.0.2.1']);
    assert.match(await daemon.ok('exec', 'edited', 'cat', '/etc/resolv.conf'), /# mine$/);
  });

  test('the resolver comes with the first user network and survives the daemon', async () => {
    assert.equal((await daemon.docker(['exec', 'plain', 'nslookup', 'web', '127.0.0.11'])).code, 1);
    for (const name of ['plain', 'edited']) await daemon.ok('network', 'connect', 'app', name);
    assert.equal((await ask('plain', 'web')).status, 'NOERROR');
    assert.match(await daemon.ok('exec', 'plain', 'cat', '/etc/resolv.conf'), /^nameserver 127\.0\.0\.11$/m);
    assert.match(await daemon.ok('exec', 'edited', 'cat', '/etc/resolv.conf'), /^nameserver 192\.0\.2\.1$/m);
    await daemon.stop('SIGKILL');
    await daemon.host.shell("printf 'nameserver 192.0.2.1\\n' > /run/resolv.conf");
    await daemon.start();
    assert.equal((await ask('plain', 'web')).status, 'NOERROR');
    assert.deepEqual((await ask('plain', 'outside.test')).addresses, ['203.0.113.7']);
    assert.match(await daemon.ok('exec', 'plain', 'cat', '/etc/resolv.conf'), /ExtServers: \[host\(192\.0\.2\.1\)\]/);
    await daemon.ok('network', 'disconnect', 'app', 'plain');
    assert.match(await daemon.ok('exec', 'plain', 'cat', '/etc/resolv.conf'), /^nameserver 192\.0\.2\.1$/m);
  });
});
