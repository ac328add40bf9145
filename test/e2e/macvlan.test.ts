import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const CLIENTS = join(import.meta.dirname, '../clients');

/** The LAN is 192.0.2.0/24 and 2001:db8:2::/64, with 192.0.2.1 and 2001:db8:2::1; the host's part of it is "eth0". */
describe('macvlan', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.host.lanShell('ip -6 addr add 2001:db8:2::1/64 dev lan0 nodad');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const LAN = ['--subnet', '192.0.2.0/24', '--ip-range', '192.0.2.128/27', '--gateway', '192.0.2.1'];
  const create = (name: string, ...options: string[]) =>
    daemon.ok('network', 'create', '-d', 'macvlan', ...options, name);
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
  /** Whatever a test left, the next one begins afresh. */
  const clear = async () => {
    const all = (await daemon.ok('ps', '-aq')).split('\n').filter((id) => id !== '');
    if (all.length > 0) await daemon.ok('rm', '-f', ...all);
    await daemon.ok('network', 'prune', '-f');
  };
  afterEach(clear);
  /** Whether a ping from a container is answered. */
  const answered = async (container: string, address: string) =>
    (await daemon.docker(['exec', container, 'ping', '-c1', '-W2', address])).code === 0;
  const reaches = (container: string, address: string) =>
    eventually(`${container} reaches ${address}`, () => answered(container, address));
  /** A server may begin to listen after its container was started. @param from the LAN, or the host itself */
  const serves = (url: string, from: 'lan' | 'exec' = 'lan') =>
    eventually(`${url} answers`, async () =>
      /It works/.test((await daemon.host[from](['curl', '-s', '-m20', url])).stdout),
    );
  const refusal = async (...options: string[]) => {
    const Options = Object.fromEntries(options.map((option) => option.split('=')));
    const { status, body } = await daemon.api('POST', '/v1.50/networks/create', {
      Name: 'no',
      Driver: 'macvlan',
      Options,
    });
    return [status, (JSON.parse(body) as { message: string }).message];
  };

  test('containers are stations of the LAN, with names for each other, and -p has no effect', async () => {
    await create('lan', ...LAN, '-o', 'parent=eth0');
    await run('web', 'lan', '-p', '8080:80', '--mac-address', '02:42:c0:00:02:99');
    await run('db', 'lan');
    await serves('http://192.0.2.128/');
    assert.match(await daemon.host.lanShell('ip neigh show 192.0.2.128'), /02:42:c0:00:02:99/);
    await reaches('db', '192.0.2.1');
    assert.match(await inside('db', 'wget -qO- http://web/'), /It works/);
    assert.equal(
      await inside('web', 'ip route'),
      'default via 192.0.2.1 dev eth0 \n192.0.2.0/24 dev eth0 scope link  src 192.0.2.128 ',
    );
    assert.equal(await daemon.ok('port', 'web'), '');
    assert.notEqual((await daemon.host.lan(['curl', '-sm2', 'http://192.0.2.2:8080/'])).code, 0);
    assert.match(daemon.log, /macvlan driver does not support port mappings/);
    const [seen] = JSON.parse(
      await daemon.ok('inspect', '-f', '[{{json .NetworkSettings.Networks.lan}}]', 'web'),
    ) as Record<string, unknown>[];
    assert.deepEqual(
      [seen?.['IPAddress'], seen?.['Gateway'], seen?.['MacAddress']],
      ['192.0.2.128', '192.0.2.1', '02:42:c0:00:02:99'],
    );
    const info = JSON.parse(await daemon.ok('info', '-f', '{{json .Plugins.Network}}')) as string[];
    assert.deepEqual(info, ['bridge', 'host', 'ipvlan', 'macvlan', 'null', 'openvswitch']);
  });

  test('they are there after the daemon was killed, and after it removed them the wire is as before', async () => {
    await create('lan', ...LAN, '-o', 'parent=eth0');
    await run('web', 'lan');
    await serves('http://192.0.2.128/');
    const once = ['curl', '-s', '-m20', 'http://192.0.2.128/'];
    await daemon.stop('SIGKILL');
    assert.match((await daemon.host.lan(once)).stdout, /It works/);
    await daemon.start();
    assert.match((await daemon.host.lan(once)).stdout, /It works/);
    await daemon.ok('restart', '-t0', 'web');
    await serves('http://192.0.2.128/');
    await clear();
    assert.doesNotMatch(await daemon.host.shell('ip -o link'), /macvlan|fw-|dm-/);
    assert.equal((await daemon.host.lan(['busybox', 'ping', '-c1', '-W1', '192.0.2.128'])).code, 1);
  });

  test('bridge: they reach each other; private: never; vepa: by way of a switch that reflects', async () => {
    const modes = { bridge: true, private: false, vepa: false };
    for (const [mode, expected] of Object.entries(modes)) {
      await create(`lan-${mode}`, ...LAN, '-o', 'parent=eth0', '-o', `macvlan_mode=${mode}`);
      await run('one', `lan-${mode}`);
      await run('two', `lan-${mode}`);
      await reaches('one', '192.0.2.1');
      if (expected) await reaches('one', '192.0.2.129');
      else assert.equal(await answered('one', '192.0.2.129'), false, mode);
      if (mode !== 'vepa') await clear();
    }
    await daemon.host.lanShell(`ip link add switch type bridge; ip link set lan0 master switch; ip link set switch up
      ip addr del 192.0.2.1/24 dev lan0; ip addr add 192.0.2.1/24 dev switch; bridge link set dev lan0 hairpin on`);
    await reaches('one', '192.0.2.129');
    await clear();
    await daemon.host.lanShell(`ip link del switch; ip addr add 192.0.2.1/24 dev lan0`);
  });

  test('passthru takes the parent’s place on the wire, alone', async () => {
    await create('alone', ...LAN, '-o', 'parent=eth0', '-o', 'macvlan_mode=passthru');
    const id = (await daemon.ok('network', 'inspect', '-f', '{{.Id}}', 'alone')).slice(0, 12);
    assert.deepEqual(await refusal('parent=eth0'), [
      500,
      `macvlan network dm-${id} is already using parent interface eth0 in mode passthru`,
    ]);
    await run('only', 'alone');
    await reaches('only', '192.0.2.1');
    await daemon.ok('restart', '-t0', 'only');
    await reaches('only', '192.0.2.1');
    await clear();
    await create('other', ...LAN, '-o', 'parent=eth0');
    const [status, message] = await refusal('parent=eth0', 'macvlan_mode=passthru');
    assert.equal(status, 500);
    assert.match(
      String(message),
      /^cannot use mode passthru, macvlan network dm-[0-9a-f]{12} is already using parent interface eth0$/,
    );
  });

  test('what cannot be is refused in Docker’s words, and leaves nothing', async () => {
    assert.deepEqual(await refusal('parent=lo'), [500, 'loopback interface is not a valid macvlan parent link']);
    const mode = "requested macvlan mode 'fast' is not valid, 'bridge' mode is the macvlan driver default";
    assert.deepEqual(await refusal('macvlan_mode=fast'), [500, mode]);
    assert.deepEqual(await refusal('parent=eth9'), [500, '-o parent interface was not found on the host: eth9']);
    assert.deepEqual(await refusal('parent=eth9.5'), [500, '-o parent interface was not found on the host: eth9']);
    assert.deepEqual(await refusal('parent=eth0.5000'), [500, 'vlan id must be between 1-4094, received: 5000']);
    assert.equal(await daemon.ok('network', 'ls', '-qf', 'name=no$'), '');
  });

  test('several subnets, both families, each with its gateway, the lowest address unless told; no default route where internal', async () => {
    // By the API: the CLI sends subnets in an order of its own, another each time.
    const Config = [
      { Subnet: '198.51.100.0/30' },
      { Subnet: '192.0.2.0/24', Gateway: '192.0.2.1', IPRange: '192.0.2.128/27' },
      { Subnet: '2001:db8:2::/64', Gateway: '2001:db8:2::1' },
    ];
    const asked = { Name: 'many', Driver: 'macvlan', EnableIPv6: true, Options: { parent: 'eth0' }, IPAM: { Config } };
    assert.equal((await daemon.api('POST', '/networks/create', asked)).status, 201);
    const ranges = await daemon.ok(
      'network',
      'inspect',
      '-f',
      '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}};{{end}}',
      'many',
    );
    assert.equal(ranges, '198.51.100.0/30 ;192.0.2.0/24 192.0.2.1;2001:db8:2::/64 2001:db8:2::1;');
    await run('first', 'many');
    await run('second', 'many', '--ip', '192.0.2.140', '--ip6', '2001:db8:2::140');
    assert.match(await inside('first', 'ip route'), /^default via 198\.51\.100\.1 dev eth0/);
    assert.match(await inside('first', 'ip -6 route'), /default via 2001:db8:2::1 dev eth0/);
    assert.match(await inside('second', 'ip route'), /^default via 192\.0\.2\.1 dev eth0/);
    await reaches('second', '2001:db8:2::1');
    assert.equal((await daemon.host.lan(['busybox', 'ping', '-6', '-c1', '-W20', '2001:db8:2::140'])).code, 0);
    await clear();
    await create('inner', ...LAN, '--internal', '-o', 'parent=eth0');
    await run('shy', 'inner');
    assert.doesNotMatch(await inside('shy', 'ip route'), /default/);
    // The wire itself is still there.
    await reaches('shy', '192.0.2.1');
  });

  test('a network is made from a configuration network that names the parent', async () => {
    await daemon.ok('network', 'create', '--config-only', ...LAN, '-o', 'parent=eth0', 'config');
    await create('made', '--config-from', 'config');
    await run('web', 'made');
    await serves('http://192.0.2.128/');
    await clear();
    await daemon.ok('network', 'rm', 'config');
  });

  test('the host and the containers do not reach each other, unless the network has host_access', async () => {
    await create('apart', ...LAN, '-o', 'parent=eth0');
    await run('web', 'apart');
    await serves('http://192.0.2.128/');
    assert.notEqual((await daemon.host.exec(['curl', '-s', '-m3', 'http://192.0.2.128/'])).code, 0);
    await clear();
    await create(
      'near',
      ...LAN,
      '--ipv6',
      '--subnet',
      '2001:db8:2::/64',
      '-o',
      'parent=eth0',
      '-o',
      'host_access=true',
      '-o',
      'host_address=2001:db8:2::aa',
    );
    const format = '{{range .IPAM.Config}}{{.AuxAddress}} {{end}}';
    const reserved = (await daemon.ok('network', 'inspect', '-f', format, 'near')).trim().split(' ');
    assert.deepEqual(reserved.sort(), ['map[host_access:192.0.2.128]', 'map[host_access:2001:db8:2::aa]']);
    await run('web', 'near', '--ip', '192.0.2.140', '--ip6', '2001:db8:2::140');
    for (const url of ['http://192.0.2.140/', 'http://[2001:db8:2::140]/']) await serves(url, 'exec');
    daemon.host.spawn(['busybox', 'httpd', '-f', '-p', '9090', '-h', '/etc/dpkg']);
    for (const address of ['192.0.2.128', '[2001:db8:2::aa]']) {
      await eventually(`the container reaches ${address}`, async () =>
        (await daemon.docker(['exec', 'web', 'wget', '-qO-', `http://${address}:9090/origins/debian`])).stdout.includes(
          'Debian',
        ),
      );
    }
    await serves('http://192.0.2.140/');
  });

  test('the host’s link on a macvlan network is silent on the wire, mended when it is deleted, and gone with the network', async () => {
    await create('near', ...LAN, '-o', 'parent=eth0', '-o', 'host_access=true');
    await run('web', 'near');
    const reached = async () =>
      /It works/.test((await daemon.host.exec(['curl', '-s', '-m3', 'http://192.0.2.129/'])).stdout);
    await eventually('it is reached', reached);
    const shim = /fwm-[0-9a-f]{11}/.exec(await daemon.host.shell('ip -o link'))?.[0] ?? '';
    const mac = /ether (\S+)/.exec(await daemon.host.shell('ip link show eth0'))?.[1];
    for (let round = 0; round < 5; round++) {
      await daemon.host.lanShell('ip neigh flush all; busybox ping -c1 -W20 192.0.2.2 >/dev/null');
      assert.equal(/lladdr (\S+)/.exec(await daemon.host.lanShell('ip neigh show 192.0.2.2'))?.[1], mac);
    }
    await daemon.host.shell(`ip link del ${shim}`);
    await eventually('it is mended', reached);
    await daemon.host.shell('ip route del 192.0.2.129/32');
    await eventually('the route is back', reached);
    await daemon.ok('restart', '-t0', 'web');
    await eventually('it is reached again', reached);
    await clear();
    assert.doesNotMatch(await daemon.host.shell('ip -o link; ip route'), /fwm-|192\.0\.2\.129/);
  });

  test('a container on a bridge and on the LAN publishes on the bridge', async () => {
    await create('lan', '--subnet', '192.0.2.0/24', '--ip-range', '192.0.2.128/27', '-o', 'parent=eth0');
    await daemon.ok('network', 'create', 'inside');
    await run('both', 'inside', '-p', '8081:80');
    await daemon.ok('network', 'connect', '--ip', '192.0.2.150', 'lan', 'both');
    await serves('http://127.0.0.1:8081/', 'exec');
    await serves('http://192.0.2.150/');
    await daemon.ok('network', 'disconnect', 'lan', 'both');
    assert.doesNotMatch(await inside('both', 'ip -o link'), /eth1/);
    await serves('http://192.0.2.2:8081/');
  });

  test('a Compose file with a macvlan network, its ip_range, and addresses of both families', async () => {
    const plugin = join(CLIENTS, '../../.cache/clients/docker-compose');
    await daemon.host.shell(
      `mkdir -p /run/docker-config/cli-plugins; ln -sf ${plugin} /run/docker-config/cli-plugins/docker-compose`,
    );
    const compose = async (...args: string[]) => {
      const finished = await daemon.docker(['compose', '-f', join(CLIENTS, 'lan.yaml'), ...args], { timeout: 120_000 });
      assert.equal(finished.code, 0, finished.stderr);
      return finished.stdout;
    };
    await compose('up', '-d');
    for (const url of ['http://192.0.2.176/', 'http://[2001:db8:2::b0]/']) await serves(url);
    assert.match(await daemon.host.lanShell('ip neigh show 192.0.2.176'), /02:42:c0:00:02:b0/);
    assert.match(await compose('exec', '-T', 'client', 'ip', 'addr'), /192\.0\.2\.161\/24/);
    assert.match(await compose('exec', '-T', 'client', 'wget', '-qO-', 'http://dhcp-like/'), /It works/);
    await compose('down');
    assert.equal(await daemon.ok('network', 'ls', '-qf', 'driver=macvlan'), '');
  });
});
