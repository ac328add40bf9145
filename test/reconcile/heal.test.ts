import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { describeHost } from '../../src/drivers/machine.ts';
import { RouteSocket } from '../../src/kernel/rtnetlink.ts';
import { renamed } from '../heal/blows.ts';
import { eventually } from '../host.ts';
import { endpointOf, Fixture, networkOf, sandboxOf, told, wishesOf } from './fixture.ts';

const web = { network: networkOf(1), sandbox: sandboxOf('a', true), host: 2 };
const db = { network: networkOf(1), sandbox: sandboxOf('b'), host: 3 };
const BRIDGE = 'br-000000000001';
const VETH = `veth${endpointOf(web).id.slice(0, 7)}`;
const OTHERS = `veth${endpointOf(db).id.slice(0, 7)}`;
const STRANGER = '02:00:00:00:00:99';
/** Of the network 000000000001 */
const BRIDGE_MAC = '02:00:00:00:00:00';

const SETTINGS = `net.ipv4.conf.${BRIDGE}.route_localnet=0 net.ipv6.conf.${BRIDGE}.disable_ipv6=0`;

/** What somebody does to the host, and what must work again soon after without anybody asking. */
const BLOWS: readonly [string, string][] = [
  ['the bridge is deleted', `ip link del ${BRIDGE}`],
  ['the bridge is set down', `ip link set ${BRIDGE} down`],
  ['the bridge is renamed', renamed(BRIDGE, 'other')],
  ['the bridge gets another MTU', `ip link set ${BRIDGE} mtu 1300`],
  ['the bridge loses its address', `ip addr del 10.1.0.1/24 dev ${BRIDGE}`],
  ['the bridge loses all addresses', `ip addr flush dev ${BRIDGE}`],
  ['the subnet’s route is deleted', 'ip route del 10.1.0.0/24'],
  ['all of nftables is flushed', 'nft flush ruleset'],
  ['our table is deleted', 'nft delete table inet fairway'],
  ['a chain of ours is flushed', 'nft flush chain inet fairway prerouting'],
  ['a rule is put into our table', 'nft add rule inet fairway prerouting drop'],
  ['the elements of a set of ours are deleted', 'nft flush set inet fairway bridges'],
  ['forwarding is switched off', 'sysctl -qw net.ipv4.ip_forward=0'],
  ['settings of a bridge are changed', `sysctl -qw ${SETTINGS}`],
  ['a veth is deleted', `ip link del ${VETH}`],
  ['a veth is taken out of its bridge', `ip link set ${VETH} nomaster`],
  ['a veth is moved to another bridge', `ip link add else type bridge; ip link set ${OTHERS} master else`],
  ['a veth is set down', `ip link set ${VETH} down`],
  ['a veth is renamed', renamed(OTHERS, 'another')],
  ['frames to the host go to all', `bridge fdb del ${BRIDGE_MAC} dev ${BRIDGE} self`],
  [
    'frames to the host go to a container, whose veth is deleted',
    `bridge fdb replace ${BRIDGE_MAC} dev ${VETH} master static; ip link del ${VETH}`,
  ],
  ['a veth is isolated', `bridge link set dev ${OTHERS} isolated on`],
];

/** What somebody does from outside to what is in a sandbox. */
const INSIDE: readonly [string, string][] = [
  ['the default route is deleted', 'ip route del default'],
  ['the address is deleted', 'ip addr del 10.1.0.2/24 dev eth0'],
  ['all addresses are deleted', 'ip addr flush dev eth0'],
  ['the link is set down', 'ip link set eth0 down'],
  ['the link is deleted', 'ip link del eth0'],
  ['the link is renamed', 'ip link set eth0 down; ip link set eth0 name eth9; ip link set eth9 up'],
  ['the link gets another MTU', 'ip link set eth0 mtu 1280'],
  ['the link gets another MAC address', 'ip link set eth0 address 02:00:00:00:00:99'],
  ['loopback is set down', 'ip link set lo down'],
];

/**
 * What somebody says for good, and wrongly, of who holds an address. Said again until it is noticed: the kernel itself forgets all
 * neighbours of a link when its carrier is told of, up to a second after its birth.
 */
const LIES: readonly [string, string][] = [
  [
    'the host takes another for a container',
    `ip neigh replace 10.1.0.2 lladdr ${STRANGER} dev ${BRIDGE} nud permanent`,
  ],
  ['frames to a container go to another', `bridge fdb replace ${endpointOf(web).mac} dev ${OTHERS} master static`],
  ['frames to a container go to the host', `bridge fdb replace ${endpointOf(web).mac} dev ${BRIDGE} self permanent`],
  ['frames to the host go to a container', `bridge fdb replace ${BRIDGE_MAC} dev ${VETH} master static`],
];
const LIES_INSIDE: readonly [string, string][] = [
  ['another is taken for the gateway', `ip neigh replace 10.1.0.1 lladdr ${STRANGER} dev eth0 nud permanent`],
  ['another is taken for a neighbour', `ip neigh replace 10.1.0.3 lladdr ${STRANGER} dev eth0 nud permanent`],
];

