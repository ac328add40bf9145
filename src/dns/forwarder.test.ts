import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { fakeServer, LOOPBACK } from '../../test/dns/loopback.ts';
import { decode, encodeQuery, encodeReply } from '../../test/dns/reference.ts';
import { Forwarder, type Outcome } from './forwarder.ts';
import type { Upstream } from './names.ts';

const SANDBOX = 'sandbox:a';
const noSocket = (): never => {
  throw new Error('no sandbox here');
};
const answered = (address: string) => (query: Buffer) => [encodeReply(query, { addresses: [address] })];
const coded = (rcode: number) => (query: Buffer) => [encodeReply(query, { rcode })];
const silent = () => [];

function ask(
  forwarder: Forwarder,
  servers: readonly Upstream[],
  protocol: 'udp' | 'tcp' = 'udp',
  message = encodeQuery({ id: 77, labels: ['eXample', 'com'] }),
): Promise<Outcome> {
  return new Promise((resolve) => {
    forwarder.forward({ namespace: SANDBOX, message, questionEnd: message.length }, servers, protocol, resolve);
  });
}

async function firstAddress(outcome: Promise<Outcome>): Promise<string | undefined> {
  const settled = await outcome;
  return settled.kind === 'reply' ? decode(settled.message).answers[0]?.data : settled.kind;
}

/** Lets real sockets deliver while time stands still. */
async function until(true_: () => boolean): Promise<void> {
  while (!true_()) await turn();
}

/** Time that passes when the test says so, however long this process is kept waiting; sockets are real. */
function ownTime() {
  // Whole milliseconds: with a fraction, 400 later can be 399.99999999 later.
  let now = Math.ceil(performance.now());
  const clock = mock.method(performance, 'now', () => now);
  mock.timers.enable({ apis: ['setTimeout'] });
  return {
    pass: (milliseconds: number) => {
      now += milliseconds;
      mock.timers.tick(milliseconds);
    },
    [Symbol.dispose]: () => {
      mock.timers.reset();
      clock.mock.restore();
    },
  };
}

for (const protocol of ['udp', 'tcp'] as const) {
  test(`over ${protocol}, the reply has the client's id and case, the query on the wire an id of its own`, async () => {
    await using server = await fakeServer((query) => {
      const lowered = Buffer.from(query.toString('latin1').toLowerCase(), 'latin1');
      query.copy(lowered, 0, 0, 12);
      return [encodeReply(lowered, { addresses: ['192.0.2.7'] })];
    });
    using _ = ownTime();
    const outcome = await ask(new Forwarder(noSocket), [server.upstream], protocol);
    assert.ok(outcome.kind === 'reply');
    const reply = decode(outcome.message);
    assert.deepEqual([reply.id, reply.questions[0]?.name], [77, 'eXample.com']);
    assert.equal(reply.answers[0]?.data, '192.0.2.7');
    assert.equal(server.queries[protocol].length, 1);
    assert.equal(server.queries[protocol === 'udp' ? 'tcp' : 'udp'].length, 0);
  });

  test(`over ${protocol}, SERVFAIL and REFUSED and a closed port lead to the next server`, async () => {
    await using failing = await fakeServer(coded(2));
    await using refusing = await fakeServer(coded(5));
    await using good = await fakeServer(answered('192.0.2.1'));
    const closed = { address: LOOPBACK, from: 'host', port: 1 } as const;
    const forwarder = new Forwarder(noSocket);
    assert.equal(
      await firstAddress(ask(forwarder, [failing.upstream, refusing.upstream, good.upstream], protocol)),
      '192.0.2.1',
    );
    assert.equal(await firstAddress(ask(forwarder, [closed, good.upstream], protocol)), '192.0.2.1');
    assert.deepEqual(await ask(forwarder, [failing.upstream, closed], protocol), { kind: 'failed' });
    assert.equal(forwarder.inFlight, 0);
  });
}

test('a server that is silent longer than it usually is, is not waited for alone', async () => {
  let silence = false;
  await using first = await fakeServer((query) => (silence ? [] : answered('192.0.2.1')(query)));
  await using second = await fakeServer(answered('192.0.2.2'));
  const servers = [first.upstream, second.upstream];
  const forwarder = new Forwarder(noSocket);
  using time = ownTime();
  for (let round = 0; round < 30; round++) assert.equal(await firstAddress(ask(forwarder, servers)), '192.0.2.1');
  silence = true;
  const outcome = firstAddress(ask(forwarder, servers));
  await until(() => first.queries.udp.length === 31);
  time.pass(49);
  for (let round = 0; round < 20; round++) await turn();
  assert.equal(second.queries.udp.length, 0);
  time.pass(1);
  assert.equal(await outcome, '192.0.2.2');
});

