import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseIpAddress } from '../../src/model/address.ts';
import type { BridgeRule, FirewallResource } from '../../src/model/firewall.ts';
import { bridge, bridge6, masquerade, masquerade6, type Place, publish, Room } from './room.ts';

let room: Room;

before(async () => {
  room = await Room.create();
  await Promise.all([room.serve('a1', 80, 90), room.serve('lan', 9000)]);
  room.remove(bridge('a'), bridge6('a'), masquerade('a'), masquerade6('a'));
});

after(() => room?.[Symbol.asyncDispose]());

/** Container port 80 is published as 8080 of the host, 90 is not. */
const FAMILIES = {
  4: {
    host: '192.0.2.2',
    container: '10.1.0.2',
    lan: '192.0.2.1',
    rule: bridge('a'),
    leaves: masquerade('a'),
    any: '0.0.0.0',
  },
  6: {
    host: '2001:db8::2',
    container: 'fd00:1::2',
    lan: '2001:db8::1',
    rule: bridge6('a'),
    leaves: masquerade6('a'),
    any: '::',
  },
} as const;
type Family = keyof typeof FAMILIES;

const opened = (family: Family, through?: string): FirewallResource[] =>
  (['tcp', 'udp'] as const).map((protocol) => ({
    kind: 'firewall',
    meaning: 'open',
    protocol,
    address: parseIpAddress(FAMILIES[family].container),
    port: 80,
    count: 1,
    bridge: 'br-a',
    ...(through === undefined ? {} : { through }),
  }));

const ruled = (family: Family, change: Partial<BridgeRule>): FirewallResource => ({
  ...FAMILIES[family].rule,
  ...change,
});

interface Mode {
  readonly name: string;
  resources(family: Family): FirewallResource[];
  /** Who gets an answer: by the host's published port, by the container's published port, by one that is not */
  readonly published: readonly Place[];
  readonly direct: readonly Place[];
  readonly unpublished: readonly Place[];
  /** What the LAN sees of a container that asks it; nobody: it does not get there */
  readonly leaves: 'the host' | 'itself' | 'nobody';
}

/** As the bridge driver describes them. The host itself reaches its containers always. */
const MODES: readonly Mode[] = [
  {
    name: 'nat',
    resources: (family) => [ruled(family, {}), FAMILIES[family].leaves, ...publish(FAMILIES[family].any, 8080, 80)],
    published: ['lan', 'host', 'b1'],
    direct: ['host'],
    unpublished: ['host'],
    leaves: 'the host',
  },
  {
    name: 'nat, with direct routing allowed',
    resources: (family) => [
      ruled(family, {}),
      FAMILIES[family].leaves,
      ...publish(FAMILIES[family].any, 8080, 80),
      ...opened(family),
    ],
    published: ['lan', 'host', 'b1'],
    direct: ['lan', 'host', 'b1'],
    unpublished: ['host'],
    leaves: 'the host',
  },
  {
    name: 'nat, with the LAN’s link trusted',
    resources: (family) => [
      ruled(family, {}),
      FAMILIES[family].leaves,
      ...publish(FAMILIES[family].any, 8080, 80),
      ...opened(family, 'eth0'),
    ],
    published: ['lan', 'host', 'b1'],
    direct: ['lan', 'host'],
    unpublished: ['host'],
    leaves: 'the host',
  },
  {
    name: 'nat-unprotected',
    resources: (family) => [
      ruled(family, { mode: 'nat-unprotected' }),
      FAMILIES[family].leaves,
      ...publish(FAMILIES[family].any, 8080, 80),
    ],
    published: ['lan', 'host', 'b1'],
    direct: ['lan', 'host'],
    unpublished: ['lan', 'host'],
    leaves: 'the host',
  },
  {
    name: 'routed',
    resources: (family) => [ruled(family, { mode: 'routed' }), ...opened(family)],
    published: [],
    direct: ['lan', 'host', 'b1'],
    unpublished: ['host'],
    leaves: 'itself',
  },
  {
    name: 'internal, and isolated where the host has no address',
    resources: (family) => [ruled(family, { internal: true })],
    published: [],
    direct: ['host'],
    unpublished: ['host'],
    leaves: 'nobody',
  },
];

const FROM: readonly Place[] = ['lan', 'host', 'b1'];

/** From each place, over tcp and udp of both families: who answers. */
async function reached(wanted: Readonly<Record<string, readonly Place[]>>): Promise<Record<string, string[]>> {
  const targets = ([4, 6] as const).flatMap((family) => [
    { what: `published ${family}`, address: FAMILIES[family].host, port: 8080 },
    { what: `direct ${family}`, address: FAMILIES[family].container, port: 80 },
    { what: `unpublished ${family}`, address: FAMILIES[family].container, port: 90 },
  ]);
  const questions = targets.flatMap((target) =>
    (['tcp', 'udp'] as const).map((protocol) => ({ ...target, protocol, what: `${target.what} ${protocol}` })),
  );
  const askedBy = (from: Place) =>
    questions.map((question) => ({ ...question, awaited: wanted[question.what]?.includes(from) === true }));
  const answers = await Promise.all(FROM.map((from) => room.probe(from, askedBy(from))));
  return Object.fromEntries(
    questions.map(({ what }, at) => [what, FROM.filter((_, from) => answers[from]?.[at]?.startsWith('a1 '))]),
  );
}

