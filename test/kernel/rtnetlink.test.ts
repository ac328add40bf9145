import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { NetworkNamespace } from '../../src/kernel/netns.ts';
import { BatchError, FAIRWAY_GROUP, FAIRWAY_PROTOCOL, RouteSocket } from '../../src/kernel/rtnetlink.ts';
import { openUdp } from '../../src/kernel/socket.ts';
import {
  addressOf,
  parseInterfaceAddress,
  parseIpAddress,
  parseMacAddress,
  parsePrefix,
} from '../../src/model/address.ts';
import { eventually } from '../host.ts';
import { linkOf, Namespaces } from './namespaces.ts';

const MARKS = { group: FAIRWAY_GROUP, alias: 'network:app' };
const ADDRESS = parseInterfaceAddress('10.0.0.2/24');
const DEFAULT = parsePrefix('0.0.0.0/0');

/** A bridge "br0" in one namespace. */
function makeBridge(host: RouteSocket): number {
  const [bridge] = host
    .batch()
    .addBridge({ name: 'br0', ...MARKS, up: true })
    .send();
  assert.ok(bridge);
  return bridge.index;
}

function batchError(index: number, code: string): (error: unknown) => boolean {
  return (error) => error instanceof BatchError && error.index === index && error.code === code;
}

/** A port of the bridge whose other end is "eth0" in the sandbox, down. */
function attach(host: RouteSocket, master: number, sandbox: NetworkNamespace, isolated = false) {
  const peer = { name: 'eth0', namespace: sandbox, mac: parseMacAddress('02:42:0a:00:00:02'), mtu: 1400 };
  const [veth] = host
    .batch()
    .addVeth({ name: 'veth0', mtu: 1400, master, ...MARKS, up: true, isolated, peer })
    .send();
  assert.ok(veth);
  return veth;
}

test('a bridge is echoed as it then is', async () => {
  using namespaces = await Namespaces.begin();
  using host = new RouteSocket(namespaces.make('host'));
  const mac = parseMacAddress('02:42:00:00:00:01');
  const [made] = host
    .batch()
    .addBridge({ name: 'br0', mtu: 1450, mac, ...MARKS, up: true })
    .send();
  assert.ok(made);
  assert.deepEqual(linkOf(host, 'br0'), made);
  const { kind, mtu, up, group, alias, master, name } = made;
  assert.deepEqual(
    { kind, mtu, up, group, alias, master, name, mac: made.mac },
    {
      ...{ kind: 'bridge', mtu: 1450, up: true, master: 0, name: 'br0', mac },
      ...MARKS,
    },
  );
});

test('a veth is made in one call: the port here, the other end there under its final name', async () => {
  using namespaces = await Namespaces.begin();
  const sandbox = namespaces.make('sandbox');
  using host = new RouteSocket(namespaces.make('host'));
  using inside = new RouteSocket(sandbox);
  const bridge = makeBridge(host);
  const veth = attach(host, bridge, sandbox, true);
  assert.deepEqual(linkOf(host, veth.index), veth);
  assert.deepEqual(
    [veth.master, veth.isolated, veth.alias, veth.group, veth.up],
    [bridge, true, MARKS.alias, MARKS.group, true],
  );
  const peer = linkOf(inside, veth.peer);
  assert.deepEqual([peer.name, peer.mac, peer.mtu, peer.up], ['eth0', '02:42:0a:00:00:02', 1400, false]);
  for (const [path, name] of [
    ['host', 'veth0'],
    ['sandbox', 'eth0'],
  ] as const) {
    const shown = execFileSync('nsenter', [`--net=${namespaces.path(path)}`, 'ip', '-d', '-j', 'link', 'show', name]);
    const [link] = JSON.parse(shown.toString()) as [{ num_tx_queues: number; num_rx_queues: number }];
    assert.deepEqual([link.num_tx_queues, link.num_rx_queues], [1, 1], `queues of ${name}`);
  }
  assert.equal(peer.peer, veth.index);
});

