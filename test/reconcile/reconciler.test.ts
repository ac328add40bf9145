import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RouteSocket } from '../../src/kernel/rtnetlink.ts';
import { parseIpAddress } from '../../src/model/address.ts';
import type { PublishedPort } from '../../src/model/network.ts';
import { but, Fixture, gone, networkOf, sandboxOf, told, wishesOf } from './fixture.ts';

const web = { network: networkOf(1), sandbox: sandboxOf('a'), host: 2 };
const db = { network: networkOf(1), sandbox: sandboxOf('b'), host: 3 };
const BRIDGE = 'br-000000000001';

const port = (hostPort: number, count = 1): PublishedPort => ({
  protocol: 'tcp',
  containerPort: 80,
  hostAddress: parseIpAddress('0.0.0.0'),
  hostPort,
  count,
});

test('a network with two containers is made, works, and is whole in the eyes of a second look', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(wishesOf(web, db));
  assert.match(fixture.sh(`ip -o addr show ${BRIDGE}`), /10\.1\.0\.1\/24/);
  assert.match(fixture.inside(web.sandbox.namespace, 'ip -o addr'), /eth0\s+inet 10\.1\.0\.2\/24 brd 10\.1\.0\.255/);
  assert.match(fixture.inside(web.sandbox.namespace, 'ip route'), /^default via 10\.1\.0\.1 dev eth0 proto 70/m);
  assert.ok(fixture.reaches(web.sandbox.namespace, '10.1.0.1'));
  assert.ok(fixture.reaches(web.sandbox.namespace, '10.1.0.3'));
  assert.ok(fixture.reaches('host', '10.1.0.2'));
  assert.equal(fixture.inside(web.sandbox.namespace, 'sysctl -n net.ipv4.ip_unprivileged_port_start'), '0');
  assert.equal(fixture.inside(web.sandbox.namespace, 'sysctl -n net.ipv6.conf.eth0.disable_ipv6'), '1');
  assert.equal(fixture.sh(`sysctl -n net.ipv4.conf.${BRIDGE}.route_localnet`), '1');
  assert.deepEqual(told(reconciler.plan()), []);
  assert.deepEqual(await reconciler.reconcile(), []);
});

test('a bridge with all the ports the kernel allows says so, and nothing is left of the attempt', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(but(wishesOf(web), /^(sandbox|endpoint)/));
  using socket = new RouteSocket(fixture.home);
  const master = socket.link(BRIDGE)?.index ?? 0;
  const batch = socket.batch();
  for (let i = 0; i < 1023; i++) {
    const peer = { name: `far${i}`, namespace: fixture.home };
    batch.addVeth({ name: `port${i}`, master, group: 1, alias: '', up: false, peer });
  }
  batch.send();
  await assert.rejects(reconciler.commit(wishesOf(web)), {
    name: 'EngineError',
    message:
      /^Cannot attach veth\w+ to bridge br-000000000001: it has 1023 ports, and the kernel allows no more \(exchange full\); further/,
  });
  assert.deepEqual(told(reconciler.plan()), []);
  fixture.sh('ip link del port7');
  await reconciler.commit(wishesOf(web));
  assert.ok(fixture.reaches('host', '10.1.0.2'));
});

test('when all owners are gone nothing is left, and the addresses can be used again at once', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  const wishes = wishesOf(web, db);
  for (let round = 0; round < 3; round++) {
    await reconciler.commit(wishes);
    assert.ok(fixture.reaches(web.sandbox.namespace, '10.1.0.3'));
    await reconciler.commit(gone(wishes));
  }
  await reconciler.settled();
  assert.doesNotMatch(fixture.sh('ip -o link'), /veth|br-|fwtrash/);
  assert.ok(!existsSync(reconciler.sandboxPath(web.sandbox.namespace)));
  assert.equal(fixture.sh('ip route'), '');
});

test('a new holder of an address is reached at once by those who knew the former one', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(wishesOf(db));
  for (const digit of ['1', '2', '3', '4', '5', '6']) {
    const holder = { network: networkOf(1), sandbox: sandboxOf(digit), host: 9, mac: `02:00:00:00:0a:0${digit}` };
    const own = but(wishesOf(holder), /^network/);
    await reconciler.commit(own);
    await sleep(20);
    assert.ok(fixture.reaches('host', '10.1.0.9'), 'from the host');
    assert.ok(fixture.reaches(db.sandbox.namespace, '10.1.0.9'), 'from a neighbour');
    await reconciler.commit(gone(own));
  }
});

