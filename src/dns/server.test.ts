import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { fakeServer, framed, LOOPBACK } from '../../test/dns/loopback.ts';
import { type Decoded, decode, encodeQuery, encodeReply } from '../../test/dns/reference.ts';
import { socketAddress } from '../kernel/socket.ts';
import * as sys from '../kernel/sys.ts';
import { type IpAddress, parseIpAddress } from '../model/address.ts';
import { outsideOf } from './outside.ts';
import { DnsServer, type NameSource, type Upstream } from './server.ts';

const WEB = parseIpAddress('10.0.0.2');
const quiet = () => undefined;
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };

/** Names of one sandbox, with servers to ask and whether they may be. */
function names(upstreams: readonly Upstream[], forwards = true): NameSource {
  const known = new Map<string, readonly IpAddress[]>([
    ['web', [WEB]],
    ['many', Array.from({ length: 100 }, (_, index) => parseIpAddress(`10.0.1.${index}`))],
  ]);
  return {
    lookup: (_, name) => known.get(name),
    services: () => [],
    reverse: (_, address) => (address === WEB ? 'web.app' : undefined),
    outside: (namespace) => outsideOf(namespace, { upstreams, forwards, ndotsSet: false, search: ['Lan.test.'] }),
  };
}

function bound(type: number): { readonly fd: number; readonly port: number } {
  const fd = sys.socket(sys.AF_INET, type, 0);
  sys.bind(fd, socketAddress(LOOPBACK, 0), 'bind a test socket');
  return { fd, port: sys.getsockname(fd).readUInt16BE(2) };
}

interface Served extends Disposable {
  readonly server: DnsServer;
  readonly udpPort: number;
  readonly tcpPort: number;
  readonly fds: readonly number[];
}

function serve(source: NameSource): Served {
  const server = new DnsServer({
    names: source,
    servicePorts: new Map(),
    logger,
    openSocket: () => sys.socket(sys.AF_INET, sys.SOCK_DGRAM, 0),
  });
  const [udp, tcp] = [bound(sys.SOCK_DGRAM), bound(sys.SOCK_STREAM)];
  sys.listen(tcp.fd, 16);
  const attached = server.attach('sandbox:a', { udp: udp.fd, tcp: tcp.fd });
  return {
    server,
    udpPort: udp.port,
    tcpPort: tcp.port,
    fds: [udp.fd, tcp.fd],
    [Symbol.dispose]: () => attached[Symbol.dispose](),
  };
}

function counts({ statistics: { upstreams: _, ...counts } }: DnsServer) {
  return counts;
}

async function askUdp(port: number, query: Buffer): Promise<Decoded> {
  const socket = dgram.createSocket('udp4');
  try {
    socket.send(query, port, LOOPBACK);
    const [reply] = await once(socket, 'message');
    return decode(reply);
  } finally {
    socket.close();
  }
}

/** Sends bytes over one connection, in pieces, and reads messages until the server closes it. */
async function askTcp(port: number, pieces: readonly Buffer[]): Promise<Decoded[]> {
  const socket = net.connect(port, LOOPBACK);
  socket.setNoDelay(true);
  for (const piece of pieces) await new Promise((sent) => socket.write(piece, sent));
  socket.end();
  const received = Buffer.concat(await socket.toArray());
  const replies: Decoded[] = [];
  for (let at = 0; at < received.length; at += 2 + received.readUInt16BE(at)) {
    replies.push(decode(received.subarray(at + 2, at + 2 + received.readUInt16BE(at))));
  }
  return replies;
}

test('over UDP: known names answered, truncated by what the client takes, unknown ones asked elsewhere', async () => {
  await using upstream = await fakeServer((query) => [encodeReply(query, { addresses: ['192.0.2.9'] })]);
  using served = serve(names([upstream.upstream]));
  const web = await askUdp(served.udpPort, encodeQuery({ id: 3, labels: ['WEB'] }));
  assert.deepEqual([web.id, web.answers[0]?.data, web.questions[0]?.name], [3, WEB, 'WEB']);
  const small = await askUdp(served.udpPort, encodeQuery({ labels: ['many'] }));
  assert.ok(small.truncated && small.answers.length > 0);
  const large = await askUdp(served.udpPort, encodeQuery({ labels: ['many'], edns: { size: 4096 } }));
  assert.deepEqual([large.truncated, large.answers.length], [false, 100]);
  const foreign = await askUdp(served.udpPort, encodeQuery({ id: 4, labels: ['example', 'com'] }));
  assert.deepEqual([foreign.id, foreign.answers[0]?.data], [4, '192.0.2.9']);
  assert.deepEqual(counts(served.server), {
    questions: 4,
    answered: 3,
    cached: 0,
    forwarded: 1,
    failed: 0,
    refused: 0,
  });
});