test('a macvlan is born in another namespace, and tells its parent and mode', async () => {
  using namespaces = await Namespaces.begin();
  const sandbox = namespaces.make('sandbox');
  using host = new RouteSocket(namespaces.make('host'));
  using inside = new RouteSocket(sandbox);
  const parent = makeBridge(host);
  const mac = parseMacAddress('02:42:0a:00:00:03');
  const settings = { kind: 'macvlan', mode: 'vepa' } as const;
  const child = { group: FAIRWAY_GROUP, alias: '', up: false, mac, settings, parent };
  const made = host
    .batch()
    .addChild({ ...child, name: 'mv0', namespace: sandbox })
    .addChild({ ...child, name: 'mv1', mac: parseMacAddress('02:42:0a:00:00:04'), alias: 'here' })
    .send();
  assert.deepEqual(
    made.map(({ name, alias, peer, settings: told }) => ({ name, alias, peer, told })),
    [{ name: 'mv1', alias: 'here', peer: parent, told: settings }],
    'the echo of the other goes to where it was born',
  );
  const { kind, peer, mac: own, group, settings: told } = linkOf(inside, 'mv0');
  assert.deepEqual(
    { kind, peer, own, group, told },
    { kind: 'macvlan', peer: parent, own: mac, group: FAIRWAY_GROUP, told: settings },
  );
});

test('an endpoint gets its address and routes, and all of them are read back', async () => {
  using namespaces = await Namespaces.begin();
  const sandbox = namespaces.make('sandbox');
  using host = new RouteSocket(namespaces.make('host'));
  using inside = new RouteSocket(sandbox);
  const { peer: link } = attach(host, makeBridge(host), sandbox);
  const gateway = parseIpAddress('10.0.0.1');
  const byGateway = { destination: DEFAULT, gateway, link, protocol: FAIRWAY_PROTOCOL };
  const onLink = { destination: parsePrefix('192.0.2.0/24'), link, protocol: FAIRWAY_PROTOCOL };
  const batch = inside.batch().setLink('lo', { up: true }).setLink(link, { up: true }).addAddress(link, ADDRESS);
  batch.addRoute(byGateway).addRoute(onLink).send();
  assert.deepEqual(
    inside.addresses(link).filter(({ address }) => !address.includes(':')),
    [{ link, address: ADDRESS }],
  );
  const ours = inside.routes().filter(({ protocol }) => protocol === FAIRWAY_PROTOCOL);
  const common = { table: 254, type: 1 };
  assert.deepEqual(ours, [
    { ...byGateway, ...common, scope: 0 },
    { ...onLink, ...common, scope: 253 },
  ]);
  assert.ok(inside.routes('all').some(({ destination, table }) => destination === '10.0.0.2/32' && table === 255));
  inside.batch().deleteRoute(byGateway).deleteRoute(onLink).deleteAddress(link, ADDRESS).send();
  assert.deepEqual(
    inside.routes().filter(({ destination }) => !destination.includes(':')),
    [],
  );
});

test('IPv6 addresses are usable at once, and IPv6 routes work alike', async () => {
  using namespaces = await Namespaces.begin();
  using host = new RouteSocket(namespaces.make('host'));
  const link = makeBridge(host);
  const address = parseInterfaceAddress('fd00::1/64');
  const route = { destination: parsePrefix('fd01::/48'), gateway: parseIpAddress('fd00::2'), link, protocol: 4 };
  host.batch().addAddress(link, address).addRoute(route).send();
  assert.ok(host.addresses().some((found) => found.link === link && found.address === address));
  assert.ok(host.routes().some(({ destination, gateway }) => destination === 'fd01::/48' && gateway === 'fd00::2'));
});

test('what a batch cannot do is told by number, with what was done nevertheless', async () => {
  using namespaces = await Namespaces.begin();
  using host = new RouteSocket(namespaces.make('host'));
  makeBridge(host);
  const batch = host
    .batch()
    .addBridge({ name: 'br1', ...MARKS, up: true })
    .deleteLink('nothing');
  batch.addBridge({ name: 'br0', group: 1, alias: 'stolen', up: false }).addBridge({ name: 'br2', ...MARKS, up: true });
  assert.throws(
    () => batch.send(),
    (error) => {
      assert.ok(error instanceof BatchError);
      assert.equal(error.index, 1);
      assert.equal(error.message, 'Cannot delete link nothing: ENODEV');
      assert.deepEqual(
        [...error.failures].map(([call, { code }]) => [call, code]),
        [
          [1, 'ENODEV'],
          [2, 'EEXIST'],
        ],
      );
      assert.deepEqual(
        error.links.map(({ name }) => name),
        ['br1', 'br2'],
      );
      return true;
    },
  );
  assert.equal(linkOf(host, 'br0').alias, MARKS.alias, 'a link of the same name keeps its own');
});

