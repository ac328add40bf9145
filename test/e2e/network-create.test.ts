import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Json, TestDaemon } from '../daemon.ts';

const MTU = 'com.docker.network.driver.mtu';
const FLAGS = [
  '--default-network-opt',
  `bridge=${MTU}=1400`,
  '--default-network-opt=bridge=example.kept=yes',
  '--default-network-opt=macvlan=parent=none',
  '--default-network-opt=macvlan=com.docker.network.enable_ipv6=true',
  '--default-address-pool',
  'base=10.40.0.0/16,size=24',
  '--default-address-pool=base=fd40::/48,size=64',
  '--host-gateway-ip',
  '192.0.2.77',
  '--host-gateway-ip=fd40::77',
  '--dns',
  '192.0.2.53',
  '--dns-search=flags.test',
  '--dns-opt=timeout:3',
];

describe('creating networks', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create(FLAGS);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const api = (method: string, path: string, body?: unknown) => daemon.json(method, path, body);
  const refusal = (method: string, path: string, body?: unknown) => daemon.refusal(method, path, body);
  const create = (Name: string, more: Json = {}) => api('POST', '/networks/create', { Name, ...more });
  const inspect = async (name: string) => (await api('GET', `/networks/${name}`)).body;

  test('names of any characters', async () => {
    for (const name of ['with space', 'dot.ted', 'sl/ash', 'st*r', 'back\\slash', 'ümlaut', '%41']) {
      const { status, body } = await create(name);
      assert.equal(status, 201, name);
      assert.equal(body['Warning'], '');
      const path = `/networks/${encodeURIComponent(name)}`;
      assert.equal((await api('GET', path)).body['Id'], body['Id'], name);
      assert.deepEqual(await refusal('POST', '/networks/create', { Name: name, CheckDuplicate: false }), [
        409,
        `network with name ${name} already exists`,
      ]);
      assert.equal((await api('DELETE', path)).status, 204, name);
    }
    for (const name of ['', '  ']) {
      assert.deepEqual(await refusal('POST', '/networks/create', { Name: name }), [400, 'invalid name: name is empty']);
    }
  });

  test('what create refuses', async () => {
    const refused = (more: Json) => refusal('POST', '/networks/create', { Name: 'refused', ...more });
    assert.deepEqual(await refused({ Driver: 'weave' }), [404, 'plugin "weave" not found']);
    assert.deepEqual(await refused({ Scope: 'swarm' }), [
      400,
      'cannot create a swarm scoped network when swarm is not active',
    ]);
    assert.deepEqual(await refused({ EnableIPv4: false }), [400, 'IPv4 or IPv6 must be enabled']);
    assert.deepEqual(await refused({ IPAM: { Driver: 'dhcpd' } }), [404, 'plugin "dhcpd" not found']);
    assert.deepEqual(await refused({ Ingress: true }), [400, '--ingress (Ingress) is not supported by Fairway yet']);
    const family = { 'com.docker.network.enable_ipv6': 'perhaps' };
    assert.deepEqual(await refused({ Options: family }), [
      400,
      'driver-opt "com.docker.network.enable_ipv6" is not a valid bool',
    ]);
    assert.equal((await create('plain', { Scope: 'local', Attachable: true, Labels: { a: 'b' } })).status, 201);
    const shown = (await api('GET', '/networks/plain')).body;
    assert.deepEqual([shown['Scope'], shown['Attachable'], shown['Labels']], ['local', true, { a: 'b' }]);
    await api('DELETE', '/networks/plain');
  });

  test('--config-only says what networks are made of, --config-from makes them', async () => {
    const config = ['--subnet', '10.91.0.0/24', '--ip-range', '10.91.0.128/25', '--gateway', '10.91.0.254'];
    const more = ['--aux-address', 'printer=10.91.0.9', '-o', `${MTU}=1410`, '--label', 'from=plan'];
    await daemon.ok('network', 'create', '--config-only', ...config, ...more, 'plan');
    const plan = await inspect('plan');
    const pool = { Subnet: '10.91.0.0/24', IPRange: '10.91.0.128/25', Gateway: '10.91.0.254' };
    assert.deepEqual(
      [plan['ConfigOnly'], plan['Driver'], plan['Scope'], plan['Options'], plan['IPAM']],
      [
        true,
        'null',
        'local',
        { [MTU]: '1410', 'example.kept': 'yes' },
        { Driver: 'default', Options: {}, Config: [{ ...pool, AuxiliaryAddresses: { printer: '10.91.0.9' } }] },
      ],
    );
    assert.equal((await daemon.host.exec(['ip', 'link', 'show', `br-${String(plan['Id']).slice(0, 12)}`])).code, 1);
    await daemon.ok('network', 'create', '--internal', '--config-from', 'plan', 'made');
    const made = await inspect('made');
    assert.deepEqual(
      [made['ConfigFrom'], made['ConfigOnly'], made['Driver'], made['Internal'], made['Options'], made['Labels']],
      [{ Network: 'plan' }, false, 'bridge', true, plan['Options'], { from: 'plan' }],
    );
    assert.deepEqual((made['IPAM'] as Json)['Config'], [{ ...pool, AuxiliaryAddresses: { printer: '10.91.0.9' } }]);
    const shown = await daemon.ok('run', '--rm', '--network', 'made', 'busybox', 'ip', 'addr', 'show', 'eth0');
    assert.match(shown, /mtu 1410[\s\S]*inet 10\.91\.0\.128\/24/);
    assert.deepEqual(await refusal('DELETE', '/networks/plan'), [
      403,
      'error while removing network: configuration network "plan" is in use',
    ]);
    await daemon.ok('network', 'rm', 'made');
    assert.doesNotMatch(await daemon.ok('network', 'prune', '-f'), /plan/, 'it is not dangling');
    await daemon.ok('network', 'rm', 'plan');
  });

  test('what configuration networks cannot be, and what cannot be on them', async () => {
    await create('plan', { ConfigOnly: true });
    const refused = (more: Json) => refusal('POST', '/networks/create', { Name: 'refused', ...more });
    const operator =
      'configuration network can only contain network specific fields. Network operator fields like ' +
      '[ ingress | internal | attachable | scope ] are not supported.';
    for (const field of ['Internal', 'Attachable']) {
      assert.deepEqual(await refused({ ConfigOnly: true, [field]: true }), [403, operator]);
    }
    const from = { ConfigFrom: { Network: 'plan' } };
    assert.deepEqual(await refused({ ConfigOnly: true, ...from }), [
      403,
      'a configuration network cannot depend on another configuration network',
    ]);
    const own = 'user specified configurations are not supported if the network depends on a configuration network';
    for (const more of [
      { Labels: { a: 'b' } },
      { EnableIPv6: true },
      { IPAM: { Config: [{ Subnet: '10.2.0.0/24' }] } },
    ]) {
      assert.deepEqual(await refused({ ...from, ...more }), [403, own]);
    }
    assert.deepEqual(await refused({ ...from, Options: { a: 'b' } }), [
      403,
      'network driver options are not supported if the network depends on a configuration network',
    ]);
    assert.deepEqual(await refused({ ConfigFrom: { Network: 'nowhere' } }), [
      404,
      'configuration network "nowhere" does not exist',
    ]);
    assert.deepEqual(await refused({ ConfigFrom: { Network: 'bridge' } }), [
      404,
      'configuration network "bridge" does not exist',
    ]);
    const wrong = { ConfigOnly: true, IPAM: { Config: [{ Subnet: '10.2.0.1/24' }] } };
    assert.deepEqual(await refused(wrong), [
      400,
      'invalid network config:\ninvalid subnet 10.2.0.1/24: it should be 10.2.0.0/24',
    ]);
    const attached = await daemon.docker(['run', '--rm', '--network', 'plan', 'busybox', 'true']);
    assert.equal(attached.code, 125);
    assert.match(attached.stderr, /cannot create endpoint on configuration-only network/);
    await daemon.ok('create', '--name', 'stray', 'busybox');
    assert.deepEqual(await refusal('POST', '/networks/plan/connect', { Container: 'stray' }), [
      403,
      'cannot create endpoint on configuration-only network',
    ]);
    await daemon.ok('rm', 'stray');
    await daemon.ok('network', 'rm', 'plan');
  });

  test('--default-network-opt is for new networks of its driver that do not say otherwise', async () => {
    await create('plain');
    await create('own', { Options: { [MTU]: '1300' } });
    assert.deepEqual((await inspect('plain'))['Options'], { [MTU]: '1400', 'example.kept': 'yes' });
    assert.deepEqual((await inspect('own'))['Options'], { [MTU]: '1300', 'example.kept': 'yes' });
    const mtu = async (network: string) =>
      /mtu (\d+)/.exec(
        await daemon.ok('run', '--rm', '--network', network, 'busybox', 'ip', 'link', 'show', 'eth0'),
      )?.[1];
    assert.deepEqual([await mtu('plain'), await mtu('own'), await mtu('bridge')], ['1400', '1300', '1500']);
    for (const name of ['plain', 'own']) await api('DELETE', `/networks/${name}`);
  });

  test('families by default options: the request’s own word wins, and takes the option’s place; configurations as well', async () => {
    const family = { 'com.docker.network.enable_ipv6': 'true' };
    const made = async (more: Json) => {
      await create('six', { ConfigOnly: true, Driver: 'macvlan', ...more });
      const { EnableIPv4, EnableIPv6, Options, IPAM } = await inspect('six');
      await api('DELETE', '/networks/six');
      return [EnableIPv4, EnableIPv6, Options, (IPAM as Json)['Config']];
    };
    assert.deepEqual(await made({}), [true, true, { parent: 'none', ...family }, null]);
    assert.deepEqual(await made({ EnableIPv6: false }), [true, false, { parent: 'none' }, null]);
  });

  test('--default-address-pool: subnets come from there, in the daemon’s order', async () => {
    const { Config } = (await inspect('bridge'))['IPAM'] as { Config: Json[] };
    assert.deepEqual(Config, [{ Subnet: '10.40.0.0/24', Gateway: '10.40.0.1' }]);
    await create('both', { EnableIPv6: true });
    const pools = ((await inspect('both'))['IPAM'] as { Config: Json[] }).Config;
    assert.deepEqual(pools, [
      { Subnet: '10.40.1.0/24', Gateway: '10.40.1.1' },
      { Subnet: 'fd40::/64', Gateway: 'fd40::1' },
    ]);
    assert.deepEqual((await api('GET', '/info')).body['DefaultAddressPools'], [
      { Base: '10.40.0.0/16', Size: 24 },
      { Base: 'fd40::/48', Size: 64 },
    ]);
    await api('DELETE', '/networks/both');
  });

  test('IPAM.Options: null where nobody spoke of them', async () => {
    await create('silent');
    await create('empty', { IPAM: { Options: {} } });
    const options = async (name: string) => ((await inspect(name))['IPAM'] as Json)['Options'];
    assert.deepEqual([await options('silent'), await options('empty'), await options('bridge')], [null, {}, null]);
    await daemon.ok('network', 'rm', 'silent', 'empty');
  });

  test('--dns, --dns-search, --dns-opt and --host-gateway-ip are for containers that say nothing themselves', async () => {
    const read = (file: string, ...flags: string[]) => daemon.ok('run', '--rm', ...flags, 'busybox', 'cat', file);
    const resolv = await read('/etc/resolv.conf');
    for (const line of ['nameserver 192.0.2.53', 'search flags.test', 'options timeout:3']) {
      assert.ok(resolv.split('\n').includes(line), resolv);
    }
    const own = await read('/etc/resolv.conf', '--dns', '192.0.2.54', '--dns-search', 'own.test');
    assert.match(own, /^nameserver 192\.0\.2\.54$/m);
    assert.doesNotMatch(own, /192\.0\.2\.53|flags\.test/, 'they are not merged');
    const hosts = await read('/etc/hosts', '--add-host', 'host.docker.internal:host-gateway');
    assert.match(hosts, /^192\.0\.2\.77\thost\.docker\.internal$/m);
    assert.match(hosts, /^fd40::77\thost\.docker\.internal$/m);
  });
});
