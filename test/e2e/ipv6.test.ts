import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { addressToNumber, parseIpAddress } from '../../src/model/address.ts';
import { TestDaemon } from '../daemon.ts';
import { eventually, type TestHost } from '../host.ts';

/** The LAN has a router that advertises fd1a::/64, and the host its default route from it, as at most people's homes. */
async function learnRouter(host: TestHost): Promise<void> {
  await host.lanShell('ip -6 addr add fd1a::1/64 dev lan0 nodad');
  host.spawnLan([
    ...['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--interface=lan0', '--enable-ra'],
    ...['--dhcp-range=fd1a::,ra-only,64', '--ra-param=lan0,4', '--dhcp-leasefile=/dev/null'],
  ]);
  await eventually('the host learns its router', async () => {
    const routes = await host.shell('ip -6 route; ip -6 addr show dev eth0');
    // Until it is sure to be alone with its address, what leaves a bridge is masqueraded by the kernel with the bridge's.
    return (
      /default via fe80::\S+ dev eth0 proto ra/.test(routes) &&
      /inet6 fd1a::\S+ scope global (?!tentative)/.test(routes)
    );
  });
}

describe('IPv6', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await learnRouter(daemon.host);
    await daemon.ok('network', 'create', '--ipv6', '--subnet', '10.80.0.0/24', '--subnet', 'fd80::/64', 'dual');
    await daemon.ok('network', 'create', '--ipv4=false', '--ipv6', '--subnet', 'fd81::/64', 'six');
    await run('one', 'dual');
    await run('two', 'dual');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const expand = (address: string) => addressToNumber(parseIpAddress(address));
  const run = (name: string, network: string, ...options: string[]) =>
    daemon.ok('run', '-d', '--name', name, '--network', network, ...options, 'busybox', 'sleep', '600');
  const inside = (container: string, command: string) => daemon.ok('exec', container, 'sh', '-c', command);
  const ping = (container: string, target: string) => inside(container, `ping -6 -c1 -W20 ${target}`);
  const inspect = async (container: string, network: string) => {
    const text = await daemon.ok('inspect', '-f', '{{json .NetworkSettings.Networks}}', container);
    return (JSON.parse(text) as Record<string, Record<string, unknown>>)[network] ?? {};
  };

  test('a dual-stack network gives an address and a route of each family, usable at once', async () => {
    const addresses = await inside('one', 'ip addr show eth0');
    assert.match(addresses, /inet 10\.80\.0\.2\/24/);
    assert.match(addresses, /inet6 fd80::2\/64 scope global/);
    assert.doesNotMatch(addresses, /tentative/);
    assert.match(await inside('one', 'ip -6 route'), /default via fd80::1 dev eth0/);
    const seen = await inspect('one', 'dual');
    assert.deepEqual(
      [seen['GlobalIPv6Address'], seen['GlobalIPv6PrefixLen'], seen['IPv6Gateway'], seen['IPAddress']],
      ['fd80::2', 64, 'fd80::1', '10.80.0.2'],
    );
    const network = JSON.parse((await daemon.api('GET', '/v1.50/networks/dual')).body) as {
      EnableIPv4: boolean;
      EnableIPv6: boolean;
      Containers: Record<string, { Name: string; IPv4Address: string; IPv6Address: string }>;
    };
    assert.deepEqual([network.EnableIPv4, network.EnableIPv6], [true, true]);
    const one = Object.values(network.Containers).find(({ Name }) => Name === 'one');
    assert.deepEqual([one?.IPv4Address, one?.IPv6Address], ['10.80.0.2/24', 'fd80::2/64']);
  });

  test('names lead to both families, and addresses of both to names', async () => {
    await ping('one', 'two');
    await ping('one', 'fd80::1');
    const asked = async (type: string, name: string) =>
      (
        await daemon.host.out(['sh', '-c', `nsenter -t $(cat /run/pid) -n dig +short ${type} ${name} @127.0.0.11`])
      ).trim();
    await daemon.host.shell(`echo ${await daemon.inspect('one', '{{.State.Pid}}')} > /run/pid`);
    assert.equal(await asked('AAAA', 'two'), 'fd80::3');
    assert.equal(await asked('A', 'two'), '10.80.0.3');
    assert.equal(await asked('-x', 'fd80::3'), 'two.dual.');
    const hosts = await inside('one', 'cat /etc/hosts');
    assert.match(hosts, /^10\.80\.0\.2\t[0-9a-f]{12}\nfd80::2\t[0-9a-f]{12}$/m);
  });

  test('the host forwards, is a router for nobody else, and goes on listening to its own', async () => {
    const setting = (path: string) => daemon.host.shell(`cat /proc/sys/net/ipv6/conf/${path}`);
    assert.equal(await setting('all/forwarding'), '1');
    assert.equal(await setting('eth0/accept_ra'), '2');
    assert.match(await daemon.host.shell('nft list set inet fairway guarded'), /ipv6/);
    assert.match(await daemon.host.shell('ip -6 route'), /default via fe80::\S+ dev eth0 proto ra/);
  });

  test('containers reach the outside with the host’s address', async () => {
    daemon.host.spawnLan(['socat', 'TCP6-LISTEN:8000,fork,reuseaddr', 'SYSTEM:echo from $SOCAT_PEERADDR']);
    const own = await daemon.host.shell(
      "ip -6 -o addr show dev eth0 scope global | sed -n 's/.*inet6 \\([^/]*\\).*/\\1/p'",
    );
    await eventually('the LAN answers', async () => {
      const { stdout } = await daemon.docker(['exec', 'one', 'sh', '-c', 'nc fd1a::1 8000 </dev/null']);
      const [, peer = ''] = /from \[(.*)\]/.exec(stdout) ?? [];
      return peer !== '' && expand(peer) === expand(own);
    });
  });

  test('a network of IPv6 alone has no IPv4 at all', async () => {
    await run('lonely', 'six');
    const addresses = await inside('lonely', 'ip addr show eth0');
    assert.match(addresses, /inet6 fd81::2\/64/);
    assert.doesNotMatch(addresses, /inet /);
    await ping('lonely', 'fd81::1');
    const refused = await daemon.docker(['network', 'create', '--ipv4=false', '--ipv6=false', 'nothing']);
    assert.match(refused.stderr, /IPv4 or IPv6 must be enabled/);
    await daemon.ok('rm', '-f', 'lonely');
  });

  test('where an endpoint has no IPv6 address its link has none either, and lo keeps ::1', async () => {
    await daemon.ok('network', 'create', 'four');
    await run('old', 'four');
    assert.doesNotMatch(await inside('old', 'ip addr show eth0'), /inet6/);
    assert.equal(await inside('old', 'cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6'), '1');
    assert.match(await inside('old', 'ip addr show lo'), /inet6 ::1/);
    await daemon.ok('network', 'connect', 'dual', 'old');
    await ping('old', 'one');
    assert.match(await inside('old', 'ip -6 route'), /default via fd80::1 dev eth1/);
    await daemon.ok('rm', '-f', 'old');
  });

  test('a container that switches IPv6 off gets no IPv6 address, and no line of it in its hosts file', async () => {
    await run('off', 'dual', '--sysctl', 'net.ipv6.conf.all.disable_ipv6=1');
    assert.doesNotMatch(await inside('off', 'ip addr'), /inet6/);
    assert.doesNotMatch(await inside('off', 'cat /etc/hosts'), /:/);
    assert.equal((await inspect('off', 'dual'))['GlobalIPv6Address'], '');
    await daemon.ok('rm', '-f', 'off');
  });

  test('--ip6 is held, shown and refused like --ip', async () => {
    await run('fixed', 'dual', '--ip6', 'fd80::abcd');
    assert.match(await inside('fixed', 'ip addr show eth0'), /inet6 fd80::abcd\/64/);
    const taken = await daemon.docker(['run', '--rm', '--network', 'dual', '--ip6', 'fd80::abcd', 'busybox', 'true']);
    assert.match(taken.stderr, /Address already in use/);
    const outside = await daemon.docker(['create', '--network', 'dual', '--ip6', 'fd99::1', 'busybox']);
    assert.match(outside.stderr, /no configured subnet or ip-range contain the IP address fd99::1/);
    await daemon.ok('stop', '-t', '0', 'fixed');
    assert.deepEqual((await inspect('fixed', 'dual'))['IPAMConfig'], { IPv6Address: 'fd80::abcd' });
    await daemon.ok('rm', 'fixed');
  });

  const server = (port: string) => [port, 'SYSTEM:echo from $SOCAT_PEERADDR'] as const;
  const ask = async (where: 'host' | 'lan', target: string, protocol = 'TCP6') => {
    const command = ['sh', '-c', `echo x | socat -t2 - ${protocol}:${target}`];
    const { stdout } = await (where === 'host' ? daemon.host.exec(command) : daemon.host.lan(command));
    return /from \[?([^\]\n]*)/.exec(stdout)?.[1] ?? '';
  };
  /** What an answer says, however long it takes to come. */
  const answer = async (...of: Parameters<typeof ask>) => {
    let said = '';
    await eventually(`${of.join(' ')} is answered`, async () => {
      said = await ask(...of);
      return said !== '';
    });
    return said;
  };
  const hostAddress = () =>
    daemon.host.shell("ip -6 -o addr show dev eth0 scope global | sed -n 's/.*inet6 \\([^/]*\\).*/\\1/p'");

  test('-p 8090:80 answers on both families, and the client’s address is kept', async () => {
    await run('both', 'dual', '-p', '8090:80', '-p', '8090:80/udp');
    await daemon.inside('both', ['socat', ...server('TCP6-LISTEN:80,fork,reuseaddr')]);
    await daemon.inside('both', ['socat', '-T1', ...server('UDP6-RECVFROM:80,fork')]);
    const target = `[${await hostAddress()}]:8090`;
    await answer('lan', target);
    const clients = await daemon.host.lanShell("ip -6 -o addr show dev lan0 | sed -n 's/.*inet6 \\([^/]*\\).*/\\1/p'");
    for (const protocol of ['TCP6', 'UDP6']) {
      const seen = expand(await answer('lan', target, protocol));
      assert.ok(
        clients.split('\n').some((address) => expand(address) === seen),
        protocol,
      );
    }
    await answer('host', target);
    assert.equal(expand(await answer('host', '[::1]:8090')), expand('fd80::1'), 'from the host by ::1');
    assert.equal(expand(await answer('host', '[::1]:8090', 'UDP6')), expand('fd80::1'));
    await answer('lan', '192.0.2.2:8090', 'TCP4');
    const shown = await daemon.ok('port', 'both');
    assert.deepEqual(shown.split('\n').sort(), [
      '80/tcp -> 0.0.0.0:8090',
      '80/tcp -> [::]:8090',
      '80/udp -> 0.0.0.0:8090',
      '80/udp -> [::]:8090',
    ]);
    await daemon.ok('rm', '-f', 'both');
  });

  test('a container without IPv6 is published on it all the same; who is refused inside is refused outside', async () => {
    await run('plain', 'bridge', '-p', '8091:80', '-p', '8091:80/udp', '-p', '[::1]:8092:80');
    const target = `[${await hostAddress()}]:8091`;
    const refused = await daemon.host.lan(['curl', '-s', '-m', '40', `http://${target}/`]);
    // curl(1): 7 when the reset is there before it has written, 56 when after; 28 would be a wait for nothing.
    assert.ok([7, 56].includes(refused.code), `curl ended with ${refused.code}`);
    await daemon.inside('plain', ['socat', ...server('TCP-LISTEN:80,fork,reuseaddr')]);
    await daemon.inside('plain', ['socat', '-T1', ...server('UDP-RECVFROM:80,fork')]);
    await answer('lan', target);
    await answer('lan', target, 'UDP6');
    await answer('host', '[::1]:8092');
    assert.equal(await ask('host', `[${await hostAddress()}]:8092`), '');
    await daemon.stop('SIGKILL');
    await daemon.start();
    await answer('lan', target);
    const second = await daemon.docker(['run', '--rm', '-p', '[::1]:8091:80', 'busybox', 'true']);
    assert.match(second.stderr, /Bind for \[?::1\]?:8091 failed: port is already allocated: container "plain" has it/);
    await daemon.ok('rm', '-f', 'plain');
    assert.equal(await ask('host', '[::1]:8092'), '');
  });

  test('what is taken away of IPv6 comes back: the bridge’s address, its route, the whole link', async () => {
    const bridge = `br-${(await daemon.ok('network', 'inspect', '-f', '{{.Id}}', 'dual')).slice(0, 12)}`;
    for (const damage of [
      `ip -6 addr del fd80::1/64 dev ${bridge}`,
      `ip -6 route del fd80::/64 dev ${bridge}`,
      `ip link set ${bridge} down`,
      `ip link del ${bridge}`,
    ]) {
      await daemon.host.shell(damage);
      await eventually(`"${damage}" is mended`, async () => {
        const { code } = await daemon.docker(['exec', 'one', 'ping', '-6', '-c1', '-W1', 'fd80::1']);
        return code === 0;
      });
    }
    await ping('two', 'one');
    await eventually('all is well', async () => (await daemon.api('GET', '/fairway/plan')).body.trim() === '[]');
  });

  test('a restart of the daemon finds everything as it was', async () => {
    await daemon.stop('SIGKILL');
    await daemon.start();
    await ping('one', 'two');
    assert.equal((await inspect('one', 'dual'))['GlobalIPv6Address'], 'fd80::2');
    assert.doesNotMatch(daemon.log.split('API listens').at(-1) ?? '', /network mended/);
  });
});
