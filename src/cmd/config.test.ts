import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from './config.ts';

function withFile<T>(content: string, use: (path: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'fairway-config-'));
  const path = join(directory, 'daemon.json');
  try {
    writeFileSync(path, content);
    return use(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('without flags and file, the defaults are dockerd’s, on Fairway’s own socket', () => {
  const config = loadConfig({}, '/dev/null');
  assert.deepEqual(config.hosts, [{ kind: 'unix', path: '/run/fairway/fairway.sock' }]);
  assert.equal(config.network.mtu, 'auto');
  assert.equal(config.network.icc, true);
  assert.equal(config.network.ip, '0.0.0.0');
  assert.equal(config.reloadable.liveRestore, true);
});

test('daemon.json speaks dockerd’s keys', () => {
  const text =
    '{"mtu": 1400, "icc": false, "dns": ["192.0.2.53"], "default-address-pools": [{"base": "10.10.0.0/16", "size": 24}]}';
  const config = withFile(text, (path) => loadConfig({}, path));
  assert.equal(config.network.mtu, 1400);
  assert.equal(config.network.icc, false);
  assert.deepEqual(config.network.dns, ['192.0.2.53']);
  assert.deepEqual(config.network.defaultAddressPools, [{ base: '10.10.0.0/16', size: 24 }]);
});

test('an empty file says nothing', () => {
  assert.equal(withFile('', (path) => loadConfig({}, path)).network.mtu, 'auto');
});

test('the network flags, IPv6 beside IPv4', () => {
  const { network } = loadConfig(
    {
      bip: '10.9.0.1/16',
      bip6: 'fd09::1/64',
      fixedCidr: '10.9.1.7/24',
      fixedCidrV6: 'fd09::/80',
      defaultGateway: '10.9.0.254',
      defaultGatewayV6: 'fd09::fe',
      ipv6: 'true',
      ip6tables: 'false',
      hostGatewayIps: ['192.0.2.9', 'fd09::9'],
      allowDirectRouting: 'true',
      ipForwardNoDrop: 'true',
    },
    '/dev/null',
  );
  assert.equal(network.bip6, 'fd09::1/64');
  assert.equal(network.fixedCidr, '10.9.1.0/24', 'host bits are cut off');
  assert.equal(network.fixedCidrV6, 'fd09::/80');
  assert.equal(network.defaultGatewayV6, 'fd09::fe');
  assert.deepEqual(network.firewall, { ipv4: true, ipv6: false });
  assert.deepEqual(network.hostGateways, ['192.0.2.9', 'fd09::9']);
  assert.ok(network.ipv6 && network.allowDirectRouting && network.ipForwardNoDrop);
});

test('default options of new networks, from flags and from daemon.json', () => {
  const wanted = { bridge: { 'com.docker.network.driver.mtu': '1400', a: 'b=c' }, macvlan: { parent: 'eth0' } };
  const flags = ['bridge=com.docker.network.driver.mtu=1400', 'macvlan=parent=eth0', 'bridge=a=b=c'];
  assert.deepEqual(loadConfig({ defaultNetworkOptions: flags }, '/dev/null').network.defaultNetworkOptions, wanted);
  const text = JSON.stringify({ 'default-network-opts': wanted });
  assert.deepEqual(withFile(text, (path) => loadConfig({}, path)).network.defaultNetworkOptions, wanted);
});

test('what means nothing here is taken, and told of once each', () => {
  const text = JSON.stringify({
    'storage-driver': 'overlay2',
    'exec-opts': ['native.cgroupdriver=systemd'],
    features: { 'containerd-snapshotter': true },
    builder: { gc: { enabled: true } },
    'selinux-enabled': false,
    'userland-proxy': false,
  });
  const { warnings } = withFile(text, (path) => loadConfig({ experimental: 'true' }, path));
  const names = warnings.map((warning) => warning.split(' ')[0]);
  assert.deepEqual(names.sort(), ['"builder"', '--exec-opt', '--experimental', '--feature', '--storage-driver']);
});

test('runtimes by flag and by file', () => {
  const wanted = { byName: { crun: { path: '/usr/bin/crun', args: [] } }, chosen: 'crun' };
  const flags = { runtimes: ['crun=/usr/bin/crun'], defaultRuntime: 'crun' };
  assert.deepEqual(loadConfig(flags, '/dev/null').reloadable.runtimes, wanted);
  const text = '{"runtimes": {"crun": {"path": "/usr/bin/crun", "runtimeArgs": []}}, "default-runtime": "crun"}';
  assert.deepEqual(withFile(text, (path) => loadConfig({}, path)).reloadable.runtimes, wanted);
});

test('proxies and host-gateway-ip in the forms daemon.json has for them', () => {
  const text =
    '{"proxies": {"http-proxy": "http://p:1", "no-proxy": "a,b"}, "host-gateway-ip": "192.0.2.7", "labels": ["a=b"]}';
  const config = withFile(text, (path) => loadConfig({}, path));
  assert.deepEqual(config.proxies, { HTTP_PROXY: 'http://p:1', NO_PROXY: 'a,b' });
  assert.deepEqual(config.network.hostGateways, ['192.0.2.7']);
  assert.deepEqual(config.reloadable.labels, ['a=b']);
});

test('firewall marks in the notations of C, with a mask or without', () => {
  const marks = ['16', '0x10/0xf0', '020/0b11'].map(
    (text) =>
      withFile(JSON.stringify({ 'bridge-accept-fwmark': text }), (path) => loadConfig({}, path)).network.acceptMark,
  );
  assert.deepEqual(marks, [
    { mark: 16, mask: 0xffff_ffff },
    { mark: 16, mask: 0xf0 },
    { mark: 16, mask: 3 },
  ]);
});

test('what dockerd is told by its environment', () => {
  const load = (environment: NodeJS.ProcessEnv, flags = {}) =>
    loadConfig(flags, '/dev/null', undefined, environment).network;
  assert.equal(load({}).allowDirectRouting, false);
  assert.equal(load({ DOCKER_INSECURE_NO_IPTABLES_RAW: '1' }).allowDirectRouting, true);
  assert.equal(
    load({ DOCKER_INSECURE_NO_IPTABLES_RAW: '1' }, { allowDirectRouting: 'false' }).allowDirectRouting,
    false,
  );
  assert.throws(() => load({ DOCKER_FIREWALL_BACKEND: 'iptables' }), /invalid firewall-backend "iptables"/);
  assert.ok(load({ DOCKER_IGNORE_BR_NETFILTER_ERROR: '1', DOCKER_TEST_NO_FIREWALLD: '1' }));
});

const LISTENING: readonly (readonly [string, object])[] = [
  ['unix://', { kind: 'unix', path: '/run/fairway/fairway.sock' }],
  ['unix:///var/run/docker.sock', { kind: 'unix', path: '/var/run/docker.sock' }],
  ['tcp://127.0.0.1', { kind: 'tcp', host: '127.0.0.1', port: 2375 }],
  ['tcp://:4243', { kind: 'tcp', host: '127.0.0.1', port: 4243 }],
  [':4243', { kind: 'tcp', host: '127.0.0.1', port: 4243 }],
  ['0.0.0.0:2375', { kind: 'tcp', host: '0.0.0.0', port: 2375 }],
  ['tcp://[::1]:2375', { kind: 'tcp', host: '::1', port: 2375 }],
  ['fd://', { kind: 'handed-over' }],
];
for (const [text, address] of LISTENING) {
  test(`-H ${text}`, () =>
    assert.deepEqual(loadConfig({ hosts: [text], dangerousTcp: '1' }, '/dev/null').hosts, [address]));
}

const REFUSED: readonly [string, string, Parameters<typeof loadConfig>[0], RegExp][] = [
  ['an unknown key', '{"frob": 1}', {}, /the following directives don't match any configuration option: frob/],
  [
    'a key that is a flag too',
    '{"mtu": 1400}',
    { mtu: '1450' },
    /specified both as a flag and in the configuration file: mtu: \(from flag: 1450, from file: 1400\)/,
  ],
  [
    'a proxy told twice, without its password',
    '{"http-proxy": "https://me:secret@proxy.test"}',
    { httpProxy: 'me:secret@proxy.test:3128' },
    /http-proxy: \(from flag: xxxxx:xxxxx@proxy\.test:3128, from file: https:\/\/xxxxx:xxxxx@proxy\.test\)/,
  ],
  ['a wrong type', '{"icc": "maybe"}', {}, /the value of "icc" must be a boolean/],
  ['broken JSON', '{', {}, /unable to configure the Fairway daemon with file/],
  ['a bad address', '{}', { ip: 'nowhere' }, /invalid argument "nowhere" for "--ip" flag/],
  ['a bad MTU', '{}', { mtu: '12' }, /invalid argument "12" for "--mtu" flag/],
  [
    'both -b and --bip',
    '{}',
    { bip: '10.1.0.1/24', bridge: 'br0' },
    /You specified -b & --bip, mutually exclusive options/,
  ],
  ['open TCP', '{}', { hosts: ['tcp://127.0.0.1:2375'] }, /without TLS/],
  ['TLS without its files', '{}', { tlsVerify: 'true' }, /TLS needs --tlscacert/],
  [
    'a pool with host bits',
    '{}',
    { defaultAddressPools: ['base=10.1.2.3/16,size=24'] },
    /invalid subnet 10.1.2.3\/16: it should be 10.1.0.0\/16/,
  ],
  [
    'a pool larger than its base',
    '{}',
    { defaultAddressPools: ['base=10.0.0.0/24,size=16'] },
    /size 16 is not within 10.0.0.0\/24/,
  ],
  ['both -b and --bip6', '{}', { bip6: 'fd00::1/64', bridge: 'br0' }, /You specified -b & --bip6, mutually/],
  ['an IPv6 --bip', '{}', { bip: 'fd00::1/64' }, /invalid argument "fd00::1\/64" for "--bip" flag/],
  ['a part of the link-local subnet', '{}', { fixedCidrV6: 'fe80::/80' }, /overlaps the link-local subnet fe80::\/64/],
  ['a multicast range', '{}', { fixedCidrV6: 'ff00::/64' }, /it is a multicast network/],
  ['two host gateways', '{}', { hostGatewayIps: ['10.0.0.1', '10.0.0.2'] }, /only one IPv4 host gateway IP address/],
  [
    'a firewall mark that is none',
    '{}',
    { acceptFwmark: '12ab/3' },
    /invalid firewall mark "12ab\/3": strconv.*"12ab"/,
  ],
  ['a mask that is too large', '{}', { acceptFwmark: '1/0x100000000' }, /invalid firewall mask .*: value out of range/],
  ['icc=false without rules', '{}', { iptables: 'false', icc: 'false' }, /You specified --iptables=false with --icc=/],
  [
    'iptables',
    '{"firewall-backend": "iptables"}',
    {},
    /invalid firewall-backend "iptables": Fairway’s rules are nftables/,
  ],
  ['authorization plugins', '{"authorization-plugins": ["x"]}', {}, /--authorization-plugin is not supported/],
  ['another runtime', '{"default-runtime": "kata"}', {}, /specified default runtime 'kata' does not exist/],
  ['a runtime that is no object', '{"runtimes": {"crun": "/x"}}', {}, /the value of "runtimes" must be a object/],
  ['labels that contradict', '{"labels": ["a=b", "a=c"]}', {}, /conflict labels for a=c and a=b/],
  ['a network option without its driver', '{}', { defaultNetworkOptions: ['mtu=1'] }, /want DRIVER=OPTION=VALUE/],
  ['an address that is none', '{}', { hosts: ['ftp://x'] }, /invalid bind address: ftp:\/\/x/],
];

for (const [what, file, flags, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.throws(() => withFile(file, (path) => loadConfig(flags, path)), { kind: 'invalidArgument', message });
  });
}

test('a missing file that was asked for is an error', () => {
  assert.throws(() => loadConfig({}, '/nowhere/daemon.json'), /ENOENT/);
});

test('open TCP is possible for those who say they know', () => {
  const config = loadConfig({ hosts: ['tcp://127.0.0.1:2375'], dangerousTcp: 'true' }, '/dev/null');
  assert.deepEqual(config.hosts, [{ kind: 'tcp', host: '127.0.0.1', port: 2375 }]);
});
