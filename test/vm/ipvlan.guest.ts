import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** ipvlan, VLAN sub-interfaces and dummies, which not every kernel has. The LAN is 192.0.2.0/24; the host's part of it is "eth0". */
describe('links that hang from others', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());
  afterEach(async () => {
    const all = (await daemon.ok('ps', '-aq')).split('\n').filter((id) => id !== '');
    if (all.length > 0) await daemon.ok('rm', '-f', ...all);
    await daemon.ok('network', 'prune', '-f');
  });

  const LAN = ['--subnet', '192.0.2.0/24', '--ip-range', '192.0.2.128/27', '--gateway', '192.0.2.1'];
  const ROUTED = ['--subnet', '198.51.100.0/24'];
  const create = async (driver: string, name: string, ...options: string[]) =>
    (await daemon.ok('network', 'create', '-d', driver, ...options, name)).slice(0, 12);
  const run = (name: string, network: string, ...options: string[]) =>
    daemon.ok(
      'run',
      '-d',
      '--name',
      name,
      '--network',
      network,
      ...options,
      'busybox',
      'httpd',
      '-f',
      '-h',
      '/var/www',
    );
  const inside = (container: string, command: string) => daemon.ok('exec', container, 'sh', '-c', command);
  const reaches = async (container: string, address: string) =>
    (await daemon.docker(['exec', container, 'ping', '-c1', '-W2', address])).code === 0;
  const fromLan = async (url: string) => (await daemon.host.lan(['curl', '-s', '-m10', url])).stdout;
  const links = () => daemon.host.shell('ip -o link');

  test('ipvlan l2: stations of the LAN by the parent’s MAC address, found by the next daemon', async () => {
    const id = await create('ipvlan', 'l2', ...LAN, '-o', 'parent=eth0');
    await run('one', 'l2');
    await run('two', 'l2');
    assert.match(await fromLan('http://192.0.2.128/'), /It works/);
    assert.ok(await reaches('one', 'two'));
    assert.match(await inside('one', 'ip route'), /^default via 192\.0\.2\.1 dev eth0/);
    const mac = /ether (\S+)/.exec(await daemon.host.shell('ip link show eth0'))?.[1] ?? 'none';
    assert.match(await inside('one', 'ip link show eth0'), new RegExp(mac));
    assert.equal(await daemon.ok('inspect', '-f', '{{.NetworkSettings.Networks.l2.MacAddress}}', 'one'), '');
    const other = await daemon.docker(['network', 'create', '-d', 'ipvlan', ...ROUTED, '-o', 'parent=eth0', 'no']);
    assert.match(other.stderr, new RegExp(`network dm-${id} is already using parent interface eth0`));
    const wish = ['run', '--rm', '--network', 'l2', '--mac-address', '02:00:00:00:00:09', 'busybox', 'true'];
    assert.match((await daemon.docker(wish)).stderr, /ipvlan interfaces do not support custom mac address assignment/);
    await daemon.stop('SIGKILL');
    await daemon.start();
    await daemon.ok('restart', '-t0', 'one');
    assert.match(await fromLan('http://192.0.2.128/'), /It works/);
  });

  test('ipvlan l3 and l3s: the default route is the link, no gateway is shown, and the LAN routes to the host', async () => {
    await daemon.host.lanShell('ip route replace 198.51.100.0/24 via 192.0.2.2');
    for (const mode of ['l3', 'l3s']) {
      await create(
        'ipvlan',
        mode,
        ...ROUTED,
        '--gateway',
        '198.51.100.1',
        '-o',
        'parent=eth0',
        '-o',
        `ipvlan_mode=${mode}`,
      );
      await run(`of-${mode}`, mode);
      assert.match(await inside(`of-${mode}`, 'ip route'), /^default dev eth0 scope link/);
      assert.equal(await daemon.ok('inspect', '-f', `{{.NetworkSettings.Networks.${mode}.Gateway}}`, `of-${mode}`), '');
      assert.match(await fromLan('http://198.51.100.2/'), /It works/, mode);
      await daemon.ok('rm', '-f', `of-${mode}`);
      await daemon.ok('network', 'rm', mode);
    }
  });

  test('ipvlan flags: private keeps containers apart; vepa leaves them to the switch', async () => {
    for (const flag of ['private', 'vepa']) {
      await create('ipvlan', flag, ...LAN, '-o', 'parent=eth0', '-o', `ipvlan_flag=${flag}`);
      await run('one', flag);
      await run('two', flag);
      assert.ok(await reaches('one', '192.0.2.1'), flag);
      assert.ok(!(await reaches('one', '192.0.2.129')), flag);
      await daemon.ok('rm', '-f', 'one', 'two');
      await daemon.ok('network', 'rm', flag);
    }
  });

  test('ipvlan with host_access: the host and the containers reach each other', async () => {
    for (const mode of ['l2', 'l3']) {
      const options = ['-o', 'parent=eth0', '-o', `ipvlan_mode=${mode}`, '-o', 'host_access=true'];
      await create('ipvlan', 'near', ...LAN, ...options);
      await run('one', 'near');
      assert.match((await daemon.host.exec(['curl', '-s', '-m10', 'http://192.0.2.129/'])).stdout, /It works/, mode);
      assert.ok(await reaches('one', '192.0.2.128'), mode);
      await daemon.ok('rm', '-f', 'one');
      await daemon.ok('network', 'rm', 'near');
    }
  });

  test('a VLAN sub-interface is made for the first network and goes with the last; one that was there stays', async () => {
    await daemon.host.lanShell(`ip link add link lan0 name lan0.50 type vlan id 50; ip link set lan0.50 up
      ip addr add 203.0.113.1/25 dev lan0.50`);
    await create(
      'macvlan',
      'first',
      '--subnet',
      '203.0.113.0/25',
      '--ip-range',
      '203.0.113.64/26',
      '-o',
      'parent=eth0.50',
    );
    await create('macvlan', 'second', '--subnet', '203.0.113.128/25', '-o', 'parent=eth0.50');
    assert.match(await daemon.host.shell('ip -d link show eth0.50'), /802\.1Q id 50/);
    await run('tagged', 'first');
    assert.match(await fromLan('http://203.0.113.64/'), /It works/);
    await daemon.host.shell('ip link set eth0 down; ip link set eth0 up');
    await eventually('it is back with its parent', async () => /It works/.test(await fromLan('http://203.0.113.64/')));
    await daemon.host.shell('ip link del eth0.50');
    await eventually('it is made again', async () => /It works/.test(await fromLan('http://203.0.113.64/')));
    await daemon.ok('network', 'rm', 'second');
    assert.match(await links(), /eth0\.50/);
    await daemon.ok('rm', '-f', 'tagged');
    await daemon.ok('network', 'rm', 'first');
    await eventually('it is gone', async () => !(await links()).includes('eth0.50'));
    await daemon.host.shell('ip link add link eth0 name eth0.60 type vlan id 60');
    await create('ipvlan', 'theirs', ...ROUTED, '-o', 'parent=eth0.60');
    await daemon.ok('network', 'rm', 'theirs');
    assert.match(await links(), /eth0\.60/);
  });

  test('without a parent, a dummy of the network’s own: containers reach each other and nothing else', async () => {
    for (const driver of ['macvlan', 'ipvlan']) {
      const id = await create(driver, 'inner', ...ROUTED, '--gateway', '198.51.100.1');
      assert.match(await links(), new RegExp(`dm-${id}`));
      await run('one', 'inner');
      await run('two', 'inner');
      assert.ok(await reaches('one', 'two'), driver);
      assert.doesNotMatch(await inside('one', 'ip route'), /default/);
      await daemon.host.shell(`ip link del dm-${id}`);
      await eventually('it is mended', () => reaches('one', '198.51.100.3'));
      await daemon.ok('rm', '-f', 'one', 'two');
      await daemon.ok('network', 'rm', 'inner');
      await eventually('the dummy is gone', async () => !(await links()).includes('dm-'));
    }
  });
});
