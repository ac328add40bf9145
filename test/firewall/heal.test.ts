import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { parseIpAddress } from '../../src/model/address.ts';
import type { FirewallResource } from '../../src/model/firewall.ts';
import { FirewallApplier } from '../../src/reconcile/firewall/applier.ts';
import { bridge, bridge6, masquerade, masquerade6, publish, Room } from './room.ts';

let room: Room;
const RESOURCES: FirewallResource[] = [
  bridge('a'),
  bridge('b'),
  bridge('int'),
  bridge6('a'),
  bridge6('b'),
  bridge6('int'),
  masquerade('a'),
  masquerade('b'),
  masquerade6('a'),
  masquerade6('b'),
  { kind: 'firewall', meaning: 'forward-guard', family: 4 },
  ...publish('0.0.0.0', 8080, 80),
  ...publish('0.0.0.0', 5000, 5000, { count: 500 }),
  ...publish('::', 8080, 80),
  ...publish('::', 5000, 5000, { count: 500 }),
  {
    kind: 'firewall',
    meaning: 'open',
    protocol: 'tcp',
    address: parseIpAddress('fd00:1::2'),
    port: 80,
    count: 2,
    bridge: 'br-a',
  },
  ...publish('127.0.0.1', 6000, 7000, { count: 3 }),
];

before(async () => {
  room = await Room.create();
  await room.serve('a1', 80);
  await room.host.shell('nft add table inet theirs; nft add chain inet theirs c; nft add rule inet theirs c counter');
  room.add(...RESOURCES);
});

after(() => room?.[Symbol.asyncDispose]());

const sorted = (resources: readonly FirewallResource[]) => resources.map((resource) => JSON.stringify(resource)).sort();
const table = () => room.host.out(['nft', 'list', 'table', 'inet', 'fairway']);
const SERVED = ['a1 192.0.2.1', 'a1 192.0.2.1'];

test('what the table says is what was wished, also to a daemon that has just started', () => {
  assert.deepEqual(sorted(room.firewall.observe()), sorted(RESOURCES));
  using namespace = NetworkNamespace.open(`/proc/${room.host.pid}/ns/net`);
  using successor = new FirewallApplier('fairway', namespace);
  assert.deepEqual(sorted(successor.observe()), sorted(RESOURCES));
});

const DAMAGE: readonly [string, string][] = [
  ['the table is deleted', 'nft delete table inet fairway'],
  ['everything is flushed', 'nft -s list table inet theirs > /run/theirs; nft flush ruleset; nft -f /run/theirs'],
  ['a chain is flushed', 'nft flush chain inet fairway publish'],
  ['a rule is added', 'nft insert rule inet fairway forward drop'],
  ['a rule is replaced', 'nft flush chain inet fairway same_subnet; nft add rule inet fairway same_subnet accept'],
  ['a set is added', 'nft add set inet fairway mine "{ type mark; }"'],
  ['a chain’s policy is changed', 'nft add chain inet fairway forward "{ policy drop; }"'],
  ['a bridge is half there', 'nft delete element inet fairway bridges "{ br-a }"'],
  ['a range has a gap', 'nft delete element inet fairway port4 "{ 127.0.0.1 . tcp . 6001 }"'],
  ['the fingerprint is gone', 'nft flush set inet fairway fingerprint'],
];

for (const [what, command] of DAMAGE) {
  test(`${what}: nothing it says counts, and the next change makes it anew`, async () => {
    const whole = await table();
    await room.host.shell(command);
    assert.deepEqual(room.firewall.observe(), []);
    room.add(...RESOURCES);
    assert.equal(await table(), whole);
    assert.deepEqual(sorted(room.firewall.observe()), sorted(RESOURCES));
    assert.match(await room.host.out(['nft', 'list', 'ruleset']), /table inet theirs/);
  });
}

test('a missing or foreign element is told as such, and put right alone', async () => {
  const whole = await table();
  await room.host.shell('nft delete element inet fairway guarded "{ ipv4 }"');
  await room.host.shell('nft add element inet fairway port4_any "{ tcp . 22 comment "br-a" : 10.1.0.2 . 22 }"');
  const [foreign] = publish('0.0.0.0', 22, 22);
  assert.ok(foreign);
  const guard: FirewallResource = { kind: 'firewall', meaning: 'forward-guard', family: 4 };
  const expected = RESOURCES.filter((resource) => resource.meaning !== 'forward-guard');
  assert.deepEqual(sorted(room.firewall.observe()), sorted([...expected, foreign]));
  room.firewall.apply([{ before: foreign }, { after: guard }]);
  assert.equal(await table(), whole);
});

test('a missing subnet of one family is put right alone', async () => {
  await room.host.shell('nft delete element inet fairway subnets6 "{ fd00:1::/64 . br-a }"');
  const expected = RESOURCES.filter((resource) => JSON.stringify(resource) !== JSON.stringify(bridge6('a')));
  assert.deepEqual(sorted(room.firewall.observe()), sorted(expected));
  room.add(bridge6('a'));
  assert.deepEqual(sorted(room.firewall.observe()), sorted(RESOURCES));
});

test('a change that finds the table gone brings back all of it', async () => {
  await room.host.shell('nft delete table inet fairway');
  room.add(...publish('0.0.0.0', 8081, 80));
  await room.hears('lan', '192.0.2.2', 8080, SERVED);
  room.remove(...publish('0.0.0.0', 8081, 80));
  assert.deepEqual(sorted(room.firewall.observe()), sorted(RESOURCES));
});

test('a change that cannot be made leaves everything as it was', async () => {
  const whole = await table();
  // To another container: Linux 6.1 takes a range that overlaps with one to the same as if it were that one.
  const [port] = publish('0.0.0.0', 5400, 5400, { count: 200, container: 'b1' });
  assert.ok(port);
  assert.throws(() => room.add(...publish('0.0.0.0', 8088, 80), port), /^KernelError: .*File exists/);
  assert.throws(() => room.add({ ...bridge('a'), bridge: 'br*' }), /^EngineError: Cannot filter link br\*/);
  assert.equal(await table(), whole);
  assert.deepEqual(sorted(room.firewall.observe()), sorted(RESOURCES));
});

test('connections outlive the table’s being made anew', async () => {
  // Without the table no packet is translated, and the host resets a connection it does not know: no delayed
  // acknowledgement (40 to 200 ms) may come in between. Acknowledged at once, what was heard is over.
  await room.host.lanShell('ip route add 192.0.2.2 dev lan0 quickack 1');
  await room.host.shell('ip -n a1 route change default via 10.1.0.1 quickack 1');
  const say = await room.talk('lan', '192.0.2.2', 8080);
  assert.equal(await say('one'), 'one');
  await room.host.shell('nft flush chain inet fairway entering');
  room.firewall.observe();
  room.add(...RESOURCES);
  assert.equal(await say('two'), 'two');
  await room.host.shell('nft delete table inet fairway');
  room.firewall.observe();
  room.add(...RESOURCES);
  assert.equal(await say('three'), 'three');
});