function expected(of: Readonly<Record<Family, Mode>>): Record<string, readonly Place[]> {
  return Object.fromEntries(
    ([4, 6] as const).flatMap((family) =>
      (['tcp', 'udp'] as const).flatMap((protocol) => [
        [`published ${family} ${protocol}`, of[family].published],
        [`direct ${family} ${protocol}`, of[family].direct],
        [`unpublished ${family} ${protocol}`, of[family].unpublished],
      ]),
    ),
  );
}

async function seenOutside(family: Family, wanted: Mode['leaves']): Promise<Mode['leaves']> {
  const { lan, host } = FAMILIES[family];
  const [answer] = await room.probe('a2', [
    { protocol: 'tcp', address: lan, port: 9000, awaited: wanted !== 'nobody' },
  ]);
  if (answer === null || answer === undefined) return 'nobody';
  return answer === `lan ${host}` ? 'the host' : 'itself';
}

for (const [index, four] of MODES.entries()) {
  // An internal network is internal in both families; every other mode is beside another one in the other family.
  const outer = MODES.slice(0, -1);
  const six = index === MODES.length - 1 ? four : (outer[(index + 1) % outer.length] ?? four);

  test(`IPv4 ${four.name}, IPv6 ${six.name}: who reaches what from the LAN, the host and another network`, async () => {
    const resources = [...four.resources(4), ...six.resources(6)];
    room.add(...resources);
    try {
      const wanted = expected({ 4: four, 6: six });
      const seen = [seenOutside(4, four.leaves), seenOutside(6, six.leaves)] as const;
      const [found, four4, six6] = await Promise.all([reached(wanted), ...seen]);
      assert.deepEqual(found, wanted);
      assert.deepEqual([four4, six6], [four.leaves, six.leaves]);
    } finally {
      room.remove(...resources);
    }
  });
}

test('a routed container answers pings, and one behind nat does not', async () => {
  const pings = async (address: string, seconds: number) =>
    (await room.host.lan(['busybox', 'ping', '-c', '1', '-W', `${seconds}`, address])).code === 0;
  const resources = [...(MODES[4]?.resources(4) ?? []), ...(MODES[0]?.resources(6) ?? [])];
  room.add(...resources);
  assert.deepEqual([await pings('10.1.0.2', 20), await pings('fd00:1::2', 1)], [true, false]);
  room.remove(...resources);
});

test('where the way out takes less than the network, both ends of a connection are told', async () => {
  const clamp = { kind: 'firewall', meaning: 'clamp' } as const;
  const resources = [clamp, ...([4, 6] as const).flatMap((family) => MODES[0]?.resources(family) ?? [])];
  room.add(...resources);
  // 1300 − 20 (TCP) − 20 or 40 (IP): counted at both ends, which think that 1500 bytes get through.
  const counters = `nft 'table inet seen {
    counter told { }
    counter other { }
    chain first {
      meta nfproto ipv4 tcp option maxseg size 1260 counter name told return
      meta nfproto ipv6 tcp option maxseg size 1240 counter name told return
      counter name other
    }
    chain input { type filter hook input priority 0; tcp flags & syn == syn jump first; }
  }'`;
  const counted = `nft list counters table inet seen | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'`;
  await room.host.shell(`ip link set eth0 mtu 1300; ip netns exec a1 ${counters}`);
  await room.host.lanShell(counters);
  const tcp = (port: number) => (address: string) => ({ protocol: 'tcp', address, port, awaited: true }) as const;
  const outgoing = [FAMILIES[4].lan, FAMILIES[6].lan].map(tcp(9000));
  const incoming = [FAMILIES[4].host, FAMILIES[6].host].map(tcp(8080));
  assert.deepEqual(await room.probe('a1', outgoing), ['lan 192.0.2.2', 'lan 2001:db8::2']);
  assert.deepEqual(await room.probe('lan', incoming), ['a1 192.0.2.1', 'a1 2001:db8::1']);
  // Each end sees two first packets and two answers to its own; on a slow machine some of them twice.
  assert.match(await room.host.lanShell(counted), /^([4-9]|\d\d+)\n0$/);
  assert.match(await room.host.shell(`ip netns exec a1 ${counted}`), /^([4-9]|\d\d+)\n0$/);
  await room.host.shell('ip link set eth0 mtu 1500');
  room.remove(...resources);
});
