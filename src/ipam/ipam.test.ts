import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressOf,
  addressToNumber,
  type IpAddress,
  makePrefix,
  numberToAddress,
  type Prefix,
  parseIpAddress,
  parsePrefix,
  prefixBounds,
  prefixContains,
  prefixesOverlap,
} from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import type { IpamPool } from '../model/network.ts';
import { DEFAULT_POOLS, Ipam } from './ipam.ts';

const ipam = new Ipam({ pools: DEFAULT_POOLS });
const ip = parseIpAddress;
const nobody: ReadonlyMap<IpAddress, string> = new Map();

function refused(kind: string, message: string | RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof EngineError);
    assert.equal(error.kind, kind);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

test('the first network gets 172.17.0.0/16 and its first address as gateway', () => {
  assert.deepEqual(ipam.allocatePool({ auxiliary: {} }, [], []), {
    subnet: '172.17.0.0/16',
    gateway: '172.17.0.1',
    auxiliary: {},
  });
});

test('thirty-one networks fit into the default pools, then they are exhausted in Docker’s words', () => {
  const taken: Prefix[] = [];
  for (let i = 0; i < 31; i++) taken.push(ipam.allocatePool({ auxiliary: {} }, taken, []).subnet);
  assert.equal(taken.at(14), '172.31.0.0/16');
  assert.equal(taken.at(15), '192.168.0.0/20');
  assert.throws(
    () => ipam.allocatePool({ auxiliary: {} }, taken, []),
    refused('invalidArgument', 'all predefined address pools have been fully subnetted'),
  );
});

test('a chosen subnet avoids what the host uses; a named one may overlap it', () => {
  const host = [parsePrefix('172.17.5.0/24'), parsePrefix('172.18.0.1/32')];
  assert.equal(ipam.allocatePool({ auxiliary: {} }, [], host).subnet, '172.19.0.0/16');
  assert.equal(ipam.allocatePool({ subnet: '172.17.5.0/24', auxiliary: {} }, [], host).subnet, '172.17.5.0/24');
});

test('a subnet that overlaps another network’s is refused', () => {
  assert.throws(
    () => ipam.allocatePool({ subnet: '10.0.0.0/16', auxiliary: {} }, [parsePrefix('10.0.7.0/24')], []),
    refused('forbidden', 'invalid pool request: Pool overlaps with other one on this address space'),
  );
});

test('a given gateway is kept, reserved addresses are not given out, and the range is where counting starts', () => {
  const request = {
    subnet: '10.0.0.0/24',
    range: '10.0.0.128/25',
    gateway: '10.0.0.5',
    auxiliary: { router: '10.0.0.128' },
  };
  const pool = ipam.allocatePool(request, [], []);
  assert.equal(pool.gateway, '10.0.0.5');
  assert.equal(ipam.allocateAddress(pool, nobody), '10.0.0.129');
  assert.equal(ipam.allocateAddress(pool, nobody, ip('10.0.0.9')), '10.0.0.9');
});

