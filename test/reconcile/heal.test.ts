import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RouteSocket } from '../../src/kernel/rtnetlink.ts';
import { eventually } from '../host.ts';
import { endpointOf, Fixture, networkOf, sandboxOf, told, wishesOf } from './fixture.ts';

const web = { network: networkOf(1), sandbox: sandboxOf('a'), host: 2 };
const db = { network: networkOf(1), sandbox: sandboxOf('b'), host: 3 };
const BRIDGE = 'br-000000000001';
const VETH = `veth${endpointOf(web).id.slice(0, 7)}`;

/** What somebody does to the host, and what must work again soon after without anybody asking. */
const BLOWS: readonly [string, string][] = [
  ['the bridge is deleted', `ip link del ${BRIDGE}`],
  ['the bridge is set down', `ip link set ${BRIDGE} down`],
  ['the bridge is renamed', `ip link set ${BRIDGE} name other`],
  ['the bridge loses its address', `ip addr del 10.1.0.1/24 dev ${BRIDGE}`],
  ['the bridge loses all addresses', `ip addr flush dev ${BRIDGE}`],
  ['the subnet’s route is deleted', 'ip route del 10.1.0.0/24'],
  ['the firewall is flushed', 'nft flush ruleset'],
  ['a rule is put into our table', 'nft add rule inet fairway prerouting drop'],
  ['an element of ours is deleted', 'nft flush set inet fairway bridges'],
  ['a veth is deleted', `ip link del ${VETH}`],
  ['a veth is taken out of its bridge', `ip link set ${VETH} nomaster`],
  ['a veth is set down', `ip link set ${VETH} down`],
  ['a veth is renamed', `ip link set ${VETH} name other`],
];

for (const [what, blow] of BLOWS) {
  test(`it heals when ${what}`, async () => {
    await using fixture = await Fixture.create();
    const { reconciler } = fixture;
    await reconciler.commit(wishesOf(web, db));
    await reconciler.settled();
    assert.equal(reconciler.repairs.count, 0, fixture.lines.join('\n'));
    fixture.sh(blow);
    await eventually('it was noticed', () => reconciler.repairs.count > 0);
    await reconciler.settled();
    assert.ok(fixture.reaches('host', '10.1.0.2'));
    assert.ok(fixture.reaches(web.sandbox.namespace, '10.1.0.3'));
    fixture.inside(web.sandbox.namespace, 'ip route get 192.0.2.1');
    assert.deepEqual(told(reconciler.plan()), []);
    assert.equal(fixture.lines.filter((line) => line.startsWith('network mended')).length, 1, fixture.lines.join('\n'));
  });
}

/** What happens inside a sandbox is found when everything is looked at. */
const INSIDE: readonly [string, string][] = [
  ['the default route is deleted', 'ip route del default'],
  ['the address is deleted', 'ip addr del 10.1.0.2/24 dev eth0'],
  ['the link is set down', 'ip link set eth0 down'],
  ['the link is deleted', 'ip link del eth0'],
  ['loopback is set down', 'ip link set lo down'],
];

for (const [what, blow] of INSIDE) {
  test(`reconcile() mends a sandbox where ${what}`, async () => {
    await using fixture = await Fixture.create();
    const { reconciler } = fixture;
    await reconciler.commit(wishesOf(web, db));
    fixture.inside(web.sandbox.namespace, blow);
    await reconciler.reconcile();
    assert.ok(fixture.reaches(web.sandbox.namespace, '10.1.0.3'));
    assert.ok(fixture.reaches(web.sandbox.namespace, '127.0.0.1'));
    fixture.inside(web.sandbox.namespace, 'ip route get 192.0.2.1');
    assert.deepEqual(told(reconciler.plan()), []);
  });
}

test('reconcile() sets settings of the host back', async () => {
  await using fixture = await Fixture.create();
  await fixture.reconciler.commit(wishesOf(web));
  fixture.sh(`sysctl -qw net.ipv4.conf.${BRIDGE}.route_localnet=0`);
  const repairs = await fixture.reconciler.reconcile();
  assert.deepEqual(
    repairs.map(({ because }) => because),
    ['value is 0, wanted 1'],
  );
});

test('our own changes are no repairs, however many', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  const wishes = wishesOf(web, db);
  for (let round = 0; round < 5; round++) {
    await reconciler.commit(wishes);
    await reconciler.commit(new Map([...wishes.keys()].map((owner) => [owner, []])));
    await reconciler.settled();
  }
  assert.equal(reconciler.repairs.count, 0, fixture.lines.join('\n'));
});

test('when events are lost, everything is read', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(wishesOf(web));
  await reconciler.settled();
  fixture.sh('ip link add noise type bridge');
  {
    // No event is read while this runs: it never returns to the event loop
    using socket = new RouteSocket(fixture.home);
    const noise = socket.link('noise')?.index ?? 0;
    for (let round = 0; round < 100; round++) {
      const batch = socket.batch();
      for (let i = 0; i < 50; i++) batch.setLink(noise, { mtu: 1300 }).setLink(noise, { mtu: 1400 });
      batch.send();
    }
    fixture.sh(`ip addr del 10.1.0.1/24 dev ${BRIDGE}; nft flush ruleset`);
  }
  await eventually('what nobody told was found', () => reconciler.repairs.count > 0);
  await reconciler.settled();
  assert.deepEqual(told(reconciler.plan()), []);
});

test('somebody who breaks the same thing again and again does not keep us busy', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(wishesOf(web));
  await reconciler.settled();
  for (let round = 0; round < 40; round++) {
    fixture.sh(`ip link set ${VETH} nomaster`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(reconciler.repairs.count < 10, String(reconciler.repairs.count));
  await eventually('the last blow is mended too', () => told(reconciler.plan()).length === 0);
});
