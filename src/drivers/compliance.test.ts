import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { plainNetwork } from '../../test/plain-network.ts';
import { parseInterfaceAddress, parseIpAddress, parseMacAddress, parsePrefix } from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import type { DriverOptions, Endpoint, Network, Sandbox } from '../model/network.ts';
import { isChild, type Resource, resourceKey } from '../model/resource.ts';
import type { NetworkDriver } from './driver.ts';
import { drivers } from './index.ts';
import { describeHost } from './machine.ts';
import { describeSandbox } from './sandbox.ts';

/** What every driver must hold to; a driver is tested by being in the list. */

const sandbox: Sandbox = { id: 'ab'.repeat(32), namespace: `sandbox:${'ab'.repeat(32)}`, resolver: true };

function networkOf(driver: NetworkDriver, digit: string, driverOptions: DriverOptions = {}): Network {
  return plainNetwork<unknown>('app', driver.parse(driverOptions), {
    id: digit.repeat(64),
    driver: driver.name,
    ipv6: true,
    pools: [
      { subnet: parsePrefix('10.0.0.0/24'), gateway: parseIpAddress('10.0.0.1'), auxiliary: {} },
      { subnet: parsePrefix('fd00::/64'), gateway: parseIpAddress('fd00::1'), auxiliary: {} },
    ],
    driverOptions,
  });
}

function endpointOf(network: Network, id: string, interfaceName: string): Endpoint {
  return {
    id,
    network: network.id,
    sandbox: sandbox.id,
    container: 'c'.repeat(64),
    interfaceName,
    mac: parseMacAddress('02:00:00:00:00:01'),
    addresses: [parseInterfaceAddress('10.0.0.2/24'), parseInterfaceAddress('fd00::2/64')],
    gateways: [parseIpAddress('10.0.0.1'), parseIpAddress('fd00::1')],
    ports: [
      { protocol: 'tcp', containerPort: 80, hostAddress: parseIpAddress('0.0.0.0'), hostPort: 8080, count: 1 },
      { protocol: 'udp', containerPort: 5000, hostAddress: parseIpAddress('0.0.0.0'), hostPort: 5000, count: 500 },
    ],
  };
}

/** Names of links a resource makes, and of links it needs, each with its namespace. */
function linksMade(resource: Resource): string[] {
  if (resource.kind === 'parent') return [`host ${resource.link}`];
  if (resource.kind !== 'link') return [];
  const own = `${resource.namespace} ${resource.name}`;
  return resource.type === 'veth' ? [own, `${resource.peer.namespace} ${resource.peer.name}`] : [own];
}

function linksNeeded(resource: Resource): string[] {
  if (resource.kind === 'address' || resource.kind === 'route') return [`${resource.namespace} ${resource.link}`];
  if (resource.kind === 'switch-port')
    return [`host ${resource.link}`, `${resource.inner.namespace} ${resource.inner.link}`];
  if (resource.kind === 'link' && resource.type === 'veth') {
    return resource.master === '' ? [] : [`${resource.namespace} ${resource.master}`];
  }
  // What a VLAN hangs from is the host's, and may be missing where the VLAN is there already.
  return isChild(resource) && resource.type !== 'vlan' ? [`host ${resource.parent}`] : [];
}

function namespacesOf(resource: Resource): string[] {
  if (resource.kind === 'firewall' || resource.kind === 'passage' || resource.kind === 'namespace') return [];
  return resource.kind === 'link' && resource.type === 'veth'
    ? [resource.namespace, resource.peer.namespace]
    : [resource.namespace];
}

/** Every link is described before what needs it; every namespace but the host's is the sandbox's own. */
function assertComplete(resources: readonly Resource[]): void {
  const links = new Set<string>();
  for (const resource of resources) {
    for (const link of linksNeeded(resource)) assert.ok(links.has(link), `${resourceKey(resource)} needs ${link}`);
    for (const link of linksMade(resource)) links.add(link);
    for (const name of namespacesOf(resource)) assert.ok(name === 'host' || name === sandbox.namespace, name);
  }
}

function assertUniqueKeys(resources: readonly Resource[]): void {
  const keys = resources.map(resourceKey);
  assert.deepEqual(keys, [...new Set(keys)]);
}

