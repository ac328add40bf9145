import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { closeSocket, openUdp, portOf } from '../../src/kernel/socket.ts';
import { isSocketOf, SocketQueue } from '../../src/kernel/socket-queue.ts';
import * as sys from '../../src/kernel/sys.ts';
import { parseIpAddress } from '../../src/model/address.ts';
import { Namespaces, raiseLoopback } from './namespaces.ts';

const LOOPBACK = parseIpAddress('127.0.0.1');

test('sockets lie in a queue that a process holds, with what arrives for them, until another takes them out', async () => {
  // Of their own, where nobody else takes a port that is free.
  using namespaces = await Namespaces.begin();
  const home = namespaces.make('a');
  raiseLoopback(home);
  const queue = SocketQueue.create();
  const holder = spawn('sleep', ['infinity'], { stdio: [...queue.ends, 'ignore'] });
  try {
    await once(holder, 'spawn');
    const opened = Array.from({ length: 300 }, () => openUdp(home, LOOPBACK, 0));
    queue.replace(new Map(opened.map(({ fd }, index) => [`first ${index}`, [fd]])));
    const kept = opened.slice(0, 200);
    queue.replace(new Map(kept.map(({ fd }, index) => [`second ${index}`, [fd]])));
    queue[Symbol.dispose]();
    for (const socket of opened) closeSocket(socket);
    using client = disposable(openUdp(home, LOOPBACK, 0).fd);
    for (const { port } of kept) sendTo(client.fd, port);
    using taken = SocketQueue.of(holder.pid ?? 0);
    const found = taken.takeOut();
    assert.deepEqual(
      [...found.keys()],
      kept.map((_, index) => `second ${index}`),
    );
    for (const [index, [fd = -1]] of [...found.values()].entries()) {
      using socket = disposable(fd);
      assert.equal(portOf(socket.fd), kept[index]?.port);
      assert.equal(sys.recv(socket.fd, Buffer.alloc(9)), 5, 'what was sent meanwhile');
      assert.ok(isSocketOf(`/proc/self/fd/${home.fd}`, socket.fd));
    }
    assert.equal(taken.takeOut().size, 0);
    // Those that were left out are closed: their ports are free.
    for (const { port } of opened.slice(200)) closeSocket(openUdp(home, LOOPBACK, port));
  } finally {
    holder.kill('SIGKILL');
  }
});

function disposable(fd: number) {
  return { fd, [Symbol.dispose]: () => sys.close(fd) };
}

function sendTo(fd: number, port: number): void {
  const address = Buffer.from([sys.AF_INET, 0, port >> 8, port & 0xff, 127, 0, 0, 1, ...Buffer.alloc(8)]);
  sys.connect(fd, address, 'connect');
  sys.send(fd, Buffer.from('hello'));
}
