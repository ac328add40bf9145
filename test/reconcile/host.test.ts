import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostLink } from '../../src/reconcile/host.ts';
import { HostUses } from '../../src/reconcile/host-use.ts';
import { eventually } from '../host.ts';
import { Fixture, gone, networkOf, sandboxOf, wishesOf } from './fixture.ts';

function usesOf(fixture: Fixture, changed: () => void = () => undefined): HostUses {
  return new HostUses({ namespace: fixture.home, changed });
}

const prefixes = (uses: HostUses): readonly string[] => uses.list().map(({ prefix }) => prefix);

test('what the host uses: addresses, routes of all tables, but no way to everywhere', async () => {
  await using fixture = await Fixture.create();
  fixture.sh(`ip link add eth0 type bridge; ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up
    ip route add default via 192.0.2.1; ip route add 128.0.0.0/1 via 192.0.2.1
    ip route add 172.17.0.0/16 via 192.0.2.1 table 77; ip route add 10.99.0.0/16 dev eth0
    ip route add blackhole 10.98.0.0/16; ip rule add from 10.97.0.0/16 table 77
    ip -6 addr add fd00:1::2/64 dev eth0 nodad; ip -6 route add fd00:2::/64 via fd00:1::1 table 78`);
  using uses = usesOf(fixture);
  const found = uses.list().map(({ prefix, near, link, table }) => ({ prefix, near, link, table }));
  for (const expected of [
    { prefix: '192.0.2.0/24', near: true, link: 'eth0', table: undefined },
    { prefix: '192.0.2.0/24', near: true, link: 'eth0', table: 254 },
    { prefix: '172.17.0.0/16', near: false, link: 'eth0', table: 77 },
    { prefix: '10.99.0.0/16', near: true, link: 'eth0', table: 254 },
    { prefix: '10.98.0.0/16', near: true, link: '', table: 254 },
    { prefix: 'fd00:1::/64', near: true, link: 'eth0', table: undefined },
    { prefix: 'fd00:2::/64', near: false, link: 'eth0', table: 78 },
  ]) {
    assert.ok(
      found.some((use) => JSON.stringify(use) === JSON.stringify(expected)),
      expected.prefix,
    );
  }
  for (const way of ['0.0.0.0/0', '128.0.0.0/1']) assert.ok(!prefixes(uses).includes(way), way);
});

test('what is on our own links is no use of the host, and their coming and going is not worth a look', async () => {
  await using fixture = await Fixture.create();
  let changes = 0;
  using uses = usesOf(fixture, () => changes++);
  const before = uses.list();
  const wishes = wishesOf({ network: networkOf(1), sandbox: sandboxOf('a'), host: 2 });
  await fixture.reconciler.commit(wishes);
  assert.deepEqual(uses.list(), before);
  await fixture.reconciler.commit(gone(wishes));
  await fixture.reconciler.settled();
  assert.deepEqual(uses.list(), before);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(changes, 0);
});

test('what comes later is told, and is known at once to who asks', async () => {
  await using fixture = await Fixture.create();
  let changes = 0;
  using uses = usesOf(fixture, () => changes++);
  assert.ok(!prefixes(uses).includes('10.8.0.0/24'));
  fixture.sh('ip link add tun0 type bridge; ip addr add 10.8.0.2/24 dev tun0; ip link set tun0 up');
  assert.ok(prefixes(uses).includes('10.8.0.0/24'));
  await eventually('the change is told', () => changes > 0);
  const before = changes;
  // The kernel says nothing of the IPv4 routes that go with a link.
  fixture.sh('ip link del tun0');
  assert.ok(!prefixes(uses).includes('10.8.0.0/24'));
  await eventually('the end is told', () => changes > before);
});

test('a link of others that is as it was for addresses and routes is not worth a look, however often it changes', async () => {
  await using fixture = await Fixture.create();
  fixture.sh('ip link add eth0 type bridge; ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up');
  using uses = usesOf(fixture);
  const [first] = uses.list();
  assert.ok(first);
  fixture.sh('for mtu in 1400 1401 1402; do ip link set eth0 mtu $mtu txqueuelen $mtu; done');
  assert.equal(uses.list()[0], first, 'nothing was read anew');
  fixture.sh('ip link set eth0 down; ip link set eth0 name eth1; ip link set eth1 up');
  const links = new Set(uses.list().map(({ link }) => link));
  assert.deepEqual([links.has('eth1'), links.has('eth0')], [true, false]);
});

test('an existing bridge is told with its addresses', async () => {
  await using fixture = await Fixture.create();
  fixture.sh(
    'ip link add docker0 type bridge; ip addr add 10.7.0.1/24 dev docker0; ip addr add 10.8.0.1/24 dev docker0',
  );
  assert.deepEqual(hostLink('docker0', fixture.home)?.addresses, ['10.7.0.1/24', '10.8.0.1/24']);
  assert.equal(hostLink('docker0', fixture.home)?.link.kind, 'bridge');
  assert.equal(hostLink('docker1', fixture.home), undefined);
});
