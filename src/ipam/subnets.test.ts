import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Prefix, parsePrefix, prefixesOverlap } from '../model/address.ts';
import { DEFAULT_POOLS, FURTHER_POOLS, SubnetChoice, type Surroundings } from './subnets.ts';

const choice = new SubnetChoice(DEFAULT_POOLS, FURTHER_POOLS);
const list = (...prefixes: string[]): Prefix[] => prefixes.map(parsePrefix);
const NOTHING: Surroundings = { taken: [], near: [], far: [] };
const choose = (around: Partial<Surroundings>, by = choice) => by.choose(4, undefined, { ...NOTHING, ...around });

/** What so many networks get, one after the other. */
function allot(count: number, around: Partial<Surroundings> = {}): Prefix[] {
  const taken: Prefix[] = [...(around.taken ?? [])];
  for (let i = 0; i < count; i++) taken.push(choose({ ...around, taken }));
  return taken;
}

test('three thousand networks: Docker’s 31 first, in Docker’s order, then further ranges; none overlaps another', () => {
  const all = allot(3000);
  assert.deepEqual(
    [0, 14, 15, 30, 31, 32].map((index) => all[index]),
    ['172.17.0.0/16', '172.31.0.0/16', '192.168.0.0/20', '192.168.240.0/20', '10.64.0.0/24', '10.64.1.0/24'],
  );
  assert.equal(new Set(all).size, 3000);
  const further = all.slice(31);
  assert.ok(further.every((subnet) => subnet.startsWith('10.') && subnet.endsWith('/24')));
});

test('what was released is the next one given', () => {
  const all = allot(60);
  const [released] = all.splice(7, 1);
  assert.equal(choose({ taken: all }), released);
});

test('a site that uses a part of 10.0.0.0/8 keeps as much around it', () => {
  const around = { near: list('10.64.3.0/24'), far: list('10.65.8.0/22') };
  const all = allot(33, around);
  assert.deepEqual(all.slice(31), ['10.66.0.0/24', '10.66.1.0/24']);
});

test('a VPN that claims all private ranges leaves the shared address space', () => {
  const far = list('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16');
  assert.equal(choose({ far }), '100.64.0.0/24');
});

test('where everything is reached by some gateway, what the host is on is still avoided', () => {
  const far = list('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10');
  assert.equal(choose({ far, near: list('172.17.3.0/24') }), '172.18.0.0/16');
});

test('next to what a LAN uses of a pool, smaller subnets are still to be had; in the end all are', () => {
  const small = new SubnetChoice(
    [{ base: parsePrefix('192.168.0.0/16'), size: 20 }],
    [{ base: parsePrefix('192.168.0.0/16'), size: 24 }],
  );
  const near = list('192.168.1.0/24');
  const taken: Prefix[] = [];
  for (let i = 0; i < 30; i++) taken.push(choose({ taken, near }, small));
  assert.equal(taken[14], '192.168.240.0/20');
  assert.equal(taken[15], '192.168.0.0/24');
  assert.equal(taken[16], '192.168.2.0/24');
  assert.equal(taken.at(-1), '192.168.15.0/24');
  assert.ok(taken.every((subnet) => !near.some((other) => prefixesOverlap(other, subnet))));
  assert.throws(() => choose({ taken, near }, small), /^EngineError: all predefined address pools have been fully/);
});

test('overlap is told of either family', () => {
  const others = list('10.0.0.0/24', 'fd00::/64');
  assert.ok(choice.overlaps(parsePrefix('10.0.0.128/25'), others));
  assert.ok(choice.overlaps(parsePrefix('fd00::/48'), others));
  assert.ok(!choice.overlaps(parsePrefix('10.0.1.0/24'), others));
  assert.ok(!choice.overlaps(parsePrefix('fd01::/64'), others));
});

test('one that remembers chooses as one that never saw anything, whatever came and went', () => {
  const some = fc.constantFrom(
    ...list('172.17.0.0/16', '172.18.4.0/24', '10.64.0.0/16', '10.64.3.0/24', '10.0.0.0/8', 'fd00::/64'),
  );
  const step = fc.record({ drop: fc.array(fc.nat(40), { maxLength: 3 }), near: fc.array(some), far: fc.array(some) });
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.boolean()), { maxLength: 40 }), (steps) => {
      const remembering = new SubnetChoice(DEFAULT_POOLS, FURTHER_POOLS);
      let taken: Prefix[] = [];
      let host = { near: list(), far: list() };
      for (const [{ drop, near, far }, moves] of steps) {
        if (moves) host = { near, far };
        taken = taken.filter((_, index) => !drop.includes(index));
        const around = { taken, ...host };
        const fresh = choose(around, new SubnetChoice(DEFAULT_POOLS, FURTHER_POOLS));
        assert.equal(choose(around, remembering), fresh);
        taken.push(fresh);
      }
    }),
    { numRuns: 60 },
  );
});
