import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { onFirstReadable, watchReadable } from '../../src/kernel/poll.ts';
import { closeSocket, type OpenSocket, openUdp } from '../../src/kernel/socket.ts';
import { recv } from '../../src/kernel/sys.ts';
import { parseIpAddress } from '../../src/model/address.ts';
import { eventually } from '../host.ts';

const LOOPBACK = parseIpAddress('127.0.0.1');

/** Everything that waits, as text. */
function readAll(fd: number): string[] {
  const buffer = Buffer.alloc(100);
  const read: string[] = [];
  for (let size = recv(fd, buffer); size !== undefined; size = recv(fd, buffer)) {
    read.push(buffer.toString('utf8', 0, size));
  }
  return read;
}

function send(text: string, { port }: OpenSocket): Promise<void> {
  const sender = createSocket('udp4');
  return new Promise((resolve) => {
    sender.send(text, port, LOOPBACK, () => sender.close(resolve));
  });
}

test('each watched descriptor calls its own listener, and only while it is watched', async () => {
  const sockets = [0, 1].map(() => openUdp(NetworkNamespace.home(), LOOPBACK, 0));
  const [first, second] = sockets;
  assert.ok(first && second);
  const heard: string[] = [];
  const watches = sockets.map(({ fd }, i) =>
    watchReadable(fd, () => heard.push(...readAll(fd).map((text) => `${i}: ${text}`))),
  );
  await send('one', first);
  await send('two', second);
  await eventually('both are heard', () => heard.length === 2);
  assert.deepEqual(heard.toSorted(), ['0: one', '1: two']);
  watches[0]?.[Symbol.dispose]();
  await send('three', first);
  await send('four', second);
  await eventually('the other is heard', () => heard.length === 3);
  assert.equal(heard[2], '1: four');
  watches[0]?.[Symbol.dispose]();
  watches[1]?.[Symbol.dispose]();
  sockets.forEach(closeSocket);
});

test('a listener may start asynchronous work, and may stop its own watching', async () => {
  const socket = openUdp(NetworkNamespace.home(), LOOPBACK, 0);
  const done = Promise.withResolvers<string[]>();
  const watch = watchReadable(socket.fd, () => {
    watch[Symbol.dispose]();
    void Promise.resolve(readAll(socket.fd)).then(done.resolve);
  });
  await send('once', socket);
  assert.deepEqual(await done.promise, ['once']);
  closeSocket(socket);
});

test('many handles are opened and closed again', async () => {
  const socket = openUdp(NetworkNamespace.home(), LOOPBACK, 0);
  for (let round = 0; round < 2_000; round++) watchReadable(socket.fd, () => undefined)[Symbol.dispose]();
  let heard = false;
  const watch = watchReadable(socket.fd, () => {
    heard = readAll(socket.fd).length > 0;
  });
  await send('still there', socket);
  await eventually('it is heard', () => heard);
  watch[Symbol.dispose]();
  closeSocket(socket);
});

test('the first event of each of many descriptors is told once, and of those that are disposed none', async () => {
  const sockets = Array.from({ length: 200 }, () => openUdp(NetworkNamespace.home(), LOOPBACK, 0));
  const heard: number[] = [];
  const [gone, ...kept] = sockets;
  assert.ok(gone);
  onFirstReadable([gone.fd], () => heard.push(0))[Symbol.dispose]();
  onFirstReadable(
    kept.map(({ fd }) => fd),
    (fd) => heard.push(sockets.findIndex((socket) => socket.fd === fd)),
  );
  await send('to nobody', gone);
  for (const socket of kept) await send('one', socket);
  await eventually('all others are heard', () => heard.length === kept.length);
  for (const socket of kept) await send('two', socket);
  closeSocket(gone);
  // The descriptor's number is another socket's from now on.
  const next = openUdp(NetworkNamespace.home(), LOOPBACK, 0);
  assert.equal(next.fd, gone.fd);
  const heardNext = Promise.withResolvers<void>();
  onFirstReadable([next.fd], () => heardNext.resolve());
  await send('hello', next);
  await heardNext.promise;
  assert.deepEqual(
    heard.toSorted((a, b) => a - b),
    kept.map((_, i) => i + 1),
  );
  [next, ...kept].forEach(closeSocket);
});
