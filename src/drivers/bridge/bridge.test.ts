import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainNetwork } from '../../../test/plain-network.ts';
import { parseInterfaceAddress, parseIpAddress, parseMacAddress, parsePrefix } from '../../model/address.ts';
import type { DriverOptions, Endpoint, Network, Sandbox } from '../../model/network.ts';
import { bridge } from './bridge.ts';
import type { BridgeOptions } from './options.ts';

const id = '0123456789ab'.padEnd(64, 'f');
const sandbox: Sandbox = { id, namespace: `sandbox:${id}`, resolver: false };

function network(driverOptions: DriverOptions, internal = false): Network<BridgeOptions> {
  return plainNetwork('app', bridge.parse(driverOptions), {
    id,
    internal,
    pools: [{ subnet: parsePrefix('10.0.0.0/24'), gateway: parseIpAddress('10.0.0.1'), auxiliary: {} }],
    driverOptions,
  });
}

const endpoint: Endpoint = {
  id: 'fedcba98'.padEnd(64, '0'),
  network: id,
  sandbox: id,
  container: id,
  interfaceName: 'eth0',
  mac: parseMacAddress('02:00:00:00:00:01'),
  addresses: [parseInterfaceAddress('10.0.0.2/24')],
  gateways: [parseIpAddress('10.0.0.1')],
  ports: [{ protocol: 'tcp', containerPort: 80, hostAddress: parseIpAddress('0.0.0.0'), hostPort: 8080, count: 1 }],
};

const RULE = {
  kind: 'firewall',
  meaning: 'bridge',
  bridge: 'br-0123456789ab',
  subnet: '10.0.0.0/24',
  internal: false,
  mode: 'nat',
};

test('a network is a bridge with its gateway address, two sysctls and what the firewall must know', () => {
  assert.deepEqual(bridge.network(network({})), [
    {
      kind: 'link',
      type: 'bridge',
      namespace: 'host',
      name: 'br-0123456789ab',
      mtu: 1500,
      mac: '02:01:23:45:67:89',
      up: true,
      adopt: false,
    },
    { kind: 'sysctl', namespace: 'host', path: 'net/ipv4/conf/br-0123456789ab/route_localnet', value: '1' },
    { kind: 'sysctl', namespace: 'host', path: 'net/ipv6/conf/br-0123456789ab/disable_ipv6', value: '1' },
    { kind: 'address', namespace: 'host', link: 'br-0123456789ab', address: '10.0.0.1/24', adopt: false },
    RULE,
    { kind: 'passage', family: 4, link: 'br-0123456789ab', adopted: false },
    { kind: 'firewall', meaning: 'masquerade', bridge: 'br-0123456789ab', subnet: '10.0.0.0/24' },
  ]);
});

test('a bridge with a name of the user’s is adopted, its address too', () => {
  const resources = bridge.network(network({ 'com.docker.network.bridge.name': 'docker0' }));
  const adopted = resources.filter((resource) => 'adopt' in resource && resource.adopt);
  assert.deepEqual(
    adopted.map((resource) => resource.kind),
    ['link', 'address'],
  );
});

test('an internal network, and one that asks for none, has no masquerading', () => {
  const meanings = (given: Network<BridgeOptions>) =>
    bridge.network(given).flatMap((resource) => (resource.kind === 'firewall' ? [resource.meaning] : []));
  assert.deepEqual(meanings(network({}, true)), ['bridge']);
  assert.deepEqual(meanings(network({ 'com.docker.network.bridge.enable_ip_masquerade': 'false' })), ['bridge']);
});

test('an endpoint is a veth pair, an address, a default route, and for each port a rule and a bound socket', () => {
  const { namespace } = sandbox;
  assert.deepEqual(bridge.endpoint(network({ 'com.docker.network.driver.mtu': '1400' }), endpoint, sandbox), [
    {
      kind: 'link',
      type: 'veth',
      namespace: 'host',
      name: 'vethfedcba9',
      mtu: 1400,
      up: true,
      master: 'br-0123456789ab',
      isolated: false,
      peer: { namespace, name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1400 },
    },
    { kind: 'sysctl', namespace: 'host', path: 'net/ipv4/conf/vethfedcba9/rp_filter', value: '1' },
    { kind: 'sysctl', namespace: 'host', path: 'net/ipv6/conf/vethfedcba9/disable_ipv6', value: '1' },
    { kind: 'address', namespace, link: 'eth0', address: '10.0.0.2/24', adopt: false },
    { kind: 'route', namespace, destination: '0.0.0.0/0', gateway: '10.0.0.1', link: 'eth0' },
    {
      kind: 'listener',
      purpose: 'reservation',
      namespace: 'host',
      protocol: 'tcp',
      address: '0.0.0.0',
      port: 8080,
      count: 1,
    },
    {
      kind: 'firewall',
      meaning: 'publish',
      protocol: 'tcp',
      hostAddress: '0.0.0.0',
      hostPort: 8080,
      count: 1,
      address: '10.0.0.2',
      port: 80,
      bridge: 'br-0123456789ab',
    },
  ]);
});

