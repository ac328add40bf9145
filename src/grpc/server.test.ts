import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Connection } from './connection.ts';
import { GrpcError, hasStatus } from './error.ts';
import { bytes, integer, message, string } from './protobuf.ts';
import { implement, serveGrpc } from './server.ts';
import { bind, duplex, serverStream, unary } from './service.ts';
import { Tunnel } from './tunnel.ts';

const Text = message({ text: string(1), count: integer(2) });
const Bytes = message({ data: bytes(1) });
const table = {
  name: 'test.Service',
  unary: { echo: unary('Echo', Text, Text), fail: unary('Fail', Text, Text), wait: unary('Wait', Text, Text) },
  streams: { count: serverStream('Count', Text, Text) },
  duplex: { tunnel: duplex('Tunnel', Bytes, Bytes) },
} as const;
const missing = { ...table, unary: { nosuch: unary('Nosuch', Text, Text) }, streams: {}, duplex: {} } as const;

const cancelled = Promise.withResolvers<void>();
const served = implement(table, {
  echo: ({ text }, { metadata }) => ({ text: `${text} ${metadata['word']}` }),
  fail: ({ text }) => {
    throw text === '' ? new Error('50 % of “it” failed\n') : new GrpcError('NOT_FOUND', 'Fail', text);
  },
  wait: async (_, { signal }) => {
    await once(signal, 'abort');
    cancelled.resolve();
    return {};
  },
  async *count({ count }) {
    for (let n = 1; n <= count; n++) yield { text: 'x'.repeat(1000), count: n };
  },
  async *tunnel(chunks) {
    const connection = new Tunnel(dataOf(chunks));
    void serveGrpc(connection, served);
    for await (const data of connection.outgoing()) yield { data };
  },
});

async function* dataOf(chunks: AsyncIterable<{ readonly data: Buffer }>) {
  for await (const { data } of chunks) yield data;
}

const path = join(tmpdir(), `fairway-grpc-${process.pid}.sock`);
const server = createServer((socket) => void serveGrpc(socket, served));
let socket: Socket;
let connection: Connection;
before(async () => {
  server.listen(path);
  await once(server, 'listening');
  socket = connect(path);
  connection = new Connection(socket, 'test');
});
after(() => {
  connection.close();
  server.close();
});

test('a call is answered, with what it said beside its request', async () => {
  const answer = await bind(connection, table).echo({ text: 'hello' }, { metadata: { word: 'there' } });
  assert.equal(answer.text, 'hello there');
});

test('failures have their status and their words', async () => {
  const { fail } = bind(connection, table);
  await assert.rejects(
    fail({ text: 'gone' }),
    (error) => hasStatus(error, 'NOT_FOUND') && /^gone$/.test(String((error as Error).message)),
  );
  await assert.rejects(
    fail({}),
    (error) => hasStatus(error, 'UNKNOWN') && (error as Error).message === '50 % of “it” failed\n',
  );
  await assert.rejects(bind(connection, missing).nosuch({}), (error) => hasStatus(error, 'UNIMPLEMENTED'));
});

test('a stream comes whole, however slowly it is read', async () => {
  let last = 0;
  for await (const { count } of bind(connection, table).count({ count: 3000 })) {
    assert.equal(count, ++last);
  }
  assert.equal(last, 3000);
});

test('a client that gives up is noticed', async () => {
  const giving = new AbortController();
  const waiting = bind(connection, table).wait({}, { signal: giving.signal });
  setTimeout(() => giving.abort(), 20);
  await assert.rejects(waiting, (error) => hasStatus(error, 'CANCELLED'));
  await cancelled.promise;
});

test('a connection within a call carries calls', async () => {
  const outer = bind(connection, table).tunnel();
  const inner = new Tunnel(
    (async function* () {
      for (;;) yield (await outer.receive()).data;
    })(),
  );
  void (async () => {
    for await (const data of inner.outgoing()) await outer.send({ data });
  })();
  const within = new Connection(inner, 'inner');
  const { text } = await bind(within, table).echo({ text: 'deep' }, { metadata: { word: 'down' } });
  assert.equal(text, 'deep down');
  within.close();
  outer.close();
});
