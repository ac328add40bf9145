import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Place, publish, Room } from './room.ts';

const ANY = 8080;
const ETH0 = 8081;
const LOCAL = 8082;
const RANGE = 5003;
const SHIFTED = 6003;
const MIXED = 8090;
const CLOSED = 8099;

/** From where, to which address and port of the host, and who answers seeing which client; null: nobody. */
const CELLS: readonly [Place, string, number, string | null][] = [
  // The LAN keeps its address.
  ['lan', '192.0.2.2', ANY, 'a1 192.0.2.1'],
  ['lan', '192.0.2.3', ANY, 'a1 192.0.2.1'],
  ['lan', '192.0.2.2', ETH0, 'a1 192.0.2.1'],
  ['lan', '192.0.2.3', ETH0, null],
  ['lan', '192.0.2.2', LOCAL, null],
  ['lan', '192.0.2.2', RANGE, 'a1 192.0.2.1'],
  ['lan', '192.0.2.2', SHIFTED, 'a1 192.0.2.1'],
  ['lan', '192.0.2.2', CLOSED, null],
  ['lan', '192.0.2.2', MIXED, 'b1 192.0.2.1'],
  ['lan', '192.0.2.3', MIXED, 'a1 192.0.2.1'],
  ['lan', '10.1.0.1', ANY, 'a1 192.0.2.1'],
  // Past the published ports, by the container's own address.
  ['lan', '10.1.0.2', 80, null],
  ['lan', '10.1.0.2', 90, null],
  ['lan', '10.1.0.2', RANGE, null],

  // The host, by each of its addresses.
  ['host', '192.0.2.2', ANY, 'a1 192.0.2.2'],
  ['host', '192.0.2.3', ANY, 'a1 192.0.2.2'],
  ['host', '10.1.0.1', ANY, 'a1 10.1.0.1'],
  ['host', '127.0.0.1', ANY, 'a1 10.1.0.1'],
  ['host', '127.0.0.9', ANY, 'a1 10.1.0.1'],
  ['host', '192.0.2.2', ETH0, 'a1 192.0.2.2'],
  ['host', '127.0.0.1', ETH0, null],
  ['host', '192.0.2.3', ETH0, null],
  ['host', '127.0.0.1', LOCAL, 'a1 10.1.0.1'],
  ['host', '127.0.0.2', LOCAL, null],
  ['host', '192.0.2.2', LOCAL, null],
  ['host', '192.0.2.2', RANGE, 'a1 192.0.2.2'],
  ['host', '127.0.0.1', RANGE, 'a1 10.1.0.1'],
  ['host', '127.0.0.1', SHIFTED, 'a1 10.1.0.1'],
  ['host', '192.0.2.3', MIXED, 'a1 192.0.2.2'],
  ['host', '127.0.0.1', MIXED, 'b1 10.2.0.1'],
  ['host', '127.0.0.1', CLOSED, null],
  ['host', '10.1.0.2', 80, 'a1 10.1.0.1'],
  ['host', '10.1.0.2', 90, 'a1 10.1.0.1'],

  // The container itself.
  ['a1', '192.0.2.2', ANY, 'a1 10.1.0.1'],
  ['a1', '10.1.0.1', ANY, 'a1 10.1.0.1'],
  ['a1', '192.0.2.2', ETH0, 'a1 10.1.0.1'],
  ['a1', '192.0.2.2', LOCAL, null],
  ['a1', '192.0.2.2', RANGE, 'a1 10.1.0.1'],
  ['a1', '192.0.2.2', SHIFTED, 'a1 10.1.0.1'],
  ['a1', '192.0.2.2', CLOSED, null],
  ['a1', '127.0.0.1', LOCAL, null],

  // Its neighbour on the same network.
  ['a2', '192.0.2.2', ANY, 'a1 10.1.0.1'],
  ['a2', '10.1.0.1', ANY, 'a1 10.1.0.1'],
  ['a2', '192.0.2.2', ETH0, 'a1 10.1.0.1'],
  ['a2', '192.0.2.3', ETH0, null],
  ['a2', '192.0.2.2', LOCAL, null],
  ['a2', '10.1.0.1', LOCAL, null],
  ['a2', '192.0.2.2', RANGE, 'a1 10.1.0.1'],
  ['a2', '192.0.2.2', SHIFTED, 'a1 10.1.0.1'],
  ['a2', '192.0.2.2', CLOSED, null],
  ['a2', '10.1.0.2', 80, 'a1 10.1.0.3'],
  ['a2', '10.1.0.2', 90, 'a1 10.1.0.3'],
  ['a2', '10.1.0.1', 9100, 'host 10.1.0.3'],

  // A container on another network.
  ['b2', '192.0.2.2', ANY, 'a1 10.1.0.1'],
  ['b2', '10.2.0.1', ANY, 'a1 10.1.0.1'],
  ['b2', '10.1.0.1', ANY, 'a1 10.1.0.1'],
  ['b2', '192.0.2.2', ETH0, 'a1 10.1.0.1'],
  ['b2', '192.0.2.2', LOCAL, null],
  ['b2', '192.0.2.2', RANGE, 'a1 10.1.0.1'],
  ['b2', '192.0.2.2', SHIFTED, 'a1 10.1.0.1'],
  ['b2', '192.0.2.2', CLOSED, null],
  ['b2', '10.1.0.2', 80, null],
  ['b2', '10.1.0.2', 90, null],
  ['b2', '10.1.0.2', RANGE, null],
  ['b2', '192.0.2.2', 9100, 'host 10.2.0.3'],

  ['host', '127.0.0.1', 6103, 'a1 10.1.0.1'],
  ['lan', '192.0.2.2', 6103, null],

  // An internal network: nothing but the host's own address on it.
  ['int1', '10.3.0.1', 9100, 'host 10.3.0.2'],
  ['int1', '10.3.0.1', ANY, null],
  ['int1', '192.0.2.2', 9100, null],
  ['int1', '192.0.2.2', ANY, null],
  ['int1', '10.1.0.1', 9100, null],
  ['int1', '10.1.0.2', 80, null],
  ['int1', '10.3.0.3', 80, 'int2 10.3.0.2'],
  ['host', '10.3.0.3', 80, 'int2 10.3.0.1'],
  ['lan', '10.3.0.3', 80, null],
  ['b2', '10.3.0.3', 80, null],
];

