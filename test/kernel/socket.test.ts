import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { NetworkNamespace } from '../../src/kernel/netns.ts';
import { closeSocket, type OpenSocket, openTcpListener, openUdp, reservePorts } from '../../src/kernel/socket.ts';
import { parseIpAddress } from '../../src/model/address.ts';
import { KernelError } from '../../src/model/errors.ts';
import { Namespaces, raiseLoopback } from './namespaces.ts';

const LOOPBACK = parseIpAddress('127.0.0.1');
const RESOLVER = parseIpAddress('127.0.0.11');
const ANY = parseIpAddress('0.0.0.0');

/** What a server says to a client inside the namespace, which a child process started during a visit is. */
async function ask(namespace: NetworkNamespace, address: string, port: number): Promise<string> {
  const script = `exec 3<>/dev/tcp/${address}/${port} && cat <&3`;
  const client = namespace.run(() => spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] }));
  const [said] = await Promise.all([text(client.stdout), once(client, 'exit')]);
  return said;
}

function serve(fd: number, says: string): Server {
  return createServer((client) => client.end(says)).listen({ fd });
}

async function stop(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

function refuses(code: string, words: string): (error: unknown) => boolean {
  return (error) => error instanceof KernelError && error.code === code && error.message.includes(words);
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test('a listener opened in a namespace is served from outside', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  raiseLoopback(namespace);
  const { fd, port } = openTcpListener(namespace, RESOLVER, 0);
  assert.ok(port > 0);
  const server = serve(fd, 'from outside');
  assert.equal(await ask(namespace, RESOLVER, port), 'from outside');
  await stop(server);
});

test('a UDP socket opened in a namespace is served from outside', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  raiseLoopback(namespace);
  const { fd, port } = openUdp(namespace, RESOLVER, 0);
  const [server, client] = [createSocket('udp4'), createSocket('udp4')];
  try {
    server.bind({ fd });
    client.bind({ fd: openUdp(namespace, LOOPBACK, 0).fd });
    client.send('a query', port, RESOLVER);
    const [message]: unknown[] = await once(server, 'message');
    assert.equal(String(message), 'a query');
  } finally {
    server.close();
    client.close();
  }
});

for (const protocol of ['tcp', 'udp'] as const) {
  test(`reserved ${protocol} ports are nobody else's until they are released`, async () => {
    using namespaces = await Namespaces.begin();
    const namespace = namespaces.make('a');
    raiseLoopback(namespace);
    const held = reservePorts(namespace, { protocol: protocol, address: LOOPBACK, port: 8000, count: 3 });
    for (const address of [LOOPBACK, ANY]) {
      assert.throws(
        () => reservePorts(namespace, { protocol: protocol, address: address, port: 8002, count: 1 }),
        refuses('EADDRINUSE', '8002'),
      );
    }
    reservePorts(namespace, { protocol: protocol, address: RESOLVER, port: 8002, count: 1 })[Symbol.dispose]();
    held[Symbol.dispose]();
    reservePorts(namespace, { protocol: protocol, address: ANY, port: 8002, count: 1 })[Symbol.dispose]();
  });
}

test('a range is reserved whole or not at all, and the error names the port', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  raiseLoopback(namespace);
  const before = openDescriptors();
  using _ = reservePorts(namespace, { protocol: 'tcp', address: ANY, port: 9005, count: 1 });
  assert.throws(
    () => reservePorts(namespace, { protocol: 'tcp', address: ANY, port: 9000, count: 10 }),
    refuses('EADDRINUSE', 'tcp 0.0.0.0 port 9005'),
  );
  reservePorts(namespace, { protocol: 'tcp', address: ANY, port: 9000, count: 5 })[Symbol.dispose]();
  assert.equal(openDescriptors(), before + 1);
});

test("an address that is not the host's is refused as such", async () => {
  using namespaces = await Namespaces.begin();
  const address = parseIpAddress('192.0.2.77');
  const namespace = namespaces.make('a');
  raiseLoopback(namespace); // before its first address a namespace has no local table, and lets anything be bound
  assert.throws(
    () => reservePorts(namespace, { protocol: 'tcp', address: address, port: 80, count: 1 }),
    refuses('EADDRNOTAVAIL', '192.0.2.77'),
  );
});

test('a reserved TCP port answers nobody', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  raiseLoopback(namespace);
  using _ = reservePorts(namespace, { protocol: 'tcp', address: ANY, port: 8080, count: 1 });
  assert.equal(await ask(namespace, LOOPBACK, 8080), '');
});

test('connections that are still closing do not keep a port from being reserved, and then it is exclusive', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  raiseLoopback(namespace);
  const server = serve(openTcpListener(namespace, LOOPBACK, 8080).fd, 'bye');
  assert.equal(await ask(namespace, LOOPBACK, 8080), 'bye');
  assert.throws(
    () => reservePorts(namespace, { protocol: 'tcp', address: ANY, port: 8080, count: 1 }),
    refuses('EADDRINUSE', '8080'),
  );
  await stop(server);
  using _ = reservePorts(namespace, { protocol: 'tcp', address: ANY, port: 8080, count: 1 });
  for (const address of [ANY, LOOPBACK, RESOLVER]) {
    assert.throws(
      () => reservePorts(namespace, { protocol: 'tcp', address: address, port: 8080, count: 1 }),
      refuses('EADDRINUSE', '8080'),
    );
    assert.throws(() => openTcpListener(namespace, address, 8080), refuses('EADDRINUSE', '8080'));
  }
});

test('a port that was answered is reserved again at once, though its connections are still closing', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  raiseLoopback(namespace);
  const [port, address] = [8080, parseIpAddress('::1')];
  for (let round = 0; round < 2; round++) {
    let server: Server | undefined;
    const keep = ([socket]: readonly OpenSocket[]) => {
      assert.ok(socket);
      server = serve(socket.fd, 'bye');
      return { [Symbol.dispose]: () => undefined };
    };
    reservePorts(namespace, { protocol: 'tcp', address, port, count: 1 }, keep);
    assert.throws(() => openTcpListener(namespace, address, port), refuses('EADDRINUSE', '8080'));
    assert.equal(await ask(namespace, address, port), 'bye');
    assert.ok(server);
    await stop(server);
  }
});

test('a server on one address does not keep another address from being reserved', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  raiseLoopback(namespace);
  const listener = openTcpListener(namespace, RESOLVER, 8080);
  using _ = reservePorts(namespace, { protocol: 'tcp', address: LOOPBACK, port: 8080, count: 1 });
  closeSocket(listener);
});
