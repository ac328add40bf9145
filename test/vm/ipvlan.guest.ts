import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** Emulated, a start of the docker CLI takes a second and more: here the API is asked, and containers are entered from the host. */
type Body = Readonly<Record<string, unknown>>;
interface Pool {
  readonly Subnet: string;
  readonly IPRange?: string;
  readonly Gateway?: string;
}

const LAN: Pool = { Subnet: '192.0.2.0/24', IPRange: '192.0.2.128/27', Gateway: '192.0.2.1' };
const ROUTED: Pool = { Subnet: '198.51.100.0/24' };

/** ipvlan, VLAN sub-interfaces and dummies, which not every kernel has. The LAN is 192.0.2.0/24; the host's part of it is "eth0". */
describe('links that hang from others', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());
  afterEach(async () => {
    const all = JSON.parse((await daemon.api('GET', '/v1.50/containers/json?all=true')).body) as { Id: string }[];
    await remove(...all.map(({ Id }) => Id));
    await ask('POST', '/networks/prune');
  });

  const ask = async (method: string, path: string, body?: Body) => {
    const answer = await daemon.api(method, `/v1.50${path}`, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body}`);
    return answer.body;
  };
  const described = (Driver: string, Name: string, pool: Pool, Options: Body = {}) => ({
    ...{ Driver, Name, Options },
    IPAM: { Config: [pool] },
  });
  const create = async (driver: string, name: string, pool: Pool, options: Body = {}) => {
    const body = await ask('POST', '/networks/create', described(driver, name, pool, options));
    return (JSON.parse(body) as { Id: string }).Id.slice(0, 12);
  };
  const removeNetwork = (name: string) => ask('DELETE', `/networks/${name}`);
  const run = async (name: string, network: string) => {
    const container = {
      Image: 'busybox',
      Cmd: ['httpd', '-f', '-h', '/var/www'],
      HostConfig: { NetworkMode: network },
    };
    await ask('POST', `/containers/create?name=${name}`, container);
    await ask('POST', `/containers/${name}/start`);
  };
  const remove = (...names: string[]) =>
    Promise.all(names.map((name) => ask('DELETE', `/containers/${name}?force=true`)));
  const within = async (container: string, command: readonly string[]) =>
    daemon.host.exec(['nsenter', '-t', await daemon.inspect(container, '{{.State.Pid}}'), '-n', '-m', ...command]);
  const inside = async (container: string, command: string) =>
    (await within(container, ['/bin/sh', '-c', command])).stdout;
  const reaches = async (container: string, address: string) =>
    (await within(container, ['/bin/ping', '-c1', '-W2', address])).code === 0;
  const fromLan = async (url: string) => (await daemon.host.lan(['curl', '-s', '-m10', url])).stdout;
  const links = () => daemon.host.shell('ip -o link');

  test('ipvlan l2: stations of the LAN by the parent’s MAC address, found by the next daemon', async () => {
    const id = await create('ipvlan', 'l2', LAN, { parent: 'eth0' });
    await run('one', 'l2');
    await run('two', 'l2');
    assert.match(await fromLan('http://192.0.2.128/'), /It works/);
    assert.ok(await reaches('one', 'two'));
    assert.match(await inside('one', 'ip route'), /^default via 192\.0\.2\.1 dev eth0/);
    const mac = /ether (\S+)/.exec(await daemon.host.shell('ip link show eth0'))?.[1] ?? 'none';
    assert.match(await inside('one', 'ip link show eth0'), new RegExp(mac));
    assert.equal(await daemon.inspect('one', '{{.NetworkSettings.Networks.l2.MacAddress}}'), '');
    const [, words] = await daemon.refusal(
      'POST',
      '/v1.50/networks/create',
      described('ipvlan', 'no', ROUTED, { parent: 'eth0' }),
    );
    assert.match(String(words), new RegExp(`network dm-${id} is already using parent interface eth0`));
    const wish = ['run', '--rm', '--network', 'l2', '--mac-address', '02:00:00:00:00:09', 'busybox', 'true'];
    assert.match((await daemon.docker(wish)).stderr, /ipvlan interfaces do not support custom mac address assignment/);
    await daemon.stop('SIGKILL');
    await daemon.start();
    await ask('POST', '/containers/one/restart?t=0');
    assert.match(await fromLan('http://192.0.2.128/'), /It works/);
  });

  test('ipvlan l3 and l3s: the default route is the link, no gateway is shown, and the LAN routes to the host', async () => {
    await daemon.host.lanShell('ip route replace 198.51.100.0/24 via 192.0.2.2');
    for (const mode of ['l3', 'l3s']) {
      await create('ipvlan', mode, { ...ROUTED, Gateway: '198.51.100.1' }, { parent: 'eth0', ipvlan_mode: mode });
      await run(`of-${mode}`, mode);
      assert.match(await inside(`of-${mode}`, 'ip route'), /^default dev eth0 scope link/);
      assert.equal(await daemon.inspect(`of-${mode}`, `{{.NetworkSettings.Networks.${mode}.Gateway}}`), '');
      assert.match(await fromLan('http://198.51.100.2/'), /It works/, mode);
      await remove(`of-${mode}`);
      await removeNetwork(mode);
    }
  });

  test('ipvlan flags: private keeps containers apart; vepa leaves them to the switch', async () => {
    for (const flag of ['private', 'vepa']) {
      await create('ipvlan', flag, LAN, { parent: 'eth0', ipvlan_flag: flag });
      await run('one', flag);
      await run('two', flag);
      assert.ok(await reaches('one', '192.0.2.1'), flag);
      assert.ok(!(await reaches('one', '192.0.2.129')), flag);
      await remove('one', 'two');
      await removeNetwork(flag);
    }
  });

  test('ipvlan with host_access: the host and the containers reach each other', async () => {
    for (const mode of ['l2', 'l3']) {
      await create('ipvlan', 'near', LAN, { parent: 'eth0', ipvlan_mode: mode, host_access: 'true' });
      await run('one', 'near');
      assert.match((await daemon.host.exec(['curl', '-s', '-m10', 'http://192.0.2.129/'])).stdout, /It works/, mode);
      assert.ok(await reaches('one', '192.0.2.128'), mode);
      await remove('one');
      await removeNetwork('near');
    }
  });

  test('a VLAN sub-interface is made for the first network and goes with the last; one that was there stays', async () => {
    await daemon.host.lanShell(`ip link add link lan0 name lan0.50 type vlan id 50; ip link set lan0.50 up
      ip addr add 203.0.113.1/25 dev lan0.50`);
    const parent = 'eth0.50';
    const own = { Subnet: '203.0.113.0/25', IPRange: '203.0.113.64/26', Gateway: '203.0.113.1' };
    await create('macvlan', 'first', own, { parent });
    await create('macvlan', 'second', { Subnet: '203.0.113.128/25' }, { parent });
    assert.match(await daemon.host.shell('ip -d link show eth0.50'), /802\.1Q id 50/);
    await run('tagged', 'first');
    assert.match(await fromLan('http://203.0.113.64/'), /It works/);
    await daemon.host.shell('ip link set eth0 down; ip link set eth0 up');
    await eventually('it is back with its parent', async () => /It works/.test(await fromLan('http://203.0.113.64/')));
    await daemon.host.shell('ip link del eth0.50');
    await eventually('it is made again', async () => /It works/.test(await fromLan('http://203.0.113.64/')));
    await removeNetwork('second');
    assert.match(await links(), /eth0\.50/);
    await remove('tagged');
    await removeNetwork('first');
    await eventually('it is gone', async () => !(await links()).includes('eth0.50'));
    await daemon.host.shell('ip link add link eth0 name eth0.60 type vlan id 60');
    await create('ipvlan', 'theirs', ROUTED, { parent: 'eth0.60' });
    await removeNetwork('theirs');
    assert.match(await links(), /eth0\.60/);
  });

  test('without a parent, a dummy of the network’s own: containers reach each other and nothing else', async () => {
    for (const driver of ['macvlan', 'ipvlan']) {
      const id = await create(driver, 'inner', { ...ROUTED, Gateway: '198.51.100.1' });
      assert.match(await links(), new RegExp(`dm-${id}`));
      await run('one', 'inner');
      await run('two', 'inner');
      assert.ok(await reaches('one', 'two'), driver);
      assert.doesNotMatch(await inside('one', 'ip route'), /default/);
      await daemon.host.shell(`ip link del dm-${id}`);
      await eventually('it is mended', () => reaches('one', '198.51.100.3'));
      await remove('one', 'two');
      await removeNetwork('inner');
      await eventually('the dummy is gone', async () => !(await links()).includes('dm-'));
    }
  });
});
