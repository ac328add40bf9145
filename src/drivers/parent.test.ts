import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainNetwork } from '../../test/plain-network.ts';
import { FAMILIES, parseInterfaceAddress, parseIpAddress, parseMacAddress, parsePrefix } from '../model/address.ts';
import type { DriverOptions, Endpoint, Network, Sandbox } from '../model/network.ts';
import { resourceKey } from '../model/resource.ts';
import type { NetworkDriver } from './driver.ts';
import { ipvlan } from './ipvlan/ipvlan.ts';
import { macvlan } from './macvlan/macvlan.ts';

/** What macvlan and ipvlan networks describe. */

const sandbox: Sandbox = { id: 'ab'.repeat(32), namespace: 'sandbox:abababababab', resolver: true };

function networkOf<O>(driver: NetworkDriver<O>, driverOptions: DriverOptions, digit = 'a'): Network<O> {
  const over = { id: digit.repeat(64), driver: driver.name, ipv6: true, driverOptions };
  return plainNetwork('lan', driver.parse(driverOptions), over);
}

const endpoint: Endpoint = {
  id: 'e'.repeat(64),
  network: 'a'.repeat(64),
  sandbox: sandbox.id,
  container: 'c'.repeat(64),
  interfaceName: 'eth0',
  mac: parseMacAddress('02:00:00:00:00:01'),
  addresses: [parseInterfaceAddress('10.0.0.2/24'), parseInterfaceAddress('fd00::2/64')],
  gateways: [parseIpAddress('10.0.0.1')],
  ports: [],
};

const PARENTS: readonly (readonly [string | undefined, object])[] = [
  ['eth0', { kind: 'parent', namespace: 'host', link: 'eth0' }],
  [undefined, { kind: 'link', type: 'dummy', namespace: 'host', name: 'dm-aaaaaaaaaaaa', up: true }],
  ['', { kind: 'link', type: 'dummy', namespace: 'host', name: 'dm-aaaaaaaaaaaa', up: true }],
  ['eth0.50', { kind: 'link', type: 'vlan', namespace: 'host', name: 'eth0.50', up: true, parent: 'eth0', id: 50 }],
  [
    'eth0.4094',
    { kind: 'link', type: 'vlan', namespace: 'host', name: 'eth0.4094', up: true, parent: 'eth0', id: 4094 },
  ],
  // No number of a VLAN: only a link that is there already can have such a name.
  ...['eth0.4095', 'eth0.0', 'eth0.050', 'eth0.lan', 'a.b.5'].map(
    (link) => [link, { kind: 'parent', namespace: 'host', link }] as const,
  ),
];

for (const [parent, expected] of PARENTS) {
  test(`parent ${JSON.stringify(parent)}`, () => {
    const options: DriverOptions = parent === undefined ? {} : { parent };
    for (const driver of [macvlan, ipvlan])
      assert.deepEqual(driver.network(networkOf(driver as never, options)), [expected]);
  });
}

test('a macvlan endpoint has its own MAC address, and IPv6 where it has such an address', () => {
  const network = networkOf(macvlan, { parent: 'eth0', macvlan_mode: 'vepa' });
  const { namespace } = sandbox;
  assert.deepEqual(macvlan.endpoint(network, endpoint, sandbox), [
    {
      kind: 'link',
      type: 'macvlan',
      namespace,
      name: 'eth0',
      up: true,
      parent: 'eth0',
      mode: 'vepa',
      mac: endpoint.mac,
    },
    { kind: 'sysctl', namespace, path: 'net/ipv6/conf/eth0/disable_ipv6', value: '0' },
    { kind: 'address', namespace, link: 'eth0', address: '10.0.0.2/24', adopt: false },
    { kind: 'address', namespace, link: 'eth0', address: 'fd00::2/64', adopt: false },
    { kind: 'route', namespace, destination: '0.0.0.0/0', link: 'eth0', gateway: '10.0.0.1' },
  ]);
});

test('in l3 the default route is the link itself', () => {
  const network = networkOf(ipvlan, { parent: 'eth0', ipvlan_mode: 'l3s', ipvlan_flag: 'private' });
  const gateways = ['0.0.0.0', '::'].map(parseIpAddress);
  const resources = ipvlan.endpoint(network, { ...endpoint, gateways }, sandbox);
  const { namespace } = sandbox;
  assert.deepEqual(resources[0], {
    ...{
      kind: 'link',
      type: 'ipvlan',
      namespace,
      name: 'eth0',
      up: true,
      parent: 'eth0',
      mode: 'l3s',
      flag: 'private',
    },
  });
  assert.deepEqual(
    resources.filter(({ kind }) => kind === 'route'),
    ['0.0.0.0/0', '::/0'].map((destination) => ({ kind: 'route', namespace, destination, link: 'eth0' })),
  );
});

test('who routes how', () => {
  const routing = (driver: NetworkDriver<never>, options: DriverOptions) =>
    driver.traits(driver.parse(options)).defaultRoute;
  assert.deepEqual(
    [
      routing(macvlan as never, { parent: 'eth0' }),
      routing(macvlan as never, {}),
      routing(ipvlan as never, { parent: 'eth0' }),
      routing(ipvlan as never, { parent: 'eth0', ipvlan_mode: 'l3' }),
      routing(ipvlan as never, { ipvlan_mode: 'l3' }),
    ],
    ['gateway', 'none', 'gateway', 'link', 'none'],
  );
});

