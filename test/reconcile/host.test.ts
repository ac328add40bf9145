import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostLink, hostPrefixes } from '../../src/reconcile/host.ts';
import { Fixture, gone, networkOf, sandboxOf, wishesOf } from './fixture.ts';

test('what the host uses: addresses, routes of all tables, but no way to everywhere', async () => {
  await using fixture = await Fixture.create();
  fixture.sh(`ip link add eth0 type bridge; ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up
    ip route add default via 192.0.2.1; ip route add 128.0.0.0/1 via 192.0.2.1
    ip route add 172.17.0.0/16 via 192.0.2.1 table 77; ip route add 10.99.0.0/16 dev eth0`);
  const prefixes: readonly string[] = hostPrefixes(fixture.home);
  for (const expected of ['192.0.2.0/24', '172.17.0.0/16', '10.99.0.0/16'])
    assert.ok(prefixes.includes(expected), expected);
  for (const way of ['0.0.0.0/0', '128.0.0.0/1']) assert.ok(!prefixes.includes(way), way);
});

test('the subnet of a network that was just removed is free at once', async () => {
  await using fixture = await Fixture.create();
  const wishes = wishesOf({ network: networkOf(1), sandbox: sandboxOf('a'), host: 2 });
  await fixture.reconciler.commit(wishes);
  assert.ok((hostPrefixes(fixture.home) as string[]).includes('10.1.0.0/24'));
  await fixture.reconciler.commit(gone(wishes));
  assert.ok(!hostPrefixes(fixture.home).some((prefix) => prefix.startsWith('10.1.0.')));
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
