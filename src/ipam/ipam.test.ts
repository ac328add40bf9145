import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addressOf,
  type IpAddress,
  numberToAddress,
  type Prefix,
  parseIpAddress,
  parsePrefix,
} from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import type { IpamPool } from '../model/network.ts';
import { DEFAULT_POOLS, Ipam, type NetworkDemand, type PoolRequest } from './ipam.ts';

const LOCAL = { base: parsePrefix('fd12:3456:789a::/48'), size: 64 };
const ipam = new Ipam({ pools: [...DEFAULT_POOLS, LOCAL] });
const ip = parseIpAddress;
const nobody: ReadonlyMap<IpAddress, string> = new Map();

/** As the bridge driver wants it. */
const BRIDGE: NetworkDemand = {
  ipv4: true,
  ipv6: false,
  requests: [],
  ipamDriver: '',
  driver: 'bridge',
  traits: { manySubnets: false, subnetless: false, gateways: [4, 6], sharedSubnets: false },
};

const MACVLAN: NetworkDemand = {
  ...BRIDGE,
  driver: 'macvlan',
  traits: { manySubnets: true, subnetless: true, gateways: [4, 6], sharedSubnets: true, onLan: true },
};

/** Without a parent. */
const LEADING_NOWHERE: NetworkDemand = { ...MACVLAN, traits: { ...MACVLAN.traits, gateways: [] } };

function pools(demand: Partial<NetworkDemand>, taken: readonly Prefix[] = [], host: readonly Prefix[] = []) {
  return ipam.allocatePools({ ...BRIDGE, ...demand }, { taken, near: host, far: [] });
}

/** The one pool of an IPv4 network. */
function pool(request?: PoolRequest, taken: readonly Prefix[] = [], host: readonly Prefix[] = [], by = ipam): IpamPool {
  const demand = { ...BRIDGE, requests: request === undefined ? [] : [request] };
  const [first, second] = by.allocatePools(demand, { taken, near: host, far: [] });
  assert.ok(first !== undefined && second === undefined);
  return first;
}

function pool6(subnet: string, range: string): IpamPool {
  const [found] = pools({ ipv4: false, ipv6: true, requests: [{ subnet, range, auxiliary: {} }] });
  assert.ok(found !== undefined);
  return found;
}

/** An address without its length. */
function give(from: IpamPool, held: ReadonlyMap<IpAddress, string>, ...wanted: IpAddress[]): IpAddress {
  const [address, another] = ipam.allocateAddresses({ id: 'id', name: 'net', pools: [from] }, held, wanted);
  assert.ok(address !== undefined && another === undefined);
  return addressOf(address);
}

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
  assert.deepEqual(pool(), {
    subnet: '172.17.0.0/16',
    gateway: '172.17.0.1',
    auxiliary: {},
  });
});

test('thirty-one networks fit into the default pools, then they are exhausted in Docker’s words', () => {
  const taken: Prefix[] = [];
  for (let i = 0; i < 31; i++) taken.push(pool(undefined, taken).subnet);
  assert.equal(taken.at(14), '172.31.0.0/16');
  assert.equal(taken.at(15), '192.168.0.0/20');
  assert.throws(
    () => pool(undefined, taken),
    refused('invalidArgument', 'all predefined address pools have been fully subnetted'),
  );
});

test('a chosen subnet avoids what the host uses; a named one may overlap it', () => {
  const host = [parsePrefix('172.17.5.0/24'), parsePrefix('172.18.0.1/32')];
  assert.equal(pool(undefined, [], host).subnet, '172.19.0.0/16');
  assert.equal(pool({ subnet: '172.17.5.0/24', auxiliary: {} }, [], host).subnet, '172.17.5.0/24');
});

