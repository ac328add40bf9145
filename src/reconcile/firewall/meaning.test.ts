import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { rules, texts } from '../../../test/firewall/arbitrary.ts';
import { parseIpAddress, parsePrefix } from '../../model/address.ts';
import type { FirewallResource } from '../../model/firewall.ts';
import { resourceKey } from '../../model/resource.ts';
import { type Element, elementId } from './element.ts';
import { compile } from './meaning.ts';
import { decompile } from './reading.ts';
import { Wanted } from './wanted.ts';

const ids = (elements: Iterable<Element>) => new Set(Array.from(elements, elementId));

test('elements mean what they were made from, in whatever order the kernel lists them', () => {
  fc.assert(
    fc.property(rules, fc.infiniteStream(fc.nat()), (resources, order) => {
      const elements = [...ids(resources.flatMap(compile))];
      const byId = new Map(resources.flatMap(compile).map((element) => [elementId(element), element]));
      const shuffled = elements
        .map((id) => [order.next().value ?? 0, byId.get(id)] as const)
        .sort(([a], [b]) => a - b)
        .flatMap(([, element]) => element ?? []);
      assert.deepEqual(texts(decompile(shuffled)), texts(resources));
    }),
  );
});

test('one element less or one more never means the same', () => {
  fc.assert(
    fc.property(rules, fc.nat(), (resources, at) => {
      const elements = [...new Map(resources.flatMap(compile).map((e) => [elementId(e), e])).values()];
      if (elements.length === 0) return;
      const [missing] = elements.splice(at % elements.length, 1);
      assert.ok(missing);
      assert.notDeepEqual(texts(decompile(elements)), texts(resources));
    }),
  );
});

test('for any two wishes, the changes between them lead there and back', () => {
  fc.assert(
    fc.property(rules, rules, (from, to) => {
      const wanted = new Wanted(compile, from);
      const kernel = ids(from.flatMap(compile));
      const step = (before: FirewallResource[], after: FirewallResource[]) => {
        const change = wanted.change(before, after);
        for (const id of ids(change.remove)) assert.ok(kernel.delete(id), `${id} is removed but was never there`);
        for (const id of ids(change.add)) kernel.add(id);
      };
      step(from, to);
      assert.deepEqual(kernel, ids(to.flatMap(compile)));
      assert.deepEqual(ids(wanted.elements()), kernel);
      step(to, from);
      assert.deepEqual(kernel, ids(from.flatMap(compile)));
    }),
  );
});

test('a change that is undone leaves no trace', () => {
  fc.assert(
    fc.property(rules, rules, (from, to) => {
      const wanted = new Wanted(compile, from);
      wanted.change(from.slice(1), to).undo();
      assert.deepEqual(ids(wanted.elements()), ids(from.flatMap(compile)));
      assert.deepEqual(ids(wanted.change(from, []).remove), ids(from.flatMap(compile)));
    }),
  );
});

test('two subnets of one bridge share the bridge until both are gone', () => {
  const bridge = (text: string): FirewallResource => {
    return {
      kind: 'firewall',
      meaning: 'bridge',
      bridge: 'br0',
      subnet: parsePrefix(text),
      internal: false,
      mode: 'nat',
    };
  };
  const [first, second] = [bridge('10.0.0.0/24'), bridge('10.0.1.0/24')];
  const wanted = new Wanted(compile, [first, second]);
  assert.deepEqual(wanted.change([first], []).remove.map(elementId), ['subnets4 { 10.0.0.0/24 . "br0" }']);
  assert.deepEqual(
    wanted.change([second], []).remove.map((element) => element.set),
    ['bridges', 'subnets4', 'turning'],
  );
});

const published = (hostPort: number, count: number, port: number, host = '0.0.0.0') =>
  ({
    kind: 'firewall',
    meaning: 'publish',
    protocol: 'tcp',
    hostAddress: parseIpAddress(host),
    hostPort,
    count,
    address: parseIpAddress('10.0.0.2'),
    port,
    bridge: 'br0',
  }) as const satisfies FirewallResource;

