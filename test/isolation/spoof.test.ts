import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseMacAddress } from '../../src/model/address.ts';
import { TestDaemon } from '../daemon.ts';
import { ALL_NODES_MAC, LINK_LOCAL_MAC, routerAdvertisement, udp4, udp6 } from './frames.ts';
import { arrivals, forged, makeNeighbours, type Neighbours, send } from './tenants.ts';

/** UDP port by which the host's counters know our datagrams. */
const MARK = 6666;

describe('what a container, or the LAN, sends that is not true', () => {
  let daemon: TestDaemon;
  let plain: Neighbours;
  let inner: Neighbours;
  let lan: ReturnType<typeof parseMacAddress>;
  let eth0: ReturnType<typeof parseMacAddress>;
  before(async () => {
    // A host that forwards, and takes its own router's word all the same, as at most people's homes.
    daemon = await TestDaemon.create([], (host) => host.shell('sysctl -qw net.ipv6.conf.default.accept_ra=2'));
    [plain, inner] = await Promise.all([
      makeNeighbours(daemon, 'plain', 2),
      makeNeighbours(daemon, 'inner', 3, '--internal'),
    ]);
    const mac = (text: string) => parseMacAddress(/ether (\S+)/.exec(text)?.[1] ?? '');
    eth0 = mac(await daemon.host.shell('ip link show eth0'));
    lan = mac(await daemon.host.lanShell('ip link show lan0'));
    const count = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} priority 10; udp sport ${MARK} counter\n }`;
    await daemon.host.shell(`nft 'table inet seen { ${count('input')}\n ${count('forward')}\n }'`);
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  const ears = { path: () => `/proc/${daemon.host.pid}/ns/net`, lan: () => `/proc/${daemon.host.lanPid}/ns/net` };
  /** How many of our datagrams the host has taken in, and passed on. */
  const seen = async () => {
    const text = await daemon.host.shell('nft list table inet seen');
    return [...text.matchAll(/packets (\d+)/g)].map(([, packets]) => Number(packets));
  };
  const shoot = async (from: string, ...frames: Buffer[]) => {
    const before = await seen();
    await send(from, ears.path(), 'lo', frames, 0.3);
    return (await seen()).map((packets, at) => packets - (before[at] ?? 0));
  };

  test('between neighbours everything passes, as in Docker', async () => {
    const sent = forged(plain);
    assert.deepEqual(await arrivals(plain, sent), Object.keys(sent));
  });

  test('the host takes no container for its router, whatever the advertisement is addressed to', async () => {
    for (const { attacker } of [plain, inner]) {
      const frames = [ALL_NODES_MAC, LINK_LOCAL_MAC].map((to) =>
        routerAdvertisement({ from: attacker.mac, to }, attacker.local),
      );
      await shoot(attacker.path, ...frames);
    }
    assert.doesNotMatch(await daemon.host.shell('ip -6 route; ip -6 addr'), /proto ra|2001:db8:bad/);
  });

  test('the host’s other addresses and its loopback stay closed to an internal network, whatever MAC address is written to', async () => {
    const datagram = ({ attacker }: Neighbours, to: typeof lan, target: string) =>
      udp4({ from: attacker.mac, to }, attacker.four, target, [MARK, 7000]);
    assert.deepEqual(await shoot(plain.attacker.path, datagram(plain, plain.gateway.mac, '192.0.2.2')), [1, 0]);
    for (const to of [inner.gateway.mac, LINK_LOCAL_MAC]) {
      const frames = [
        datagram(inner, to, '192.0.2.2'),
        datagram(inner, to, '127.0.0.1'),
        datagram(inner, to, '10.2.0.1'),
      ];
      assert.deepEqual(await shoot(inner.attacker.path, ...frames), [0, 0]);
    }
    const six = udp6({ from: inner.attacker.mac, to: LINK_LOCAL_MAC }, inner.attacker.six, plain.gateway.six, [
      MARK,
      7000,
    ]);
    assert.deepEqual(await shoot(inner.attacker.path, six), [0, 0]);
    for (const to of [plain.gateway.mac, LINK_LOCAL_MAC]) {
      assert.deepEqual(await shoot(plain.attacker.path, datagram(plain, to, '127.0.0.1')), [0, 0]);
    }
  });

  test('nobody poses as the host', async () => {
    const { attacker, gateway } = plain;
    const ends = { from: attacker.mac, to: gateway.mac };
    const posing = ['192.0.2.2', '10.2.0.1', '127.0.0.1'].map((source) => udp4(ends, source, '10.2.0.1', [MARK, 7000]));
    assert.deepEqual(await shoot(attacker.path, ...posing), [0, 0]);
    assert.doesNotMatch(await daemon.host.shell('ip neigh'), /10\.2\.0\.1 /);
  });

  test('the LAN reaches neither a port of 127.0.0.1 nor a container’s own address', async () => {
    await daemon.ok('run', '-d', '--name', 'web', '-p', '127.0.0.1:8082:80/udp', 'busybox', 'sleep', '6000');
    const address = await daemon.ok('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'web');
    const ends = { from: lan, to: eth0 };
    const to = (target: string, port: number) => udp4(ends, '192.0.2.1', target, [MARK, port]);
    const fromLan = async (...frames: Buffer[]) => {
      const before = await seen();
      await send(ears.lan(), ears.path(), 'lo', frames, 0.3, 'lan0');
      return (await seen()).map((packets, at) => packets - (before[at] ?? 0));
    };
    assert.deepEqual(await fromLan(to('192.0.2.2', 7000)), [1, 0]);
    assert.deepEqual(await fromLan(to('127.0.0.1', 8082), to('192.0.2.2', 8082)), [1, 0]);
    assert.deepEqual(await fromLan(to(address, 80), to(plain.victim.four, 7000)), [0, 0]);
  });
});
