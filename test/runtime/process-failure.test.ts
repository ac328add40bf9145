import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { collect, container, ProcessRoom, until } from './process-room.ts';

let room: ProcessRoom;
before(async () => {
  room = await ProcessRoom.start();
});
after(async () => await room[Symbol.asyncDispose]());

test('a restart of containerd goes unnoticed', async () => {
  const process = await room.create(
    container(['sh', '-c', 'trap "exit 8" TERM; echo ready; while :; do sleep 0.05; done']),
  );
  const ready = until(process.io, /ready/);
  const output = collect(process.io);
  await process.start();
  await ready;
  const back = new Promise<void>((resolve) => room.runtime.onRestart(resolve));
  const pid = Number(readFileSync(join(room.execRoot, 'containerd/containerd.pid'), 'utf8'));
  globalThis.process.kill(pid, 'SIGKILL');
  await back;
  await process.kill(15);
  assert.equal((await process.exited).code, 8);
  await process.delete();
  assert.equal(await output, 'ready\n');
});

test('a killed shim takes its container along, and everybody is told', async () => {
  const given = container(['sleep', '1000']);
  const process = await room.create(given);
  await process.start();
  const shim = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${process.pid}/status`, 'utf8'))?.[1];
  globalThis.process.kill(Number(shim), 'SIGKILL');
  assert.equal((await process.exited).code, 137);
  await process.delete();
  await process.io.ended;
  await room.processes.discard(given.id);
  // Its parent is now the machine's init, which may not have collected it yet: then it is a zombie.
  const status = `/proc/${process.pid}/status`;
  if (existsSync(status)) assert.match(readFileSync(status, 'utf8'), /^State:\s+Z/m);
});

test('a listener that never takes its chunk does not keep a container that has ended', async () => {
  const process = await room.create(container(['sh', '-c', 'head -c 300000 /dev/zero']));
  const stuck = Promise.withResolvers<void>();
  process.io.subscribe(() => stuck.promise);
  await process.start();
  await process.kill(9);
  assert.equal((await process.exited).code, 137);
  await process.delete();
  stuck.resolve();
  await process.io.ended;
});
