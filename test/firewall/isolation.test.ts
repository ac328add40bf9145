import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseIpAddress } from '../../src/model/address.ts';
import type { FirewallResource } from '../../src/model/firewall.ts';
import { eventually } from '../host.ts';
import { bridge, bridge6, masquerade, masquerade6, type Place, publish, Room } from './room.ts';

let room: Room;

before(async () => {
  room = await Room.create();
  await Promise.all([room.serve('a1', 80), room.serve('lan', 9000), room.serve('host', 9100)]);
  room.add(...publish('0.0.0.0', 8080, 80), ...publish('127.0.0.1', 8082, 80));
});

after(() => room?.[Symbol.asyncDispose]());

type Answers = readonly (string | null)[];
const NOBODY: Answers = [null, null];

/** tcp and udp of 127.0.0.1, port by port, all at once. @param answering ports that are waited for */
async function loopback(
  own: Room,
  place: Place,
  ports: readonly number[],
  answering: readonly number[] = [],
): Promise<(string | null)[]> {
  const questions = ports.flatMap((port) =>
    (['tcp', 'udp'] as const).map((protocol) => ({
      protocol,
      address: '127.0.0.1',
      port,
      awaited: answering.includes(port),
    })),
  );
  return own.probe(place, questions);
}

/** How many UDP datagrams have arrived there: the kernel's own count waits until a program has read them. */
async function datagrams(own: Room, place: Place): Promise<number> {
  const chain = 'add chain inet arrived in { type filter hook input priority 200; }';
  const rule = 'add rule inet arrived in meta l4proto udp counter';
  const list = 'nft list table inet arrived';
  const make = `nft 'add table inet arrived; ${chain}; ${rule}'`;
  const text = await own.run(place, ['sh', '-c', `${list} 2>/dev/null || { ${make}; ${list}; }`]);
  return Number(/packets (\d+)/.exec(text)?.[1]);
}

/** What a host does that wants packets for 127.0.0.0/8 on a wire; `gateway` is where they go. */
function crafting(link: string, source: string, gateway: string): string {
  return `sysctl -qw net.ipv4.conf.${link}.route_localnet=1; ip addr del 127.0.0.1/8 dev lo
    ip route del local 127.0.0.0/8 dev lo table local 2>/dev/null || true
    ip route add 127.0.0.0/8 via ${gateway} dev ${link} src ${source}`;
}

test('the LAN cannot reach 127.0.0.1 of the host, whatever it sends', async () => {
  await using own = await Room.create();
  await own.serve('a1', 80);
  await own.serve('host', 9100);
  own.add(...publish('127.0.0.1', 8082, 80), ...publish('0.0.0.0', 8080, 80));
  await own.host.lanShell(crafting('lan0', '192.0.2.1', '192.0.2.2'));
  assert.deepEqual(await loopback(own, 'lan', [8082, 8080, 9100]), [...NOBODY, ...NOBODY, ...NOBODY]);
  // Even an administrator who lets such packets in does not open published ports with it.
  await own.host.shell('sysctl -qw net.ipv4.conf.eth0.route_localnet=1');
  const host = ['host 192.0.2.1', 'host 192.0.2.1'];
  assert.deepEqual(await loopback(own, 'lan', [9100, 8082, 8080], [9100]), [...host, ...NOBODY, ...NOBODY]);
});

test('a container cannot reach 127.0.0.0/8 of the host, nor pose as it', async () => {
  await using own = await Room.create();
  await own.serve('a1', 80);
  await own.serve('host', 9100);
  own.add(...publish('127.0.0.1', 8082, 80), ...publish('0.0.0.0', 8080, 80));
  await own.host.shell(`ip netns exec a2 sh -c '${crafting('eth0', '10.1.0.3', '10.1.0.1')}'`);
  assert.deepEqual(await loopback(own, 'a2', [8082, 8080, 9100]), [...NOBODY, ...NOBODY, ...NOBODY]);
  await own.hears('a2', '10.1.0.1', 9100, ['host 10.1.0.3', 'host 10.1.0.3']);
  await own.host.shell(
    'ip -n a2 addr add 127.5.5.5/32 dev eth0; ip -n a2 route change default via 10.1.0.1 src 127.5.5.5',
  );
  const before = await datagrams(own, 'host');
  await own.hears('a2', '192.0.2.2', 9100, NOBODY);
  assert.equal(await datagrams(own, 'host'), before);
});

