import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** dnsmasq on the LAN: 120 s are its shortest lease; it is renewed after 4 s, by anybody after 8 s. */
class DhcpServer {
  readonly #daemon: TestDaemon;
  readonly #directory = mkdtempSync(join(tmpdir(), 'fairway-dhcp-'));
  #process: ChildProcess | undefined;
  log = '';

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
  }

  /** @param range first and last number of 192.0.2.0/24 it gives */
  async start(first: number, last: number): Promise<void> {
    const child = this.#daemon.host.spawnLan([
      'dnsmasq',
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--port=0',
      '--interface=lan0',
      '--bind-interfaces',
      '--user=root',
      '--log-facility=-',
      '--log-dhcp',
      '--dhcp-authoritative',
      '--no-ping',
      `--dhcp-leasefile=${join(this.#directory, `leases-${first}`)}`,
      `--pid-file=${this.#pidFile}`,
      `--dhcp-range=192.0.2.${first},192.0.2.${last},120`,
      '--dhcp-option=option:router,192.0.2.1',
      '--dhcp-option=58,4',
      '--dhcp-option=59,8',
    ]);
    child.stderr?.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    child.stdout?.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    this.#process = child;
    await eventually('dnsmasq serves', () => this.log.includes('DHCP, sockets bound') || child.exitCode !== null);
    assert.equal(child.exitCode, null, this.log);
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null) return;
    // Not 'exit': what it said last would come after the log has been emptied.
    const ended = once(child, 'close');
    await this.#daemon.host.lanShell(`kill $(cat ${this.#pidFile})`);
    await ended;
    this.log = '';
  }

  get #pidFile(): string {
    return join(this.#directory, 'pid');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** How often something was said of an address. */
  count(message: string, address: string): number {
    return this.log.split('\n').filter((line) => line.includes(`${message}(lan0) ${address}`)).length;
  }
}