test('a port of TCP on all addresses of both families has one socket, and any other one for each', () => {
  const port = (protocol: 'tcp' | 'udp', address: string, hostPort: number, count = 1) =>
    ({ protocol, containerPort: 80, hostAddress: parseIpAddress(address), hostPort, count }) as const;
  const both = ['0.0.0.0', '::'];
  const ports = [
    ...both.flatMap((address) => [port('tcp', address, 1), port('tcp', address, 10, 5), port('udp', address, 1)]),
    port('tcp', '0.0.0.0', 2),
    port('tcp', '::', 3),
    ...['127.0.0.1', '::1'].map((address) => port('tcp', address, 4)),
    port('tcp', '0.0.0.0', 20, 2),
    port('tcp', '::', 20, 3),
  ];
  const held = (addresses: string[]) =>
    bridge
      .endpoint(network({}), { ...endpoint, ports, addresses: addresses.map(parseInterfaceAddress) }, sandbox)
      .flatMap((one) => (one.kind === 'listener' && one.purpose === 'reservation' ? [one] : []))
      .map(({ protocol, address, port: first, count, dualStack = false, relay }) => {
        return `${protocol} ${dualStack ? 'both' : address} ${first}+${count}${relay === undefined ? '' : ' relayed'}`;
      })
      .sort();
  const expected = [
    'tcp 0.0.0.0 2+1',
    'tcp 0.0.0.0 20+2',
    'tcp 127.0.0.1 4+1',
    'tcp :: 20+3 relayed',
    'tcp :: 3+1 relayed',
    'tcp ::1 4+1 relayed',
    'tcp both 1+1 relayed',
    'tcp both 10+5 relayed',
    'udp 0.0.0.0 1+1',
    'udp :: 1+1 relayed',
  ];
  assert.deepEqual(held(['10.0.0.2/24']), expected);
  assert.deepEqual(held(['10.0.0.2/24', 'fd00::2/64']), expected);
});

test('icc=false is told to the firewall too', () => {
  const resources = bridge.network(network({ 'com.docker.network.bridge.enable_icc': '0' }));
  assert.ok(resources.some((resource) => 'icc' in resource && resource.icc === false));
});

test('icc=false isolates the port; without a gateway there is no route', () => {
  const resources = bridge.endpoint(
    network({ 'com.docker.network.bridge.enable_icc': 'False' }),
    { ...endpoint, gateways: [] },
    sandbox,
  );
  assert.ok(resources.some((resource) => resource.kind === 'link' && resource.type === 'veth' && resource.isolated));
  assert.ok(!resources.some((resource) => resource.kind === 'route'));
});

test('mtu 0 is the default; negative and absurd ones are refused', () => {
  const mtu = (value: string) => bridge.parse({ 'com.docker.network.driver.mtu': value }).mtu;
  assert.equal(mtu('0'), undefined, 'the network’s');
  assert.equal(mtu('9000'), 9000);
  assert.throws(() => mtu('-1'), /^EngineError: invalid MTU number: -1$/);
  assert.throws(() => mtu('70000'), /^EngineError: invalid MTU number: 70000$/);
});