test('a dead server is asked last after a moment, and first again when it is back', async () => {
  let dead = true;
  await using first = await fakeServer((query) => (dead ? [] : answered('192.0.2.1')(query)));
  await using second = await fakeServer(answered('192.0.2.2'));
  const servers = [first.upstream, second.upstream];
  const forwarder = new Forwarder(noSocket);
  const health = () => forwarder.upstreams.map(({ healthy }) => healthy);
  using time = ownTime();
  const outcome = firstAddress(ask(forwarder, servers));
  await until(() => first.queries.udp.length === 1);
  time.pass(300);
  assert.equal(await outcome, '192.0.2.2', 'it is waited for once');
  time.pass(100);
  assert.deepEqual(health(), [false, true]);
  for (let round = 0; round < 20; round++) assert.equal(await firstAddress(ask(forwarder, servers)), '192.0.2.2');
  await until(() => first.queries.udp.length > 1);
  assert.equal(first.queries.udp.length, 2, 'now and then one question is tried on it');
  dead = false;
  time.pass(999);
  assert.equal(await firstAddress(ask(forwarder, servers)), '192.0.2.2');
  time.pass(1);
  await ask(forwarder, servers);
  await until(() => health().every(Boolean));
  assert.equal(await firstAddress(ask(forwarder, servers)), '192.0.2.1');
  assert.equal(first.queries.udp.length, 4);
});

test('where there is one server only, it is asked a second time', async () => {
  let asked = 0;
  await using server = await fakeServer((query) => (asked++ === 0 ? [] : answered('192.0.2.1')(query)));
  assert.equal(await firstAddress(ask(new Forwarder(noSocket), [server.upstream])), '192.0.2.1');
  assert.equal(asked, 2);
});

test('each server has four seconds, and silence of all is a failure', async () => {
  const servers = await Promise.all([silent, silent, silent].map(fakeServer));
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const forwarder = new Forwarder(noSocket);
    let outcome: Outcome | undefined;
    void ask(
      forwarder,
      servers.map((server) => server.upstream),
    ).then((value) => {
      outcome = value;
    });
    for (let tick = 0; tick < 45; tick++) mock.timers.tick(100);
    mock.timers.tick(99);
    await turn();
    assert.equal(outcome, undefined, 'the third was asked after 600 ms and has four seconds');
    mock.timers.tick(1);
    await turn();
    assert.deepEqual(outcome, { kind: 'failed' });
    for (const server of servers) assert.equal(server.queries.udp.length, 1);
  } finally {
    mock.timers.reset();
    for (const server of servers) await server[Symbol.asyncDispose]();
  }
});

test('what is forged or belongs to another question is passed over', async () => {
  await using server = await fakeServer((query) => {
    const wrongId = encodeReply(query, { addresses: ['192.0.2.66'] });
    wrongId.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0);
    const wrongName = encodeReply(encodeQuery({ id: query.readUInt16BE(0), labels: ['evil', 'com'] }), {
      addresses: ['192.0.2.66'],
    });
    return [Buffer.of(1), wrongId, wrongName, encodeReply(query, { addresses: ['192.0.2.3'] })];
  });
  assert.equal(await firstAddress(ask(new Forwarder(noSocket), [server.upstream])), '192.0.2.3');
});

test('ids and ports differ from query to query', async () => {
  await using server = await fakeServer(answered('192.0.2.1'));
  const forwarder = new Forwarder(noSocket);
  await Promise.all(Array.from({ length: 100 }, () => ask(forwarder, [server.upstream])));
  const ids = new Set(server.queries.udp.map((query) => query.readUInt16BE(0)));
  assert.ok(ids.size > 90, `${ids.size} ids`);
});

test('a truncated reply is passed on as it is', async () => {
  await using server = await fakeServer((query) => {
    const reply = encodeReply(query);
    reply.writeUInt16BE(0x8380, 2);
    return [reply];
  });
  const outcome = await ask(new Forwarder(noSocket), [server.upstream]);
  assert.ok(outcome.kind === 'reply' && decode(outcome.message).truncated);
});

test('too many queries of one sandbox are refused, and closing it forgets them all', async () => {
  await using server = await fakeServer(silent);
  const forwarder = new Forwarder(noSocket);
  const outcomes: Outcome[] = [];
  const message = encodeQuery({ labels: ['slow', 'example'] });
  const outgoing = { namespace: SANDBOX, message, questionEnd: message.length } as const;
  for (let query = 0; query < 600; query++) {
    forwarder.forward(outgoing, [server.upstream], 'udp', (outcome) => outcomes.push(outcome));
  }
  assert.equal(forwarder.inFlight, 512);
  assert.deepEqual(outcomes, Array(88).fill({ kind: 'refused' }));
  forwarder.close(SANDBOX);
  assert.equal(forwarder.inFlight, 0);
  assert.equal(outcomes.length, 88);
});

test('a server in a sandbox that is gone counts as one that fails', async () => {
  await using good = await fakeServer(answered('192.0.2.1'));
  const gone = { address: LOOPBACK, from: 'sandbox', port: 1 } as const;
  assert.equal(await firstAddress(ask(new Forwarder(noSocket), [gone, good.upstream])), '192.0.2.1');
  assert.deepEqual(await ask(new Forwarder(noSocket), [gone]), { kind: 'failed' });
});

test('no server at all is a failure', async () => {
  assert.deepEqual(await ask(new Forwarder(noSocket), []), { kind: 'failed' });
});
