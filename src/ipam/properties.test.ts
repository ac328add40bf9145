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
import { type AddressPool, Ipam, type PoolRequest } from './ipam.ts';

const ip = parseIpAddress;
const traits = { manySubnets: false, subnetless: false, gateways: [4, 6], sharedSubnets: false } as const;

/** The one pool of an IPv4 network of the bridge driver. */
function pool(
  given: { readonly request?: PoolRequest; readonly pools?: readonly AddressPool[] },
  taken: readonly Prefix[] = [],
  host: readonly Prefix[] = [],
): IpamPool {
  const { request, pools = [] } = given;
  const requests = request === undefined ? [] : [request];
  const demand = { ipv4: true, ipv6: false, requests, ipamDriver: '', driver: 'bridge', traits };
  const [found] = new Ipam({ pools }).allocatePools(demand, { taken, near: host, far: [] });
  assert.ok(found !== undefined);
  return found;
}

function give(from: IpamPool, held: ReadonlyMap<IpAddress, string>): IpAddress {
  const network = { id: 'id', name: 'net', pools: [from] };
  const [address] = new Ipam({ pools: [] }).allocateAddresses(network, held);
  assert.ok(address !== undefined);
  return addressOf(address);
}

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
      const address = give(pool, held);
      held.set(address, 'x');
      yield address;
    } catch (error) {
      assert.ok(error instanceof EngineError && error.kind === 'unavailable');
      return;
    }
  }
}

/** The size of the subnet without the gateway and, where it is large enough to have them, its first and last address. */
function usable({ subnet, gateway }: IpamPool): bigint {
  const { family, first, last } = prefixBounds(subnet);
  const own = new Set<bigint>(gateway === undefined ? [] : [addressToNumber(gateway)]);
  if (last - first > 1n) own.add(first);
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
      const chosen = pool({ request: { subnet: '10.0.0.0/26', auxiliary: {} } });
      const held = new Map(numbers.map((n) => [ip(`10.0.0.${n}`), 'x']));
      const released = ip(`10.0.0.${numbers[pick % numbers.length] ?? 2}`);
      held.delete(released);
      const given = give(chosen, held);
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
      const small = { pools: [{ base, size }] };
      const host = places.map(([offset, length]) => makePrefix(numberToAddress(4, start + offset), length));
      const all = Array.from({ length: 2 ** (size - 23) }, (_, n) =>
        makePrefix(numberToAddress(4, start + (BigInt(n) << BigInt(32 - size))), size),
      );
      const free = all.filter((candidate) => !host.some((other) => prefixesOverlap(other, candidate)));
      const taken: Prefix[] = [];
      for (const expected of free) {
        const { subnet } = pool(small, taken, host);
        assert.equal(subnet, expected);
        taken.push(subnet);
      }
      assert.throws(() => pool(small, taken, host), /fully subnetted/);
    }),
  );
});