const INVALID: readonly [string, Parameters<Ipam['allocatePool']>[0], string][] = [
  ['host bits', { subnet: '10.0.0.1/24', auxiliary: {} }, 'invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24'],
  ['no CIDR', { subnet: '10.0.0.0', auxiliary: {} }, 'invalid subnet 10.0.0.0: invalid CIDR block notation'],
  [
    'a length out of bounds',
    { subnet: '10.0.0.0/33', auxiliary: {} },
    'invalid subnet 10.0.0.0/33: invalid CIDR block notation',
  ],
  ['no subnet', { gateway: '10.0.0.1', auxiliary: {} }, 'invalid subnet : invalid CIDR block notation'],
  [
    'a range that is none',
    { subnet: '10.0.0.0/24', range: 'x', auxiliary: {} },
    'invalid ip-range x: invalid CIDR block notation',
  ],
  [
    'a range of the other family',
    { subnet: '10.0.0.0/24', range: 'fd00::/64', auxiliary: {} },
    'invalid ip-range fd00::/64: parent subnet is an IPv4 block',
  ],
  [
    'a range elsewhere',
    { subnet: '10.0.0.0/24', range: '10.0.1.0/25', auxiliary: {} },
    "invalid ip-range 10.0.1.0/25: parent subnet 10.0.0.0/24 doesn't contain ip-range",
  ],
  [
    'a range that is bigger',
    { subnet: '10.0.0.0/24', range: '10.0.0.0/23', auxiliary: {} },
    'invalid ip-range 10.0.0.0/23: CIDR block is bigger than its parent subnet 10.0.0.0/24',
  ],
  [
    'a range with host bits',
    { subnet: '10.0.0.0/24', range: '10.0.0.1/25', auxiliary: {} },
    'invalid ip-range 10.0.0.1/25: it should be 10.0.0.0/25',
  ],
  [
    'a gateway that is none',
    { subnet: '10.0.0.0/24', gateway: 'x', auxiliary: {} },
    'invalid gateway x: invalid address',
  ],
  [
    'a gateway elsewhere',
    { subnet: '10.0.0.0/24', gateway: '10.0.1.1', auxiliary: {} },
    "invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
  ],
  [
    'two mistakes',
    { subnet: '10.0.0.9/24', gateway: 'fd00::1', auxiliary: { a: '1.2.3.4' } },
    '* invalid subnet 10.0.0.9/24: it should be 10.0.0.0/24\n' +
      '* invalid gateway fd00::1: parent subnet is an IPv4 block\n' +
      "* invalid auxiliary address a: parent subnet 10.0.0.0/24 doesn't contain this address",
  ],
];

for (const [what, request, message] of INVALID) {
  test(`refused in Docker’s words: ${what}`, () => {
    assert.throws(
      () => ipam.allocatePool(request, [], []),
      refused('invalidArgument', `invalid network config:\n${message}`),
    );
  });
}

test('IPv6 is refused clearly', () => {
  assert.throws(
    () => ipam.allocatePool({ subnet: 'fd00::/64', auxiliary: {} }, [], []),
    refused('unsupported', 'IPv6 subnet fd00::/64 is not supported by this version'),
  );
});

test('a taken address names its holder; addresses of the network itself are never given', () => {
  const pool = ipam.allocatePool({ subnet: '10.0.0.0/29', auxiliary: { printer: '10.0.0.6' } }, [], []);
  const held = new Map([[ip('10.0.0.5'), 'web']]);
  const ask = (address: string) => () => ipam.allocateAddress(pool, held, ip(address));
  assert.throws(ask('10.0.0.5'), refused('forbidden', 'Address already in use: 10.0.0.5 is held by "web"'));
  assert.throws(ask('10.0.0.1'), refused('forbidden', /^Address already in use: 10\.0\.0\.1 is the gateway$/));
  assert.throws(ask('10.0.0.0'), refused('forbidden', /network's own address/));
  assert.throws(ask('10.0.0.7'), refused('forbidden', /broadcast/));
  assert.throws(ask('10.0.0.6'), refused('forbidden', /"printer"/));
  assert.throws(
    ask('10.0.1.5'),
    refused('invalidArgument', 'no configured subnet or ip-range contain the IP address 10.0.1.5'),
  );
});

test('a /31 has two addresses and a /32 one, the gateway’s', () => {
  const pair = ipam.allocatePool({ subnet: '10.0.0.2/31', auxiliary: {} }, [], []);
  assert.equal(pair.gateway, '10.0.0.2');
  assert.equal(ipam.allocateAddress(pair, nobody), '10.0.0.3');
  const single = ipam.allocatePool({ subnet: '10.0.0.2/32', auxiliary: {} }, [], []);
  assert.equal(single.gateway, '10.0.0.2');
  assert.throws(() => ipam.allocateAddress(single, nobody), refused('unavailable', /no available IPv4 addresses/));
});

const smallPrefix = (family: 4 | 6) => {
  const bits = family === 4 ? 32 : 128;
  return fc
    .tuple(fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n }), fc.integer({ min: bits - 6, max: bits }))
    .map(([number, length]) => makePrefix(numberToAddress(family, number), length));
};