test('a range is one element while its ports are the same inside, and one for each port when they are not', () => {
  assert.deepEqual(compile(published(5000, 500, 5000)).map(elementId), [
    'range4_any { tcp . 5000-5499 comment "br0" : 10.0.0.2 }',
  ]);
  assert.deepEqual(compile(published(5000, 2, 80, '192.0.2.2')).map(elementId), [
    'port4 { 192.0.2.2 . tcp . 5000 comment "br0 5000-5001" : 10.0.0.2 . 80 }',
    'port4 { 192.0.2.2 . tcp . 5001 comment "br0 5000-5001" : 10.0.0.2 . 81 }',
  ]);
  assert.deepEqual(compile(published(8080, 1, 8080)).map(elementId), [
    'port4_any { tcp . 8080 comment "br0" : 10.0.0.2 . 8080 }',
  ]);
});

test('neighbouring ports and a range of ports are told apart', () => {
  const apart = [published(5000, 1, 80), published(5001, 1, 81)];
  assert.deepEqual(texts(decompile(apart.flatMap(compile))), texts(apart));
  const together = [published(5000, 2, 80)];
  assert.deepEqual(texts(decompile(together.flatMap(compile))), texts(together));
});

const NONSENSE: readonly Element[] = [
  { set: 'bridges', key: '"br0"' },
  { set: 'subnets4', key: '{"range":[1,2]} . "br0"' },
  { set: 'masqueraded4', key: '10.0.0.0/24 . ipv4' },
  { set: 'guarded', key: 'arp' },
  { set: 'unprotected', key: 'ipv4 . "br0"' },
  { set: 'opened4', key: '10.0.0.2 . dccp . 80', comment: 'br0' },
  { set: 'port4_any', key: 'tcp . 80', value: '10.0.0.2 . 80' },
  { set: 'port4_any', key: 'dccp . 80', value: '10.0.0.2 . 80', comment: 'br0' },
  { set: 'port4', key: 'not an address . tcp . 80', value: '10.0.0.2 . 80', comment: 'br0' },
  { set: 'range4_any', key: 'tcp . 80', value: '10.0.0.2', comment: 'br0' },
];

for (const element of NONSENSE) {
  test(`this alone means nothing: ${elementId(element)}`, () => assert.equal(decompile([element]), undefined));
}

for (const bridge of ['br*', 'a"b', 'a b', 'a\\']) {
  test(`a bridge named ${bridge} is refused`, () => {
    const guarded: FirewallResource = {
      kind: 'firewall',
      meaning: 'bridge',
      bridge,
      subnet: parsePrefix('10.0.0.0/24'),
      internal: false,
      mode: 'nat',
    };
    assert.throws(
      () => compile(guarded),
      /^EngineError: Cannot filter link .*: nftables has no way to write its name$/,
    );
  });
}

test('a port of one family does not lead to an address of the other', () => {
  const mixed: FirewallResource = { ...published(80, 1, 80), address: parseIpAddress('fd00::1') };
  assert.throws(() => compile(mixed), /^EngineError: Cannot translate IPv4 to fd00::1$/);
  assert.equal(resourceKey(mixed), 'firewall publish tcp 0.0.0.0:80');
});

test('IPv6 has sets of its own, and :: is any of its addresses', () => {
  const ipv6 = { ...published(80, 1, 8080), address: parseIpAddress('fd00::2') };
  assert.deepEqual(compile({ ...ipv6, hostAddress: parseIpAddress('::') }).map(elementId), [
    'port6_any { tcp . 80 comment "br0" : fd00::2 . 8080 }',
  ]);
  assert.deepEqual(compile({ ...ipv6, hostAddress: parseIpAddress('2001:db8::1') }).map(elementId), [
    'port6 { 2001:db8::1 . tcp . 80 comment "br0" : fd00::2 . 8080 }',
  ]);
});

test('modes belong to a family of a bridge', () => {
  const rule = { kind: 'firewall', meaning: 'bridge', bridge: 'br0', subnet: parsePrefix('fd00::/64') } as const;
  assert.deepEqual(compile({ ...rule, internal: false, mode: 'routed' }).map(elementId), [
    'bridges { "br0" }',
    'subnets6 { fd00::/64 . "br0" }',
    'turning { "br0" . "br0" }',
    'routed { ipv6 . "br0" }',
  ]);
});