test('what is dropped is counted by its reason, and counting is no damage', async () => {
  const own = room;
  const counted = () => own.firewall.drops();
  const before = counted();
  const resources = own.firewall.observe().length;
  await own.hears('lan', '10.1.0.2', 80, NOBODY);
  await own.hears('int1', '192.0.2.1', 9000, NOBODY);
  const after = counted();
  const grown = (reason: keyof typeof after) => (after[reason] ?? 0) > (before[reason] ?? 0);
  assert.deepEqual([grown('unpublished'), grown('internal'), grown('guarded')], [true, true, false]);
  assert.deepEqual(Object.keys(after).sort(), [
    'confined',
    'guarded',
    'internal',
    'invalid',
    'loopback',
    'unpublished',
  ]);
  assert.ok(resources > 0 && own.firewall.observe().length === resources, 'the table is what it was');
});

test('an internal network is closed in each direction alone', async () => {
  const [before, inside] = await Promise.all([datagrams(room, 'a1'), datagrams(room, 'int1')]);
  await room.hears('int1', '10.3.0.1', 8080, NOBODY);
  assert.equal(await datagrams(room, 'a1'), before);
  await room.serve('int1', 80);
  await room.host.shell(`nft add table ip theirs
    nft add chain ip theirs pre '{ type nat hook prerouting priority -110; }'
    nft add rule ip theirs pre udp dport 7000 dnat to 10.3.0.2:80`);
  await room.hears('lan', '192.0.2.2', 7000, NOBODY);
  assert.equal(await datagrams(room, 'int1'), inside);
  await room.host.shell('nft delete table ip theirs');
});

test('nobody in an internal network speaks in the name of a connection that others have', async () => {
  await using own = await Room.create();
  await own.serve('a1', 80);
  own.add(...publish('0.0.0.0', 8080, 80));
  const flow = { protocol: 'udp', address: '10.3.0.1', port: 8080, from: 5555 } as const;
  const list = 'nft list table ip seen';
  await own.host.shell(`nft add table ip seen; nft add chain ip seen on '{ type filter hook forward priority -10; }'
    nft add rule ip seen on udp sport ${flow.from} ct status assured ct status dnat counter`);
  await eventually('both ends have confirmed the connection', async () => {
    assert.deepEqual(await own.probe('lan', [{ ...flow, awaited: true }]), ['a1 192.0.2.1']);
    return !(await own.host.shell(list)).includes('packets 0 ');
  });
  const posing = async (place: 'b1' | 'int1', way: string) => {
    await own.run(place, [
      'sh',
      '-c',
      `ip addr add 192.0.2.1/32 dev lo; ip route add ${flow.address} ${way} src 192.0.2.1; echo set`,
    ]);
    const before = await datagrams(own, 'a1');
    assert.deepEqual(await own.probe(place, [flow]), [null]);
    return (await datagrams(own, 'a1')) - before;
  };
  assert.ok((await posing('b1', 'via 10.2.0.1')) > 0, 'connection tracking takes it for the LAN');
  assert.equal(await posing('int1', 'dev eth0'), 0);
});

test('IPv6 leaves with the host’s address too, and its guard stops what is not ours', async () => {
  const answers = (place: Place, wanted: Answers) => room.hears(place, '2001:db8::1', 9000, wanted);
  await answers('a2', ['lan 2001:db8::2', 'lan 2001:db8::2']);
  await answers('int1', NOBODY);
  room.remove(masquerade6('a'));
  await answers('a2', ['lan fd00:1::3', 'lan fd00:1::3']);
  const source: FirewallResource = { ...masquerade6('a'), source: parseIpAddress('2001:db8::3') };
  room.add(source);
  await answers('a2', ['lan 2001:db8::3', 'lan 2001:db8::3']);
  room.firewall.apply([{ before: source, after: masquerade6('a') }]);
  const guard: FirewallResource = { kind: 'firewall', meaning: 'forward-guard', family: 6 };
  room.add(guard);
  await answers('a2', ['lan 2001:db8::2', 'lan 2001:db8::2']);
  room.remove(guard);
});

test('a network’s traffic leaves with the address it shall have', async () => {
  const source: FirewallResource = { ...masquerade('a'), source: parseIpAddress('192.0.2.3') };
  room.firewall.apply([{ before: masquerade('a'), after: source }]);
  await room.hears('a2', '192.0.2.1', 9000, ['lan 192.0.2.3', 'lan 192.0.2.3']);
  room.firewall.apply([{ before: source, after: masquerade('a') }]);
});