test('a sandbox is attached to a second network and detached again while it runs', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  const second = { ...web, network: networkOf(2), interfaceName: 'eth1', gateway: false };
  await reconciler.commit(wishesOf(web));
  const both = wishesOf(second);
  await reconciler.commit(both);
  assert.ok(fixture.reaches(web.sandbox.namespace, '10.2.0.1'));
  await reconciler.commit(gone(both, /^sandbox/));
  assert.doesNotMatch(fixture.inside(web.sandbox.namespace, 'ip -o addr'), /eth1/);
  await reconciler.commit(both);
  assert.ok(fixture.reaches(web.sandbox.namespace, '10.2.0.1'));
  assert.ok(fixture.reaches(web.sandbox.namespace, '10.1.0.1'));
  assert.deepEqual(told(reconciler.plan()), []);
});

test('after an attachment that failed, the same link can be made again at once', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(wishesOf(web));
  await reconciler.commit(wishesOf({ ...db, ports: [port(8080)] }));
  const second = { ...web, network: networkOf(2), interfaceName: 'eth1', gateway: false };
  await assert.rejects(reconciler.commit(wishesOf({ ...second, ports: [port(8079, 2)] })), /address already in use/);
  await reconciler.commit(wishesOf(second));
  assert.ok(fixture.reaches(web.sandbox.namespace, '10.2.0.1'));
});

test('a port somebody else holds fails in Docker’s words and leaves no trace', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(wishesOf({ ...web, ports: [port(8080)] }));
  const before = fixture.sh('ip -o link | wc -l');
  await assert.rejects(
    reconciler.commit(wishesOf({ ...db, ports: [port(8070, 20)] })),
    /^PortUnavailable: failed to bind host port for 0\.0\.0\.0:8080:10\.1\.0\.3:90\/tcp: address already in use$/,
  );
  await reconciler.settled();
  assert.equal(fixture.sh('ip -o link | wc -l'), before);
  assert.ok(!existsSync(reconciler.sandboxPath(db.sandbox.namespace)));
  assert.deepEqual(told(reconciler.plan()), []);
  await reconciler.commit(wishesOf({ ...db, ports: [port(8081, 20)] }));
});

test('a failed change of a running thing leads back to what it was', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  await reconciler.commit(wishesOf({ ...web, ports: [port(8080)] }));
  await reconciler.commit(wishesOf({ ...db, ports: [port(9090)] }));
  await assert.rejects(reconciler.commit(wishesOf({ ...db, ports: [port(8080)] })), /port is already allocated/);
  assert.deepEqual(told(reconciler.plan()), []);
  await assert.rejects(reconciler.commit(wishesOf({ ...db, ports: [port(8079, 2)] })), /address already in use/);
  assert.deepEqual(told(reconciler.plan()), []);
  assert.ok(fixture.reaches(db.sandbox.namespace, '10.1.0.2'));
});

test('after a restart of the daemon nothing is touched that is right, and sockets are held again', async () => {
  await using fixture = await Fixture.create();
  const resolving = { ...web, sandbox: sandboxOf('a', true), ports: [port(8080)] };
  const wishes = wishesOf(resolving, db);
  await fixture.reconciler.commit(wishes);
  assert.deepEqual(fixture.served, [resolving.sandbox.namespace]);
  const links = fixture.sh('ip -o link');
  const repairs = await fixture.restart(wishes);
  assert.deepEqual(told(repairs), [
    `create listener resolver ${resolving.sandbox.namespace}`,
    'create listener reservation tcp 0.0.0.0:8080',
  ]);
  assert.equal(fixture.sh('ip -o link'), links);
  assert.deepEqual(fixture.served, [resolving.sandbox.namespace]);
  assert.deepEqual(told(fixture.reconciler.plan()), []);
});

test('what carries our mark and nobody wishes is removed at the start; what is foreign stays', async () => {
  await using fixture = await Fixture.create();
  await fixture.reconciler.commit(wishesOf(web, db));
  fixture.sh('ip link add mine type bridge; ip link add foreign0 type veth peer name foreign1');
  writeFileSync(join(fixture.execRoot, 'netns', 'half-made'), '');
  const kept = wishesOf(web);
  await fixture.restart(kept);
  await fixture.reconciler.settled();
  const links = fixture.sh('ip -o link');
  assert.match(links, /mine/);
  assert.match(links, /foreign0/);
  assert.equal(links.match(/veth[0-9a-f]{7}@/g)?.length, 1);
  assert.ok(!existsSync(fixture.reconciler.sandboxPath(db.sandbox.namespace)));
  assert.ok(!existsSync(join(fixture.execRoot, 'netns', 'half-made')));
  assert.deepEqual(told(fixture.reconciler.plan()), []);
});

