import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('what the daemon’s flags say of rules', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.host.lanShell('ip route add 172.16.0.0/12 via 192.0.2.2');
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '8080:80',
      'busybox',
      'sh',
      '-c',
      'httpd -p 81 -h /var/www; httpd -f -h /var/www',
    );
    await eventually('it serves', () => reached('192.0.2.2:8080'));
  });
  after(() => daemon[Symbol.asyncDispose]());

  const reached = async (where: string, seconds = 20) =>
    (await daemon.host.lan(['curl', '-s', '-m', `${seconds}`, `http://${where}/`])).code === 0;
  const restart = async (...flags: string[]) => {
    await daemon.stop('SIGTERM');
    await daemon.start(flags);
  };

  test('a published port is not reachable at the container’s own address, unless --allow-direct-routing', async () => {
    assert.equal(await reached('172.17.0.2:80', 2), false);
    await restart('--allow-direct-routing');
    assert.ok(await reached('172.17.0.2:80'));
    assert.equal(await reached('172.17.0.2:81', 2), false, 'it is not published');
    assert.ok(await reached('192.0.2.2:8080'));
    await restart();
    assert.equal(await reached('172.17.0.2:80', 2), false, 'it is closed again');
  });

  test('packets with the mark of --bridge-accept-fwmark reach ports that are not published', async () => {
    // On its way to port 81 a packet gets mark 6, which is 2 in the bits of 3; to port 80 another one.
    const rule = 'nft add rule inet fairway-admin prerouting ip daddr 172.17.0.2 meta mark set tcp dport map';
    await daemon.host.shell(`${rule} '{ 80 : 1, 81 : 6 }'`);
    const reachable = async (seconds = 2) => [
      await reached('172.17.0.2:80', 2),
      await reached('172.17.0.2:81', seconds),
    ];
    assert.deepEqual(await reachable(), [false, false]);
    await restart('--bridge-accept-fwmark', '2/3');
    assert.deepEqual(await reachable(20), [false, true]);
    await restart();
    assert.deepEqual(await reachable(), [false, false]);
    await daemon.host.shell('nft flush table inet fairway-admin');
  });

  test('--iptables=false: no rules, so no NAT; published ports are passed on by the daemon, and networks work all the same', async () => {
    await restart('--iptables=false', '--ip6tables=false');
    assert.ok(await reached('192.0.2.2:8080'));
    const rules = await daemon.host.shell('nft list ruleset');
    assert.doesNotMatch(rules, /docker0|8080|172\.17\.|set guarded \{[^}]*elements/);
    assert.equal(await daemon.host.shell('sysctl -n net.ipv4.conf.docker0.route_localnet'), '0');
    // Nothing stands before the containers' addresses, either.
    assert.ok(await reached('172.17.0.2:81'));
    await daemon.ok('run', '--rm', 'busybox', 'wget', '-qO-', 'http://172.17.0.2:81/');
    const ports = ['-p', '127.0.0.1:8081:80', '-p', '192.0.2.2:8082:82/udp', '-p', '[::1]:8083:80'];
    await daemon.ok('run', '-d', '--name', 'passed', ...ports, 'busybox', 'httpd', '-f', '-h', '/var/www');
    await daemon.inside('passed', ['socat', 'UDP-RECVFROM:82,fork', 'PIPE']);
    const curl = async (place: string) => (await daemon.host.exec(['curl', '-s', '-m', '20', place])).code === 0;
    await eventually('127.0.0.1 answers', () => curl('http://127.0.0.1:8081/'));
    assert.ok(await curl('http://[::1]:8083/'));
    assert.equal(await reached('192.0.2.2:8081', 2), false);
    const echo = 'echo ping | socat -t 1 - UDP4:192.0.2.2:8082';
    await eventually('UDP is passed on', async () => (await daemon.host.lanShell(echo)) === 'ping');
    await daemon.ok('rm', '-f', 'passed');
    await restart();
    assert.ok(await reached('192.0.2.2:8080'));
    assert.equal(await reached('172.17.0.2:81', 2), false);
  });

  test('--ip, --ip-masq=false, --icc=false and --ip-forward=false', async () => {
    await daemon.ok('rm', '-f', 'web');
    await daemon.stop('SIGTERM');
    await daemon.host.shell('sysctl -qw net.ipv4.ip_forward=0');
    await daemon.start(['--ip', '127.0.0.1', '--ip-masq=false', '--icc=false', '--ip-forward=false']);
    assert.equal(await daemon.host.shell('sysctl -n net.ipv4.ip_forward'), '0');
    assert.match((await daemon.docker(['info'])).stderr, /WARNING: IPv4 forwarding is disabled/);
    await daemon.ok('run', '-d', '--name', 'web', '-p', '8080:80', 'busybox', 'httpd', '-f', '-h', '/var/www');
    assert.equal(await daemon.ok('port', 'web'), '80/tcp -> 127.0.0.1:8080');
    await eventually(
      'it serves',
      async () => (await daemon.host.exec(['curl', '-s', '-m', '20', 'http://127.0.0.1:8080/'])).code === 0,
    );
    const neighbour = await daemon.docker([
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'timeout 3 wget -qO- http://172.17.0.2/; exit $?',
    ]);
    assert.notEqual(neighbour.code, 0);
    assert.doesNotMatch(await daemon.host.shell('nft list set inet fairway masqueraded4'), /172\.17\./);
    const options = await daemon.ok('network', 'inspect', '-f', '{{json .Options}}', 'bridge');
    assert.match(
      options,
      /"com.docker.network.bridge.enable_icc":"false","com.docker.network.bridge.enable_ip_masquerade":"false"/,
    );
    assert.match(options, /"com.docker.network.bridge.host_binding_ipv4":"127.0.0.1"/);
  });
});
