import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** A request that gives up, also as PID 1 of a container, which SIGTERM does not end. */
const fetch = (url: string, patience = 30) => ['sh', '-c', `timeout ${patience} wget -qO- ${url}; exit $?`];

describe('docker network', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const addressOf = (container: string, link: string) =>
    daemon.ok('exec', container, 'sh', '-c', `ip -4 addr show ${link} | sed -n 's/.*inet \\([^ ]*\\).*/\\1/p'`);

  test('ls shows the three that exist always, with their drivers', async () => {
    const rows = await daemon.ok('network', 'ls', '--format', '{{.Name}} {{.Driver}} {{.Scope}}');
    assert.deepEqual(rows.split('\n').sort(), ['bridge bridge local', 'host host local', 'none null local']);
  });

  test('docker0 carries the first address of a free range, and containers get the next ones', async () => {
    await daemon.ok('run', '-d', '--name', 'first', 'busybox', 'sleep', '600');
    const bridge = await daemon.host.out(['ip', '-4', '-o', 'addr', 'show', 'docker0']);
    assert.match(bridge, /inet 172\.17\.0\.1\/16/);
    assert.equal(await addressOf('first', 'eth0'), '172.17.0.2/16');
    assert.match(await daemon.ok('exec', 'first', 'ip', 'route'), /default via 172\.17\.0\.1 dev eth0/);
    assert.match(await daemon.ok('exec', 'first', 'ip', 'link', 'show', 'eth0'), /mtu 1500/);
    const shown = await daemon.inspect('first', '{{.NetworkSettings.MacAddress}}');
    assert.ok((await daemon.ok('exec', 'first', 'ip', 'link', 'show', 'eth0')).includes(shown));
    await daemon.ok('rm', '-f', 'first');
  });

  test('create takes subnet, gateway and range; inspect shows all of Docker’s keys', async () => {
    const id = await daemon.ok(
      'network',
      'create',
      '--subnet',
      '10.77.0.0/16',
      '--gateway',
      '10.77.0.254',
      '--ip-range',
      '10.77.5.0/24',
      '--label',
      'a=b',
      'app',
    );
    assert.match(id, /^[0-9a-f]{64}$/);
    // Not by the CLI: older ones leave out what they do not know.
    const shown = JSON.parse((await daemon.api('GET', '/networks/app')).body) as Record<string, unknown>;
    const keys = [
      'Name',
      'Id',
      'Created',
      'Scope',
      'Driver',
      'EnableIPv4',
      'EnableIPv6',
      'IPAM',
      'Internal',
      'Attachable',
      'Ingress',
      'ConfigFrom',
      'ConfigOnly',
      'Containers',
      'Options',
      'Labels',
    ];
    assert.deepEqual(Object.keys(shown).sort(), keys.sort());
    assert.deepEqual(shown['IPAM'], {
      Driver: 'default',
      Options: {},
      Config: [{ Subnet: '10.77.0.0/16', IPRange: '10.77.5.0/24', Gateway: '10.77.0.254' }],
    });
    await daemon.ok('run', '-d', '--name', 'ranged', '--network', 'app', 'busybox', 'sleep', '600');
    assert.equal(await addressOf('ranged', 'eth0'), '10.77.5.0/16');
    assert.match(await daemon.ok('exec', 'ranged', 'ip', 'route'), /default via 10\.77\.0\.254/);
    assert.match(
      await daemon.host.out(['ip', '-4', '-o', 'addr', 'show', `br-${id.slice(0, 12)}`]),
      /10\.77\.0\.254\/16/,
    );
    await daemon.ok('rm', '-f', 'ranged');
    assert.equal(await daemon.ok('network', 'rm', 'app'), 'app');
    await eventually(
      'the bridge is gone',
      async () => (await daemon.host.exec(['ip', 'link', 'show', `br-${id.slice(0, 12)}`])).code !== 0,
    );
  });

  test('connect and disconnect work on a running container, without a restart', async () => {
    await daemon.ok('network', 'create', '--subnet', '10.78.0.0/24', 'live');
    await daemon.ok('run', '-d', '--name', 'moving', 'busybox', 'sleep', '600');
    const pid = await daemon.inspect('moving', '{{.State.Pid}}');
    await daemon.ok('network', 'connect', '--ip', '10.78.0.9', '--alias', 'mover', 'live', 'moving');
    assert.equal(await addressOf('moving', 'eth1'), '10.78.0.9/24');
    assert.match(
      (await daemon.docker(['run', '--rm', '--network', 'live', 'busybox', 'nslookup', 'mover', '127.0.0.11'])).stdout,
      /10\.78\.0\.9/,
    );
    await daemon.ok('network', 'disconnect', 'live', 'moving');
    await eventually(
      'eth1 is gone',
      async () => (await daemon.docker(['exec', 'moving', 'ip', 'link', 'show', 'eth1'])).code !== 0,
    );
    assert.equal(await daemon.inspect('moving', '{{.State.Pid}}'), pid);
    assert.deepEqual(
      await daemon.ok('inspect', '-f', '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}', 'moving'),
      'bridge ',
    );
    await daemon.ok('rm', '-f', 'moving');
    await daemon.ok('network', 'rm', 'live');
  });

  test('connect and disconnect work on a stopped container', async () => {
    await daemon.ok('network', 'create', 'later');
    await daemon.ok('create', '--name', 'cold', 'busybox', 'sleep', '600');
    await daemon.ok('network', 'connect', 'later', 'cold');
    await daemon.ok('network', 'disconnect', 'bridge', 'cold');
    await daemon.ok('start', 'cold');
    assert.match(await daemon.ok('exec', 'cold', 'ip', '-4', '-o', 'addr'), /eth0/);
    assert.equal(
      await daemon.ok('inspect', '-f', '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}', 'cold'),
      'later',
    );
    await daemon.ok('rm', '-f', 'cold');
    await daemon.ok('network', 'rm', 'later');
  });

  test('the static address of a stopped container stays its own', async () => {
    await daemon.ok('network', 'create', '--subnet', '10.79.0.0/24', 'kept');
    await daemon.ok('create', '--name', 'owner', '--network', 'kept', '--ip', '10.79.0.2', 'busybox', 'sleep', '600');
    await daemon.ok('run', '-d', '--name', 'other', '--network', 'kept', 'busybox', 'sleep', '600');
    assert.equal(await addressOf('other', 'eth0'), '10.79.0.3/24');
    const refused = await daemon.docker(['run', '--rm', '--network', 'kept', '--ip', '10.79.0.2', 'busybox', 'true']);
    assert.equal(refused.code, 125);
    assert.match(refused.stderr, /Address already in use.*owner/);
    await daemon.ok('start', 'owner');
    assert.equal(await addressOf('owner', 'eth0'), '10.79.0.2/24');
    await daemon.ok('rm', '-f', 'owner', 'other');
    await daemon.ok('network', 'rm', 'kept');
  });

  test('containers on different networks cannot reach each other, containers of one can', async () => {
    await daemon.ok('network', 'create', 'one');
    await daemon.ok('network', 'create', 'two');
    await daemon.ok('run', '-d', '--name', 'server', '--network', 'one', 'busybox', 'httpd', '-f', '-h', '/var/www');
    const address = await daemon.inspect('server', '{{.NetworkSettings.Networks.one.IPAddress}}');
    const from = (network: string, patience?: number) =>
      daemon.docker(['run', '--rm', '--network', network, 'busybox', ...fetch(`http://${address}/`, patience)]);
    await eventually('the server listens', async () => (await from('one')).code === 0);
    const refused = await from('two', 3);
    assert.notEqual(refused.code, 0);
    await daemon.ok('rm', '-f', 'server');
    await daemon.ok('network', 'rm', 'one', 'two');
  });

  test('host mode shares the host’s network, none has only loopback, container: shares another’s', async () => {
    assert.match(
      await daemon.ok('run', '--rm', '--network', 'host', 'busybox', 'ip', '-o', 'addr'),
      /192\.0\.2\.2\/24/,
    );
    const links = await daemon.ok('run', '--rm', '--network', 'none', 'busybox', 'ip', '-o', 'link');
    assert.deepEqual(
      links.split('\n').map((line) => line.split(':')[1]?.trim()),
      ['lo'],
    );
    // So docker-py says it (network_disabled), and others who know the API of old.
    const old = { Image: 'busybox', Cmd: ['ip', '-o', 'link'], NetworkDisabled: true };
    assert.equal((await daemon.api('POST', '/v1.41/containers/create?name=old', old)).status, 201);
    assert.equal(await daemon.ok('start', '-a', 'old'), links);
    assert.equal(await daemon.inspect('old', '{{.Config.NetworkDisabled}} {{.HostConfig.NetworkMode}}'), 'true none');
    await daemon.ok('rm', 'old');
    await daemon.ok('run', '-d', '--name', 'base', '--hostname', 'basement', 'busybox', 'sleep', '600');
    const shared = await daemon.ok(
      'run',
      '--rm',
      '--network',
      'container:base',
      'busybox',
      'sh',
      '-c',
      'hostname; ip -4 -o addr show eth0',
    );
    assert.match(shared, /^basement\n.*172\.17\.0\./);
    await daemon.ok('rm', '-f', 'base');
  });

  test('a network is found by name, id and prefix of its id', async () => {
    const id = await daemon.ok('network', 'create', 'known');
    for (const reference of ['known', id, id.slice(0, 8)]) {
      assert.equal(await daemon.ok('network', 'inspect', '-f', '{{.Name}}', reference), 'known');
      await daemon.ok('run', '--rm', '--network', reference, 'busybox', 'true');
    }
    await daemon.ok('network', 'rm', id.slice(0, 8));
  });

  test('containers reach the LAN through the host’s address; the LAN does not reach an unpublished port', async () => {
    const seen = daemon.host.spawnLan(['socat', '-u', 'TCP-LISTEN:9000,reuseaddr', 'SYSTEM:echo $SOCAT_PEERADDR']);
    let text = '';
    seen.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await eventually(
      'the LAN listens',
      async () => (await daemon.host.lan(['sh', '-c', 'ss -ltn | grep :9000'])).code === 0,
    );
    await daemon.ok('run', '--rm', 'busybox', 'sh', '-c', 'echo hello | nc -w 20 192.0.2.1 9000');
    await eventually('the LAN saw the host', () => text.trim() === '192.0.2.2');
    await daemon.ok('run', '-d', '--name', 'shut', 'busybox', 'httpd', '-f', '-h', '/var/www');
    await daemon.host.lanShell('ip route add 172.17.0.0/16 via 192.0.2.2');
    const direct = await daemon.host.lan(['curl', '-s', '-m', '2', 'http://172.17.0.2/']);
    assert.equal(direct.code, 28, 'a direct route to the container’s address must time out');
    await daemon.ok('rm', '-f', 'shut');
  });
});
