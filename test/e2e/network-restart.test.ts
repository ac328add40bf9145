import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('networks over the end of the daemon', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const run = (name: string, ...flags: string[]) =>
    daemon.ok('run', '-d', '--name', name, '--stop-signal', 'KILL', ...flags, 'busybox', 'sleep', '600');
  const inspect = (...args: string[]) => daemon.ok('network', 'inspect', ...args);
  const addressOf = (container: string, network: string) =>
    daemon.ok('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);
  const links = async () =>
    (await daemon.host.shell('ip -o link | cut -d: -f2')).split('\n').map((name) => name.trim());
  const bridgeOf = async (network: string) => `br-${(await inspect('-f', '{{.Id}}', network)).slice(0, 12)}`;
  const clear = async () => {
    await daemon.ok('rm', '-f', ...(await daemon.ok('ps', '-aq')).split('\n'));
    await daemon.ok('network', 'prune', '-f');
    await daemon.swept();
  };

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test(`${signal}: networks, endpoints, static addresses, aliases, links and ports are as before`, async () => {
      await daemon.ok(
        'network',
        'create',
        '--subnet',
        '10.50.0.0/24',
        '--label',
        'a=b',
        '-o',
        'com.docker.network.bridge.name=mine',
        'fixed',
      );
      await daemon.ok('network', 'create', 'second');
      await run('db', '--network', 'fixed', '--ip', '10.50.0.50', '--network-alias', 'store');
      await run('web', '--network', 'fixed', '-p', '8100-8102:80-82', '-p', '127.0.0.1::90/udp', '--link', 'db:linked');
      await daemon.ok('network', 'connect', 'second', 'web');
      await run('old', '--expose', '1');
      await run('new', '--link', 'old:ancient');
      await daemon.ok(
        'create',
        '--name',
        'later',
        '--network',
        'fixed',
        '--ip',
        '10.50.0.60',
        'busybox',
        'sleep',
        '600',
      );
      const look = async () => [
        await inspect('fixed', 'second', 'bridge', 'host', 'none'),
        await daemon.ok('inspect', '-f', '{{json .NetworkSettings}}', 'db', 'web', 'old', 'new', 'later'),
        await daemon.ok('exec', 'new', 'cat', '/etc/hosts'),
        (await links()).sort().join(),
      ];
      const before = await look();
      await daemon.stop(signal);
      await daemon.start();
      assert.deepEqual(await look(), before);
      for (const name of ['db', 'store', 'linked']) {
        // busybox asks for the name with the host's search domain, too, and fails for that.
        const { stdout } = await daemon.docker(['exec', 'web', 'nslookup', '-type=a', name, '127.0.0.11']);
        assert.match(stdout, /10\.50\.0\.50/, name);
      }
      const taken = await daemon.docker(['run', '--rm', '--network', 'fixed', '--ip', '10.50.0.60', 'busybox', 'true']);
      assert.match(taken.stderr, /Address already in use/, 'a stopped container keeps what it asked for');
      const again = await daemon.docker(['run', '--rm', '-p', '8101:80', 'busybox', 'true']);
      assert.match(again.stderr, /port is already allocated/);
      await clear();
    });
  }

  test('what an ended daemon was in the middle of, and what nobody remembers, is gone afterwards', async () => {
    await daemon.ok('network', 'create', '--subnet', '10.51.0.0/28', 'small');
    const clean = (await links()).sort();
    await run('victim', '--network', 'small', '-p', '8110:80');
    const pid = await daemon.inspect('victim', '{{.State.Pid}}');
    await daemon.stop('SIGKILL');
    await daemon.host.shell(`kill -KILL ${pid}`);
    await eventually(
      'its process is gone',
      async () => (await daemon.host.exec(['test', '-e', `/proc/${pid}`])).code !== 0,
    );
    await daemon.start();
    assert.equal(await daemon.inspect('victim', '{{.State.Status}}'), 'exited');
    await eventually('its link is gone', async () => (await links()).sort().join() === clean.join());
    await eventually('its sandbox is gone', async () => (await daemon.host.shell('ls /run/fairway/netns')) === '');
    await eventually(
      'its port is gone',
      async () => !(await daemon.host.shell('nft list table inet fairway')).includes('8110'),
    );
    // Its address and its port are free for others.
    await run('heir', '--network', 'small', '-p', '8110:80');
    assert.equal(await addressOf('heir', 'small'), '10.51.0.2');
    await clear();
  });

  test('a network whose bridge is missing is made again, with its subnet, and its containers are on it', async () => {
    await daemon.ok('network', 'create', 'chosen');
    const subnet = await inspect('-f', '{{(index .IPAM.Config 0).Subnet}}', 'chosen');
    await run('server', '--network', 'chosen');
    const bridge = await bridgeOf('chosen');
    await daemon.stop('SIGTERM');
    // A route that came later overlaps the subnet: nobody would choose it now.
    await daemon.host.shell(`ip link del ${bridge}; ip route add ${subnet} via 192.0.2.1`);
    await daemon.start();
    assert.equal(await inspect('-f', '{{(index .IPAM.Config 0).Subnet}}', 'chosen'), subnet);
    assert.ok((await links()).includes(bridge));
    const address = await addressOf('server', 'chosen');
    await daemon.host.shell(`ip route del ${subnet} via 192.0.2.1`);
    await daemon.ok('run', '--rm', '--network', 'chosen', 'busybox', 'ping', '-c', '1', '-W', '20', address);
    await clear();
  });

  test('a network that cannot be restored stops neither the daemon nor the others', async () => {
    await daemon.ok('network', 'create', '-o', 'com.docker.network.bridge.name=stolen', 'broken');
    await daemon.ok('network', 'create', 'sound');
    await daemon.stop('SIGTERM');
    await daemon.host.shell(
      `ip link del stolen; ip link del ${'$'}(ip -o link | sed -n 's/.*: \\(br-[0-9a-f]*\\):.*/\\1/p' | head -1)`,
    );
    await daemon.host.shell('ip link add stolen type veth peer name thief');
    await daemon.start();
    await eventually('it is told', () => daemon.log.includes('the network could not be restored in full'));
    await daemon.ok('run', '--rm', '--network', 'sound', 'busybox', 'ip', 'addr', 'show', 'eth0');
    await daemon.ok('run', '--rm', 'busybox', 'ip', 'addr', 'show', 'eth0');
    // When the thief is gone, the next look mends it.
    await daemon.host.shell('ip link del stolen');
    await eventually('the bridge is back', async () => (await links()).includes('stolen'), 40_000);
    await daemon.ok('run', '--rm', '--network', 'broken', 'busybox', 'ip', 'addr', 'show', 'eth0');
    await daemon.ok('network', 'rm', 'broken', 'sound');
  });

  test('a default network that cannot be had ends the start', async () => {
    await daemon.stop('SIGTERM');
    await daemon.host.shell('ip link del docker0; ip link add docker0 type veth peer name thief0');
    await assert.rejects(daemon.start());
    await eventually('it tells why', () =>
      daemon.log.includes('Cannot use "docker0" as default network: the link is no bridge'),
    );
    await daemon.host.shell('ip link del docker0');
    await daemon.start();
    await daemon.ok('run', '--rm', 'busybox', 'ip', 'addr', 'show', 'eth0');
  });
});
