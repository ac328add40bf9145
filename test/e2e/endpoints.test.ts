import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('endpoints', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.ok('network', 'create', '--subnet', '10.70.0.0/24', 'a');
    await daemon.ok('network', 'create', '--subnet', '10.71.0.0/24', 'b');
    await daemon.ok('network', 'create', '--ipv4=false', '--ipv6', '--subnet', 'fd72::/64', 'six');
    await daemon.ok('network', 'create', '--internal', '--subnet', '10.73.0.0/24', 'inner');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const run = (name: string, ...options: string[]) =>
    daemon.ok('run', '-d', '--name', name, ...options, 'busybox', 'sleep', '600');
  const inside = (container: string, command: string) => daemon.ok('exec', container, 'sh', '-c', command);
  const routes = (container: string) => inside(container, 'ip route | grep default; ip -6 route | grep default; true');
  /** What the links with these addresses are called. */
  const linksOf = async (container: string, ...prefixes: string[]) => {
    const lines = (await inside(container, 'ip -o addr')).split('\n');
    return prefixes.map((prefix) => /^\d+: (\S+)/.exec(lines.find((line) => line.includes(` ${prefix}`)) ?? '')?.[1]);
  };
  const refused = async (words: RegExp, ...args: string[]) => {
    const { code, stderr } = await daemon.docker(args);
    assert.notEqual(code, 0);
    assert.match(stderr, words);
  };

  test('several networks at create: the gateway is chosen by priority, then name, for each family by itself', async () => {
    await run('many', '--network', 'inner', '--network', 'name=b,gw-priority=1', '--network', 'six', '-p', '8095:80');
    assert.deepEqual(await linksOf('many', '10.73.0.', '10.71.0.', 'fd72::'), ['eth0', 'eth1', 'eth2']);
    assert.match(await routes('many'), /via 10\.71\.0\.1 dev eth1[\s\S]*via fd72::1 dev eth2/);
    const old = {
      Image: 'busybox',
      NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } },
      HostConfig: { NetworkMode: 'a' },
    };
    const { status, body } = await daemon.api('POST', '/v1.43/containers/create', old);
    assert.equal(status, 400);
    assert.match(body, /Container cannot be created with multiple network endpoints: a, b/);
  });

  test('default routes and published ports move with the gateway while the container runs', async () => {
    await daemon.inside('many', ['socat', 'TCP-LISTEN:80,fork,reuseaddr', 'SYSTEM:echo here']);
    const answers = () =>
      eventually('the port answers', async () =>
        (await daemon.host.lan(['nc', '-w', '2', '192.0.2.2', '8095'])).stdout.includes('here'),
      );
    await answers();
    await daemon.ok('network', 'connect', '--gw-priority', '9', 'a', 'many');
    assert.match(await routes('many'), /via 10\.70\.0\.1 dev eth3[\s\S]*via fd72::1 dev eth2/);
    await answers();
    await daemon.ok('network', 'disconnect', 'a', 'many');
    await daemon.ok('network', 'disconnect', 'six', 'many');
    assert.match(await routes('many'), /^default via 10\.71\.0\.1 dev eth1\s*$/);
    await answers();
    await daemon.ok('network', 'disconnect', 'b', 'many');
    assert.equal(await routes('many'), '');
    assert.equal(await daemon.ok('port', 'many'), '');
    await daemon.ok('rm', '-f', 'many');
  });

  test('a link is called as asked, others keep clear of its name, and a clash is refused', async () => {
    const named = 'driver-opt=com.docker.network.endpoint.ifname=eth1';
    await run('named', '--network', 'a', '--network', `name=b,${named}`, '--network', 'inner');
    assert.deepEqual(await linksOf('named', '10.70.0.', '10.71.0.', '10.73.0.'), ['eth0', 'eth1', 'eth2']);
    await daemon.ok('network', 'disconnect', 'a', 'named');
    await refused(
      /interface name "eth1" is taken by another link of container "named"/,
      'network',
      'connect',
      '--driver-opt',
      'com.docker.network.endpoint.ifname=eth1',
      'a',
      'named',
    );
    await refused(
      /invalid interface name: a\/b/,
      'network',
      'connect',
      '--driver-opt',
      'com.docker.network.endpoint.ifname=a/b',
      'a',
      'named',
    );
    await daemon.ok('rm', '-f', 'named');
  });

  test('a link that comes later takes the lowest free number, its former one or another’s', async () => {
    const named = 'driver-opt=com.docker.network.endpoint.ifname=eth1';
    await run('again', '--network', `name=a,${named}`, '--network', 'b');
    await daemon.ok('network', 'connect', 'inner', 'again');
    assert.deepEqual(await linksOf('again', '10.70.0.', '10.71.0.', '10.73.0.'), ['eth1', 'eth0', 'eth2']);
    await daemon.ok('network', 'disconnect', 'b', 'again');
    await daemon.ok('network', 'disconnect', 'inner', 'again');
    await daemon.ok('network', 'connect', 'inner', 'again');
    await daemon.ok('network', 'connect', 'b', 'again');
    const names = () => linksOf('again', '10.70.0.', '10.73.0.', '10.71.0.');
    assert.deepEqual(await names(), ['eth1', 'eth0', 'eth2']);
    await daemon.ok('restart', '-t', '0', 'again');
    assert.deepEqual(await names(), ['eth1', 'eth0', 'eth2']);
    await daemon.ok('rm', '-f', 'again');
  });

  test('settings of one link, and what is none', async () => {
    const option = 'com.docker.network.endpoint.sysctls';
    await run(
      'set',
      '--network',
      `name=a,"driver-opt=${option}=net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.neigh.IFNAME.gc_stale_time=99"`,
    );
    assert.equal(
      await inside('set', 'cd /proc/sys/net/ipv4; cat conf/eth0/log_martians neigh/eth0/gc_stale_time'),
      '1\n99',
    );
    const martians = { Image: 'busybox', HostConfig: { Sysctls: { 'net.ipv4.conf.eth0.log_martians': '1' } } };
    const old = await daemon.json('POST', '/v1.47/containers/create?name=old', martians);
    assert.match(String(old.body['Warnings']), /^Migrated sysctl "net\.ipv4\.conf\.eth0\.log_martians" to DriverOpts/);
    const [status, words] = await daemon.refusal('POST', '/v1.48/containers/create', martians);
    assert.equal(status, 400);
    assert.match(String(words), /must be supplied using driver option 'com\.docker\.network\.endpoint\.sysctls'/);
    await refused(
      /unrecognised network interface sysctl 'net.core.somaxconn=1'/,
      'network',
      'connect',
      '--driver-opt',
      `${option}=net.core.somaxconn=1`,
      'b',
      'set',
    );
    await daemon.ok('rm', '-f', 'set');
  });

  test('link-local addresses come in addition, and are shown', async () => {
    await run('local', '--network', 'a', '--link-local-ip', '169.254.7.7', '--link-local-ip', 'fe80::77');
    const addresses = await inside('local', 'ip addr show eth0');
    for (const wanted of [/inet 10\.70\.0\.2\/24/, /inet 169\.254\.7\.7\/16/, /inet6 fe80::77\/64/])
      assert.match(addresses, wanted);
    const shown = await daemon.ok('inspect', '-f', '{{json .NetworkSettings.Networks.a.IPAMConfig}}', 'local');
    assert.deepEqual(JSON.parse(shown), { LinkLocalIPs: ['169.254.7.7', 'fe80::77'] });
    await daemon.ok('rm', '-f', 'local');
  });

  test('a MAC address that was asked for stays over restarts, another does not', async () => {
    await run('mac', '--network', 'name=a,mac-address=02:00:00:00:00:77', '--network', 'b');
    const macs = async () =>
      (await inside('mac', 'cat /sys/class/net/eth0/address /sys/class/net/eth1/address')).split('\n');
    const before = await macs();
    await daemon.ok('restart', '-t', '0', 'mac');
    const after = await macs();
    assert.deepEqual([before[0], after[0]], ['02:00:00:00:00:77', '02:00:00:00:00:77']);
    assert.notEqual(after[1], before[1]);
    await daemon.ok('rm', '-f', 'mac');
  });

  test('a neighbour reaches the next holder of an address at once; how it is told can be chosen', async () => {
    await daemon.ok('network', 'create', '--ipv6', '--subnet', '10.74.0.0/24', '--subnet', 'fd74::/64', 'told');
    await run('asker', '--network', 'told');
    for (const name of ['former', 'next']) {
      await run(name, '--network', 'told', '--ip', '10.74.0.9', '--ip6', 'fd74::9');
      await inside('asker', 'ping -c1 -W20 10.74.0.9 && ping -6 -c1 -W20 fd74::9');
      await daemon.ok('rm', '-f', name);
    }
    const create = ['network', 'create', '-o'];
    await refused(
      /advertise_addr_nmsgs must be in the range 0 to 3/,
      ...create,
      'com.docker.network.advertise_addr_nmsgs=4',
      'x',
    );
    await refused(
      /advertise_addr_nmsgs "few" must be an integer/,
      ...create,
      'com.docker.network.advertise_addr_nmsgs=few',
      'x',
    );
    await refused(
      /advertise_addr_ms must be in the range 100 to 2000/,
      ...create,
      'com.docker.network.advertise_addr_ms=99',
      'x',
    );
    await daemon.ok(...create, 'com.docker.network.advertise_addr_nmsgs=0', 'mute');
    await run('silent', '--network', 'mute');
    assert.equal(await inside('silent', 'cat /proc/sys/net/ipv4/conf/eth0/arp_notify'), '0');
    // Too small for IPv6: the kernel has no settings of it there.
    const tiny = ['-o', 'com.docker.network.driver.mtu=1000', '-o', 'com.docker.network.advertise_addr_nmsgs=0'];
    await daemon.ok('network', 'create', ...tiny, 'tiny');
    await daemon.ok('network', 'connect', 'tiny', 'silent');
    assert.equal(await inside('silent', 'cat /proc/sys/net/ipv4/conf/eth1/arp_notify'), '0');
    await daemon.ok('rm', '-f', 'silent', 'asker');
  });
});
