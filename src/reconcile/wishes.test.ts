import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../model/address.ts';
import type { Owner, Resource } from '../model/resource.ts';
import { Wishes } from './wishes.ts';

const bridge = (name: string): Resource => ({
  kind: 'link',
  type: 'bridge',
  namespace: 'host',
  name,
  up: true,
  adopt: false,
});

const changes = (...entries: [Owner, Resource[]][]): ReadonlyMap<Owner, Resource[]> => new Map(entries);

test('a replaced wish can be given back', () => {
  const wishes = new Wishes();
  wishes.replace(changes(['network:a', [bridge('br1')]]));
  const before = wishes.replace(changes(['network:a', [bridge('br2')]], ['network:b', [bridge('br1')]]));
  assert.deepEqual([...wishes.keys.keys()].sort(), ['link host br1', 'link host br2']);
  wishes.replace(before);
  assert.deepEqual([...wishes.owners.keys()], ['network:a']);
  assert.deepEqual([...wishes.keys.keys()], ['link host br1']);
});

test('two owners cannot wish the same thing, and the attempt changes nothing', () => {
  const wishes = new Wishes();
  wishes.replace(changes(['network:a', [bridge('br1')]]));
  const attempt = () => wishes.replace(changes(['network:b', [bridge('br3'), bridge('br1')]]));
  assert.throws(attempt, /networks have same bridge name/);
  assert.deepEqual([...wishes.keys.keys()], ['link host br1']);
});

test('a thing may pass from one owner to another in one change', () => {
  const wishes = new Wishes();
  wishes.replace(changes(['network:a', [bridge('br1')]]));
  wishes.replace(changes(['network:a', []], ['network:b', [bridge('br1')]]));
  assert.equal(wishes.keys.get('link host br1')?.owner, 'network:b');
});

test('a port that is published already is refused in Docker’s words', () => {
  const port: Resource = {
    kind: 'listener',
    purpose: 'reservation',
    namespace: 'host',
    protocol: 'tcp',
    address: parseIpAddress('0.0.0.0'),
    port: 8080,
    count: 1,
  };
  const wishes = new Wishes();
  wishes.replace(changes(['endpoint:a', [port]]));
  assert.throws(
    () => wishes.replace(changes(['endpoint:b', [port]])),
    /^EngineError: Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
  );
});

const parent: Resource = { kind: 'parent', namespace: 'host', link: 'eth1' };

test('a parent is shared: it is owned until the last one gives it up', () => {
  const wishes = new Wishes();
  wishes.replace(changes(['network:a', [parent]], ['network:b', [parent]]));
  wishes.replace(changes(['network:c', [parent]]));
  assert.equal(wishes.keys.get('parent eth1')?.owner, 'network:a');
  assert.deepEqual(
    [...wishes.of(['network:a']).keys()],
    [],
    'others wish it, too: nothing is to be done for one of them',
  );
  for (const owner of ['network:a', 'network:c'] as const) {
    const before = wishes.replace(changes([owner, []]));
    assert.deepEqual(before.get(owner), [parent]);
    assert.equal(wishes.keys.get('parent eth1')?.owner, 'network:b');
  }
  assert.ok(wishes.isParent('eth1'));
  assert.deepEqual([...wishes.of(['network:b']).keys()], ['parent eth1']);
  wishes.replace(changes(['network:b', []]));
  assert.deepEqual([wishes.keys.size, wishes.isParent('eth1')], [0, false]);
});

test('it is known which sandboxes have something on a parent', () => {
  const slave = (name: string, namespace: `sandbox:${string}` | 'host', on: string): Resource => {
    return { kind: 'link', type: 'macvlan', namespace, name, up: true, parent: on, mode: 'bridge' };
  };
  const wishes = new Wishes();
  wishes.replace(changes(['endpoint:a', [slave('eth0', 'sandbox:1', 'eth1'), slave('fwm-1', 'host', 'eth1')]]));
  wishes.replace(changes(['endpoint:b', [slave('eth0', 'sandbox:2', 'eth2')]]));
  assert.deepEqual([...wishes.sandboxesOn(new Set(['eth1']))], ['sandbox:1']);
  assert.deepEqual([...wishes.sandboxesOn('all')], ['sandbox:1', 'sandbox:2']);
  wishes.replace(changes(['endpoint:b', []]));
  assert.deepEqual([...wishes.sandboxesOn('all')], ['sandbox:1']);
});