test('an existing docker0 is used as it is found, and stays when the network goes', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  fixture.sh('ip link add docker0 type bridge; ip link set docker0 mtu 1450; ip addr add 10.7.0.1/24 dev docker0');
  const network = networkOf(7, { 'com.docker.network.bridge.name': 'docker0' });
  const wishes = wishesOf({ ...web, network });
  await reconciler.commit(wishes);
  assert.match(fixture.sh('ip -o link show docker0'), /,UP.*mtu 1450/);
  assert.ok(fixture.reaches(web.sandbox.namespace, '10.7.0.1'));
  assert.deepEqual(told(reconciler.plan()), []);
  await reconciler.commit(gone(wishes));
  await reconciler.settled();
  assert.match(fixture.sh('ip -o addr show docker0'), /10\.7\.0\.1\/24/);
});

test('a docker0 that is missing is made, and removed with its network', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  const network = networkOf(7, {
    'com.docker.network.bridge.name': 'docker0',
    'com.docker.network.driver.mtu': '1400',
  });
  const wishes = wishesOf({ ...web, network });
  await reconciler.commit(wishes);
  assert.match(fixture.sh('ip -o link show docker0'), /mtu 1400/);
  await reconciler.commit(gone(wishes, /^(network|sandbox)/));
  await reconciler.settled();
  assert.match(fixture.sh('ip -o link show docker0'), /mtu 1400/);
  assert.deepEqual(told(reconciler.plan()), []);
  await reconciler.commit(gone(wishes));
  await reconciler.settled();
  assert.doesNotMatch(fixture.sh('ip -o link'), /docker0/);
});

test('a docker0 that Fairway made for another data root becomes this one’s', async () => {
  await using fixture = await Fixture.create();
  const former = networkOf(7, { 'com.docker.network.bridge.name': 'docker0' });
  await fixture.reconciler.commit(wishesOf({ ...web, network: former }));
  const wishes = wishesOf({ ...web, network: { ...former, id: 'f'.repeat(64) } });
  await fixture.restart(wishes);
  assert.deepEqual(told(fixture.reconciler.plan()), []);
});

test('a foreign link in the way is left alone and the refusal is the kernel’s', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  fixture.sh(`ip link add ${BRIDGE} type bridge`);
  await assert.rejects(reconciler.commit(wishesOf(web)), /^BatchError: Cannot add link br-000000000001: EEXIST/);
  assert.match(fixture.sh('ip -o link'), new RegExp(BRIDGE));
  assert.ok(!existsSync(reconciler.sandboxPath(web.sandbox.namespace)));
  assert.deepEqual([...reconciler.desired().keys()], []);
});

test('a link that is no bridge is not taken for one, and is not touched', async () => {
  await using fixture = await Fixture.create();
  fixture.sh('ip link add eth9 type veth peer name eth8');
  const before = fixture.sh('ip addr show eth9');
  const network = networkOf(7, { 'com.docker.network.bridge.name': 'eth9' });
  await assert.rejects(
    fixture.reconciler.commit(wishesOf({ ...web, network })),
    /existing interface eth9 is not a bridge/,
  );
  assert.equal(fixture.sh('ip addr show eth9'), before);
});

test('icc=false isolates ports from each other but not from the host', async () => {
  await using fixture = await Fixture.create();
  const network = networkOf(3, { 'com.docker.network.bridge.enable_icc': 'false' });
  await fixture.reconciler.commit(wishesOf({ ...web, network }, { ...db, network }));
  assert.ok(fixture.reaches(web.sandbox.namespace, '10.3.0.1'));
  assert.ok(!fixture.reaches(web.sandbox.namespace, '10.3.0.3', 2));
  assert.deepEqual(told(fixture.reconciler.plan()), []);
});

test('a link in a sandbox that is not ours is left alone', async () => {
  await using fixture = await Fixture.create();
  await fixture.reconciler.commit(wishesOf(web));
  fixture.inside(web.sandbox.namespace, 'ip link add tun9 type bridge; ip addr add 10.9.9.9/24 dev tun9');
  assert.deepEqual(await fixture.reconciler.reconcile(), []);
  assert.match(fixture.inside(web.sandbox.namespace, 'ip -o addr'), /10\.9\.9\.9/);
});

test('commits of different owners may interleave', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  const network = networkOf(4);
  await reconciler.commit(but(wishesOf({ ...web, network }), /^(sandbox|endpoint)/));
  const all = ['1', '2', '3', '4', '5', '6', '7', '8'].map((digit, i) => ({
    network,
    sandbox: sandboxOf(digit),
    host: 10 + i,
  }));
  const own = all.map((one) => but(wishesOf(one), /^network/));
  await Promise.all(own.map((wishes) => reconciler.commit(wishes)));
  await Promise.all(own.map((wishes, i) => (i % 2 === 0 ? reconciler.commit(gone(wishes)) : reconciler.reconcile())));
  assert.deepEqual(told(reconciler.plan()), []);
  assert.equal(fixture.sh('ip -o link').match(/veth[0-9a-f]{7}@/g)?.length, 4);
});
