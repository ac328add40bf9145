import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseIpAddress, parseMacAddress } from '../../src/model/address.ts';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import {
  ALL_NODES_MAC,
  frame,
  groupMac,
  LINK_LOCAL_MAC,
  membershipQuery,
  routerAdvertisement,
  udp4,
  udp6,
} from './frames.ts';
import { arrivals, find, forged, honest, makeNeighbours, type Neighbours, send } from './tenants.ts';

/** UDP port by which the host's counters know our datagrams. */
const MARK = 6666;

describe('what a container, or the LAN, sends that is not true', () => {
  let daemon: TestDaemon;
  let plain: Neighbours;
  let inner: Neighbours;
  let counted: readonly number[] = [];
  let safe: Neighbours;
  let lan: ReturnType<typeof parseMacAddress>;
  let eth0: ReturnType<typeof parseMacAddress>;
  before(async () => {
    // A host that forwards, and takes its own router's word all the same, as at most people's homes.
    daemon = await TestDaemon.create([], (host) => host.shell('sysctl -qw net.ipv6.conf.default.accept_ra=2'));
    [plain, inner, safe] = await Promise.all([
      makeNeighbours(daemon, 'plain', 2),
      makeNeighbours(daemon, 'inner', 3, ['--internal'], ['attacker']),
      makeNeighbours(daemon, 'safe', 4, ['-o', 'port_security=true']),
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
  /** Each frame has passed all hooks before its sender is told, since a pair of links has no queue. */
  const shoot = async (from: string, frames: readonly Buffer[], by = 'eth0') => {
    await send(from, ears.path(), 'lo', frames, 0.1, by);
    const now = await seen();
    const grown = now.map((packets, at) => packets - (counted[at] ?? 0));
    counted = now;
    return grown;
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
      await send(attacker.path, ears.path(), 'lo', frames, 0.1);
    }
    assert.doesNotMatch(await daemon.host.shell('ip -6 route; ip -6 addr'), /proto ra|2001:db8:bad/);
  });

  test('the host’s other addresses and its loopback stay closed to an internal network, whatever MAC address is written to', async () => {
    const datagram = ({ attacker }: Neighbours, to: typeof lan, target: string) =>
      udp4({ from: attacker.mac, to }, attacker.four, target, [MARK, 7000]);
    const targets = ['192.0.2.2', '127.0.0.1', '10.2.0.1'];
    const frames = [inner.gateway.mac, LINK_LOCAL_MAC].flatMap((to) =>
      targets.map((target) => datagram(inner, to, target)),
    );
    const six = { from: inner.attacker.mac, to: LINK_LOCAL_MAC };
    frames.push(udp6(six, inner.attacker.six, plain.gateway.six, [MARK, 7000]));
    assert.deepEqual(await shoot(inner.attacker.path, frames), [0, 0]);
    const own = [plain.gateway.mac, LINK_LOCAL_MAC].map((to) => datagram(plain, to, '127.0.0.1'));
    // The one that may is counted, and so would be the others.
    own.push(datagram(plain, plain.gateway.mac, '192.0.2.2'));
    assert.deepEqual(await shoot(plain.attacker.path, own), [1, 0]);
  });

  test('multicast reaches every neighbour, also when one says that it is who asks for members', async () => {
    const { attacker } = plain;
    const group = parseIpAddress('239.1.2.3');
    const query = membershipQuery(attacker.mac, attacker.four);
    assert.deepEqual(await arrivals(plain, { query }), ['query']);
    // Then those who listen would be known, if anybody took the answers down.
    await sleep(300);
    const said = udp4({ from: attacker.mac, to: groupMac(group) }, attacker.four, group, [1, 2]);
    assert.deepEqual(await arrivals(plain, { said }, 10), ['said']);
  });

  test('nobody poses as the host', async () => {
    const { attacker, gateway } = plain;
    const ends = { from: attacker.mac, to: gateway.mac };
    const posing = ['192.0.2.2', '10.2.0.1', '127.0.0.1'].map((source) => udp4(ends, source, '10.2.0.1', [MARK, 7000]));
    assert.deepEqual(await shoot(attacker.path, posing), [0, 0]);
    assert.doesNotMatch(await daemon.host.shell('ip neigh'), /10\.2\.0\.1 /);
  });

  test('an answer to 127.0.0.1 arrives, and nothing that was sent there as if it were one', async () => {
    const publish = ['--network', 'plain', '-p', `8083:${MARK}/udp`];
    await daemon.ok('run', '-d', '--name', 'plain-answering', ...publish, 'busybox', 'sleep', '6000');
    const { path, mac, four } = await find(daemon, 'plain-answering');
    const ask = `import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 7700)); s.sendto(b'?', ('127.0.0.1', 8083))`;
    await daemon.host.out(['python3', '-c', ask]);
    const to = (target: string) => udp4({ from: mac, to: plain.gateway.mac }, four, target, [MARK, 7700]);
    assert.deepEqual(await shoot(path, [to(plain.gateway.four), to('127.0.0.1')]), [1, 0]);
  });

  test('the LAN reaches neither a port of 127.0.0.1 nor a container’s own address', async () => {
    await daemon.ok('run', '-d', '--name', 'web', '-p', '127.0.0.1:8082:80/udp', 'busybox', 'sleep', '6000');
    const address = await daemon.inspect('web', '{{.NetworkSettings.IPAddress}}');
    const ends = { from: lan, to: eth0 };
    const to = (target: string, port: number) => udp4(ends, '192.0.2.1', target, [MARK, port]);
    const closed = [to('127.0.0.1', 8082), to(address, 80), to(plain.victim.four, 7000)];
    const open = [to('192.0.2.2', 7000), to('192.0.2.2', 8082)];
    assert.deepEqual(await shoot(ears.lan(), [...closed, ...open], 'lan0'), [2, 0]);
  });

  test('with port_security a container speaks in its own name alone', async () => {
    const own = honest(safe);
    assert.deepEqual(await arrivals(safe, own), Object.keys(own));
    assert.deepEqual(await arrivals(safe, forged(safe), 0.3), []);
    for (const target of [safe.victim.four, safe.victim.six, safe.gateway.four, safe.gateway.six, '192.0.2.1']) {
      await daemon.ok('exec', safe.attacker.name, 'ping', '-c1', '-W30', target);
    }
    assert.match(await daemon.host.shell('nft list counter bridge fairway spoofed'), /packets [1-9]/);
  });

  test('a bridge learns nothing from frames that are not for it, which pass every filter', async () => {
    for (const { attacker, victim, other } of [plain, safe]) {
      for (const from of [victim, other]) await daemon.ok('exec', from.name, 'ping', '-c1', '-W30', attacker.four);
      const port = async () => /dev (\S+)/.exec(await daemon.host.shell(`bridge fdb show | grep ${other.mac}`))?.[1];
      const before = await port();
      const stolen = frame({ from: other.mac, to: LINK_LOCAL_MAC }, 0x88cc, Buffer.alloc(46));
      await send(attacker.path, victim.path, 'eth0', [stolen], 0.1);
      assert.ok(before);
      assert.equal(await port(), before);
    }
  });

  test('port_security is there from the first frame of a link, without the daemon, and again when somebody deletes it', async () => {
    const { host } = daemon;
    const refuses = async () => assert.deepEqual(await arrivals(safe, forged(safe), 0.3), []);
    const rules = async () => {
      const { stdout } = await host.exec(['nft', '-s', 'list', 'table', 'bridge', 'fairway']);
      return stdout
        .split(/[\s,]+/)
        .sort()
        .join(' '); // a set has no order
    };
    await daemon.stop('SIGKILL');
    await refuses();
    await daemon.start();
    assert.doesNotMatch(daemon.log, /port-security/);
    await refuses();
    for (const damage of [
      'delete table bridge fairway',
      'flush chain bridge fairway six',
      'flush set bridge fairway senders4',
    ]) {
      const whole = await rules();
      await host.shell(`nft ${damage}`);
      await eventually(`${damage} is mended`, async () => (await rules()) === whole);
      await refuses();
    }
    await daemon.ok('network', 'connect', 'safe', plain.other.name);
    const elements = await host.shell('nft list set bridge fairway ports');
    assert.equal(elements.match(/veth/g)?.length, 4);
  });

  test('port_security goes with the last network that has it, and needs addresses of our own', async () => {
    await daemon.ok('rm', '-f', safe.attacker.name, safe.victim.name, safe.other.name, plain.other.name);
    assert.notEqual((await daemon.host.exec(['nft', 'list', 'table', 'bridge', 'fairway'])).code, 0);
    const create = (...options: string[]) => daemon.docker(['network', 'create', '-o', ...options, 'no']);
    assert.match((await create('port_security=perhaps')).stderr, /failed to parse port_security value: perhaps/);
    const dhcp = await create(
      'port_security=true',
      '-o',
      'com.docker.network.bridge.name=eth9',
      '--ipam-driver',
      'dhcp',
    );
    assert.match(dhcp.stderr, /option port_security needs addresses of Fairway/);
  });
});