test('a routed family has no masquerading, no bound port, and its containers’ ports opened once', () => {
  const routed = network({ 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' });
  assert.deepEqual(
    bridge.network(routed).flatMap((resource) => (resource.kind === 'firewall' ? [resource] : [])),
    [{ ...RULE, mode: 'routed' }],
  );
  const port = { protocol: 'tcp', hostAddress: parseIpAddress('0.0.0.0'), hostPort: 8080, count: 1 } as const;
  const ports = [80, 81, 80, 90].map((containerPort) => ({ ...port, containerPort }));
  const opened = bridge.endpoint(routed, { ...endpoint, ports }, sandbox).slice(5);
  const open = { kind: 'firewall', meaning: 'open', protocol: 'tcp', address: '10.0.0.2', bridge: 'br-0123456789ab' };
  assert.deepEqual(opened, [
    { ...open, port: 80, count: 2 },
    { ...open, port: 90, count: 1 },
  ]);
});

test('through trusted links, published ports are reachable by the container’s address; those of 127.0.0.1 are not', () => {
  const trusting = network({ 'com.docker.network.bridge.trusted_host_interfaces': 'eth1:wg0' });
  const throughs = (given: Endpoint) =>
    bridge
      .endpoint(trusting, given, sandbox)
      .flatMap((resource) => ('through' in resource ? [`${resource.through} ${resource.port}`] : []));
  assert.deepEqual(throughs(endpoint), ['eth1 80', 'wg0 80']);
  const [port] = endpoint.ports;
  assert.ok(port);
  assert.deepEqual(throughs({ ...endpoint, ports: [{ ...port, hostAddress: parseIpAddress('127.0.0.1') }] }), []);
});

test('where nothing is translated, a port of one address of the host opens nothing', () => {
  const [port] = endpoint.ports;
  assert.ok(port);
  const routed = network({ 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' });
  const meanings = (hostAddress: string) =>
    bridge
      .endpoint(routed, { ...endpoint, ports: [{ ...port, hostAddress: parseIpAddress(hostAddress) }] }, sandbox)
      .flatMap((resource) => (resource.kind === 'firewall' ? [resource.meaning] : []));
  assert.deepEqual(meanings('0.0.0.0'), ['open']);
  assert.deepEqual(meanings('127.0.0.1'), []);
});

test('an isolated family has no address of the host and no gateway, and its network is internal', () => {
  const options = { 'com.docker.network.bridge.gateway_mode_ipv4': 'isolated' };
  const kinds = bridge.network(network(options, true)).map(({ kind }) => kind);
  assert.ok(!kinds.includes('address'));
  assert.deepEqual(bridge.subnets(bridge.parse(options), true).gateways, [6]);
  assert.throws(() => bridge.subnets(bridge.parse(options), false), {
    kind: 'invalidArgument',
    message: "gateway mode 'isolated' can only be used for an internal network",
  });
});

test('inhibit_ipv4 leaves the gateway’s address to somebody else', () => {
  const options = { 'com.docker.network.bridge.inhibit_ipv4': 'true' };
  assert.ok(!bridge.network(network(options)).some(({ kind }) => kind === 'address'));
  assert.deepEqual(bridge.subnets(bridge.parse(options), false).gateways, [4, 6]);
});

test('an internal network with inhibit_ipv4 has no gateway: both addresses of a /31 are for containers', () => {
  const options = { 'com.docker.network.bridge.inhibit_ipv4': 'true' };
  assert.deepEqual(bridge.subnets(bridge.parse(options), true).gateways, [6]);
});

test('host_ipv4 is what leaves in place of the link’s own address', () => {
  const resources = bridge.network(network({ 'com.docker.network.host_ipv4': '192.0.2.3' }));
  assert.ok(resources.some((resource) => 'source' in resource && resource.source === '192.0.2.3'));
});

const REFUSED = [
  ['bridge.gateway_mode_ipv4', 'natted', 'unknown gateway mode natted'],
  ['host_ipv4', 'fd00::1', 'nil ip'],
  ['host_ipv6', 'nonsense', 'nil ip'],
  ['bridge.inhibit_ipv4', 'perhaps', 'strconv.ParseBool: parsing "perhaps": invalid syntax'],
] as const;

for (const [name, value, reason] of REFUSED) {
  test(`${name}=${value} is refused in Docker’s words`, () => {
    assert.throws(() => bridge.parse({ [`com.docker.network.${name}`]: value }), {
      kind: 'invalidArgument',
      message: `failed to parse com.docker.network.${name} value: ${value} (${reason})`,
    });
  });
}

test('the same options with the value Docker takes by default are fine', () => {
  const options = { 'com.docker.network.bridge.gateway_mode_ipv4': 'nat' };
  assert.deepEqual(bridge.parse(options), bridge.parse({}));
});

test('port_security holds a port to the addresses of its endpoint, and comes before the link', () => {
  const addresses = ['10.0.0.2/24', 'fd00::2/64'].map(parseInterfaceAddress);
  const secured = network({ port_security: 'true' });
  const [first] = bridge.endpoint(
    secured,
    { ...endpoint, addresses, linkLocal: [parseIpAddress('169.254.3.4')] },
    sandbox,
  );
  assert.deepEqual(first, {
    kind: 'port-security',
    namespace: 'host',
    link: 'vethfedcba9',
    mac: '02:00:00:00:00:01',
    addresses: ['10.0.0.2', '169.254.3.4', 'fd00::2', 'fe80::ff:fe00:1'],
  });
  const [four] = bridge.endpoint(secured, endpoint, sandbox);
  assert.deepEqual(four && 'addresses' in four && four.addresses, ['10.0.0.2'], 'no IPv6 without an address of it');
  assert.throws(
    () => bridge.check?.({ ...secured, ipamDriver: 'dhcp' }, []),
    /port_security needs addresses of Fairway/,
  );
});
