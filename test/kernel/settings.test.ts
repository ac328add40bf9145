import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { readSysctl, watchSysctls, writeSysctl } from '../../src/kernel/sysctl.ts';
import { eventually } from '../host.ts';
import { Namespaces } from './namespaces.ts';

test('settings of many namespaces are not looked up in one tree; each are those of its own', async () => {
  using namespaces = await Namespaces.begin();
  const made = ['a', 'b'].map((name) => namespaces.make(name));
  for (const [index, namespace] of made.entries())
    writeSysctl(namespace, 'net/ipv4/ip_default_ttl', String(100 + index));
  const seen = new Map<number, number>();
  for (let round = 0; round < 100; round++) {
    const index = round % made.length;
    using again = NetworkNamespace.open(namespaces.path(index === 0 ? 'a' : 'b'));
    assert.equal(readSysctl(again, 'net/ipv4/ip_default_ttl'), String(100 + index));
    const tree = statSync(again.settings('ipv4')).dev;
    seen.set(tree, (seen.get(tree) ?? 0) + 1);
  }
  assert.ok(seen.size > 1, 'a tree is left for another');
  assert.ok(!seen.has(statSync('/proc/sys/net/ipv4').dev), 'the tree that everybody uses is spared');
});

test('who watches hears what is written in the tree that everybody uses', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  readSysctl(namespace, 'net/ipv4/conf/lo/forwarding');
  let heard = 0;
  using _ = watchSysctls(namespace, 'net/ipv4/conf/lo', () => heard++);
  namespace.run(() => writeFileSync('/proc/sys/net/ipv4/conf/lo/forwarding', '1'));
  await eventually('it is heard', () => heard > 0);
  assert.equal(readSysctl(namespace, 'net/ipv4/conf/lo/forwarding'), '1');
});