describe('it heals when', () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await Fixture.create();
    await fixture.reconciler.commit(
      new Map([
        ...wishesOf(web, db),
        ['host', describeHost({ forwarding: [{ family: 4, guard: true }], clamp: false })],
      ]),
    );
    await fixture.reconciler.settled();
    assert.equal(fixture.reconciler.repairs.count, 0, fixture.lines.join('\n'));
  });
  after(() => fixture[Symbol.asyncDispose]());

  async function heals(blow: () => void, again = false): Promise<void> {
    const { reconciler, lines } = fixture;
    const known = reconciler.repairs.count;
    lines.splice(0);
    blow();
    await eventually('it was noticed', () => {
      if (reconciler.repairs.count > known) return true;
      if (again) blow();
      return false;
    });
    await eventually('all is as it is wished', () => told(reconciler.plan()).length === 0);
    await reconciler.settled();
    assert.ok(fixture.reaches('host', '10.1.0.2'));
    assert.ok(fixture.reaches(web.sandbox.namespace, '10.1.0.3'));
    assert.ok(fixture.reaches(web.sandbox.namespace, '127.0.0.1'));
    fixture.inside(web.sandbox.namespace, 'ip route get 192.0.2.1');
    assert.equal(lines.filter((line) => line.startsWith('network mended: ')).length, 1, lines.join('\n'));
  }

  for (const [what, blow] of BLOWS) test(what, () => heals(() => fixture.sh(blow)));
  for (const [what, blow] of INSIDE) {
    test(`in a sandbox, ${what}`, () => heals(() => fixture.inside(web.sandbox.namespace, blow)));
  }

  for (const [what, lie] of LIES) test(what, () => heals(() => fixture.sh(lie), true));
  for (const [what, lie] of LIES_INSIDE) {
    test(`in a sandbox, ${what}`, () => heals(() => fixture.inside(web.sandbox.namespace, lie), true));
  }

  test('in a sandbox, nftables is flushed, and names are led to the same sockets again', async () => {
    const redirect = () => fixture.inside(web.sandbox.namespace, 'nft list ruleset');
    const whole = redirect();
    assert.match(whole, /fairway-resolver/);
    await heals(() => fixture.inside(web.sandbox.namespace, 'nft flush ruleset'));
    assert.equal(redirect(), whole);
    await heals(() => fixture.inside(web.sandbox.namespace, 'nft flush chain ip fairway-resolver output'));
    assert.equal(redirect(), whole);
  });

  test('in a sandbox, the link is moved to another one', () =>
    heals(() => {
      const elsewhere = fixture.reconciler.sandboxPath(db.sandbox.namespace);
      fixture.inside(web.sandbox.namespace, `ip link set eth0 netns ${elsewhere} name eth7`);
    }));

  test('a sandbox’s file is unmounted, and it stays the same sandbox', async () => {
    const path = fixture.reconciler.sandboxPath(web.sandbox.namespace);
    const inhabitant = spawn('nsenter', [`--net=${path}`, 'sleep', 'infinity']);
    await once(inhabitant, 'spawn');
    await eventually(
      'it is inside',
      () =>
        fixture.inside(web.sandbox.namespace, `readlink /proc/${inhabitant.pid}/ns/net`) ===
        fixture.inside(web.sandbox.namespace, 'readlink /proc/self/ns/net'),
    );
    fixture.pids.set(web.sandbox.namespace, inhabitant.pid ?? 0);
    const identity = fixture.inside(web.sandbox.namespace, 'readlink /proc/self/ns/net');
    try {
      await heals(() => fixture.sh(`umount ${path}`));
      assert.equal(fixture.inside(web.sandbox.namespace, 'readlink /proc/self/ns/net'), identity);
      await heals(() => fixture.sh(`umount ${path}; rm ${path}`));
      assert.equal(fixture.inside(web.sandbox.namespace, 'readlink /proc/self/ns/net'), identity);
      // Between two looks: who looks first finds nobody to ask, as if the file were there still.
      let asked = 0;
      fixture.pids.get = () => (asked++ === 0 ? undefined : inhabitant.pid);
      await heals(() => fixture.sh(`umount ${path}`));
      assert.ok(asked > 1);
      // What is done inside as long as nobody finds it is not seen then, but later.
      fixture.sh(
        `nsenter --net=${path} ip neigh replace 10.1.0.1 lladdr ${STRANGER} dev eth0 nud permanent; umount ${path}`,
      );
      await eventually('the file is back', () => told(fixture.reconciler.plan()).length === 0);
      await eventually(
        'its neighbours are right',
        () => !fixture.inside(web.sandbox.namespace, 'ip neigh show').includes(STRANGER),
      );
      assert.equal(fixture.inside(web.sandbox.namespace, 'readlink /proc/self/ns/net'), identity);
    } finally {
      fixture.pids.get = () => undefined;
      inhabitant.kill();
    }
  });

  test('a sandbox’s file is unmounted and nobody is in it: it is made anew', () =>
    heals(() => fixture.sh(`umount ${fixture.reconciler.sandboxPath(db.sandbox.namespace)}`)));

  test('and what was mended is counted by its kind', () => {
    const { kinds } = fixture.reconciler.repairs;
    assert.deepEqual(Object.keys(kinds).sort(), [
      'address',
      'firewall',
      'forwarding',
      'link',
      'listener',
      'namespace',
      'neighbour',
      'route',
      'sysctl',
    ]);
  });
});

