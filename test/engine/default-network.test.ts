import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { parseInterfaceAddress, parseIpAddress, parsePrefix } from '../../src/model/address.ts';
import { eventually } from '../host.ts';
import { EngineRoom, isInside, networkRequest, RELOADABLE, request, runInside, sh } from './room.ts';

const SLEEP = ['sleep', '300'];

if (!isInside) test('the default network', () => runInside(import.meta.filename));
else {
  describe('the default network', () => {
    afterEach(() => sh('ip link del docker0 2>/dev/null || true; rm -rf /run/data/fairway.db*'));
    const pool = (room: EngineRoom) => room.engine.networks.find('bridge').network.pools[0];
    const address = async (room: EngineRoom) => {
      const id = await room.run('web', SLEEP, { stopSignal: 'SIGKILL' });
      return room.containers.find(id).networks[0]?.endpoint?.addresses[0];
    };

    test('made on the first range that overlaps nothing of the host', async () => {
      await sh(
        'ip link add busy type bridge; ip addr add 172.17.5.1/24 dev busy; ip link set busy up; ip route add 172.18.9.0/24 dev busy',
      );
      await using room = await EngineRoom.create();
      assert.equal(pool(room)?.subnet, '172.19.0.0/16');
      assert.match(await sh('ip addr show docker0'), /172\.19\.0\.1\/16/);
      assert.equal(await address(room), '172.19.0.2/16');
      await sh('ip link del busy');
      await room.restart();
      assert.equal(pool(room)?.subnet, '172.19.0.0/16');
    });

    test('an existing docker0 is used as it is found, and stays', async () => {
      await sh('ip link add docker0 type bridge; ip addr add 10.77.0.9/24 dev docker0; ip link set docker0 up');
      await using room = await EngineRoom.create();
      assert.deepEqual([pool(room)?.subnet, pool(room)?.gateway], ['10.77.0.0/24', '10.77.0.9']);
      assert.equal(await address(room), '10.77.0.1/24');
      await room.engine.close();
      assert.match(await sh('ip addr show docker0'), /10\.77\.0\.9\/24/);
      await room.restart();
    });

    test('--bip, --fixed-cidr, --default-gateway, --mtu, --icc', async () => {
      await using room = await EngineRoom.create({
        bip: parseInterfaceAddress('10.78.0.1/24'),
        fixedCidr: parsePrefix('10.78.0.64/26'),
        defaultGateway: parseIpAddress('10.78.0.254'),
        mtu: 1400,
        icc: false,
      });
      assert.equal(await address(room), '10.78.0.64/24');
      const inside = await room.exec('web', 'sh', '-c', 'ip route; ip link show eth0');
      assert.match(inside, /default via 10\.78\.0\.254/);
      assert.match(inside, /mtu 1400/);
      assert.match(await sh('ip addr show docker0'), /10\.78\.0\.1\/24/);
      assert.match(await sh('bridge -d link show'), /isolated on/);
      const options = room.engine.networks.find('bridge').network.driverOptions;
      assert.equal(options['com.docker.network.bridge.enable_icc'], 'false');
    });

    test('another --bip: the former address goes, whoever else’s stays', async () => {
      const addresses = () => sh("ip -4 -o addr show docker0 | awk '{print $4}'");
      await sh('ip link add docker0 type bridge; ip addr add 10.77.0.9/24 dev docker0; ip link set docker0 up');
      await using room = await EngineRoom.create({ bip: parseInterfaceAddress('10.78.0.1/24') });
      assert.equal(await addresses(), '10.77.0.9/24\n10.78.0.1/24');
      await room.restart(undefined, { bip: parseInterfaceAddress('10.79.0.1/24') });
      assert.equal(await addresses(), '10.77.0.9/24\n10.79.0.1/24');
      assert.deepEqual(room.engine.system.plan(), []);
      await room.restart(undefined, { bip: parseInterfaceAddress('10.77.0.9/24') });
      assert.equal(await addresses(), '10.77.0.9/24');
      await room.restart(undefined, { bip: parseInterfaceAddress('10.78.0.1/24') });
      assert.equal(await addresses(), '10.77.0.9/24\n10.78.0.1/24');
    });

    test('--leave-no-trace takes back what was added to a docker0 that stays', async () => {
      await sh('ip link add docker0 type bridge; ip addr add 10.77.0.9/24 dev docker0; ip link set docker0 up');
      const before = await sh('ip -4 -o addr show docker0');
      const room = await EngineRoom.create({ bip: parseInterfaceAddress('10.78.0.1/24') }, { leaveNoTrace: true });
      assert.match(await sh('ip addr show docker0'), /10\.78\.0\.1\/24/);
      await room[Symbol.asyncDispose]();
      assert.equal(await sh('ip -4 -o addr show docker0'), before);
    });

    test('--bridge: one that is there, one that is not, none at all', async () => {
      await assert.rejects(EngineRoom.create({ bridge: 'mine' }), {
        message: 'bridge device with non default name mine must be created manually',
      });
      await sh('ip link add mine type bridge; ip addr add 10.79.0.1/24 dev mine');
      {
        await using room = await EngineRoom.create({ bridge: 'mine' });
        assert.equal(await address(room), '10.79.0.2/24');
        assert.match(await sh('bridge link show'), /master mine/);
      }
      await sh('ip link show mine; ip link del mine');
      await using room = await EngineRoom.create({ bridge: 'none' });
      assert.throws(() => room.engine.networks.find('bridge'), { kind: 'notFound' });
      assert.equal(await address(room), undefined);
      assert.doesNotMatch(await room.exec('web', 'ip', 'addr'), /eth0/);
    });

    test('--ipv6: a unique local subnet, kept over a restart; --bip6, --fixed-cidr-v6, --default-gateway-v6', async () => {
      const addresses = async () => {
        await room.run('web', SLEEP, { stopSignal: 'SIGKILL' });
        const found = room.containers.find('web').networks[0]?.endpoint?.addresses;
        await room.containers.remove('web', { force: true, volumes: true, link: false });
        return found;
      };
      await using room = await EngineRoom.create({ ipv6: true });
      const [four, six] = room.engine.networks.find('bridge').network.pools;
      assert.equal(four?.subnet, '172.17.0.0/16');
      assert.match(six?.subnet ?? '', /^fd[0-9a-f:]+::\/64$/);
      assert.equal((await addresses())?.length, 2);
      await room.restart();
      assert.equal(room.engine.networks.find('bridge').network.pools[1]?.subnet, six?.subnet);
      const flags = {
        ipv6: true,
        bip6: parseInterfaceAddress('fd50::5/64'),
        fixedCidrV6: parsePrefix('fd50::a000/116'),
        defaultGatewayV6: parseIpAddress('fd50::fe'),
      };
      await room.restart(undefined, flags);
      assert.match(await sh('ip -6 addr show docker0'), /inet6 fd50::5\/64/);
      assert.deepEqual((await addresses())?.slice(1), ['fd50::a000/64']);
      await room.run('web', SLEEP, { stopSignal: 'SIGKILL' });
      assert.match(await room.exec('web', 'ip', '-6', 'route'), /default via fd50::fe/);
      await room.containers.remove('web', { force: true, volumes: true, link: false });
      await assert.rejects(room.restart(undefined, { ...flags, fixedCidrV6: parsePrefix('fd51::/80') }), {
        message: '--fixed-cidr-v6=fd51::/80 is outside the bridge’s subnet fd50::/64',
      });
      const outside = { ...flags, defaultGatewayV6: parseIpAddress('fd51::1') };
      await assert.rejects(
        room.restart(undefined, outside),
        /invalid auxiliary address DefaultGatewayIPv6: parent subnet fd50::\/64 doesn't contain/,
      );
      // docker0 is ours: without --bip6 the range is the subnet, whatever address the bridge has from before.
      for (const [range, gateway] of [
        ['fd51::/80', 'fd51::1/80'],
        ['fd51::/64', 'fd51::1/64'],
        ['fe80::/64', 'fe80::1/64'],
        ['fd50::/64', 'fd50::1/64'],
      ] as const) {
        await room.restart(undefined, { ipv6: true, fixedCidrV6: parsePrefix(range) });
        const pool = room.engine.networks.find('bridge').network.pools[1];
        assert.deepEqual([pool?.subnet, pool?.range], [range, range]);
        assert.deepEqual(
          (await sh("ip -6 -o addr show docker0 | awk '{print $4}'"))
            .split('\n')
            .filter((a) => !/^fe80:.*:/.test(a) || a === gateway),
          [gateway],
        );
      }
      await room.restart(undefined, { bip6: parseInterfaceAddress('fd50::5/64') });
      assert.equal((await addresses())?.length, 1);
      assert.ok(room.lines.some((line) => line.startsWith('warn --bip6 has no effect without --ipv6')));
    });

    test('--bridge with IPv6: its own address says the subnet, link-local ones do not', async () => {
      await sh('ip link add mine type bridge; ip link set mine up; ip addr add fd60::1/64 dev mine');
      await using room = await EngineRoom.create({ bridge: 'mine', ipv6: true });
      const { pools } = room.engine.networks.find('bridge').network;
      assert.deepEqual(pools[1], { subnet: 'fd60::/64', gateway: 'fd60::1', auxiliary: {} });
      await room.engine.close();
      assert.match(await sh('ip -6 addr show mine'), /fd60::1\/64/);
      await sh('ip link del mine');
      await room.restart(undefined, {});
    });

    test('the MTU is that of the host’s way out, live, unless a network has its own', async () => {
      const mtu = async (link = 'eth0') => /mtu (\d+)/.exec(await room.exec('web', 'ip', 'link', 'show', link))?.[1];
      const option = () => room.engine.networks.find('bridge').network.driverOptions['com.docker.network.driver.mtu'];
      await sh('ip link set eth0 mtu 1420');
      await using room = await EngineRoom.create({ mtu: 'auto' });
      await room.engine.networks.create(networkRequest('follows'));
      const own = { driverOptions: { 'com.docker.network.driver.mtu': '1450' } };
      await room.engine.networks.create({ ...networkRequest('own'), ...own });
      const endpoints = ['bridge', 'follows', 'own'].map((name) => request(name));
      await room.run('web', SLEEP, { stopSignal: 'SIGKILL', endpoints });
      assert.deepEqual([await mtu(), await mtu('eth1'), await mtu('eth2'), option()], ['1420', '1420', '1450', '1420']);
      const index = await room.exec('web', 'cat', '/sys/class/net/eth0/ifindex');
      // A VPN takes the way out over: half of the world each.
      await sh('ip link add vpn type veth peer name far; ip link set vpn mtu 1380 up; ip link set far up');
      await sh(
        'ip addr add 10.250.0.1/30 dev vpn; ip route add 0.0.0.0/1 via 10.250.0.2; ip route add 128.0.0.0/1 via 10.250.0.2',
      );
      await eventually(
        'the networks have followed',
        async () => (await mtu()) === '1380' && (await mtu('eth1')) === '1380' && option() === '1380',
      );
      assert.deepEqual([await mtu('eth2'), option()], ['1450', '1380']);
      assert.match(await sh('ip link show docker0'), /mtu 1380/);
      assert.equal(await room.exec('web', 'cat', '/sys/class/net/eth0/ifindex'), index, 'it is the same link still');
      await eventually('nothing is left to do', () => room.engine.system.plan().length === 0);
      await sh('ip link del vpn; ip route replace default via 192.0.2.1 mtu 1400');
      await eventually('they follow a route that says its own', async () => (await mtu()) === '1400');
      await room.restart(() =>
        sh('ip route replace default via 192.0.2.1; ip link set eth0 mtu 1500').then(() => undefined),
      );
      assert.deepEqual([await mtu(), await mtu('eth1'), option()], ['1500', '1500', '1500']);
      await room.containers.remove('web', { force: true, volumes: true, link: false });
    });

    test('forwarding that we switched on is remembered for this boot, and guarded', async () => {
      await sh('sysctl -qw net.ipv4.ip_forward=0');
      await using room = await EngineRoom.create();
      assert.equal(await sh('sysctl -n net.ipv4.ip_forward'), '1');
      assert.deepEqual(room.engine.system.plan(), []);
      const before = await sh('nft list ruleset');
      assert.match(before, /set guarded \{[^}]*elements/);
      await room.restart();
      assert.equal(await sh('nft list ruleset'), before);
    });

    test('without live-restore, the engine’s end is the containers’', async () => {
      const room = await EngineRoom.create({}, { reloadable: { ...RELOADABLE, liveRestore: false } });
      const spec = { stopSignal: 'SIGKILL' };
      await room.run('kept', SLEEP, spec);
      await room.run('gone', SLEEP, { ...spec, autoRemove: true });
      await room.restart();
      assert.deepEqual(
        room.containers.list().map(({ container }) => `${container.name} ${container.state.status}`),
        ['kept exited'],
      );
      assert.equal(await sh('ls /run/fairway/netns'), '');
      await room[Symbol.asyncDispose]();
    });
  });
}