test('a subnet that overlaps another network’s is refused', () => {
  assert.throws(
    () => pool({ subnet: '10.0.0.0/16', auxiliary: {} }, [parsePrefix('10.0.7.0/24')]),
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
  const chosen = pool(request);
  assert.equal(chosen.gateway, '10.0.0.5');
  assert.equal(give(chosen, nobody), '10.0.0.129');
  assert.equal(give(chosen, nobody, ip('10.0.0.9')), '10.0.0.9');
});

test('everything of IPv6 is checked alike, whatever its spelling; without IPv6 it is not looked at', () => {
  const request = { subnet: 'fda9:8d04:086e::/64', range: 'fda9:8d04:086e::ffff:ffff:ffff:fffe/127', auxiliary: {} };
  assert.deepEqual(pools({ ipv4: false, ipv6: true, requests: [request] }), [
    {
      subnet: 'fda9:8d04:86e::/64',
      range: 'fda9:8d04:86e:0:ffff:ffff:ffff:fffe/127',
      gateway: 'fda9:8d04:86e:0:ffff:ffff:ffff:fffe',
      subnetRequested: true,
      auxiliary: {},
    },
  ]);
  const wrong = [{ subnet: 'fd00::1/64', gateway: '10.0.0.1', auxiliary: {} }];
  assert.throws(
    () => pools({ ipv6: true, requests: wrong }),
    refused(
      'invalidArgument',
      'invalid network config:\n* invalid subnet fd00::1/64: it should be fd00::/64\n' +
        '* invalid gateway 10.0.0.1: parent subnet is an IPv6 block',
    ),
  );
  assert.deepEqual(pools({ requests: wrong }), pools({}));
});

test('dual stack: IPv4 first, each family with what was asked or the lowest free subnet, each with its gateway', () => {
  assert.deepEqual(pools({ ipv6: true }), [
    { subnet: '172.17.0.0/16', gateway: '172.17.0.1', auxiliary: {} },
    { subnet: 'fd12:3456:789a::/64', gateway: 'fd12:3456:789a::1', auxiliary: {} },
  ]);
  const requests = [
    { subnet: 'fd00:1::/64', gateway: 'fd00:1::5', auxiliary: {} },
    { subnet: '10.0.0.0/24', auxiliary: {} },
  ];
  assert.deepEqual(pools({ ipv6: true, requests }), [
    { subnet: '10.0.0.0/24', subnetRequested: true, gateway: '10.0.0.1', auxiliary: {} },
    { subnet: 'fd00:1::/64', subnetRequested: true, gateway: 'fd00:1::5', gatewayRequested: true, auxiliary: {} },
  ]);
});

test('IPv6 alone; neither is refused unless the driver can do without', () => {
  assert.deepEqual(
    pools({ ipv4: false, ipv6: true }).map(({ subnet }) => subnet),
    ['fd12:3456:789a::/64'],
  );
  const neither = { ipv4: false, ipv6: false };
  assert.throws(() => pools(neither), refused('invalidArgument', 'IPv4 or IPv6 must be enabled'));
  assert.deepEqual(pools({ ...MACVLAN, ...neither }), []);
});

test('one subnet of each family for the bridge driver, many for macvlan, each with its gateway if the driver wants one', () => {
  const requests = ['10.0.0.0/24', '10.0.1.0/24', 'fd00::/64', 'fd01::/64'].map((subnet) => ({
    subnet,
    auxiliary: {},
  }));
  assert.throws(
    () => pools({ ipv6: true, requests }),
    refused('forbidden', "bridge driver doesn't support multiple subnets"),
  );
  assert.deepEqual(
    pools({ ...MACVLAN, ipv6: true, requests }),
    ['10.0.0.1', '10.0.1.1', 'fd00::1', 'fd01::1'].map((gateway, index) => ({
      ...requests[index],
      subnetRequested: true,
      gateway,
    })),
  );
  assert.deepEqual(
    pools({ ...LEADING_NOWHERE, ipv6: true, requests }),
    requests.map((request) => ({ ...request, subnetRequested: true })),
  );
  const twice = ['10.0.0.0/16', '10.0.1.0/24'].map((subnet) => ({ subnet, auxiliary: {} }));
  assert.throws(() => pools({ ...MACVLAN, requests: twice }), refused('forbidden', /Pool overlaps/));
});

test('only a size is asked for: it is cut from the default pools', () => {
  const sized = (subnet: string, demand: Partial<NetworkDemand> = {}) =>
    pools({ ...demand, requests: [{ subnet, auxiliary: {} }] }).map((found) => found.subnet);
  assert.deepEqual(sized('0.0.0.0/24'), ['172.17.0.0/24']);
  assert.deepEqual(sized('/28'), ['172.17.0.0/28']);
  assert.deepEqual(sized('/15'), ['172.20.0.0/15']);
  assert.deepEqual(sized('0.0.0.0/0'), ['172.17.0.0/16']);
  const six = { ipv4: false, ipv6: true };
  assert.deepEqual(sized('::/80', six), ['fd12:3456:789a::/80']);
  assert.deepEqual(sized('/64', six), ['fd12:3456:789a::/64']);
  assert.throws(() => sized('/8'), refused('invalidArgument', 'invalid address pool'));
  assert.throws(() => sized('/129', six), refused('invalidArgument', /invalid CIDR block notation/));
});

test('the null IPAM driver has nothing to give, and an unknown one is not found', () => {
  const none = { ...MACVLAN, ipamDriver: 'null' };
  assert.deepEqual(pools({ ...none, ipv4: false }), []);
  assert.throws(() => pools(none), refused('invalidArgument', 'ipv4 pool is empty'));
  assert.throws(() => pools({ ...none, ipv4: false, ipv6: true }), refused('invalidArgument', 'ipv6 pool is empty'));
  const requests = [{ subnet: '10.0.0.0/24', auxiliary: {} }];
  assert.throws(
    () => pools({ ...none, requests }),
    refused('invalidArgument', 'null ipam driver does not handle specific address pool requests'),
  );
  assert.throws(() => pools({ ipamDriver: 'infoblox' }), refused('notFound', 'plugin "infoblox" not found'));
});

test('a gateway that another name has reserved is refused', () => {
  const request = { subnet: '10.0.0.0/24', gateway: '10.0.0.9', auxiliary: { printer: '10.0.0.9' } };
  assert.throws(
    () => pool(request),
    refused(
      'forbidden',
      'failed to allocate gateway (10.0.0.9): Address already in use: 10.0.0.9 is the auxiliary address "printer"',
    ),
  );
});

test('an endpoint gets one address of each family, the wanted one where there is a wish', () => {
  const network = { id: 'id', name: 'net', pools: pools({ ipv6: true }) };
  assert.deepEqual(ipam.allocateAddresses(network, nobody), ['172.17.0.2/16', 'fd12:3456:789a::2/64']);
  assert.deepEqual(ipam.allocateAddresses(network, nobody, [ip('fd12:3456:789a::ffff')]), [
    '172.17.0.2/16',
    'fd12:3456:789a::ffff/64',
  ]);
});

test('when the first subnet of a family is full, the next one gives', () => {
  const requests = ['10.0.0.0/30', '10.0.1.0/30'].map((subnet) => ({ subnet, auxiliary: {} }));
  const network = { id: 'f00', name: 'lan', pools: pools({ ...LEADING_NOWHERE, requests }) };
  const held = new Map(['10.0.0.1', '10.0.0.2'].map((address) => [ip(address), 'x']));
  assert.deepEqual(ipam.allocateAddresses(network, held), ['10.0.1.1/30']);
  for (const address of ['10.0.1.1', '10.0.1.2']) held.set(ip(address), 'x');
  assert.throws(
    () => ipam.allocateAddresses(network, held),
    refused('unavailable', "no available IPv4 addresses on this network's address pools: lan (f00)"),
  );
});

test('a range of half of IPv6 costs no more than a small one', () => {
  const huge = pool6('8000::/1', '8000::/2');
  const held = new Map(Array.from({ length: 70_000 }, (_, n) => [numberToAddress(6, (1n << 127n) + BigInt(n)), 'x']));
  assert.equal(give(huge, new Map()), '8000::2');
  assert.equal(give(huge, held), '8000::1:1170');
});

test('the last addresses of a 64 bit range are given, too', () => {
  const last = pool6('fda9:8d04:86e::/56', 'fda9:8d04:86e:aa:ffff:ffff:ffff:fffe/127');
  assert.equal(last.gateway, 'fda9:8d04:86e:aa:ffff:ffff:ffff:fffe');
  assert.equal(give(last, nobody), 'fda9:8d04:86e:aa:ffff:ffff:ffff:ffff');
});

test('a taken address names its holder; addresses of the network itself are never given', () => {
  const chosen = pool({ subnet: '10.0.0.0/29', auxiliary: { printer: '10.0.0.6' } });
  const held = new Map([[ip('10.0.0.5'), 'web']]);
  const ask = (address: string) => () => give(chosen, held, ip(address));
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

test('a /31 and a /127 have two addresses; a /32 and a /128 one, the gateway’s', () => {
  const pair = pool({ subnet: '10.0.0.2/31', auxiliary: {} });
  assert.equal(pair.gateway, '10.0.0.2');
  assert.equal(give(pair, nobody), '10.0.0.3');
  const single = pool({ subnet: '10.0.0.2/32', auxiliary: {} });
  assert.equal(single.gateway, '10.0.0.2');
  assert.throws(() => give(single, nobody), refused('unavailable', /no available IPv4 addresses/));
  const pair6 = pool6('fd00::2/127', 'fd00::2/127');
  assert.equal(pair6.gateway, 'fd00::2');
  assert.equal(give(pair6, nobody), 'fd00::3');
  assert.throws(() => give(pool6('fd00::2/128', 'fd00::2/128'), nobody), refused('unavailable', /no available IPv6/));
});