test('what is said of neighbours stays where it is right, or is about nobody of ours', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(wishesOf(web, db));
  const { mac } = endpointOf(web);
  fixture.sh('ip link add else type bridge; ip link set else up');
  const say = () =>
    fixture.sh(`ip neigh replace 10.1.0.2 lladdr ${mac} dev ${BRIDGE} nud permanent
      ip neigh replace 10.1.0.77 lladdr ${STRANGER} dev ${BRIDGE} nud permanent
      ip neigh replace 10.1.0.2 lladdr ${STRANGER} dev else nud permanent
      bridge fdb replace ${mac} dev ${VETH} master static
      bridge fdb replace ${STRANGER} dev ${VETH} master static`);
  const stays = async () => {
    await reconciler.reconcile();
    // A kernel that knows VLANs on bridges says it of each VLAN, too.
    const said = fixture.sh('ip neigh show nud permanent; bridge fdb show | grep static | grep -v vlan');
    return said.split('\n').length === 5;
  };
  await eventually('a wrong one is found', () => {
    if (reconciler.repairs.count > 0) return true;
    say();
    fixture.sh(`ip neigh replace 10.1.0.3 lladdr ${STRANGER} dev ${BRIDGE} nud permanent`);
    return false;
  });
  await eventually('the others stay', () => {
    say();
    return stays();
  });
  assert.deepEqual(reconciler.repairs.kinds, { neighbour: 1 });
});

test('who may set up the network of his sandbox keeps what he makes of it', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  fixture.selfMade.add(web.sandbox.namespace);
  await reconciler.commit(wishesOf(web, db));
  fixture.inside(web.sandbox.namespace, 'ip route del default; ip addr del 10.1.0.2/24 dev eth0');
  fixture.inside(db.sandbox.namespace, 'ip route del default');
  await eventually('the other one is mended', () => reconciler.repairs.count > 0);
  await reconciler.settled();
  assert.deepEqual(reconciler.repairs.kinds, { route: 1 });
  assert.equal(fixture.inside(web.sandbox.namespace, 'ip route'), '');
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
    for (let round = 0; round < 400; round++) {
      const batch = socket.batch();
      for (let i = 0; i < 50; i++) batch.setLink(noise, { mtu: 1300 }).setLink(noise, { mtu: 1400 });
      batch.send();
    }
    fixture.sh(`ip addr del 10.1.0.1/24 dev ${BRIDGE}; nft flush ruleset`);
    fixture.inside(web.sandbox.namespace, 'ip route del default');
  }
  await eventually('what nobody told was found', () => told(reconciler.plan()).length === 0);
});

test('somebody who breaks the same thing again and again is told of and waited for, and the rest is mended at once', async () => {
  await using fixture = await Fixture.create();
  const { reconciler, lines } = fixture;
  await reconciler.commit(wishesOf(web, db));
  await reconciler.settled();
  using socket = new RouteSocket(fixture.home);
  let contested: (typeof reconciler.repairs.contested)[number] | undefined;
  const fights = async () => {
    socket.batch().setLink(VETH, { master: 0 }).send();
    await new Promise((resolve) => setTimeout(resolve, 10));
    contested = reconciler.repairs.contested.find(
      ({ times, next }) => times > 6 && Date.parse(next) > Date.now() + 300,
    );
    return contested !== undefined;
  };
  await eventually('it is waited for', fights);
  assert.equal(contested?.resource, `link host ${VETH}`);
  assert.ok(Date.parse(contested.since) < Date.parse(contested.next));
  const told_ = lines.filter((line) => line.startsWith('somebody undoes what was mended'));
  assert.deepEqual(told_, [
    `somebody undoes what was mended, again and again: link host ${VETH}; it is mended less often from now on`,
  ]);
  fixture.sh(`ip link set ${VETH} nomaster`);
  fixture.inside(web.sandbox.namespace, 'ip route del default');
  fixture.sh('nft flush ruleset');
  await eventually('all but the contested is whole', () =>
    told(reconciler.plan()).every((step) => step === `update link host ${VETH}`),
  );
  await eventually('the last blow is mended too', () => told(reconciler.plan()).length === 0);
});

test('what has to wait is mended when its time has come, though nothing else happens', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(wishesOf(web));
  await reconciler.settled();
  // The last two have to wait. The kernel tells of the link alone, not of the routes that go with it.
  for (let times = 1; times <= 8; times++) {
    fixture.sh(`ip link set ${BRIDGE} down`);
    await eventually(`mended ${times} times`, () => told(reconciler.plan()).length === 0);
  }
});