const poolOf = fc.constantFrom<4 | 6>(4, 6).chain((family) =>
  smallPrefix(family).map((subnet): IpamPool => {
    const { first, last } = prefixBounds(subnet);
    return { subnet, gateway: numberToAddress(family, first + (last - first) / 2n), auxiliary: {} };
  }),
);

/** Gives addresses until none is left, each held from then on. */
function* everyAddress(pool: IpamPool): Generator<IpAddress> {
  const held = new Map<IpAddress, string>();
  for (;;) {
    try {
      const address = ipam.allocateAddress(pool, held);
      held.set(address, 'x');
      yield address;
    } catch (error) {
      assert.ok(refused('unavailable', /no available/)(error));
      return;
    }
  }
}

/** The size of the subnet without the gateway and, where it is large enough to have them, its first and last address. */
function usable({ subnet, gateway }: IpamPool): bigint {
  const { family, first, last } = prefixBounds(subnet);
  const own = new Set<bigint>(gateway === undefined ? [] : [addressToNumber(gateway)]);
  if (family === 6 ? last > first : last - first > 1n) own.add(first);
  if (family === 4 && last - first > 1n) own.add(last);
  return last - first + 1n - BigInt(own.size);
}

test('property: every address is given once, inside, lowest first, until all are given', () => {
  fc.assert(
    fc.property(poolOf, (pool) => {
      const held = new Map<IpAddress, string>();
      for (const next of everyAddress(pool)) {
        assert.ok(!held.has(next) && next !== pool.gateway && prefixContains(pool.subnet, next));
        assert.ok([...held.keys()].every((other) => addressToNumber(other) < addressToNumber(next)));
        held.set(next, 'x');
      }
      assert.equal(BigInt(held.size), usable(pool));
    }),
  );
});

test('property: a released address is the next one given when it is the lowest', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 2, max: 60 }), { minLength: 1 }), fc.nat(), (numbers, pick) => {
      const pool = ipam.allocatePool({ subnet: '10.0.0.0/26', auxiliary: {} }, [], []);
      const held = new Map(numbers.map((n) => [ip(`10.0.0.${n}`), 'x']));
      const released = ip(`10.0.0.${numbers[pick % numbers.length] ?? 2}`);
      held.delete(released);
      const given = ipam.allocateAddress(pool, held);
      assert.ok(!held.has(given));
      assert.ok(addressToNumber(given) <= addressToNumber(released));
    }),
  );
});

test('property: chosen subnets never overlap and leave no lower one of their pool free', () => {
  const base = parsePrefix('10.9.0.0/23');
  const start = addressToNumber(addressOf(base));
  const busy = fc.array(fc.tuple(fc.bigInt({ min: 0n, max: 511n }), fc.integer({ min: 25, max: 32 })));
  fc.assert(
    fc.property(busy, fc.integer({ min: 24, max: 28 }), (places, size) => {
      const small = new Ipam({ pools: [{ base, size }] });
      const host = places.map(([offset, length]) => makePrefix(numberToAddress(4, start + offset), length));
      const all = Array.from({ length: 2 ** (size - 23) }, (_, n) =>
        makePrefix(numberToAddress(4, start + (BigInt(n) << BigInt(32 - size))), size),
      );
      const free = all.filter((candidate) => !host.some((other) => prefixesOverlap(other, candidate)));
      const taken: Prefix[] = [];
      for (const expected of free) {
        const { subnet } = small.allocatePool({ auxiliary: {} }, taken, host);
        assert.equal(subnet, expected);
        taken.push(subnet);
      }
      assert.throws(() => small.allocatePool({ auxiliary: {} }, taken, host), /fully subnetted/);
    }),
  );
});
