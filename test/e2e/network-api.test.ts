import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Json, TestDaemon } from '../daemon.ts';

describe('the API of networks', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const api = (method: string, path: string, body?: unknown) => daemon.json(method, path, body);
  const refusal = (method: string, path: string, body?: unknown) => daemon.refusal(method, path, body);
  const create = (Name: string, more: Json = {}) => api('POST', '/networks/create', { Name, ...more });
  const idOf = async (name: string) => String((await create(name)).body['Id']);
  const names = async (filters: Json) => {
    const path = `/networks?filters=${encodeURIComponent(JSON.stringify(filters))}`;
    const { status, body } = await api('GET', path);
    return status === 200 ? (body as unknown as Json[]).map(({ Name }) => Name).sort() : [status, body['message']];
  };

  test('the predefined networks: what they are, and what cannot be done to them', async () => {
    const rows = (await api('GET', '/networks/')).body as unknown as Json[];
    const found = rows.map(({ Name, Driver, Scope }) => `${Name} ${Driver} ${Scope}`);
    assert.deepEqual(found.sort(), ['bridge bridge local', 'host host local', 'none null local']);
    const { Options } = (await api('GET', '/networks/bridge')).body;
    assert.deepEqual(Object.keys(Options as object).sort(), [
      'com.docker.network.bridge.default_bridge',
      'com.docker.network.bridge.enable_icc',
      'com.docker.network.bridge.enable_ip_masquerade',
      'com.docker.network.bridge.host_binding_ipv4',
      'com.docker.network.bridge.name',
      'com.docker.network.driver.mtu',
    ]);
    assert.equal(
      await daemon.ok(
        'run',
        '--rm',
        '--network',
        'default',
        'busybox',
        'sh',
        '-c',
        'ls /sys/class/net | sort | tr "\\n" " "',
      ),
      'eth0 lo ',
    );
    for (const name of ['bridge', 'host', 'none', 'default']) {
      const refused = [403, `operation is not permitted on predefined ${name} network `];
      assert.deepEqual(await refusal('POST', '/networks/create', { Name: name }), refused);
    }
    for (const name of ['bridge', 'host', 'none']) {
      const refused = [403, `${name} is a pre-defined network and cannot be removed`];
      assert.deepEqual(await refusal('DELETE', `/networks/${name}`), refused);
    }
    for (const driver of ['host', 'null']) {
      const refused = [403, `only one instance of "${driver}" network is allowed`];
      assert.deepEqual(await refusal('POST', '/networks/create', { Name: 'x', Driver: driver }), refused);
    }
    assert.doesNotMatch(await daemon.ok('network', 'prune', '-f'), /bridge|host|none/);
  });

  test('the default network has no names, no aliases, and no static addresses', async () => {
    await daemon.ok('run', '-d', '--name', 'neighbour', 'busybox', 'sleep', '600');
    assert.doesNotMatch(await daemon.ok('exec', 'neighbour', 'cat', '/etc/resolv.conf'), /127\.0\.0\.11/);
    const fixed = await daemon.docker(['run', '--rm', '--ip', '172.17.0.99', 'busybox', 'true']);
    assert.match(fixed.stderr, /user specified IP address is supported on user defined networks only/);
    const aliased = await refusal('POST', '/networks/bridge/connect', {
      Container: 'neighbour',
      EndpointConfig: { Aliases: ['other'] },
    });
    assert.equal(aliased[0], 400);
    assert.match(String(aliased[1]), /network-scoped alias is supported only for containers in user defined networks/);
    await daemon.ok('rm', '-f', 'neighbour');
  });

  test('look-up: a full id before a name before the beginning of an id', async () => {
    const id = await idOf('one');
    // A name that is the beginning of another one's id, and one that is another one's whole id.
    const short = await idOf(id.slice(0, 5));
    const whole = await idOf(id);
    const found = async (reference: string) => (await api('GET', `/networks/${reference}`)).body['Id'];
    assert.equal(await found(id), id);
    assert.equal(await found(id.slice(0, 5)), short);
    assert.equal(await found(id.slice(0, 6)), id);
    assert.deepEqual(await refusal('GET', '/networks/nowhere'), [404, 'network nowhere not found']);
    assert.deepEqual(await refusal('GET', '/networks/one?scope=swarm'), [404, 'network one not found']);
    assert.equal((await api('GET', '/networks/one?scope=local&verbose=true')).body['Id'], id);
    assert.equal((await api('DELETE', `/networks/${id}`)).status, 204);
    assert.deepEqual(await refusal('GET', '/networks/one'), [404, 'network one not found'], 'the id counted');
    assert.equal(await found(whole.slice(0, 20)), whole);
    for (const network of [short, whole]) await api('DELETE', `/networks/${network}`);
  });

  test('filters of ls', async () => {
    await create('red', { Labels: { colour: 'red', big: '' } });
    const green = await idOf('green');
    await daemon.ok('run', '-d', '--name', 'dweller', '--network', 'green', 'busybox', 'sleep', '600');
    assert.deepEqual(await names({ driver: ['null'] }), ['none']);
    assert.deepEqual(await names({ id: [green.slice(0, 12)] }), ['green']);
    assert.deepEqual(await names({ label: ['colour=red'] }), ['red']);
    assert.deepEqual(await names({ label: { big: true, colour: true } }), ['red']);
    assert.deepEqual(await names({ name: ['^gre', 'red'] }), ['green', 'red']);
    assert.deepEqual(await names({ scope: ['local'], type: ['custom'] }), ['green', 'red']);
    assert.deepEqual(await names({ scope: ['swarm'] }), []);
    assert.deepEqual(await names({ type: ['builtin'] }), ['bridge', 'host', 'none']);
    for (const yes of ['true', '1']) assert.deepEqual(await names({ dangling: [yes] }), ['red']);
    for (const no of ['false', '0'])
      assert.deepEqual(await names({ dangling: [no] }), ['bridge', 'green', 'host', 'none']);
    assert.deepEqual(await names({ colour: ['red'] }), [400, "invalid filter 'colour'"]);
    assert.deepEqual(await names({ dangling: ['maybe'] }), [400, "invalid filter 'dangling=[maybe]'"]);
    assert.deepEqual(await names({ type: ['strange'] }), [400, "invalid filter: 'type'='strange'"]);
    assert.equal(
      await daemon.ok(
        'network',
        'ls',
        '--filter',
        'name=red',
        '--format',
        '{{.Name}} {{.Driver}} {{.Scope}} {{.IPv6}} {{.Internal}} {{.Label "colour"}}',
      ),
      'red bridge local false false red',
    );
    const [listed] = (await api('GET', `/networks?filters=${encodeURIComponent('{"name":["green"]}')}`))
      .body as unknown as Json[];
    assert.deepEqual(listed?.['Containers'], {}, 'lists name no containers');
    await daemon.ok('rm', '-f', 'dweller');
    for (const name of ['red', 'green']) await api('DELETE', `/networks/${name}`);
  });

  test('inspect: Docker’s keys, and which are null', async () => {
    await create('full', {
      Internal: true,
      Options: { 'com.docker.network.driver.mtu': '1450', 'example.unknown': 'kept' },
      IPAM: {
        Options: { a: 'b' },
        Config: [{ Subnet: '10.88.0.0/24', IPRange: '10.88.0.128/25', AuxiliaryAddresses: { router: '10.88.0.130' } }],
      },
    });
    await daemon.ok('run', '-d', '--name', 'inside', '--network', 'full', 'busybox', 'sleep', '600');
    const { Id, Created, Containers, ...rest } = (await api('GET', '/v1.50/networks/full')).body;
    assert.match(String(Id), /^[0-9a-f]{64}$/);
    assert.match(String(Created), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(rest, {
      Name: 'full',
      Scope: 'local',
      Driver: 'bridge',
      EnableIPv4: true,
      EnableIPv6: false,
      IPAM: {
        Driver: 'default',
        Options: { a: 'b' },
        Config: [{ Subnet: '10.88.0.0/24', IPRange: '10.88.0.128/25', AuxiliaryAddresses: { router: '10.88.0.130' } }],
      },
      Internal: true,
      Attachable: false,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      Options: { 'com.docker.network.driver.mtu': '1450', 'example.unknown': 'kept' },
      Labels: {},
    });
    const [[container, member] = ['', {}]] = Object.entries(Containers as Record<string, Json>);
    assert.match(container, /^[0-9a-f]{64}$/);
    const { EndpointID, MacAddress, ...seen } = member;
    assert.match(String(EndpointID), /^[0-9a-f]{64}$/);
    assert.match(String(MacAddress), /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    assert.deepEqual(seen, { Name: 'inside', IPv4Address: '10.88.0.129/24', IPv6Address: '' });
    assert.equal('EnableIPv4' in (await api('GET', '/v1.47/networks/full')).body, false);
    const none = (await api('GET', '/networks/none')).body;
    assert.deepEqual([none['Options'], (none['IPAM'] as Json)['Options']], [{}, null]);
    await daemon.ok('rm', '-f', 'inside');
    await api('DELETE', '/networks/full');
  });

  test('NetworkSettings of a container, with the fields of old that mirror the default network', async () => {
    await create('app');
    await daemon.ok('create', '--name', 'both', '--expose', '9', '-p', '127.0.0.1:8123:80', 'busybox', 'sleep', '600');
    await daemon.ok('network', 'connect', 'app', 'both');
    await daemon.ok('start', 'both');
    const settings = (await api('GET', '/v1.50/containers/both/json')).body['NetworkSettings'] as Json;
    assert.deepEqual(Object.keys(settings).sort(), [
      'Bridge',
      'EndpointID',
      'Gateway',
      'GlobalIPv6Address',
      'GlobalIPv6PrefixLen',
      'HairpinMode',
      'IPAddress',
      'IPPrefixLen',
      'IPv6Gateway',
      'LinkLocalIPv6Address',
      'LinkLocalIPv6PrefixLen',
      'MacAddress',
      'Networks',
      'Ports',
      'SandboxID',
      'SandboxKey',
      'SecondaryIPAddresses',
      'SecondaryIPv6Addresses',
    ]);
    const { bridge, app } = settings['Networks'] as Record<string, Json>;
    for (const field of ['EndpointID', 'Gateway', 'IPAddress', 'IPPrefixLen', 'MacAddress']) {
      assert.equal(settings[field], bridge?.[field], field);
    }
    assert.notEqual(app?.['IPAddress'], bridge?.['IPAddress']);
    assert.deepEqual(settings['Ports'], { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8123' }], '9/tcp': null });
    await daemon.ok('stop', '-t', '0', 'both');
    const stopped = (await api('GET', '/containers/both/json')).body['NetworkSettings'] as Json;
    assert.deepEqual([stopped['IPAddress'], stopped['SandboxKey'], stopped['Ports']], ['', '', {}]);
    await daemon.ok('rm', 'both');
    await api('DELETE', '/networks/app');
  });

  test('connect, disconnect and rm: the words of their errors', async () => {
    await create('app');
    const id = await daemon.ok('run', '-d', '--name', 'web', '--network', 'app', 'busybox', 'sleep', '600');
    const act = (action: string, body: Json) => refusal('POST', `/networks/${action}`, { Container: 'web', ...body });
    assert.deepEqual(await act('app/connect', {}), [403, 'endpoint with name web already exists in network app']);
    assert.deepEqual(await act('bridge/disconnect', {}), [500, `container ${id} is not connected to network bridge`]);
    assert.deepEqual(await act('nowhere/connect', {}), [404, 'network nowhere not found']);
    assert.deepEqual(await act('app/connect', { Container: 'ghost' }), [404, 'No such container: ghost']);
    assert.deepEqual(await act('app/disconnect', { Container: 'ghost' }), [404, 'No such container: ghost']);
    assert.deepEqual(await act('app/disconnect', { Container: 'ghost', Force: true }), [
      404,
      'endpoint ghost not found',
    ]);
    assert.deepEqual(await act('host/connect', {}), [
      400,
      'cannot connect container to host network - container must be created in host network mode',
    ]);
    const endpoint = (await api('GET', '/containers/web/json')).body['NetworkSettings'] as Json;
    const { EndpointID } = (endpoint['Networks'] as Record<string, Json>)['app'] ?? {};
    assert.deepEqual(await refusal('DELETE', '/networks/app'), [
      403,
      `error while removing network: network app has active endpoints (name:"web" id:"${String(EndpointID).slice(0, 12)}")`,
    ]);
    // Who only stopped holds nothing, and does not keep the network from going.
    await daemon.ok('stop', '-t', '0', 'web');
    const several = await daemon.docker(['network', 'rm', 'nowhere', 'app']);
    assert.deepEqual([several.code, several.stdout], [1, 'app\n'], 'it goes on behind an error');
    assert.match(several.stderr, /network nowhere not found/);
    assert.equal((await daemon.docker(['network', 'rm', '-f', 'nowhere'])).code, 0);
    await daemon.ok('network', 'disconnect', '-f', 'app', 'web');
    await daemon.ok('network', 'connect', 'bridge', 'web');
    await daemon.ok('start', 'web');
    await daemon.ok('rm', '-f', 'web');
  });

  test('prune: what nobody uses, by its filters, one at a time, with its event', async () => {
    await create('kept', { Labels: { keep: '' } });
    await create('used');
    await create('idle');
    await daemon.ok('run', '-d', '--name', 'user', '--network', 'used', 'busybox', 'sleep', '600');
    const since = await daemon.now();
    assert.equal(await daemon.ok('network', 'prune', '-f', '--filter', 'until=24h'), '');
    assert.match(await daemon.ok('network', 'prune', '-f', '--filter', 'label!=keep'), /^Deleted Networks:\nidle\n*$/);
    assert.match(await daemon.ok('network', 'prune', '-f', '--filter', 'label=keep'), /^Deleted Networks:\nkept\n*$/);
    assert.deepEqual(await refusal('POST', `/networks/prune?filters=${encodeURIComponent('{"x":["y"]}')}`), [
      400,
      "invalid filter 'x'",
    ]);
    const format = '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.reclaimed}}';
    const no = '<no value>';
    assert.deepEqual(await daemon.told(since, ['type=network'], format), [
      `prune ${no} 0`,
      `destroy idle ${no}`,
      `prune ${no} 0`,
      `destroy kept ${no}`,
      `prune ${no} 0`,
    ]);
    await daemon.ok('rm', '-f', 'user');
    await api('DELETE', '/networks/used');
  });

  test('events of networks: their order and their attributes', async () => {
    const since = await daemon.now();
    await create('watched');
    const id = await daemon.ok(
      'run',
      '-d',
      '--name',
      'actor',
      '--network',
      'watched',
      '--stop-signal',
      'KILL',
      'busybox',
      'sleep',
      '600',
    );
    await daemon.ok('network', 'connect', 'bridge', 'actor');
    await daemon.ok('network', 'disconnect', 'bridge', 'actor');
    // Not without patience: what is killed twice tells of it twice.
    await daemon.ok('stop', '-t', '60', 'actor');
    await daemon.ok('rm', 'actor');
    await api('DELETE', '/networks/watched');
    const until = await daemon.now();
    const events = async (...filters: string[]) => {
      const args = filters.flatMap((filter) => ['--filter', filter]);
      const text = await daemon.ok('events', '--since', since, '--until', until, ...args, '--format', '{{json .}}');
      return text
        .split('\n')
        .map((line) => JSON.parse(line) as { Type: string; Action: string; Actor: { Attributes: Json } });
    };
    const told = (await events()).map(({ Type, Action }) => `${Type} ${Action}`);
    assert.deepEqual(told, [
      'network create',
      'container create',
      'network connect',
      'container start',
      'network connect',
      'network disconnect',
      'container kill',
      'container die',
      'network disconnect',
      'container stop',
      'container destroy',
      'network destroy',
    ]);
    const ours = await events('network=watched');
    assert.deepEqual(
      ours.map(({ Action }) => Action),
      ['create', 'connect', 'disconnect', 'destroy'],
    );
    assert.deepEqual(ours[0]?.Actor.Attributes, { name: 'watched', type: 'bridge' });
    assert.deepEqual(ours[1]?.Actor.Attributes, { container: id, name: 'watched', type: 'bridge' });
    assert.equal((await events('type=network', 'event=connect', 'scope=local')).length, 2);
  });

  test('docker info tells of networks', async () => {
    const info = (await api('GET', '/v1.50/info')).body;
    const { Network } = info['Plugins'] as { Network: string[] };
    assert.deepEqual(Network, [...Network].sort());
    for (const driver of ['bridge', 'host', 'null']) assert.ok(Network.includes(driver), driver);
    assert.deepEqual(info['FirewallBackend'], { Driver: 'nftables' });
    assert.equal(info['IPv4Forwarding'], true);
    const pools = info['DefaultAddressPools'] as Json[];
    assert.deepEqual(pools[0], { Base: '172.17.0.0/16', Size: 16 });
    assert.equal('BridgeNfIptables' in info, false);
    assert.equal((await api('GET', '/v1.49/info')).body['BridgeNfIptables'], true);
    assert.equal('FirewallBackend' in (await api('GET', '/v1.48/info')).body, false);
  });

  test('ps finds containers by network, published and exposed port; stats counts each interface', async () => {
    await create('app');
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'shown',
      '--network',
      'app',
      '-p',
      '8124:80',
      '--expose',
      '53/udp',
      'busybox',
      'sleep',
      '600',
    );
    const found = (filter: string) => daemon.ok('ps', '--filter', filter, '--format', '{{.Names}}');
    const id = String((await api('GET', '/networks/app')).body['Id']);
    for (const filter of [
      'network=app',
      `network=${id}`,
      'publish=8124',
      'publish=8000-8200/tcp',
      'expose=53/udp',
      'expose=80',
    ]) {
      assert.equal(await found(filter), 'shown', filter);
    }
    for (const filter of ['network=bridge', 'publish=8125', 'expose=54/udp'])
      assert.equal(await found(filter), '', filter);
    await daemon.ok('network', 'connect', 'bridge', 'shown');
    const stats = (await api('GET', '/containers/shown/stats?stream=false&one-shot=true')).body;
    const counted = stats['networks'] as Record<string, Json>;
    assert.deepEqual(Object.keys(counted).sort(), ['eth0', 'eth1']);
    assert.ok(Object.keys(counted['eth0'] ?? {}).includes('rx_bytes'));
    await daemon.ok('rm', '-f', 'shown');
    await api('DELETE', '/networks/app');
  });
});
