import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type KernelEvent, KernelEvents } from '../../src/kernel/events.ts';
import type { NetworkNamespace } from '../../src/kernel/netns.ts';
import { RouteChanges } from '../../src/kernel/route-changes.ts';
import { RouteSocket } from '../../src/kernel/rtnetlink.ts';
import { libnftables } from '../../src/kernel/sys.ts';
import { parseInterfaceAddress, parseIpAddress, parseMacAddress, parsePrefix } from '../../src/model/address.ts';
import { eventually } from '../host.ts';
import { Namespaces } from './namespaces.ts';

const BRIDGE = { name: 'br0', group: 1, alias: '', up: true };

function heard(events: readonly KernelEvent[], wanted: KernelEvent): Promise<void> {
  return eventually(JSON.stringify(wanted), () => events.some((event) => isDeepStrictEqual(event, wanted)));
}

/** Runs nft commands in a namespace, in this process. */
function nft(namespace: NetworkNamespace, commands: string): void {
  const library = libnftables();
  const context = namespace.run(() => library.nft_ctx_new(0));
  try {
    library.nft_ctx_buffer_error(context);
    const result = namespace.run(() => library.nft_run_cmd_from_buffer(context, commands));
    assert.equal(result, 0, library.nft_ctx_get_error_buffer(context));
  } finally {
    library.nft_ctx_free(context);
  }
}

type Listening = (namespace: NetworkNamespace, listener: (event: { readonly kind: string }) => void) => Disposable;
const LISTENERS: readonly [string, Listening][] = [
  ['who mends', (...args) => new KernelEvents(...args)],
  ['who watches the host’s ways', (...args) => new RouteChanges(...args)],
];

for (const [who, listen] of LISTENERS) {
  test(`of a storm of changes ${who} loses none, and others have their turn in between`, async () => {
    using namespaces = await Namespaces.begin();
    const namespace = namespaces.make('a');
    const turns = new Map<number, number>();
    let [turn, overruns] = [0, 0];
    using _ = listen(namespace, ({ kind }) => {
      if (kind === 'overrun') overruns++;
      turns.set(turn, (turns.get(turn) ?? 0) + 1);
    });
    using socket = new RouteSocket(namespace);
    const [bridge] = socket.batch().addBridge(BRIDGE).send();
    assert.ok(bridge);
    const changes = 3_000;
    for (let change = 0; change < changes; change++)
      socket
        .batch()
        .setLink(bridge.index, { mtu: 1400 + (change % 2) })
        .send();
    const total = () => [...turns.values()].reduce((sum, count) => sum + count, 0);
    let listening = true;
    const next = () => {
      turn++;
      if (listening) setImmediate(next);
    };
    next();
    await eventually('all are told', () => total() >= changes).finally(() => {
      listening = false;
    });
    assert.equal(overruns, 0);
    assert.ok(Math.max(...turns.values()) <= changes / 10, 'in many turns');
  });
}

test('links, addresses and routes are told when they come and go', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  const events: KernelEvent[] = [];
  using _ = new KernelEvents(namespace, (event) => events.push(event));
  using socket = new RouteSocket(namespace);
  const [bridge] = socket.batch().addBridge(BRIDGE).send();
  assert.ok(bridge);
  const { index } = bridge;
  const address = { link: index, address: parseInterfaceAddress('10.0.0.1/24') };
  const route = { destination: parsePrefix('192.0.2.0/24'), link: index, protocol: 70 };
  socket.batch().addAddress(index, address.address).addRoute(route).deleteRoute(route).send();
  socket.batch().deleteAddress(index, address.address).deleteLink(index).send();
  for (const removed of [false, true]) {
    await heard(events, { kind: 'link', removed, name: 'br0', index });
    await heard(events, { kind: 'address', removed, address });
    await heard(events, { kind: 'route', removed, route: { ...route, table: 254, scope: 253, type: 1 } });
  }
});

test('who is new has the lowest number, and a number that is taken is left to its owner', async () => {
  using namespaces = await Namespaces.begin();
  const [here, older, newer] = [namespaces.make('here'), namespaces.make('older'), namespaces.make('newer')];
  using before = new RouteSocket(here);
  const number = before.numberOf(older);
  // As a daemon that starts anew
  using after = new RouteSocket(here);
  assert.ok(after.numberOf(newer) < number);
  assert.equal(after.numberOf(older), number);
  assert.equal(before.numberOf(newer), after.numberOf(newer));
});