/** The same over IPv6: [::1] and link-local addresses are no translation's business. */
const CELLS6: readonly [Place, string, number, string | null][] = [
  ['lan', '2001:db8::2', ANY, 'a1 2001:db8::1'],
  ['lan', '2001:db8::3', ANY, 'a1 2001:db8::1'],
  ['lan', '2001:db8::2', ETH0, 'a1 2001:db8::1'],
  ['lan', '2001:db8::3', ETH0, null],
  ['lan', '2001:db8::2', LOCAL, null],
  ['lan', '2001:db8::2', RANGE, 'a1 2001:db8::1'],
  ['lan', '2001:db8::2', SHIFTED, 'a1 2001:db8::1'],
  ['lan', '2001:db8::2', CLOSED, null],
  ['lan', '2001:db8::2', MIXED, 'b1 2001:db8::1'],
  ['lan', '2001:db8::3', MIXED, 'a1 2001:db8::1'],
  ['lan', 'fd00:1::1', ANY, 'a1 2001:db8::1'],
  ['lan', 'fd00:1::2', 80, null],
  ['lan', 'fd00:1::2', RANGE, null],

  ['host', '2001:db8::2', ANY, 'a1 2001:db8::2'],
  ['host', 'fd00:1::1', ANY, 'a1 fd00:1::1'],
  ['host', '2001:db8::2', ETH0, 'a1 2001:db8::2'],
  ['host', '2001:db8::3', ETH0, null],
  ['host', '2001:db8::2', RANGE, 'a1 2001:db8::2'],
  ['host', '2001:db8::2', SHIFTED, 'a1 2001:db8::2'],
  ['host', '::1', ANY, null],
  ['host', '::1', LOCAL, null],
  ['host', 'fd00:1::2', 80, 'a1 fd00:1::1'],

  ['a1', '2001:db8::2', ANY, 'a1 fd00:1::1'],
  ['a1', 'fd00:1::1', ANY, 'a1 fd00:1::1'],
  ['a1', '2001:db8::2', RANGE, 'a1 fd00:1::1'],
  ['a2', '2001:db8::2', ANY, 'a1 fd00:1::1'],
  ['a2', 'fd00:1::2', 80, 'a1 fd00:1::3'],
  ['a2', 'fd00:1::1', 9100, 'host fd00:1::3'],
  ['a2', '2001:db8::2', CLOSED, null],

  ['b2', '2001:db8::2', ANY, 'a1 fd00:1::1'],
  ['b2', '2001:db8::2', ETH0, 'a1 fd00:1::1'],
  ['b2', '2001:db8::3', ETH0, null],
  ['b2', 'fd00:1::2', 80, null],
  ['b2', 'fd00:1::2', RANGE, null],
  ['b2', '2001:db8::2', 9100, 'host fd00:2::3'],

  ['int1', 'fd00:3::1', 9100, 'host fd00:3::2'],
  ['int1', 'fd00:3::1', ANY, null],
  ['int1', '2001:db8::2', 9100, null],
  ['int1', 'fd00:1::2', 80, null],
  ['int1', 'fd00:3::3', 80, 'int2 fd00:3::2'],
  ['host', 'fd00:3::3', 80, 'int2 fd00:3::1'],
  ['lan', 'fd00:3::3', 80, null],
  ['b2', 'fd00:3::3', 80, null],
];