for (const [name, driver] of drivers) {
  describe(`driver ${name}`, () => {
    const network = networkOf(driver, 'a');
    const endpoint = endpointOf(network, `0123456789${'e'.repeat(54)}`, 'eth0');
    const all = () => [
      ...describeHost({
        forwarding: [
          { family: 4, guard: true },
          { family: 6, guard: true },
        ],
        clamp: true,
      }),
      ...driver.network(network),
      ...describeSandbox(sandbox),
      ...driver.endpoint(network, endpoint, sandbox),
    ];

    test('is listed under its own name', () => assert.equal(driver.name, name));

    test('the same input gives the same description, and parsing is repeatable', () => {
      assert.deepEqual(all(), all());
      assert.deepEqual(driver.parse({}), driver.parse({}));
    });

    test('options nobody knows are ignored', () => {
      assert.deepEqual(driver.parse({ 'com.example.colour': 'blue' }), driver.parse({}));
    });

    test('keys are unique within a host', () => assertUniqueKeys(all()));

    test('every link is described before what needs it', () => assertComplete(all()));

    test('names of links fit into the kernel’s 15 bytes', () => {
      for (const link of all().flatMap(linksMade)) assert.ok((link.split(' ')[1] ?? '').length <= 15, link);
    });

    test('what describes a network says nothing about a sandbox', () => {
      for (const resource of driver.network(network))
        assert.deepEqual(new Set(namespacesOf(resource)).has('host'), namespacesOf(resource).length > 0);
    });

    test('two networks with an endpoint each in one sandbox share no key', () => {
      const other = networkOf(driver, 'b');
      const second = {
        ...endpointOf(other, `fedcba9876${'e'.repeat(54)}`, 'eth1'),
        ports: [],
        addresses: [parseInterfaceAddress('10.1.0.2/24'), parseInterfaceAddress('fd00:1::2/64')],
        gateways: [],
      };
      assertUniqueKeys([...all(), ...driver.network(other), ...driver.endpoint(other, second, sandbox)]);
    });

    test('allots addresses exactly when it attaches sandboxes by links', () => {
      const attaches = driver.endpoint(network, endpoint, sandbox).some((resource) => resource.kind === 'link');
      assert.equal(driver.traits(network.options).addresses, attaches);
    });

    test('a link with a MAC address of its own is told of as often as the network says', () => {
      const announce = { count: 1, interval: 100 };
      const described = driver.endpoint(network, { ...endpoint, announce }, sandbox);
      const links = described.filter((resource) => resource.kind === 'link');
      const expected = driver.traits(network.options).ownMac ? announce : undefined;
      for (const link of links) assert.deepEqual(link.announce, expected);
    });

    test('a network without a gateway, and an internal one, are described too', () => {
      const bare = network.pools.map(({ gateway: _, ...pool }) => pool);
      for (const variant of [
        { ...network, pools: bare },
        { ...network, internal: true },
      ]) {
        assertComplete([...driver.network(variant), ...driver.endpoint(variant, endpoint, sandbox)]);
      }
    });
  });
}

/** For each driver: values of its known options that are nonsense, with what Docker says; the reason where it has one. */
const NONSENSE: Readonly<Record<string, readonly (readonly [string, string, string])[]>> = {
  bridge: [
    ['com.docker.network.bridge.enable_icc', 'maybe', 'strconv.ParseBool: parsing "maybe": invalid syntax'],
    ['com.docker.network.bridge.enable_ip_masquerade', '', 'strconv.ParseBool: parsing "": invalid syntax'],
    ['com.docker.network.bridge.default_bridge', 'yes', 'strconv.ParseBool: parsing "yes": invalid syntax'],
    ['com.docker.network.bridge.host_binding_ipv4', 'localhost', 'nil ip'],
    ['com.docker.network.driver.mtu', '1k', 'strconv.Atoi: parsing "1k": invalid syntax'],
    ['com.docker.network.bridge.name', 'a/b', 'invalid interface name'],
    ['com.docker.network.bridge.name', 'sixteen-bytes-xx', 'invalid interface name'],
    ['com.docker.network.container_iface_prefix', 'a b', 'invalid interface name'],
  ],
  host: [],
  ipvlan: [
    ['ipvlan_mode', 'l4', "requested ipvlan mode 'l4' is not valid, 'l2' mode is the ipvlan driver default"],
    ['ipvlan_flag', 'open', "requested ipvlan flag 'open' is not valid, 'bridge' is the ipvlan driver default"],
    ['parent', 'lo', 'loopback interface is not a valid ipvlan parent link'],
  ],
  macvlan: [
    [
      'macvlan_mode',
      'source',
      "requested macvlan mode 'source' is not valid, 'bridge' mode is the macvlan driver default",
    ],
    ['parent', 'lo', 'loopback interface is not a valid macvlan parent link'],
  ],
  null: [],
  openvswitch: [
    ['bridge', 'a b', 'invalid interface name'],
    ['vlan', '0', 'want a number from 1 to 4094'],
    ['vlan', '4095', 'want a number from 1 to 4094'],
    ['com.docker.network.driver.mtu', '1k', 'want a number from 68 to 65535'],
  ],
};

test('the suite knows what is nonsense for every driver', () => {
  assert.deepEqual(Object.keys(NONSENSE).sort(), [...drivers.keys()].sort());
});

for (const [name, values] of Object.entries(NONSENSE)) {
  for (const [label, value, reason] of values) {
    test(`driver ${name} refuses ${label}=${value}`, () => {
      assert.throws(
        () => drivers.get(name)?.parse({ [label]: value }),
        (error) => {
          assert.ok(error instanceof EngineError);
          // Docker's macvlan and ipvlan drivers have plain errors, which are a 500.
          if (error.kind === 'internal') assert.equal(error.message, reason);
          else assert.equal(error.message, `failed to parse ${label} value: ${value} (${reason})`);
          return error.kind === 'internal' || error.kind === 'invalidArgument';
        },
      );
    });
  }
}
