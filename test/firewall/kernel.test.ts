import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { Nftables } from '../../src/kernel/nftables.ts';
import { parsePrefix } from '../../src/model/address.ts';
import type { FirewallResource } from '../../src/model/firewall.ts';
import { resourceKey } from '../../src/model/resource.ts';
import type { Change } from '../../src/reconcile/applier.ts';
import { FirewallApplier } from '../../src/reconcile/firewall/applier.ts';
import { rules, texts } from './arbitrary.ts';

const directory = mkdtempSync(join(tmpdir(), 'fairway-firewall-'));
const path = join(directory, 'namespace');
let namespace: NetworkNamespace;

before(() => {
  namespace = NetworkNamespace.create(path);
});

after(() => {
  namespace[Symbol.dispose]();
  NetworkNamespace.unpin(path);
  rmSync(directory, { recursive: true });
});

const nft = (...args: string[]) => namespace.run(() => execFileSync('nft', args, { encoding: 'utf8' }));

test('for any two wishes, the kernel says after each change what was wished', () => {
  using firewall = new FirewallApplier('any', namespace);
  fc.assert(
    fc.property(rules, rules, (from, to) => {
      firewall.apply([...firewall.observe().map((before) => ({ before })), ...from.map((after) => ({ after }))]);
      assert.deepEqual(texts(firewall.observe()), texts(from));
      const old = new Map(from.map((resource) => [resourceKey(resource), resource]));
      const updates = to.map((after) => {
        const before = old.get(resourceKey(after));
        old.delete(resourceKey(after));
        return before === undefined ? { after } : { before, after };
      });
      firewall.apply([...[...old.values()].map((before) => ({ before })), ...updates]);
      assert.deepEqual(texts(firewall.observe()), texts(to));
    }),
    { numRuns: 50 },
  );
});

test('rules and chains stay the same objects, whatever comes and goes', () => {
  using firewall = new FirewallApplier('steady', namespace);
  const constants = () =>
    nft('-a', 'list', 'table', 'inet', 'steady')
      .split('\n')
      .filter((line) => /# handle/.test(line));
  const [sample = []] = fc.sample(
    rules.filter((some) => some.length > 5),
    1,
  );
  const steady = sample.filter((one) => one.meaning !== 'clamp' && !(one.meaning === 'bridge' && one.internal));
  firewall.apply(steady.map((after) => ({ after })));
  const handles = constants();
  firewall.apply(steady.map((before) => ({ before })));
  firewall.apply(steady.map((after) => ({ after })));
  assert.deepEqual(constants(), handles);
});

test('what is asked only for internal networks, or narrow ways, is there with the first of them and goes with the last', () => {
  using firewall = new FirewallApplier('needed', namespace);
  const asks = () => {
    const text = nft('list', 'table', 'inet', 'needed');
    return [/iifname @internal goto/.test(text), /maxseg size set rt mtu/.test(text)];
  };
  const clamp: FirewallResource = { kind: 'firewall', meaning: 'clamp' };
  const network = (name: string, subnet: string, internal: boolean): FirewallResource => {
    return { kind: 'firewall', meaning: 'bridge', bridge: name, subnet: parsePrefix(subnet), internal, mode: 'nat' };
  };
  const open = network('br-open', '10.1.0.0/24', false);
  const first = network('br-first', '10.2.0.0/24', true);
  const second = network('br-second', '10.3.0.0/24', true);
  const steps: [Change<FirewallResource>[], boolean[]][] = [
    [[{ after: open }], [false, false]],
    [[{ after: first }], [true, false]],
    [
      [{ after: second }, { after: clamp }],
      [true, true],
    ],
    [[{ before: first }], [true, true]],
    [[{ before: second }], [false, true]],
    [[{ before: clamp }], [false, false]],
  ];
  for (const [change, asked] of steps) {
    firewall.apply(change);
    assert.deepEqual(asks(), asked);
  }
  assert.deepEqual(firewall.observe(), [open]);
  // The next daemon finds an intact table, whichever rules it has.
  firewall.apply([{ after: first }]);
  const handle = nft('-a', 'list', 'tables');
  using next = new FirewallApplier('needed', namespace);
  assert.deepEqual(texts(next.observe()), texts([open, first]));
  next.apply([{ after: second }]);
  assert.equal(nft('-a', 'list', 'tables'), handle);
});

test('the administrator’s table is made once, and not again for another daemon', () => {
  using first = new FirewallApplier('once', namespace);
  first.apply([{ after: { kind: 'firewall', meaning: 'forward-guard', family: 4 } }]);
  nft('add', 'rule', 'inet', 'once-admin', 'prerouting', 'counter');
  const made = nft('-s', '-a', 'list', 'table', 'inet', 'once-admin');
  nft('delete', 'table', 'inet', 'once');
  using second = new FirewallApplier('once', namespace);
  second.apply([{ after: { kind: 'firewall', meaning: 'forward-guard', family: 4 } }]);
  assert.equal(nft('-s', '-a', 'list', 'table', 'inet', 'once-admin'), made);
});

test('looking changes nothing', () => {
  using firewall = new FirewallApplier('looked', namespace);
  assert.deepEqual(firewall.observe(), []);
  assert.doesNotMatch(nft('list', 'tables'), /looked/);
});

test('nft’s own sentence and the errno’s name are in the error', () => {
  using nftables = new Nftables(namespace);
  assert.throws(() => nftables.run('list table inet nowhere'), {
    name: 'KernelError',
    code: 'ENOENT',
    errno: 2,
    message: 'Cannot change the firewall: ENOENT: No such file or directory in "list table inet nowhere"',
  });
  nftables.run('create table inet twice');
  assert.throws(() => nftables.run('create table inet twice'), { code: 'EEXIST' });
  assert.throws(() => nftables.run('no such language'), { code: 'EINVAL', sentence: /^syntax error, unexpected / });
  const json = { nftables: [{ create: { table: { family: 'inet', name: 'twice' } } }] };
  assert.throws(() => nftables.run(json), { code: 'EEXIST' });
});

test('commands are one transaction, in text and in JSON, and lists come as objects', () => {
  using nftables = new Nftables(namespace);
  assert.throws(() => nftables.run('add table inet half\nadd chain inet nowhere c'), { code: 'ENOENT' });
  assert.doesNotMatch(nft('list', 'tables'), /half/);
  assert.equal(nftables.run({ nftables: [{ add: { table: { family: 'inet', name: 'whole' } } }] }), undefined);
  nftables.run('add set inet whole s { type mark; elements = { 1, 2 } }');
  const full = JSON.stringify(nftables.run('list table inet whole'));
  const terse = JSON.stringify(nftables.run('list table inet whole', { terse: true }));
  assert.match(full, /"elem": ?\[1, ?2\]/);
  assert.match(terse, /"name":"s"/);
  assert.doesNotMatch(terse, /elem/);
});
