import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { publish, Room } from './room.ts';

let room: Room;

before(async () => {
  room = await Room.create();
  await Promise.all([room.serve('a1', 53, 5003), room.serve('b1', 53, 5003), room.serve('lan', 53)]);
});

after(() => room?.[Symbol.asyncDispose]());

/** Always from the same port: for the kernel it is one flow, which it remembers. */
async function ask(port: number, awaited = true, address = '192.0.2.2'): Promise<string | null | undefined> {
  const [answer] = await room.probe('lan', [{ protocol: 'udp', address, port, from: 7777, awaited }]);
  return answer;
}

const flows = () => room.host.out(['sh', '-c', 'conntrack -L -p udp 2>/dev/null || true']);

for (const [what, port, inside, count] of [
  ['a port', 5300, 53, 1],
  ['a range', 5000, 5000, 10],
] as const) {
  const asked = count === 1 ? port : 5003;
  const to = (container: 'a1' | 'b1') => publish('0.0.0.0', port, inside, { count, container });

  test(`a client that never falls silent follows ${what} to whoever publishes it`, async () => {
    assert.equal(await ask(asked, false), null);
    room.add(...to('a1'));
    assert.equal(await ask(asked), 'a1 192.0.2.1');
    assert.match(await flows(), new RegExp(`sport=7777 dport=${asked} `));
    room.remove(...to('a1'));
    assert.equal(await ask(asked, false), null);
    room.add(...to('a1'));
    assert.equal(await ask(asked), 'a1 192.0.2.1');
    room.firewall.apply(to('a1').map((before, i) => ({ before, after: to('b1')[i] ?? before })));
    assert.equal(await ask(asked), 'b1 192.0.2.1');
    room.remove(...to('b1'));
  });
}

test('a client of both families that never falls silent follows a port of both', async () => {
  const ask6 = (awaited = true) => ask(5301, awaited, '2001:db8::2');
  const both = [...publish('0.0.0.0', 5301, 53), ...publish('::', 5301, 53)];
  assert.deepEqual([await ask(5301, false), await ask6(false)], [null, null]);
  room.add(...both);
  assert.deepEqual([await ask(5301), await ask6()], ['a1 192.0.2.1', 'a1 2001:db8::1']);
  room.remove(...both);
  assert.deepEqual([await ask(5301, false), await ask6(false)], [null, null]);
  room.add(...publish('::', 5301, 53));
  assert.equal(await ask6(), 'a1 2001:db8::1');
});

test('flows that only pass by to the same port elsewhere are left alone', async () => {
  const question = [{ protocol: 'udp', address: '192.0.2.1', port: 53, from: 7777, awaited: true }] as const;
  assert.deepEqual(await room.probe('a2', question), ['lan 192.0.2.2']);
  const passing = () => flows().then((text) => /src=10\.1\.0\.3 dst=192\.0\.2\.1 sport=7777 dport=53 /.test(text));
  assert.equal(await passing(), true);
  room.add(...publish('0.0.0.0', 53, 53));
  assert.equal(await passing(), true);
});