test('what belongs to no connection does not leave with an address of the inside', async () => {
  const counted = 'nft add table ip seen; nft add chain ip seen in "{ type filter hook input priority 0; }"';
  await room.host.lanShell(`${counted}; nft add rule ip seen in ip saddr 10.1.0.3 counter`);
  const rst = 'nft add table ip raw; nft add chain ip raw out "{ type filter hook output priority 0; }"';
  await room.host.shell(`ip netns exec a2 sh -c '${rst}; nft add rule ip raw out tcp flags set 0x04'`);
  assert.deepEqual(await room.probe('a2', [{ protocol: 'tcp', address: '192.0.2.1', port: 9000 }]), [null]);
  assert.match(await room.host.lanShell('nft list table ip seen'), /counter packets 0 /);
  await room.host.shell('ip netns exec a2 nft delete table ip raw');
});

test('with icc=false neighbours cannot take the way by the host, but published ports work', async () => {
  const direct = (wanted: Answers) => room.hears('a2', '10.1.0.2', 80, wanted);
  const open = [bridge('a'), bridge6('a')];
  const closed = open.map((rule): FirewallResource => ({ ...rule, icc: false }));
  await room.host.shell('sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.br-a.send_redirects=0');
  await room.host.shell('ip -n a2 route add 10.1.0.2/32 via 10.1.0.1');
  try {
    await direct(['a1 10.1.0.3', 'a1 10.1.0.3']);
    room.remove(...open);
    room.add(...closed);
    await direct(NOBODY);
    await room.hears('a2', '192.0.2.2', 8080, ['a1 10.1.0.1', 'a1 10.1.0.1']);
  } finally {
    room.remove(...closed);
    room.add(...open);
    await room.host.shell('ip -n a2 route del 10.1.0.2/32');
  }
});

test('what leaves carries the host’s address, unless it shall not; from an internal network nothing leaves', async () => {
  const answers = (place: Place, wanted: Answers) => room.hears(place, '192.0.2.1', 9000, wanted);
  await answers('a2', ['lan 192.0.2.2', 'lan 192.0.2.2']);
  await answers('b1', ['lan 192.0.2.2', 'lan 192.0.2.2']);
  await answers('int1', NOBODY);
  room.remove(masquerade('a'));
  await answers('a2', ['lan 10.1.0.3', 'lan 10.1.0.3']);
  room.add(masquerade('a'));
  await answers('a2', ['lan 192.0.2.2', 'lan 192.0.2.2']);
});

test('the forward guard stops what is not ours, and only that', async () => {
  await room.host.shell(`ip netns add far; ip link add far0 up type veth peer name eth0 netns far
    ip addr add 198.51.100.1/24 dev far0; ip -n far link set lo up; ip -n far link set eth0 up
    ip -n far addr add 198.51.100.2/24 dev eth0; ip -n far route add default via 198.51.100.1`);
  await room.host.lanShell('ip route add 198.51.100.0/24 via 192.0.2.2');
  await room.serve('far', 9000);
  const passing = (wanted: Answers) => room.hears('lan', '198.51.100.2', 9000, wanted);
  await passing(['far 192.0.2.1', 'far 192.0.2.1']);
  room.add({ kind: 'firewall', meaning: 'forward-guard', family: 4 });
  await passing(NOBODY);
  await room.hears('lan', '192.0.2.2', 8080, ['a1 192.0.2.1', 'a1 192.0.2.1']);
  await room.hears('a2', '192.0.2.1', 9000, ['lan 192.0.2.2', 'lan 192.0.2.2']);
  room.remove({ kind: 'firewall', meaning: 'forward-guard', family: 4 });
  await passing(['far 192.0.2.1', 'far 192.0.2.1']);
});

test('the administrator’s table sees the port the client asked for, and is left as it is', async () => {
  const before = await room.host.out(['nft', 'list', 'table', 'inet', 'fairway-admin']);
  await room.host.shell('nft add rule inet fairway-admin prerouting iifname eth0 tcp dport 8080 ct state new drop');
  await room.hears('lan', '192.0.2.2', 8080, [null, 'a1 192.0.2.1']);
  await room.host.shell('nft delete table inet fairway');
  room.add(...publish('0.0.0.0', 8085, 80));
  await room.hears('lan', '192.0.2.2', 8080, [null, 'a1 192.0.2.1']);
  assert.notEqual(await room.host.out(['nft', 'list', 'table', 'inet', 'fairway-admin']), before);
  await room.host.shell('nft flush chain inet fairway-admin prerouting');
  await room.hears('lan', '192.0.2.2', 8080, ['a1 192.0.2.1', 'a1 192.0.2.1']);
  assert.equal(await room.host.out(['nft', 'list', 'table', 'inet', 'fairway-admin']), before);
});