const ALL = [...CELLS, ...CELLS6];
const PLACES = [...new Set(ALL.map(([from]) => from))];

/** Every cell is asked over tcp and over udp. */
async function look(room: Room, place: Place): Promise<void> {
  const cells = ALL.filter(([from]) => from === place);
  const questions = cells.flatMap(([, address, port, answer]) =>
    (['tcp', 'udp'] as const).map((protocol) => ({ protocol, address, port, awaited: answer !== null })),
  );
  const answers = await room.probe(place, questions);
  const name = (index: number) => {
    const question = questions[index];
    return `${question?.protocol} ${question?.address}:${question?.port}`;
  };
  assert.deepEqual(
    Object.fromEntries(answers.map((answer, index) => [name(index), answer])),
    Object.fromEntries(questions.map((_, index) => [name(index), cells[index >> 1]?.[3] ?? null])),
  );
}

for (const bridgeNetfilter of [false, true]) {
  describe(`published ports${bridgeNetfilter ? ' with br_netfilter' : ''}`, { concurrency: true }, () => {
    let room: Room;

    before(async () => {
      room = await Room.create({ bridgeNetfilter });
      await Promise.all([
        room.serve('a1', 80, 90, 5003, 7003),
        room.serve('b1', 80),
        room.serve('host', 9100),
        room.serve('int2', 80),
      ]);
      room.add(
        ...publish('0.0.0.0', ANY, 80),
        ...publish('192.0.2.2', ETH0, 80),
        ...publish('127.0.0.1', LOCAL, 80),
        ...publish('0.0.0.0', 5000, 5000, { count: 5 }),
        ...publish('0.0.0.0', 6000, 7000, { count: 5 }),
        ...publish('127.0.0.1', 6100, 7000, { count: 5 }),
        ...publish('0.0.0.0', MIXED, 80, { container: 'b1' }),
        ...publish('192.0.2.3', MIXED, 80),
        ...publish('::', ANY, 80),
        ...publish('2001:db8::2', ETH0, 80),
        ...publish('::1', LOCAL, 80),
        ...publish('::', 5000, 5000, { count: 5 }),
        ...publish('::', 6000, 7000, { count: 5 }),
        ...publish('::', MIXED, 80, { container: 'b1' }),
        ...publish('2001:db8::3', MIXED, 80),
      );
    });

    after(() => room?.[Symbol.asyncDispose]());

    for (const place of PLACES) test(`as seen from ${place}`, () => look(room, place));
  });
}