test('neighbours are told of when somebody sets them for good, here and elsewhere, and not when they are learnt', async () => {
  using namespaces = await Namespaces.begin();
  const [here, there] = [namespaces.make('here'), namespaces.make('there')];
  using socket = new RouteSocket(here);
  const number = socket.numberOf(there);
  const events: KernelEvent[] = [];
  using _ = new KernelEvents(here, (event) => events.push(event));
  const ip = (namespace: NetworkNamespace, ...args: string[]) =>
    namespace.run(() => execFileSync('ip', args, { stdio: 'pipe' }));
  const set = (namespace: NetworkNamespace, address: string, state: string) =>
    ip(namespace, 'neigh', 'replace', address, 'lladdr', '02:00:00:00:00:09', 'dev', 'br0', 'nud', state);
  for (const namespace of [here, there]) {
    ip(namespace, 'link', 'add', 'br0', 'up', 'type', 'bridge');
    set(namespace, '10.0.0.1', 'reachable');
    set(namespace, '10.0.0.2', 'permanent');
  }
  const address = parseIpAddress('10.0.0.2');
  const told = (link: number): KernelEvent & { kind: 'neighbour' } => ({
    kind: 'neighbour',
    removed: false,
    neighbour: {
      kind: 'neighbour',
      link,
      address,
      mac: parseMacAddress('02:00:00:00:00:09'),
      fixed: true,
      permanent: true,
    },
  });
  using inThere = new RouteSocket(there);
  await heard(events, told(socket.link('br0')?.index ?? 0));
  await heard(events, { ...told(inThere.link('br0')?.index ?? 0), namespace: number });
  const addresses = events.flatMap((event) =>
    event.kind === 'neighbour' && event.neighbour.kind === 'neighbour' ? [event.neighbour.address] : [],
  );
  assert.deepEqual(addresses, [address, address]);
});

test('changes of nftables are told with their table, and end with the number of the transaction', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  const events: KernelEvent[] = [];
  using _ = new KernelEvents(namespace, (event) => events.push(event));
  nft(namespace, 'add table inet t; add set inet t s { type inet_service; }; add element inet t s { 80 }');
  nft(namespace, 'delete element inet t s { 80 }');
  nft(namespace, 'flush ruleset');
  await eventually('three transactions', () => events.filter(({ kind }) => kind === 'generation').length === 3);
  const firewall = events.filter((event) => event.kind === 'firewall');
  assert.ok(firewall.every(({ table, family }) => table === 't' && family === 1));
  assert.equal(firewall[0]?.removed, false);
  assert.equal(firewall.at(-1)?.removed, true);
  const numbers = events.flatMap((event) => (event.kind === 'generation' ? [event.generation] : []));
  assert.deepEqual(numbers, [numbers[0], (numbers[0] ?? 0) + 1, (numbers[0] ?? 0) + 2]);
});

test('other namespaces are not heard', async () => {
  using namespaces = await Namespaces.begin();
  const [here, there] = [namespaces.make('here'), namespaces.make('there')];
  const events: KernelEvent[] = [];
  using _ = new KernelEvents(here, (event) => events.push(event));
  using inHere = new RouteSocket(here);
  using inThere = new RouteSocket(there);
  inThere
    .batch()
    .addBridge({ ...BRIDGE, name: 'there' })
    .send();
  inHere
    .batch()
    .addBridge({ ...BRIDGE, name: 'here' })
    .send();
  await eventually('here is heard', () => events.some((event) => event.kind === 'link' && event.name === 'here'));
  assert.ok(!events.some((event) => event.kind === 'link' && event.name === 'there'));
});

test('lost events are told, and later ones are heard again', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  const events: KernelEvent[] = [];
  using _ = new KernelEvents(namespace, (event) => events.push(event));
  using socket = new RouteSocket(namespace);
  const [bridge] = socket.batch().addBridge(BRIDGE).send();
  assert.ok(bridge);
  for (let round = 0; round < 100; round++) {
    const batch = socket.batch();
    for (let i = 0; i < 500; i++) batch.setLink(bridge.index, { mtu: 1000 + (i & 1) });
    batch.send(); // the event loop does not turn meanwhile
  }
  await heard(events, { kind: 'overrun' });
  socket.batch().deleteLink(bridge.index).send();
  await heard(events, { kind: 'link', removed: true, name: 'br0', index: bridge.index });
});

test('nothing is told after disposal', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  const events: KernelEvent[] = [];
  const watching = new KernelEvents(namespace, (event) => events.push(event));
  using socket = new RouteSocket(namespace);
  watching[Symbol.dispose]();
  socket.batch().addBridge(BRIDGE).send();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(events, []);
});
