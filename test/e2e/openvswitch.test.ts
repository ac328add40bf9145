import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import { startOpenVswitch } from '../openvswitch.ts';

const FAIRWAY = join(import.meta.dirname, '../../bin/fairway');

describe('Open vSwitch', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await startOpenVswitch(daemon.host, 'ovs0');
    for (const name of ['one', 'two', 'three']) {
      await daemon.ok('run', '-d', '--name', name, '--network', 'none', 'busybox', 'sleep', '600');
    }
  });
  after(() => daemon[Symbol.asyncDispose]());

  const fairway = (...args: string[]) => daemon.host.exec([FAIRWAY, ...args]);
  const attach = async (name: string, address: string, ...more: string[]) => {
    const { code, stderr } = await fairway('attach', name, '--ovs', 'ovs0', '--ip', address, ...more);
    assert.equal(code, 0, stderr);
  };
  const pings = async (from: string, to: string, patience = 1) =>
    (await daemon.docker(['exec', from, 'ping', '-c', '1', '-W', String(patience), to])).code === 0;
  const reaches = (from: string, to: string) => eventually(`${from} reaches ${to}`, () => pings(from, to, 5));
  /** The kernel leaves checksums of TCP to hardware, which a switch in user space has not. */
  const speaksTcp = async (from: string, to: string, address: string) => {
    await daemon.ok('exec', '-d', to, 'nc', '-ll', '-p', '99', '-e', 'echo', 'hello');
    await eventually('it answers', async () => {
      const said = await daemon.docker(['exec', from, 'timeout', '20', 'nc', address, '99']);
      return said.stdout === 'hello\n';
    });
  };

  test('containers on a bridge of a switch reach each other, by TCP as well', async () => {
    await attach('one', '10.60.0.1/24');
    await attach('two', '10.60.0.2/24');
    await reaches('one', '10.60.0.2');
    await speaksTcp('one', 'two', '10.60.0.2');
    assert.match((await fairway('attachments')).stdout, /^one +link0 +switch ovs0 +10\.60\.0\.1\/24/m);
  });

  test('a VLAN is a world of its own', async () => {
    await attach('one', '10.61.0.1/24', '--vlan', '10');
    await attach('two', '10.61.0.2/24', '--vlan', '10');
    await attach('three', '10.61.0.3/24', '--vlan', '20');
    await reaches('one', '10.61.0.2');
    assert.equal(await pings('one', '10.61.0.3'), false);
    const tags = await daemon.host.out(['ovs-vsctl', '--bare', '--columns=tag', 'list', 'Port']);
    assert.deepEqual(
      tags
        .split('\n')
        .filter((tag) => tag !== '')
        .sort(),
      ['10', '10', '20'],
    );
  });

  test('ports outlive the daemon, come back with their container, and are gone with their attachment', async () => {
    await daemon.stop('SIGKILL');
    await daemon.host.shell('ovs-vsctl del-port $(ovs-vsctl list-ports ovs0 | head -n 1)');
    await daemon.start();
    await reaches('one', '10.60.0.2');
    await reaches('one', '10.61.0.2');
    await daemon.ok('restart', '-t', '0', 'two');
    await reaches('one', '10.61.0.2');
    assert.match((await fairway('plan')).stdout, /^Nothing to do/);
    await daemon.ok('rm', '-f', 'two', 'three');
    assert.equal((await fairway('detach', 'one', 'link0')).code, 0);
    const ports = await daemon.host.out(['ovs-vsctl', 'list-ports', 'ovs0']);
    assert.equal(ports.split('\n').length, 1, ports);
  });

  test('a network of the driver is a VLAN of a bridge, with names and a gateway of the administrator’s', async () => {
    await daemon.host.shell('ovs-vsctl add-port ovs0 gw0 tag=30 -- set interface gw0 type=internal');
    await eventually(
      'the gateway is there',
      async () => (await daemon.host.exec(['ip', 'link', 'show', 'gw0'])).code === 0,
    );
    await daemon.host.shell('ip addr add 10.70.0.1/24 dev gw0; ip link set gw0 up');
    const create = ['network', 'create', '-d', 'openvswitch', '--subnet', '10.70.0.0/24', '--gateway', '10.70.0.1'];
    await daemon.ok(...create, '-o', 'bridge=ovs0', '-o', 'vlan=30', 'lab');
    for (const name of ['red', 'blue']) {
      await daemon.ok('run', '-d', '--name', name, '--network', 'lab', 'busybox', 'sleep', '600');
    }
    await reaches('red', 'blue');
    await reaches('red', '10.70.0.1');
    await speaksTcp('red', 'blue', 'blue');
    assert.match(await daemon.ok('exec', 'red', 'ip', 'route'), /default via 10\.70\.0\.1 dev eth0/);
    await daemon.ok('rm', '-f', 'red', 'blue');
    await daemon.ok('network', 'rm', 'lab');
    const refused = await daemon.docker(['network', 'create', '-d', 'openvswitch', '-o', 'vlan=x', 'bad']);
    assert.match(refused.stderr, /failed to parse vlan value: x \(want a number from 1 to 4094\)/);
  });

  test('a bridge the switch does not have, and no switch at all, are told', async () => {
    const absent = await fairway('attach', 'one', '--ovs', 'ovs9', '--ip', '10.62.0.1/24');
    assert.match(absent.stderr, /Open vSwitch has no bridge ovs9/);
    const wrong = await fairway('attach', 'one', '--ovs', 'ovs0', '--vlan', '4095');
    assert.match(wrong.stderr, /vlan id must be between 1-4094, received: 4095/);
    const misplaced = await fairway('attach', 'one', '--bridge', 'br0', '--vlan', '4');
    assert.match(misplaced.stderr, /a VLAN is only for a switch/);
    await daemon.host.shell(
      'p=$(cat /run/openvswitch/ovsdb-server.pid); kill $p; while [ -e /proc/$p ]; do sleep 0.05; done',
    );
    const silent = await fairway('attach', 'one', '--ovs', 'ovs0', '--ip', '10.62.0.1/24');
    assert.match(silent.stderr, /Cannot reach Open vSwitch at unix:\/run\/openvswitch\/db\.sock: is it running\?/);
  });
});