test("the error keeps the kernel's own sentence", async () => {
  using namespaces = await Namespaces.begin();
  using host = new RouteSocket(namespaces.make('host'));
  const link = makeBridge(host);
  const gateway = parseIpAddress('203.0.113.1');
  assert.throws(() => host.batch().addRoute({ destination: DEFAULT, gateway, link, protocol: 4 }).send(), {
    name: 'BatchError',
    message: 'Cannot add route 0.0.0.0/0: ENETUNREACH: Nexthop has invalid gateway',
    sentence: 'Nexthop has invalid gateway',
  });
});

test('nothing is added twice', async () => {
  using namespaces = await Namespaces.begin();
  using host = new RouteSocket(namespaces.make('host'));
  const link = makeBridge(host);
  const route = { destination: parsePrefix('192.0.2.0/24'), link, protocol: 4 };
  host.batch().addAddress(link, ADDRESS).addRoute(route).send();
  assert.throws(() => host.batch().addAddress(link, ADDRESS).send(), batchError(0, 'EEXIST'));
  assert.throws(() => host.batch().addRoute(route).send(), batchError(0, 'EEXIST'));
});

test('every property of a link can be changed', async () => {
  using namespaces = await Namespaces.begin();
  const sandbox = namespaces.make('sandbox');
  using host = new RouteSocket(namespaces.make('host'));
  const bridge = makeBridge(host);
  const { index } = attach(host, bridge, sandbox);
  const wish = { mtu: 1300, mac: parseMacAddress('02:00:00:00:00:09'), group: 5, alias: 'other', isolated: true };
  host.batch().setLink(index, wish).send();
  const { mtu, mac, group, alias, isolated } = linkOf(host, index);
  assert.deepEqual({ mtu, mac, group, alias, isolated }, wish);
  host.batch().setLink('veth0', { up: false, master: 0, alias: '' }).setLink(index, { name: 'renamed' }).send();
  const changed = linkOf(host, 'renamed');
  assert.deepEqual([changed.index, changed.up, changed.master, changed.alias], [index, false, 0, '']);
});

test('links of a group go together, and no others', async () => {
  using namespaces = await Namespaces.begin();
  using host = new RouteSocket(namespaces.make('host'));
  const batch = host.batch().addBridge({ name: 'keep', group: 2, alias: '', up: false });
  for (const name of ['go0', 'go1']) batch.addBridge({ name, group: 1, alias: '', up: false });
  batch.send();
  host.batch().deleteGroup(1).send();
  assert.deepEqual(
    host.links().map(({ name }) => name),
    ['lo', 'keep'],
  );
  assert.throws(() => host.batch().deleteGroup(1).send(), batchError(0, 'ENODEV'));
});

test('two thousand changes go in one batch, and are listed', async () => {
  using namespaces = await Namespaces.begin();
  using host = new RouteSocket(namespaces.make('host'));
  const link = makeBridge(host);
  const batch = host.batch();
  for (let i = 0; i < 2_000; i++) batch.addAddress(link, parseInterfaceAddress(`10.1.${i >> 8}.${i & 255}/32`));
  batch.send();
  assert.equal(host.addresses(link).filter(({ address }) => address.startsWith('10.1.')).length, 2_000);
});

test('an empty batch does nothing', async () => {
  using namespaces = await Namespaces.begin();
  using host = new RouteSocket(namespaces.make('host'));
  assert.deepEqual(host.batch().send(), []);
  assert.equal(host.link('nothing'), undefined);
});

test('a neighbour that was asked for is listed with its answer', async () => {
  using namespaces = await Namespaces.begin();
  const [home, sandbox] = [namespaces.make('host'), namespaces.make('sandbox')];
  using host = new RouteSocket(home);
  using inside = new RouteSocket(sandbox);
  const { index, peer } = attach(host, 0, sandbox);
  host.batch().addAddress(index, ADDRESS).send();
  inside.batch().setLink(peer, { up: true }).addAddress(peer, parseInterfaceAddress('10.0.0.3/24')).send();
  const sender = createSocket('udp4');
  const address = parseIpAddress('10.0.0.3');
  try {
    sender.bind({ fd: openUdp(home, addressOf(ADDRESS), 0).fd });
    const answer = {
      kind: 'neighbour',
      link: index,
      address,
      mac: '02:42:0a:00:00:02',
      fixed: false,
      permanent: false,
    };
    const known = () => {
      // Again and again: nothing gets through before the links have their carriers.
      sender.send('who are you', 9, address);
      return host.neighbours().some((neighbour) => isDeepStrictEqual(neighbour, answer));
    };
    await eventually('the neighbour is known', known);
  } finally {
    sender.close();
  }
});
