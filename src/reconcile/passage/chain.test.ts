import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Chain, dropOf, editFor, type Rule } from './chain.ts';
import { parseRules } from './iptables.ts';

const GROUP = ['iifgroup 18007', 'oifgroup 18007'] as const;

/** What `iptables -S` writes, by its lines. */
const chains = (...lines: string[]) => parseRules(lines.join('\n'));

/** The place in words: "FORWARD", or the rule that drops there. */
function place(of: ReadonlyMap<string, Chain>): string | undefined {
  const found = dropOf(of, 'FORWARD');
  return found?.before?.id ?? found?.chain;
}

test('a policy that drops is passed at the end of its chain, one that accepts needs nothing', () => {
  assert.equal(place(chains('-P FORWARD DROP', '-A FORWARD -i eth0 -j ACCEPT')), 'FORWARD');
  assert.equal(place(chains('-P FORWARD ACCEPT', '-A FORWARD -i eth0 -j DROP')), undefined);
});

test('a last rule that refuses everything is passed right before it', () => {
  const reject = '-A FORWARD -j REJECT --reject-with icmp-host-prohibited';
  assert.equal(place(chains('-P FORWARD ACCEPT', '-A FORWARD -i lo -j ACCEPT', reject)), reject);
  const commented = '-A FORWARD -m comment --comment "no more" -j DROP';
  assert.equal(place(chains('-P FORWARD DROP', commented)), commented);
  const inside = '-A OTHER -j DROP';
  assert.equal(place(chains('-P FORWARD ACCEPT', '-N OTHER', '-A FORWARD -j OTHER', inside)), inside);
});

test('what comes back, what only logs and what loops goes on', () => {
  const common = ['-P FORWARD DROP', '-N A', '-N B', '-A FORWARD -j A', '-A A -j B', '-A B -j A', '-A A -j RETURN'];
  assert.equal(place(chains(...common, '-A FORWARD -j LOG --log-prefix "x"')), 'FORWARD');
  assert.equal(place(chains(...common, '-A FORWARD -j ACCEPT')), undefined);
});

test('ufw has a chain for it, before it logs what it blocks', () => {
  const ufw = ['-P FORWARD DROP', '-N ufw-before-forward', '-N ufw-after-forward', '-N ufw-after-logging-forward'];
  const jumps = ['before', 'after', 'after-logging'].map((name) => `-A FORWARD -j ufw-${name}-forward`);
  const log = '-A ufw-after-logging-forward -m limit --limit 3/min -j LOG --log-prefix "[UFW BLOCK] "';
  assert.equal(place(chains(...ufw, ...jumps, log)), 'ufw-after-forward');
});

test('firewalld’s zones, which refuse each for itself, are passed before them', () => {
  const jump: Rule = { id: '7', end: { jump: 'filter_FORWARD_ZONES' } };
  const firewalld = new Map<string, Chain>([
    ['filter_FORWARD', { policy: 'accept', rules: [jump, { id: '8', end: 'drop' }] }],
    ['filter_FORWARD_ZONES', { rules: [{ id: '3', end: { goto: 'filter_FWD_public' } }] }],
    ['filter_FWD_public', { rules: [{ id: '4', end: 'drop' }] }],
  ]);
  assert.deepEqual(dropOf(firewalld, 'filter_FORWARD'), { chain: 'filter_FORWARD', before: jump });
});

test('what is as it should be is left alone; what is not is made anew', () => {
  const ours = (link: string) => `-A FORWARD -m devgroup --${link}-group 0x4657 -m comment --comment fairway -j ACCEPT`;
  const both = [ours('src'), ours('dst')];
  assert.equal(editFor(chains('-P FORWARD DROP', ...both), 'FORWARD', GROUP), undefined);
  assert.equal(editFor(chains('-P FORWARD DROP', ...both, '-A FORWARD -j DROP'), 'FORWARD', GROUP), undefined);
  assert.equal(editFor(chains('-P FORWARD ACCEPT'), 'FORWARD', GROUP), undefined);
  assert.deepEqual(editFor(chains('-P FORWARD DROP', ours('src')), 'FORWARD', GROUP)?.add, GROUP);
  const earlier = editFor(chains('-P FORWARD DROP', ...both, '-A FORWARD -i eth1 -j DROP'), 'FORWARD', GROUP);
  assert.deepEqual([earlier?.remove.length, earlier?.add, earlier?.at], [2, GROUP, { chain: 'FORWARD' }]);
  const behind = editFor(chains('-P FORWARD DROP', '-A FORWARD -j DROP', ...both), 'FORWARD', GROUP);
  assert.deepEqual([behind?.remove.length, behind?.add, behind?.at.before?.id], [2, GROUP, '-A FORWARD -j DROP']);
});

test('where nothing is dropped any more, or nobody wants to pass, our rules go', () => {
  const ours = '-A FORWARD -i docker0 -m comment --comment fairway -j ACCEPT';
  const stale = editFor(chains('-P FORWARD ACCEPT', ours), 'FORWARD', ['iifname docker0']);
  assert.deepEqual([stale?.remove.map(({ rule }) => rule.id), stale?.add], [[ours], []]);
  const unwanted = editFor(chains('-P FORWARD DROP', ours), 'FORWARD', []);
  assert.deepEqual([unwanted?.remove.map(({ rule }) => rule.id), unwanted?.add], [[ours], []]);
});