describe('the dhcp IPAM driver', () => {
  let daemon: TestDaemon;
  let server: DhcpServer;
  before(async () => {
    daemon = await TestDaemon.create();
    server = new DhcpServer(daemon);
    await server.start(100, 120);
    await daemon.ok('network', 'create', '-d', 'macvlan', '-o', 'parent=eth0', '--ipam-driver', 'dhcp', 'lan');
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  });

  /** What the server says comes by a pipe, in its own time. */
  const said = (words: RegExp) => eventually(`the server says ${words}`, () => words.test(server.log));
  const address = async (container: string) =>
    /inet ([\d.]+)\/24/.exec(await daemon.ok('exec', container, 'ip', '-4', '-o', 'addr', 'show', 'eth0'))?.[1] ?? '';

  test('a container has an address of the LAN, its gateway and its name there, before its command runs', async () => {
    const seen = await daemon.ok(
      'run',
      '--rm',
      '--hostname',
      'early',
      '--network',
      'lan',
      'busybox',
      'sh',
      '-c',
      'ip -4 -o addr show eth0; ip route; cat /etc/hosts; ping -c1 -W20 192.0.2.1',
    );
    assert.match(seen, /inet 192\.0\.2\.1[012]\d\/24/);
    assert.match(seen, /default via 192\.0\.2\.1 dev eth0/);
    assert.match(seen, /192\.0\.2\.1[012]\d\tearly/);
    assert.match(seen, /1 packets received/);
    await said(/DHCPACK\(lan0\) 192\.0\.2\.1[012]\d [0-9a-f:]+ early/);
    await said(/DHCPRELEASE\(lan0\) 192\.0\.2\.1/);
  });

  test('the lease is prolonged, also by a daemon that was killed and came back; inspect tells the address', async () => {
    await daemon.ok('run', '-d', '--name', 'web', '--network', 'lan', 'busybox', 'sleep', '600');
    const own = await address('web');
    assert.equal(
      await daemon.ok(
        'inspect',
        '-f',
        '{{.NetworkSettings.Networks.lan.IPAddress}} {{.NetworkSettings.Networks.lan.Gateway}}',
        'web',
      ),
      `${own} 192.0.2.1`,
    );
    const acks = () => server.count('DHCPACK', own);
    const before = acks();
    await eventually('it is renewed', () => acks() > before);
    await daemon.stop('SIGKILL');
    const killed = acks();
    await daemon.start();
    await eventually('it is renewed again', () => acks() > killed);
    assert.equal(await address('web'), own);
    assert.equal(server.count('DHCPNAK', own), 0);
    await daemon.ok('restart', '-t', '0', 'web');
    assert.equal(await address('web'), own, 'the same container has the same address');
  });

  test('an address that somebody on the LAN has taken is declined, and the container gets another', async () => {
    const own = await address('web');
    await daemon.ok('stop', '-t', '0', 'web');
    await daemon.host.lanShell(`ip addr add ${own}/32 dev lo`);
    await daemon.ok('start', 'web');
    const now = await address('web');
    assert.notEqual(now, own);
    await said(new RegExp(`DHCPDECLINE\\(lan0\\) ${own.replaceAll('.', '\\.')} `));
    assert.equal(await daemon.inspect('web', '{{.NetworkSettings.Networks.lan.IPAddress}}'), now);
    await daemon.host.lanShell(`ip addr del ${own}/32 dev lo`);
  });

  test('when the server gives another address, the container, its files and inspect follow', async () => {
    const own = await address('web');
    await server.stop();
    await server.start(150, 160);
    await eventually('the address is another', async () => /192\.0\.2\.1[56]\d/.test(await address('web')));
    const now = await address('web');
    assert.notEqual(now, own);
    const told = ['inspect', '-f', '{{.NetworkSettings.Networks.lan.IPAddress}}', 'web'];
    await eventually('inspect follows', async () => (await daemon.ok(...told)) === now);
    const line = new RegExp(`^${now.replaceAll('.', '\\.')}\t`, 'm');
    const seen = (...command: string[]) => daemon.ok('exec', 'web', ...command);
    await eventually('its hosts file follows', async () => line.test(await seen('cat', '/etc/hosts')));
    await eventually('its routes follow', async () => /default via 192\.0\.2\.1/.test(await seen('ip', 'route')));
    await daemon.ok('rm', '-f', 'web');
    await eventually('it is given back', () => server.count('DHCPRELEASE', now) > 0);
  });

  test('a bridge of the host with a port on the LAN serves as well, and connect asks, too', async () => {
    await daemon.ok('network', 'rm', 'lan');
    await daemon.host.shell(`set -e; ip link add br-lan type bridge; ip link set br-lan up; ip addr del 192.0.2.2/24 dev eth0
      ip link set eth0 master br-lan; ip addr add 192.0.2.2/24 dev br-lan; ip route add default via 192.0.2.1`);
    await daemon.ok(
      'network',
      'create',
      '-o',
      'com.docker.network.bridge.name=br-lan',
      '--ipam-driver',
      'dhcp',
      'bridged',
    );
    await daemon.ok('run', '-d', '--name', 'one', '--network', 'bridged', 'busybox', 'sleep', '600');
    assert.match(await address('one'), /192\.0\.2\.1[56]\d/);
    await daemon.ok('network', 'create', 'other');
    await daemon.ok('run', '-d', '--name', 'two', '--network', 'other', 'busybox', 'sleep', '600');
    await daemon.ok('network', 'connect', 'bridged', 'two');
    assert.match(await daemon.ok('exec', 'two', 'ip', '-4', '-o', 'addr', 'show', 'eth1'), /192\.0\.2\.1[56]\d\/24/);
    await daemon.ok('exec', 'two', 'ping', '-c1', '-W20', await address('one'));
    await daemon.ok('network', 'disconnect', 'bridged', 'two');
    await daemon.ok('rm', '-f', 'one', 'two');
    await daemon.ok('network', 'rm', 'bridged', 'other');
    assert.match(
      await daemon.host.out(['ip', '-o', 'addr', 'show', 'br-lan']),
      /192\.0\.2\.2\/24/,
      'the bridge is the user’s',
    );
  });

  test('what it cannot do is refused', async () => {
    const refusal = async (...args: string[]) =>
      (await daemon.docker(['network', 'create', '--ipam-driver', 'dhcp', ...args, 'never'])).stderr;
    assert.match(await refusal(), /bridge networks have no LAN to ask/);
    const macvlan = ['-d', 'macvlan', '-o', 'parent=br-lan'];
    assert.match(
      await refusal(...macvlan, '--subnet', '192.0.2.0/24'),
      /does not handle specific address pool requests/,
    );
    assert.match(await refusal(...macvlan, '--ipv6'), /gives IPv4 addresses, and no others/);
  });
});