test('host access: a silent link of the host with an address of each family, and a route to each container', () => {
  const [ipv4, ipv6] = ['192.0.2.0/24', '2001:db8::/64'].map(parsePrefix);
  assert.ok(ipv4 && ipv6);
  const network = {
    ...networkOf(macvlan, { parent: 'eth0', host_access: 'true' }),
    pools: [
      { subnet: ipv4, auxiliary: { host_access: parseIpAddress('192.0.2.128') } },
      { subnet: ipv6, auxiliary: { host_access: parseIpAddress('2001:db8::5') } },
    ],
  };
  const [, shim, ...rest] = macvlan.network(network);
  assert.deepEqual(shim, {
    ...{ kind: 'link', type: 'macvlan', namespace: 'host', name: 'fwm-aaaaaaaaaaa', up: true },
    ...{ parent: 'eth0', mode: 'bridge', mac: '02:aa:aa:aa:aa:aa' },
  });
  assert.deepEqual(rest.map(resourceKey), [
    'sysctl host net/ipv4/conf/fwm-aaaaaaaaaaa/arp_ignore',
    'sysctl host net/ipv4/conf/fwm-aaaaaaaaaaa/arp_announce',
    'sysctl host net/ipv6/conf/fwm-aaaaaaaaaaa/accept_ra',
    'sysctl host net/ipv6/conf/fwm-aaaaaaaaaaa/disable_ipv6',
    'address host fwm-aaaaaaaaaaa 192.0.2.128/32',
    'address host fwm-aaaaaaaaaaa 2001:db8::5/128',
  ]);
  const routes = macvlan.endpoint(network, endpoint, sandbox).filter(({ kind }) => kind === 'route');
  assert.deepEqual(routes.map(resourceKey).slice(-2), ['route host 10.0.0.2/32', 'route host fd00::2/128']);
});

const NO_ACCESS: readonly (readonly [NetworkDriver<never>, DriverOptions, string])[] = [
  [macvlan as never, { host_access: 'yes' }, 'failed to parse host_access value: yes (it is true or false)'],
  [
    macvlan as never,
    { host_address: '192.0.2.9' },
    'failed to parse host_address value: 192.0.2.9 (it needs host_access=true)',
  ],
  [
    ipvlan as never,
    { host_access: '1', host_address: 'x' },
    'failed to parse host_address value: x (invalid IP address)',
  ],
  [
    ipvlan as never,
    { host_access: '1', host_address: '192.0.2.8,192.0.2.9' },
    'failed to parse host_address value: 192.0.2.8,192.0.2.9 (it is one address of each family)',
  ],
  [
    macvlan as never,
    { host_access: 'true', macvlan_mode: 'private' },
    'option host_access needs mode bridge: in mode private no link reaches another',
  ],
  [
    ipvlan as never,
    { host_access: 'true', ipvlan_flag: 'vepa' },
    'option host_access needs mode bridge: in mode vepa no link reaches another',
  ],
];

for (const [driver, options, message] of NO_ACCESS) {
  test(`${driver.name} refuses ${JSON.stringify(options)}`, () => {
    assert.throws(() => driver.parse(options), { name: 'EngineError', kind: 'invalidArgument', message });
  });
}

test('passthru has its parent alone, whoever comes first', () => {
  const bridge = networkOf(macvlan, { parent: 'eth0' });
  const alone = networkOf(macvlan, { parent: 'eth0', macvlan_mode: 'passthru' }, 'b');
  assert.throws(() => macvlan.check?.(alone, [bridge]), {
    message: 'cannot use mode passthru, macvlan network dm-aaaaaaaaaaaa is already using parent interface eth0',
  });
  assert.throws(() => macvlan.check?.(bridge, [alone]), {
    message: 'macvlan network dm-bbbbbbbbbbbb is already using parent interface eth0 in mode passthru',
  });
  macvlan.check?.(networkOf(macvlan, { parent: 'eth1', macvlan_mode: 'passthru' }, 'c'), [alone, bridge]);
  macvlan.check?.(networkOf(macvlan, { parent: 'eth0', macvlan_mode: 'private' }, 'c'), [bridge]);
});

test('an ipvlan network has its parent alone', () => {
  const first = networkOf(ipvlan, { parent: 'eth0' });
  assert.throws(() => ipvlan.check?.(networkOf(ipvlan, { parent: 'eth0' }, 'b'), [first]), {
    message: 'network dm-aaaaaaaaaaaa is already using parent interface eth0',
  });
  ipvlan.check?.(networkOf(ipvlan, { parent: 'eth0.5' }, 'b'), [first]);
  ipvlan.check?.(networkOf(ipvlan, {}, 'b'), [networkOf(ipvlan, {})]);
});

test('a network on a wire has a gateway unasked, as Docker’s; without a parent, internal or in the l3 modes it has none', () => {
  const gateways = <O>(driver: NetworkDriver<O>, options: DriverOptions, internal = false) =>
    driver.subnets(driver.parse(options), internal).gateways;
  const both = (options: DriverOptions, internal: boolean) => [
    gateways(macvlan, options, internal),
    gateways(ipvlan, options, internal),
  ];
  assert.deepEqual(both({ parent: 'eth0' }, false), [FAMILIES, FAMILIES]);
  assert.deepEqual(both({ parent: 'eth0' }, true), [[], []]);
  assert.deepEqual(both({}, false), [[], []]);
  assert.deepEqual(gateways(ipvlan, { parent: 'eth0', ipvlan_mode: 'l3' }), []);
  assert.deepEqual(gateways(ipvlan, { parent: 'eth0', ipvlan_mode: 'l3s' }), []);
});