test('many clients at once each get their own answer', async () => {
  using served = serve(names([]));
  const ids = Array.from({ length: 100 }, (_, id) => id);
  const replies = await Promise.all(ids.map((id) => askUdp(served.udpPort, encodeQuery({ id, labels: ['web'] }))));
  assert.deepEqual(
    replies.map((reply) => reply.id),
    ids,
  );
});

test('over TCP: several queries of one connection, in whatever pieces they come', async () => {
  await using upstream = await fakeServer((query) => [encodeReply(query, { addresses: ['192.0.2.9'] })]);
  using served = serve(names([upstream.upstream]));
  const stream = Buffer.concat([
    framed(encodeQuery({ id: 1, labels: ['example', 'com'] })),
    framed(encodeQuery({ id: 2, labels: ['many'] })),
  ]);
  const pieces = [stream.subarray(0, 1), stream.subarray(1, 20), stream.subarray(20)];
  for (const parts of [[stream], pieces]) {
    const replies = await askTcp(served.tcpPort, parts);
    assert.deepEqual(
      replies.map((reply) => [reply.id, reply.answers.length]),
      [
        [1, 1],
        [2, 100],
      ],
    );
  }
  assert.deepEqual(
    [upstream.queries.tcp.length, upstream.queries.udp.length],
    [1, 0],
    'TCP stays TCP; the second time it is known',
  );
});

test('over TCP, a query of more than 4096 bytes closes the connection', async () => {
  using served = serve(names([]));
  const replies = await askTcp(served.tcpPort, [
    framed(encodeQuery({ labels: ['web'] })),
    Buffer.of(0x10, 0x01, 0),
  ]).catch((error: NodeJS.ErrnoException) => error.code);
  assert.ok(replies === 'ECONNRESET' || (Array.isArray(replies) && replies.length <= 1));
});

test('one sandbox gets half of the connections, and the rest are closed at once', async () => {
  using served = serve(names([]));
  let closed = 0;
  const sockets = Array.from({ length: 520 }, () => net.connect(served.tcpPort, LOOPBACK).on('error', quiet).resume());
  for (const socket of sockets) socket.on('close', () => closed++);
  while (closed < 8) await turn();
  for (let round = 0; round < 50; round++) await turn();
  assert.equal(closed, 8);
  for (const socket of sockets) socket.destroy();
});

test('a sandbox on internal networks only asks no server of the host, but those of its own', async () => {
  await using upstream = await fakeServer((query) => [encodeReply(query, { addresses: ['192.0.2.9'] })]);
  const query = encodeQuery({ labels: ['example', 'com'], edns: { size: 1232 } });
  using internal = serve(names([upstream.upstream], false));
  const refused = await askUdp(internal.udpPort, query);
  assert.deepEqual([refused.rcode, refused.questions.length, refused.additionals.length], [2, 1, 1]);
  using own = serve(names([{ ...upstream.upstream, from: 'sandbox' }], false));
  assert.equal((await askUdp(own.udpPort, query)).answers[0]?.data, '192.0.2.9');
  assert.deepEqual(counts(internal.server), {
    questions: 1,
    answered: 0,
    cached: 0,
    forwarded: 0,
    failed: 1,
    refused: 0,
  });
});

