import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IpAddress, parseIpAddress } from '../model/address.ts';
import type { VethLink } from '../model/resource.ts';
import { Wires } from './wires.ts';
import { Wishes } from './wishes.ts';

const PORT: VethLink = {
  kind: 'link',
  type: 'veth',
  namespace: 'host',
  name: 'veth1',
  up: true,
  master: 'br0',
  isolated: false,
  peer: { namespace: 'sandbox:a', name: 'eth0', mtu: 1500 },
};

function addressesUpTo(count: number): IpAddress[] {
  return Array.from({ length: count }, (_, n) => parseIpAddress(`10.0.${n >> 8}.${n & 0xff}`));
}

function wiresOf(wishes = new Wishes()): Wires {
  return new Wires(wishes, { knownName: (index) => (index === 7 ? 'br0' : undefined) });
}

/** @returns whether an address that was not given before is told */
function tells(wires: Wires): boolean {
  return wires.take('br0', [parseIpAddress('10.1.0.1')]);
}

test('few hear everything, many hear of what they may have known', () => {
  const wires = wiresOf();
  wires.begin('br0', false);
  const told = addressesUpTo(100).map((address) => wires.take('br0', [address]));
  assert.deepEqual([told.slice(0, 32), told.slice(32)], [Array(32).fill(true), Array(68).fill(false)]);
  assert.equal(wires.take('br0', [parseIpAddress('10.0.0.7')]), true);
  assert.equal(tells(wires), false);
  assert.equal(tells(wires), true);
});

test('where not all is known, everybody hears: too much was there, a stranger came, events were lost, it was there before', () => {
  const crowded = (): Wires => {
    const wires = wiresOf();
    wires.begin('br0', false);
    for (const address of addressesUpTo(40)) wires.note('br0', address);
    return wires;
  };
  const lose: Record<string, (wires: Wires) => void> = {
    much: (wires) => void wires.take('br0', addressesUpTo(5000)),
    stranger: (wires) => wires.meetStranger(7),
    lost: (wires) => wires.doubtAll(),
    gone: (wires) => wires.end('br0'),
  };
  assert.equal(tells(crowded()), false);
  for (const [how, work] of Object.entries(lose)) {
    const wires = crowded();
    work(wires);
    assert.equal(tells(wires), true, how);
    if (how !== 'gone') wires.begin('br0', false);
    for (const address of addressesUpTo(40)) wires.note('br0', address);
    assert.equal(wires.take('br0', [parseIpAddress('10.1.0.2')]), true, `${how}: for good`);
  }
});

test('a bridge that is made again is new where nobody is on it', () => {
  const peopled = new Wishes();
  peopled.replace(new Map([['endpoint:1', [PORT]]]));
  for (const [wishes, told] of [
    [new Wishes(), false],
    [peopled, true],
  ] as const) {
    const wires = wiresOf(wishes);
    wires.begin('br0', true);
    for (const address of addressesUpTo(40)) wires.note('br0', address);
    assert.equal(tells(wires), told);
  }
});
