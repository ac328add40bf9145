import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const SLEEP = ['busybox', 'sleep', '600'] as const;
const BRIDGE = 'com.docker.network.bridge';

describe('options of bridge networks', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create(['--ip-forward-no-drop']);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const create = (...args: string[]) => daemon.docker(['network', 'create', ...args]);
  const created = async (...args: string[]) => {
    const { code, stderr } = await create(...args);
    assert.equal(code, 0, stderr);
  };
  const inspect = (network: string, format: string) => daemon.ok('network', 'inspect', '-f', format, network);
  const host = (command: string) => daemon.host.shell(command);
  const bridgeOf = async (network: string) => `br-${(await inspect(network, '{{.Id}}')).slice(0, 12)}`;

  test('the MTU is the bridge’s and that of both ends of every pair; links are called as the network says', async () => {
    await created(
      '-o',
      'com.docker.network.driver.mtu=1400',
      '-o',
      'com.docker.network.container_iface_prefix=net',
      'small',
    );
    await daemon.ok('run', '-d', '--name', 'small', '--network', 'small', ...SLEEP);
    assert.match(await daemon.ok('exec', 'small', 'ip', 'link', 'show', 'net0'), / mtu 1400 /);
    const bridge = await bridgeOf('small');
    assert.match(await host(`ip link show ${bridge}`), / mtu 1400 /);
    assert.match(await host(`ip link show master ${bridge}`), / mtu 1400 /);
    // Too small for IPv6: the kernel has no settings of it there.
    const tiny = ['-o', 'com.docker.network.driver.mtu=1000'];
    await created(...tiny, 'tiny');
    await daemon.ok('network', 'connect', 'tiny', 'small');
    assert.match(await daemon.ok('exec', 'small', 'ip', 'link', 'show', 'eth0'), / mtu 1000 /);
    assert.match((await create(...tiny, '--ipv6', 'no')).stderr, /invalid MTU number: 1000: IPv6 needs 1280 at least/);
  });

  test('ports are published where the network says, in the family of that address', async () => {
    await created('-o', `${BRIDGE}.host_binding_ipv4=127.0.0.1`, 'four');
    await created('-o', `${BRIDGE}.host_binding_ipv4=::1`, 'six');
    await daemon.ok('run', '-d', '--name', 'at4', '--network', 'four', '-p', '8081:80', ...SLEEP);
    await daemon.ok('run', '-d', '--name', 'at6', '--network', 'six', '-p', '8082:80', ...SLEEP);
    assert.equal(await daemon.ok('port', 'at4'), '80/tcp -> 127.0.0.1:8081');
    assert.equal(await daemon.ok('port', 'at6'), '80/tcp -> [::1]:8082');
  });

  test('families by options, as by flags; none at all is refused', async () => {
    const only6 = ['-o', 'com.docker.network.enable_ipv6=true', '-o', 'com.docker.network.enable_ipv4=false'];
    await created(...only6, 'modern');
    assert.equal(await inspect('modern', '{{.EnableIPv4}} {{.EnableIPv6}}'), 'false true');
    await daemon.ok('run', '-d', '--name', 'modern', '--network', 'modern', ...SLEEP);
    const networks = '{{with .NetworkSettings.Networks.modern}}{{.IPAddress}}|{{.GlobalIPv6Address}}{{end}}';
    assert.match(await daemon.ok('inspect', '-f', networks, 'modern'), /^\|fd/);
    assert.match((await create('--ipv4=false', 'neither')).stderr, /IPv4 or IPv6 must be enabled/);
  });

  test('an internal network has no default route and publishes nothing; the host is reached', async () => {
    await created('--internal', '--subnet', '10.90.0.0/24', 'inner');
    await daemon.ok('run', '-d', '--name', 'inner', '--network', 'inner', '-p', '8083:80', ...SLEEP);
    assert.ok(!(await daemon.ok('exec', 'inner', 'ip', 'route')).includes('default'));
    assert.equal(await daemon.ok('port', 'inner'), '');
    await daemon.ok('exec', 'inner', 'ping', '-c', '1', '-W', '20', '10.90.0.1');
    assert.equal(await inspect('inner', '{{.Internal}}'), 'true');
  });

  test('a bridge takes no router’s word, and lets the host’s 127.0.0.1 out', async () => {
    await created('--ipv6', 'dual');
    const bridge = await bridgeOf('dual');
    const setting = (path: string) => host(`cat /proc/sys/net/${path}`);
    assert.equal(await setting(`ipv6/conf/${bridge}/accept_ra`), '0');
    assert.equal(await setting(`ipv4/conf/${bridge}/route_localnet`), '1');
  });

  test('the default network is told by its options', async () => {
    assert.equal(await inspect('bridge', `{{index .Options "${BRIDGE}.default_bridge"}}`), 'true');
    assert.equal(await inspect('bridge', `{{index .Options "${BRIDGE}.name"}}`), 'docker0');
  });

  test('two networks have neither the same bridge nor overlapping subnets', async () => {
    await created('-o', `${BRIDGE}.name=brx`, '--subnet', '10.91.0.0/16', 'first');
    assert.match((await create('-o', `${BRIDGE}.name=brx`, 'second')).stderr, /networks have same bridge name/);
    const overlap = await create('--subnet', '10.91.1.0/24', 'third');
    assert.match(overlap.stderr, /Pool overlaps with other one on this address space/);
  });

  test('macvlan networks may have the same subnet: their addresses are given once', async () => {
    for (const name of ['left', 'right']) {
      await created('-d', 'macvlan', '-o', 'parent=eth0', '--subnet', '192.0.2.0/24', name);
      await daemon.ok('run', '-d', '--name', name, '--network', name, ...SLEEP);
    }
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
    const addresses = (await daemon.ok('inspect', '-f', format, 'left', 'right')).split('\n');
    assert.equal(new Set(addresses).size, 2, addresses.join());
  });

  test('IPAM plugins and newer versions of the API are refused by name', async () => {
    assert.match((await create('--ipam-driver', 'remote', 'far')).stderr, /plugin "remote" not found/);
    const newer = await daemon.api('GET', '/v1.52/networks');
    assert.equal(newer.status, 400);
    assert.match(newer.body, /client version 1\.52 is too new\. Maximum supported API version is 1\.51/);
  });

  test('an empty list of bindings is an ephemeral port', async () => {
    const HostConfig = { PortBindings: { '80/tcp': [] } };
    const body = { Image: 'busybox', Cmd: ['sleep', '600'], ExposedPorts: { '80/tcp': {} }, HostConfig };
    assert.equal((await daemon.api('POST', '/v1.50/containers/create?name=empty', body)).status, 201);
    await daemon.ok('start', 'empty');
    assert.match(await daemon.ok('port', 'empty', '80'), /^0\.0\.0\.0:\d{5}$/m);
  });

  test('the sandbox is a pinned namespace, named in inspect', async () => {
    const keys = '{{.NetworkSettings.SandboxKey}} {{.NetworkSettings.SandboxID}}';
    const [key = '', id = ''] = (await daemon.ok('inspect', '-f', keys, 'small')).split(' ');
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.equal(key, `/run/fairway/netns/${id.slice(0, 12)}`);
    assert.match(await daemon.host.out(['nsenter', `--net=${key}`, 'ip', 'link']), /net0/);
  });

  test('with --ip-forward-no-drop the host may go on as a router for others', async () => {
    assert.equal(await host('cat /proc/sys/net/ipv4/ip_forward'), '1');
    assert.ok(!(await host('nft list set inet fairway guarded')).includes('elements'));
  });

  test('without root the daemon says what it needs', async () => {
    const fairwayd = join(import.meta.dirname, '../../bin/fairwayd');
    const refused = await daemon.host.exec(['setpriv', '--reuid', '1000', '--clear-groups', fairwayd]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^fairwayd: fairwayd needs to be started with root privileges$/m);
  });

  test('while some way takes less than a network sends, both ends of a connection are told, and none is looked up otherwise', async () => {
    const asks = async () => /maxseg size set rt mtu/.test(await host('nft list table inet fairway'));
    const becomes = (wanted: boolean) => eventually(`asking: ${wanted}`, async () => (await asks()) === wanted);
    await daemon.docker(['rm', '-f', 'small']);
    await daemon.docker(['network', 'rm', 'small', 'tiny']);
    assert.equal(await asks(), false);
    await host('ip route add 192.0.2.77 dev eth0 mtu 1300');
    await becomes(true);
    await daemon.ok('run', '-d', '--name', 'asking', ...SLEEP);
    await daemon.host.lanShell(`ip addr add 192.0.2.77/32 dev lan0; nft 'table inet seen {
      counter told { }
      chain input { type filter hook input priority 0; tcp flags & syn == syn tcp option maxseg size 1260 counter name told; }
    }'`);
    await daemon.docker(['exec', 'asking', 'nc', '-w', '5', '192.0.2.77', '9']);
    assert.match(await daemon.host.lanShell('nft list counters table inet seen'), /packets [1-9]/);
    await host('ip route del 192.0.2.77');
    await becomes(false);
    await created('-o', 'com.docker.network.driver.mtu=9000', 'jumbo');
    assert.equal(await asks(), true);
    await daemon.ok('network', 'rm', 'jumbo');
    assert.equal(await asks(), false);
  });
});
