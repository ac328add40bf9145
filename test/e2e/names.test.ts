import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('names', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.ok('network', 'create', '--subnet', '10.80.0.0/24', 'app');
    await daemon.ok('network', 'create', '--subnet', '10.81.0.0/24', 'db');
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'web',
      '--hostname',
      'frontdoor',
      '--network',
      'app',
      '--network-alias',
      'www',
      'busybox',
      'sleep',
      '600',
    );
    await daemon.ok('run', '-d', '--name', 'store', '--network', 'db', 'busybox', 'sleep', '600');
    await daemon.ok('run', '-d', '--name', 'both', '--network', 'app', 'busybox', 'sleep', '600');
    await daemon.ok('network', 'connect', 'db', 'both');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const resolve = (from: string, name: string) =>
    daemon.docker(['exec', from, 'nslookup', '-type=a', name, '127.0.0.11']);
  const address = (container: string, network: string) =>
    daemon.inspect(container, `{{.NetworkSettings.Networks.${network}.IPAddress}}`);

  test('a container is found by name, alias, short id, hostname, and name.network', async () => {
    const wanted = await address('web', 'app');
    const id = (await daemon.inspect('web', '{{.Id}}')).slice(0, 12);
    for (const name of ['web', 'www', id, 'frontdoor', 'web.app', 'WEB']) {
      const answer = await resolve('both', name);
      assert.ok(answer.stdout.includes(wanted), `${name}: ${answer.stdout}`);
    }
  });

  test('an address leads back to the name', async () => {
    const answer = await daemon.ok('exec', 'both', 'nslookup', await address('web', 'app'));
    assert.match(answer, /web\.app/);
  });

  test('a container on several networks sees the names of each; others do not', async () => {
    assert.ok((await resolve('both', 'store')).stdout.includes(await address('store', 'db')));
    assert.ok(!(await resolve('web', 'store')).stdout.includes('10.81.0.'));
  });

  test('a name leads to the new address after a restart', async () => {
    const before = await address('web', 'app');
    await daemon.ok('stop', '-t', '0', 'web');
    await daemon.ok('run', '-d', '--name', 'squatter', '--network', 'app', 'busybox', 'sleep', '600');
    assert.equal(await address('squatter', 'app'), before);
    await daemon.ok('start', 'web');
    const now = await address('web', 'app');
    assert.notEqual(now, before);
    assert.ok((await resolve('both', 'web')).stdout.includes(now));
    await daemon.ok('rm', '-f', 'squatter');
  });

  test('a link on a user network may come before its target, and follows it through its end and a rename', async () => {
    await daemon.ok('run', '-d', '--name', 'early', '--network', 'app', 'busybox', 'sleep', '600');
    await daemon.ok('network', 'connect', '--link', 'late:cache', '--link', 'stored:shelf', 'db', 'early');
    const answers = async (name: string) => (await resolve('early', name)).stdout.includes('10.81.0.');
    assert.equal(await answers('cache'), false);
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'late',
      '--network',
      'db',
      '--network-alias',
      'stored',
      'busybox',
      'sleep',
      '600',
    );
    assert.deepEqual([await answers('cache'), await answers('shelf')], [true, true]);
    await daemon.ok('rename', 'late', 'later');
    assert.ok(await answers('cache'));
    await daemon.ok('stop', '-t', '0', 'later');
    assert.equal(await answers('cache'), false);
    assert.equal((await resolve('web', 'cache')).stdout.includes('10.81.0.'), false, 'it is nobody else’s name');
    await daemon.ok('restart', '-t', '0', 'early');
    await daemon.ok('start', 'later');
    assert.ok(await answers('cache'));
    await daemon.ok('rm', '-f', 'early', 'later');
  });

  test('everything else goes to the host’s resolvers, by UDP and TCP', async () => {
    daemon.host.spawnLan([
      'dnsmasq',
      '--no-daemon',
      '--no-resolv',
      '--no-hosts',
      '--listen-address=192.0.2.1',
      '--bind-interfaces',
      '--address=/outside.test/203.0.113.7',
    ]);
    await eventually('the LAN’s name server answers', async () =>
      (await daemon.host.exec(['dig', '+short', '+time=1', '+tries=1', '@192.0.2.1', 'outside.test'])).stdout.includes(
        '203.0.113.7',
      ),
    );
    assert.ok((await resolve('web', 'outside.test')).stdout.includes('203.0.113.7'));
    const pid = await daemon.inspect('web', '{{.State.Pid}}');
    const tcp = await daemon.host.out([
      'nsenter',
      '-t',
      pid,
      '-n',
      'dig',
      '+tcp',
      '+short',
      '@127.0.0.11',
      'outside.test',
    ]);
    assert.equal(tcp, '203.0.113.7');
    assert.equal(
      await daemon.host.out(['nsenter', '-t', pid, '-n', 'dig', '+short', '@127.0.0.11', 'both']),
      await address('both', 'app'),
    );
  });

  test('a container can serve DNS itself on 0.0.0.0:53', async () => {
    const pid = await daemon.inspect('both', '{{.State.Pid}}');
    daemon.host.spawn([
      'nsenter',
      '-t',
      pid,
      '-n',
      'dnsmasq',
      '--no-daemon',
      '--no-resolv',
      '--no-hosts',
      '--listen-address=0.0.0.0',
      '--bind-interfaces',
      '--address=/inside.test/203.0.113.9',
    ]);
    const own = await address('both', 'app');
    await eventually('dnsmasq answers its neighbour', async () =>
      (await daemon.docker(['exec', 'web', 'nslookup', '-type=a', 'inside.test', own])).stdout.includes('203.0.113.9'),
    );
    assert.ok((await resolve('both', 'web')).stdout.includes(await address('web', 'app')));
  });

  test('the default bridge has no names', async () => {
    await daemon.ok('run', '-d', '--name', 'plain', 'busybox', 'sleep', '600');
    const answer = await daemon.docker(['run', '--rm', 'busybox', 'cat', '/etc/resolv.conf']);
    assert.match(answer.stdout, /^nameserver 192\.0\.2\.1$/m);
    assert.doesNotMatch(answer.stdout, /127\.0\.0\.11/);
    assert.notEqual((await daemon.docker(['run', '--rm', 'busybox', 'ping', '-c1', '-W1', 'plain'])).code, 0);
  });

  test('/etc/hosts, /etc/hostname and /etc/resolv.conf are as Docker writes them', async () => {
    const hosts = await daemon.ok('exec', 'web', 'cat', '/etc/hosts');
    assert.match(
      hosts,
      /^127\.0\.0\.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n10\.80\.0\.\d+\tfrontdoor$/,
    );
    assert.equal(await daemon.ok('exec', 'web', 'cat', '/etc/hostname'), 'frontdoor');
    const resolv = await daemon.ok('exec', 'web', 'cat', '/etc/resolv.conf');
    assert.match(resolv, /^# Generated by Docker Engine\./);
    assert.match(resolv, /^nameserver 127\.0\.0\.11$/m);
    assert.match(resolv, /^search lan\.test$/m);
    assert.match(resolv, /^options ndots:0$/m);
    const connected = await daemon.ok('exec', 'both', 'cat', '/etc/hosts');
    assert.match(connected, /10\.80\.0\.\d+\t[0-9a-f]{12}\n10\.81\.0\.\d+\t[0-9a-f]{12}$/);
  });
});