test('what cannot be read is refused, what is too long or no query is passed over, and the next is answered', async () => {
  using served = serve(names([]));
  assert.equal((await askUdp(served.udpPort, Buffer.alloc(12))).rcode, 1);
  const socket = dgram.createSocket('udp4');
  socket.send(Buffer.alloc(5_000), served.udpPort, LOOPBACK);
  socket.send(Buffer.of(1, 2, 3), served.udpPort, LOOPBACK);
  socket.send(encodeReply(encodeQuery({ labels: ['web'] })), served.udpPort, LOOPBACK);
  socket.send(encodeQuery({ id: 9, labels: ['web'] }), served.udpPort, LOOPBACK);
  const [reply] = await once(socket, 'message');
  socket.close();
  assert.equal(decode(reply).id, 9);
});

test('a step of a search list is not asked elsewhere after the name itself was empty; the whole name alone is', async () => {
  await using upstream = await fakeServer((query) => [encodeReply(query, { addresses: ['192.0.2.9'] })]);
  using served = serve(names([upstream.upstream]));
  const ask = (type: number, ...labels: string[]) => askUdp(served.udpPort, encodeQuery({ labels, type }));
  const [A, AAAA] = [1, 28];
  assert.equal((await ask(AAAA, 'web', 'Lan', 'test')).answers.length, 1);
  assert.equal((await ask(AAAA, 'web')).answers.length, 0);
  const step = await ask(AAAA, 'web', 'lan', 'test');
  assert.deepEqual([step.rcode, step.answers.length], [0, 0]);
  assert.equal((await ask(A, 'web', 'lan', 'test')).answers.length, 1, 'its address was never missed');
  assert.equal((await ask(AAAA, 'other', 'lan', 'test')).answers.length, 1);
  // A server that is slow for a moment is asked a second time, under another id.
  const questions = new Set(upstream.queries.udp.map((query) => query.subarray(12).toString('latin1').toLowerCase()));
  assert.equal(questions.size, 3);
});

test('closing gives the descriptors back and forgets what is under way', async () => {
  await using upstream = await fakeServer(() => []);
  using served = serve(names([{ ...upstream.upstream, from: 'sandbox' }]));
  const client = dgram.createSocket('udp4');
  const stream = net.connect(served.tcpPort, LOOPBACK).on('error', quiet);
  await once(stream, 'connect');
  client.send(encodeQuery({ labels: ['example', 'com'] }), served.udpPort, LOOPBACK);
  while (upstream.queries.udp.length === 0) await turn();
  served.server.close();
  await once(stream.resume(), 'close');
  client.close();
  for (const fd of served.fds) assert.throws(() => fstatSync(fd), { code: 'EBADF' });
});

test('what a server sends beyond what the client takes is cut to the question, also when it was kept', async () => {
  const addresses = Array.from({ length: 100 }, (_, index) => `192.0.2.${index}`);
  await using upstream = await fakeServer((query) => [encodeReply(query, { addresses })]);
  using served = serve(names([upstream.upstream]));
  for (const _time of ['asked', 'kept']) {
    const small = await askUdp(served.udpPort, encodeQuery({ labels: ['example', 'com'] }));
    assert.deepEqual([small.truncated, small.answers.length, small.rcode], [true, 0, 0]);
  }
  const large = await askUdp(served.udpPort, encodeQuery({ labels: ['example', 'com'], edns: { size: 4096 } }));
  assert.deepEqual([large.truncated, large.answers.length], [false, 100]);
});

test('a sandbox that floods the resolver with questions does not keep another one waiting', async () => {
  using greedy = serve(names([]));
  const [udp, tcp] = [bound(sys.SOCK_DGRAM), bound(sys.SOCK_STREAM)];
  sys.listen(tcp.fd, 16);
  using _modest = greedy.server.attach('sandbox:b', { udp: udp.fd, tcp: tcp.fd });
  const flood = dgram.createSocket('udp4');
  const question = encodeQuery({ labels: ['many'], edns: { size: 4096 } });
  let flooding = true;
  const pour = () => {
    if (!flooding) return;
    for (let count = 0; count < 500; count++) flood.send(question, greedy.udpPort, LOOPBACK);
    setImmediate(pour);
  };
  pour();
  for (let id = 1; id <= 20; id++) assert.equal((await askUdp(udp.port, encodeQuery({ id, labels: ['web'] }))).id, id);
  flooding = false;
  flood.close();
  assert.ok(greedy.server.statistics.questions > 1_000, 'it was a flood');
});
