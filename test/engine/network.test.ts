import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { parseIpAddress } from '../../src/model/address.ts';
import type { ContainerSpec } from '../../src/model/container.ts';
import { eventually } from '../host.ts';
import { containerSpec, EngineRoom, isInside, networkRequest, request, runInside, sh } from './room.ts';

/** A program of the host that listens. */
async function occupied(port: number): Promise<Server> {
  const server = createServer().listen(port, '0.0.0.0');
  server.unref();
  await once(server, 'listening');
  return server;
}

const SLEEP = ['sleep', '300'];

if (!isInside) test('networks and who is on them', () => runInside(import.meta.filename));
else {
  describe('networks and who is on them', () => {
    let room: EngineRoom;
    before(async () => {
      room = await EngineRoom.create();
      await room.engine.networks.create(networkRequest('app', '10.9.1.0/24'));
      await room.engine.networks.create(networkRequest('back', '10.9.2.0/24'));
    });
    after(() => room[Symbol.asyncDispose]());

    const on = (network: string, spec: Partial<ContainerSpec> = {}) => ({
      networkMode: { kind: 'network', name: network } as const,
      endpoints: [request(network)],
      stopSignal: 'SIGKILL',
      ...spec,
    });
    const remove = (...references: string[]) =>
      Promise.all(
        references.map((reference) => room.containers.remove(reference, { force: true, volumes: true, link: false })),
      );
    const addressOn = (container: string, network: string) =>
      room.containers.find(container).networks.find(({ networkName }) => networkName === network)?.endpoint
        ?.addresses[0];
    const defaultRoute = async (container: string) =>
      (await room.exec(container, 'ip', 'route', 'show', 'default')).trim();

    test('predefined networks cannot be made, removed, or made twice', async () => {
      assert.deepEqual(
        room.engine.networks
          .list()
          .map(({ network }) => network.name)
          .slice(0, 3)
          .sort(),
        ['bridge', 'host', 'none'],
      );
      const create = (name: string, driver = 'bridge') =>
        room.engine.networks.create({ ...networkRequest(name), driver });
      await assert.rejects(create('host'), {
        kind: 'forbidden',
        message: 'operation is not permitted on predefined host network ',
      });
      await assert.rejects(create('h2', 'host'), {
        kind: 'forbidden',
        message: 'only one instance of "host" network is allowed',
      });
      await assert.rejects(create('x', 'nope'), { kind: 'notFound', message: 'plugin "nope" not found' });
      await assert.rejects(create('app'), { kind: 'conflict', message: 'network with name app already exists' });
      await assert.rejects(room.engine.networks.create(networkRequest('y', '10.9.1.128/25')), {
        kind: 'forbidden',
        message: 'invalid pool request: Pool overlaps with other one on this address space',
      });
      await assert.rejects(room.engine.networks.remove('bridge', { force: false }), {
        kind: 'forbidden',
        message: 'bridge is a pre-defined network and cannot be removed',
      });
      await room.engine.networks.remove('nowhere', { force: true });
    });

    test('connect and disconnect while it runs: links, names, default route and ports follow', async () => {
      const port = { protocol: 'tcp', containerPort: 80, hostPorts: { first: 8081, last: 8081 } } as const;
      await room.run('web', ['httpd', '-f', '-h', '/var/www'], on('back', { portBindings: [port] }));
      await room.run('other', SLEEP, on('app'));
      assert.match(await defaultRoute('web'), /via 10\.9\.2\.1 dev eth0/);
      await room.engine.networks.connect('app', 'web', request('app', { aliases: ['www'], gatewayPriority: 1 }));
      assert.match(await defaultRoute('web'), /via 10\.9\.1\.1 dev eth1/);
      assert.equal(room.containers.find('web').networks[1]?.endpoint?.ports.length, 2, 'one of each family');
      await eventually('the server listens', async () =>
        /It works/.test(await sh('curl -s http://127.0.0.1:8081/ || true')),
      );
      assert.match(await room.exec('other', 'wget', '-qO-', 'http://www/'), /It works/);
      const hosts = await room.exec('web', 'cat', '/etc/hosts');
      assert.equal(hosts.match(/10\.9\.[12]\.\d/g)?.length, 2);
      await assert.rejects(room.engine.networks.connect('app', 'web', request('app')), {
        kind: 'forbidden',
        message: 'endpoint with name web already exists in network app',
      });
      const endpoint = room.containers.find('other').networks[0]?.endpoint?.id.slice(0, 12);
      await assert.rejects(room.engine.networks.remove('app', { force: false }), ({ kind, message }) => {
        assert.equal(kind, 'forbidden');
        assert.match(message, /^error while removing network: network app has active endpoints \(name:"/);
        return message.includes(`name:"other" id:"${endpoint}"`);
      });
      await room.engine.networks.disconnect('app', 'web', { force: false });
      assert.doesNotMatch(await room.exec('web', 'ip', 'addr'), /10\.9\.1\./);
      assert.match(await defaultRoute('web'), /via 10\.9\.2\.1 dev eth0/);
      assert.match(await sh('curl -s http://127.0.0.1:8081/'), /It works/);
      assert.doesNotMatch(await room.exec('web', 'cat', '/etc/hosts'), /10\.9\.1/);
      await assert.rejects(room.engine.networks.disconnect('app', 'web', { force: false }), {
        kind: 'internal',
        message: `container ${room.containers.find('web').container.id} is not connected to network app`,
      });
      await remove('web', 'other');
    });

    test('the resolver comes with the first user network and goes with the last', async () => {
      await room.run('web', SLEEP, on('bridge'));
      assert.doesNotMatch(await room.exec('web', 'cat', '/etc/resolv.conf'), /127\.0\.0\.11/);
      await room.engine.networks.connect('app', 'web', request('app'));
      assert.match(await room.exec('web', 'cat', '/etc/resolv.conf'), /nameserver 127\.0\.0\.11/);
      assert.match(await room.exec('web', 'nslookup', 'web.'), /10\.9\.1\./);
      const tables = () => sh(`nsenter --net=${room.containers.find('web').sandboxKey} nft list tables`);
      assert.equal(await tables(), 'table ip fairway-resolver');
      await room.engine.networks.disconnect('app', 'web', { force: false });
      assert.equal(await tables(), '');
      assert.doesNotMatch(await room.exec('web', 'cat', '/etc/resolv.conf'), /127\.0\.0\.11/);
      await remove('web');
    });

    test('a static address is kept for one that is stopped, and its holder is named', async () => {
      const address = parseIpAddress('10.9.1.2');
      await room.run('fixed', SLEEP, on('app', { endpoints: [request('app', { address })] }));
      await room.containers.stop('fixed', {});
      await room.run('free', SLEEP, on('app'));
      assert.equal(addressOn('free', 'app'), '10.9.1.3/24');
      const thief = await room.containers.create(
        'thief',
        containerSpec(SLEEP, on('app', { endpoints: [request('app', { address })] })),
      );
      await assert.rejects(room.containers.start(thief.id), {
        kind: 'forbidden',
        message: /Address already in use: 10\.9\.1\.2 is held by "fixed"/,
      });
      await room.containers.start('fixed');
      assert.equal(addressOn('fixed', 'app'), '10.9.1.2/24');
      await assert.rejects(
        room.containers.create(
          'far',
          containerSpec(SLEEP, on('app', { endpoints: [request('app', { address: parseIpAddress('10.1.1.1') })] })),
        ),
        {
          kind: 'invalidArgument',
          message:
            'invalid config for network app: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.1.1.1',
        },
      );
      await remove('fixed', 'free', 'thief');
    });

    test('connect and disconnect of one that does not run count at its next start', async () => {
      await room.containers.create('later', containerSpec(SLEEP, on('app')));
      await room.engine.networks.connect('back', 'later', request('back'));
      await room.engine.networks.disconnect('app', 'later', { force: false });
      await room.containers.start('later');
      assert.deepEqual(
        room.containers.find('later').networks.map(({ networkName }) => networkName),
        ['back'],
      );
      await remove('later');
      await room.containers.create('hopeful', containerSpec(SLEEP, on('tomorrow')));
      await assert.rejects(room.containers.start('hopeful'), {
        kind: 'notFound',
        message: /network tomorrow not found/,
      });
      await room.engine.networks.create(networkRequest('tomorrow'));
      await room.containers.start('hopeful');
      await remove('hopeful');
      await room.engine.networks.remove('tomorrow', { force: false });
    });

    test('host, none and container: modes', async () => {
      await room.run('hosted', SLEEP, { networkMode: { kind: 'host' } });
      assert.match(await room.exec('hosted', 'ip', 'addr'), /192\.0\.2\.2/);
      assert.equal((await room.exec('hosted', 'hostname')).trim(), 'testhost');
      await room.run('bare', SLEEP, { networkMode: { kind: 'none' } });
      assert.doesNotMatch(await room.exec('bare', 'ip', 'addr'), /eth0/);
      await assert.rejects(room.engine.networks.connect('app', 'bare', request('app')), /in private \(none\) mode/);
      const members = (network: string) => room.engine.networks.find(network).containers;
      for (const [network, name] of [['host', 'hosted'] as const, ['none', 'bare'] as const]) {
        const { id, endpointId, addresses } = members(network)[0] ?? { id: '', endpointId: '', addresses: [] };
        assert.deepEqual([members(network).length, id, addresses], [1, room.containers.find(name).container.id, []]);
        assert.equal(room.containers.find(name).networks[0]?.endpointId, endpointId);
      }
      await room.engine.networks.disconnect('none', 'bare', { force: false });
      assert.deepEqual(members('none'), []);
      await room.engine.networks.connect('app', 'bare', request('app'));
      assert.match(await room.exec('bare', 'ip', 'addr'), /10\.9\.1\.\d+/);
      await remove('hosted', 'bare');
      assert.deepEqual(members('host'), []);
      // Of one millisecond there may be several, each a nanosecond later.
      const until = BigInt(Date.now() + 1) * 1_000_000n;
      const told: string[] = [];
      for await (const event of room.engine.events.subscribe({
        since: 0n,
        until,
        signal: new AbortController().signal,
      })) {
        const { name, type } = event.attributes;
        if (event.type === 'network' && type !== 'bridge') told.push(`${event.action} ${name} ${type}`);
      }
      const none = ['connect none null', 'disconnect none null'];
      assert.deepEqual(told.sort(), ['connect host host', none[0], 'disconnect host host', none[1]]);
    });

    test('a joined sandbox outlives its first container, which returns to it', async () => {
      const first = await room.run('first', SLEEP, on('app'));
      await room.run('second', SLEEP, {
        networkMode: { kind: 'container', container: 'first' },
        stopSignal: 'SIGKILL',
      });
      assert.match(await room.exec('second', 'ip', 'addr'), /10\.9\.1\.\d+/);
      assert.equal((await room.exec('second', 'hostname')).trim(), first.slice(0, 12));
      const key = room.containers.find('second').sandboxKey;
      await room.containers.stop('first', {});
      await eventually('only lo is left', async () => !(await room.exec('second', 'ip', 'addr')).includes('10.9.1.'));
      assert.match(await room.exec('second', 'ip', 'addr'), /127\.0\.0\.1/);
      await room.containers.start('first');
      assert.equal(room.containers.find('first').sandboxKey, key);
      assert.match(await room.exec('second', 'ip', 'addr'), /10\.9\.1\.\d+/);
      await room.containers.stop('first', {});
      await assert.rejects(
        room.engine.networks.connect('back', 'second', request('back')),
        /sharing network namespace/,
      );
      const third = await room.containers.create(
        'third',
        containerSpec(SLEEP, { networkMode: { kind: 'container', container: 'first' } }),
      );
      await assert.rejects(room.containers.start(third.id), {
        kind: 'conflict',
        message: 'cannot join network namespace of a non running container: container first is exited',
      });
      await remove('first', 'second', 'third');
      assert.equal(await sh('ls /run/fairway/netns'), '');
    });

    test('ports: a conflict, a range, what a process of the host holds', async () => {
      const binding = (first: number, last = first) =>
        [{ protocol: 'tcp', containerPort: 80, hostPorts: { first, last } }] as const;
      await room.run('pa', SLEEP, on('app', { portBindings: binding(9000) }));
      const b = await room.containers.create('pb', containerSpec(SLEEP, on('app', { portBindings: binding(9000) })));
      await assert.rejects(room.containers.start(b.id), {
        kind: 'internal',
        message:
          /^failed to set up container networking: driver failed programming external connectivity on endpoint pb \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:9000 failed: port is already allocated: container "pa" has it$/,
      });
      assert.equal(room.containers.find('pb').container.state.status, 'created');
      assert.equal(room.containers.find('pb').container.state.exitCode, 128);
      await room.run('pc', SLEEP, on('app', { portBindings: binding(9000, 9002) }));
      assert.equal(room.containers.find('pc').ports[0]?.hostPort, 9001);
      const servers = await Promise.all([9005, 9006].map(occupied));
      const d = await room.containers.create('pd', containerSpec(SLEEP, on('app', { portBindings: binding(9005) })));
      await assert.rejects(
        room.containers.start(d.id),
        /failed to bind host port for 0\.0\.0\.0:9005:10\.9\.1\.\d+:80\/tcp: address already in use/,
      );
      await room.run('pe', SLEEP, on('app', { portBindings: binding(9005, 9009) }));
      assert.equal(room.containers.find('pe').ports[0]?.hostPort, 9007);
      await room.run('pf', SLEEP, on('app', { publishAll: true, exposedPorts: ['80/tcp', '81/tcp', '53/udp'] }));
      assert.deepEqual(
        room.containers
          .find('pf')
          .ports.filter(({ hostAddress }) => hostAddress === '0.0.0.0')
          .map(({ containerPort, count, protocol }) => [protocol, containerPort, count]),
        [
          ['tcp', 80, 2],
          ['udp', 53, 1],
        ],
      );
      for (const server of servers) server.close();
      await remove('pa', 'pb', 'pc', 'pd', 'pe', 'pf');
    });

    test('prune takes what nobody uses', async () => {
      await room.run('user', SLEEP, on('app'));
      const { deleted } = await room.engine.networks.prune({ labels: [], labelsNot: [] });
      assert.deepEqual(deleted, ['back']);
      await room.containers.stop('user', {});
      assert.deepEqual((await room.containers.prune({ labels: ['x'], labelsNot: [] })).deleted, []);
      const { id } = room.containers.find('user').container;
      assert.deepEqual((await room.containers.prune({ labels: [], labelsNot: [] })).deleted, [id]);
    });
  });
}
