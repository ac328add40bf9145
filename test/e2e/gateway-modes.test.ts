import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** No port of the host's. */
const OPENED = '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":""}]}';

const MODE = 'com.docker.network.bridge.gateway_mode_ipv4';

describe('gateway modes', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.host.lanShell('ip route add 10.0.0.0/8 via 192.0.2.2');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const create = (name: string, subnet: string, ...options: string[]) =>
    daemon.ok('network', 'create', '--subnet', subnet, ...options, name);
  const web = (name: string, ...flags: string[]) =>
    daemon.ok('run', '-d', '--name', name, ...flags, 'busybox', 'httpd', '-f', '-h', '/var/www');
  const onLan = async (url: string, seconds = 20) =>
    (await daemon.host.lan(['curl', '-s', '-m', `${seconds}`, url])).code === 0;
  const onHost = async (url: string) => (await daemon.host.exec(['curl', '-s', '-m', '1', url])).code === 0;

  test('routed: -p opens the container’s port, nothing is bound or translated, and what leaves has its own address', async () => {
    await create('routed', '10.9.0.0/24', '-o', `${MODE}=routed`);
    await web('open', '--network', 'routed', '--ip', '10.9.0.2', '-p', '80');
    await web('shut', '--network', 'routed', '--ip', '10.9.0.3');
    await eventually('the opened port answers', () => onLan('http://10.9.0.2/'));
    assert.equal(await onLan('http://10.9.0.3/', 1), false);
    assert.equal((await daemon.host.lan(['busybox', 'ping', '-c', '1', '-W', '20', '10.9.0.3'])).code, 0);
    assert.doesNotMatch(await daemon.host.out(['nft', 'list', 'map', 'inet', 'fairway', 'port4_any']), /10\.9\.0\.2/);
    daemon.host.spawnLan(['socat', 'TCP-LISTEN:9000,fork,reuseaddr', 'SYSTEM:echo $SOCAT_PEERADDR']);
    await eventually(
      'the LAN sees the container itself',
      async () =>
        (await daemon.docker(['exec', 'open', 'timeout', '2', 'nc', '192.0.2.1', '9000'])).stdout === '10.9.0.2\n',
    );
    await web('twin', '--network', 'routed', '--ip', '10.9.0.4', '-p', '8080:80');
    await web('triplet', '--network', 'routed', '--ip', '10.9.0.5', '-p', '8080:80');
    for (const own of ['10.9.0.4', '10.9.0.5']) await eventually(`${own} answers`, () => onLan(`http://${own}/`));
    assert.equal(await daemon.ok('inspect', '-f', '{{json .NetworkSettings.Ports}}', 'twin'), OPENED);
    // On a network with translation they need a port of the host, and there is one.
    await daemon.ok('network', 'connect', '--gw-priority', '1', 'bridge', 'twin');
    assert.match(await daemon.ok('port', 'twin'), /80\/tcp -> 0\.0\.0\.0:8080/);
    await eventually('it answers by the host’s', () => onLan('http://192.0.2.2:8080/'));
    await daemon.ok('network', 'disconnect', 'bridge', 'twin');
    assert.equal(await daemon.ok('inspect', '-f', '{{json .NetworkSettings.Ports}}', 'twin'), OPENED);
    await daemon.ok('rm', '-f', 'open', 'shut', 'twin', 'triplet');
  });

  test('nat-unprotected: all ports are open to who knows a way', async () => {
    await create('unprotected', '10.8.0.0/24', '-o', `${MODE}=nat-unprotected`);
    await web('bare', '--network', 'unprotected', '--ip', '10.8.0.2');
    await eventually('a port that is not published answers', () => onLan('http://10.8.0.2/'));
    await daemon.ok('rm', '-f', 'bare');
  });

  test('a trusted link leads to published ports past the translation, and to no others', async () => {
    await create('trusting', '10.7.0.0/24', '-o', 'com.docker.network.bridge.trusted_host_interfaces=wg9:eth0');
    await web('known', '--network', 'trusting', '--ip', '10.7.0.2', '-p', '127.0.0.2:8087:80', '-p', '8088:80');
    await web('unknown', '--network', 'trusting', '--ip', '10.7.0.3');
    await eventually('the published port answers', () => onLan('http://10.7.0.2/'));
    assert.equal(await onLan('http://10.7.0.3/', 1), false);
    await daemon.ok('rm', '-f', 'known', 'unknown');
  });

  test('isolated: an internal network without the host', async () => {
    const refused = await daemon.docker(['network', 'create', '-o', `${MODE}=isolated`, 'no']);
    assert.match(refused.stderr, /gateway mode 'isolated' can only be used for an internal network/);
    const { status } = await daemon.api('POST', '/v1.47/networks/create', {
      Name: 'no',
      Options: { [MODE]: 'isolated' },
    });
    assert.equal(status, 400);
    await create('alone', '10.6.0.0/24', '--internal', '-o', `${MODE}=isolated`);
    await web('inside', '--network', 'alone', '--ip', '10.6.0.2');
    const ask = ['timeout', '9', 'wget', '-qO-', 'http://10.6.0.2/'];
    await eventually(
      'a neighbour is reached',
      async () => (await daemon.docker(['run', '--rm', '--network', 'alone', 'busybox', ...ask])).code === 0,
    );
    assert.equal(await onHost('http://10.6.0.2/'), false);
    const format = '{{range .IPAM.Config}}{{.Gateway}}{{end}}';
    assert.equal(await daemon.ok('network', 'inspect', '-f', format, 'alone'), '');
    await daemon.ok('rm', '-f', 'inside');
  });

  test('options that cannot be read are refused in Docker’s words, and unknown ones are kept', async () => {
    const refused = await daemon.docker(['network', 'create', '-o', `${MODE}=natted`, 'no']);
    assert.match(refused.stderr, /failed to parse com\.docker\.network\.bridge\.gateway_mode_ipv4 value: natted/);
    await daemon.ok('network', 'create', '-o', 'my.own=thing', 'kept');
    assert.equal(await daemon.ok('network', 'inspect', '-f', '{{index .Options "my.own"}}', 'kept'), 'thing');
  });

  test('what leaves has the address it shall have, and the gateway may be somebody else', async () => {
    await daemon.host.shell('ip addr add 192.0.2.3/24 dev eth0');
    const options = ['com.docker.network.host_ipv4=192.0.2.3', 'com.docker.network.bridge.inhibit_ipv4=true'];
    await create('other', '10.5.0.0/24', '-o', options[0] ?? '');
    const asked = await daemon.ok(
      'run',
      '--rm',
      '--network',
      'other',
      'busybox',
      'timeout',
      '20',
      'nc',
      '192.0.2.1',
      '9000',
    );
    assert.equal(asked, '192.0.2.3');
    const id = await create('without', '10.4.0.0/24', '-o', options[1] ?? '');
    const link = `br-${id.slice(0, 12)}`;
    assert.doesNotMatch(await daemon.host.out(['ip', '-4', 'addr', 'show', link]), /10\.4\.0\.1/);
  });
});
