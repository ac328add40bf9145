import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import type { Finished } from '../host.ts';

const FAIRWAY = join(import.meta.dirname, '../../bin/fairway');
const SLEEP = ['busybox', 'sleep', '600'] as const;

describe('links that belong to no network', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    for (const name of ['one', 'two']) await daemon.ok('run', '-d', '--name', name, '--network', 'none', ...SLEEP);
    await daemon.ok('run', '-d', '--name', 'web', ...SLEEP);
    await daemon.host.shell('ip link add br9 type bridge; ip addr add 10.9.0.1/24 dev br9; ip link set br9 up');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const fairway = (...args: string[]): Promise<Finished> => daemon.host.exec([FAIRWAY, ...args]);
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await fairway(...args);
    assert.equal(code, 0, `fairway ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const refused = async (words: RegExp, ...args: string[]) => {
    const { code, stderr } = await fairway(...args);
    assert.notEqual(code, 0, args.join(' '));
    assert.match(stderr, words);
  };
  const ping = (container: string, address: string, seconds: number) =>
    daemon.docker(['exec', container, 'ping', '-c', '1', '-W', `${seconds}`, address]);
  const reaches = async (container: string, address: string) =>
    assert.equal((await ping(container, address, 20)).code, 0, `${container} does not reach ${address}`);

  test('two containers are joined by a pair of their own, with single addresses', async () => {
    await ok('link', 'one', 'two', '10.1.1.1/32', '10.1.1.2/32');
    await reaches('one', '10.1.1.2');
    await reaches('two', '10.1.1.1');
    assert.match(await ok('attachments'), /^one +link0 +container two +10\.1\.1\.1\/32 .* up$/m);
  });

  test('without addresses a link gets some of its own', async () => {
    await ok('link', 'one', 'web', '--ifname', 'eth7');
    const [near] = /169\.254\.192\.\d+/.exec(await daemon.ok('exec', 'web', 'ip', 'addr', 'show', 'link0')) ?? [];
    assert.equal(near, '169.254.192.1');
    await reaches('one', '169.254.192.1');
    assert.match(await daemon.ok('exec', 'one', 'ip', 'addr', 'show', 'eth7'), /169\.254\.192\.0\/31/);
  });

  test('a container on a bridge of somebody else’s, in both families, beside its networks', async () => {
    await daemon.host.shell('sysctl -qw net.ipv6.conf.br9.disable_ipv6=0; ip addr add fd09::1/64 dev br9 nodad');
    await ok('attach', 'web', '--bridge', 'br9', '--ip', '10.9.0.5/24', 'fd09::5/64', '--ifname', 'lan0');
    await reaches('web', '10.9.0.1');
    await reaches('web', 'fd09::1');
    assert.equal((await daemon.host.exec(['busybox', 'ping', '-c', '1', '-W', '20', '10.9.0.5'])).code, 0);
    assert.match(await daemon.ok('exec', 'web', 'ip', 'route'), /default via 172\.17\.0\.1 dev eth0/);
  });

  test('a container on the LAN by the host’s card', async () => {
    await ok('attach', 'two', '--parent', 'eth0', '--ip', '192.0.2.50/24', '--gateway', '192.0.2.1');
    await reaches('two', '192.0.2.1');
    assert.equal((await daemon.host.lan(['busybox', 'ping', '-c', '1', '-W', '20', '192.0.2.50'])).code, 0);
    assert.match(await daemon.ok('exec', 'two', 'ip', 'route'), /default via 192\.0\.2\.1 dev link1/);
  });

  test('a link of a stranger, made by PID as pipework does, stays as it is', async () => {
    const pid = await daemon.inspect('web', '{{.State.Pid}}');
    await daemon.host.shell(`set -e
      mkdir -p /run/netns; ln -s /proc/${pid}/ns/net /run/netns/${pid}
      ip link add strange0 type veth peer name strange1; ip link set strange0 master br9 up
      ip link set strange1 netns ${pid}
      ip netns exec ${pid} ip link set strange1 name eth1 up
      ip netns exec ${pid} ip addr add 10.9.0.77/24 dev eth1`);
    await daemon.stop('SIGKILL');
    await daemon.start();
    await ok('plan');
    assert.match(await daemon.host.out(['ip', 'netns', 'exec', pid, 'ip', 'addr', 'show', 'eth1']), /10\.9\.0\.77\/24/);
    assert.match(await daemon.host.out(['ip', 'link', 'show', 'strange0']), /master br9 state UP/);
    assert.equal(await daemon.host.shell('busybox ping -c 1 -W 20 10.9.0.77 >/dev/null && echo yes'), 'yes');
  });

  test('they are there again after a restart of their container, and after the daemon’s', async () => {
    await daemon.ok('restart', '-t', '0', 'one', 'web');
    const whole = async () => {
      await reaches('one', '10.1.1.2');
      await reaches('one', '169.254.192.1');
      await reaches('web', '10.9.0.1');
      await reaches('two', '192.0.2.1');
    };
    await whole();
    await daemon.stop('SIGKILL');
    await daemon.start();
    await whole();
    assert.match(await ok('plan'), /^Nothing to do/);
  });

  test('while one of two is stopped the link waits, and what is gone is gone', async () => {
    await daemon.ok('stop', '-t', '0', 'two');
    assert.match(await ok('attachments'), /^one +link0 .* waits for its containers$/m);
    assert.notEqual((await ping('one', '10.1.1.2', 2)).code, 0);
    await daemon.ok('start', 'two');
    await reaches('one', '10.1.1.2');
    await ok('detach', 'one', 'link0');
    assert.notEqual((await daemon.docker(['exec', 'two', 'ip', 'link', 'show', 'link0'])).code, 0);
    await daemon.ok('rm', '-f', 'web');
    assert.equal((await ok('attachments')).split('\n').filter((line) => /^(one|web) /.test(line)).length, 0);
    assert.match(await ok('plan'), /^Nothing to do/);
    assert.match(await daemon.host.out(['ip', 'link', 'show', 'br9']), /br9/);
  });

  test('what cannot be is refused in words', async () => {
    await daemon.ok('run', '-d', '--name', 'onhost', '--network', 'host', ...SLEEP);
    await refused(/Cannot link "one" to itself/, 'link', 'one', 'one');
    await refused(/No such container: nobody/, 'link', 'one', 'nobody');
    await refused(/give an address for both containers, or for none/, 'link', 'one', 'two', '10.1.1.1/32');
    await refused(
      /invalid address 10\.1\.1\.1: say how long its prefix is/,
      'link',
      'one',
      'two',
      '10.1.1.1',
      '10.1.1.2',
    );
    await refused(/Cannot attach "onhost": it is in host network mode/, 'link', 'one', 'onhost');
    await refused(/the host has no such link/, 'attach', 'one', '--bridge', 'br77');
    await refused(/eth0: it is no bridge; use --parent/, 'attach', 'one', '--bridge', 'eth0');
    await refused(/attach to one thing/, 'attach', 'one');
    await refused(
      /gateway 10\.9\.0\.1 needs an IPv4 address/,
      'attach',
      'one',
      '--bridge',
      'br9',
      '--gateway',
      '10.9.0.1',
    );
    await refused(/invalid interface name: a\/b/, 'attach', 'one', '--bridge', 'br9', '--ifname', 'a/b');
    await refused(/"one" has no attachment eth9/, 'detach', 'one', 'eth9');
    await refused(/invalid MTU number: 12/, 'attach', 'one', '--bridge', 'br9', '--mtu', '12');
  });
});
