import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasStatus } from '../../src/grpc/error.ts';
import type { Container } from '../../src/model/container.ts';
import { Containerd } from '../../src/runtime/containerd/client.ts';
import type { Process, Processes } from '../../src/runtime/process/processes.ts';
import { eventually } from '../host.ts';
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
  await restartContainerd();
  await process.kill(15);
  assert.equal((await process.exited).code, 8);
  await process.delete();
  assert.equal(await output, 'ready\n');
});

test('a killed shim takes its container along, and everybody is told', async () => {
  const given = container(['sleep', '1000']);
  const process = await room.create(given);
  await process.start();
  globalThis.process.kill(shimOf(process), 'SIGKILL');
  assert.equal((await process.exited).code, 137);
  await process.delete();
  await process.io.ended;
  await room.processes.discard(given.id);
  assert.ok(hasEnded(process.pid));
});

test('a task that a daemon had half taken away when it died is taken away whole by the next', async () => {
  const given = container(['sleep', '1000']);
  const process = await room.create(given);
  const shim = shimOf(process);
  await process.start();
  await process.kill(9);
  await process.exited;
  await takeHalfAway(given.id, shim);
  assert.ok(!hasEnded(shim));
  await room.open().discard(given.id);
  await eventually('the shim has ended', () => hasEnded(shim));
  assert.ok(!existsSync(bundleOf(given.id)));
});

test('a shim that is too busy to answer is asked again, and its container goes on', async () => {
  const given = container(['sleep', '1000']);
  const process = await room.create(given);
  await process.start();
  const shim = shimOf(process);
  await freeze(shim);
  const restored = room.open().restore(given.id, { tty: false, stdin: false });
  const asked = await Promise.race([restored, sleep(3000, 'not yet')]);
  globalThis.process.kill(shim, 'SIGCONT');
  assert.equal(asked, 'not yet');
  assert.equal((await restored)?.pid, process.pid);
  assert.ok(!hasEnded(process.pid));
  await room.processes.discard(given.id);
});

test('a shim that containerd has forgotten can be found and ended, with its container', async () => {
  const given = container(['sleep', '1000']);
  const process = await room.create(given);
  await process.start();
  const shim = shimOf(process);
  const bundle = bundleOf(given.id);
  renameSync(bundle, join(room.execRoot, 'aside'));
  await restartContainerd();
  renameSync(join(room.execRoot, 'aside'), bundle);
  assert.ok(!(await room.processes.list()).some(({ id }) => id === given.id));
  const found = room.processes.shims().find(({ containerId }) => containerId === given.id);
  assert.equal(found?.pid, shim);
  room.processes.endShim(found);
  await eventually('both have ended', () => hasEnded(shim) && hasEnded(process.pid));
  assert.ok(!existsSync(bundle));
  assert.deepEqual(
    room.processes.shims().filter(({ containerId }) => containerId === given.id),
    [],
  );
});

test('a container is not made by a shim of its own past that containerd has forgotten', async () => {
  const given = container(['sh', '-c', 'echo hello; echo oops >&2']);
  const stale = await forgottenShim(given);
  const process = await room.create(given);
  assert.notEqual(shimOf(process), stale);
  await eventually('the old one has ended', () => hasEnded(stale));
  assert.match(await saidInAll(process), /^(hello\n\[oops\n\]|\[oops\n\]hello\n)$/);
});

test('nor by one that ends while it makes it', async () => {
  const given = container(['echo', 'hello']);
  const stale = await forgottenShim(given);
  await freeze(stale);
  const creating = room.create(given);
  await eventually('containerd has asked it', () => existsSync(join(bundleOf(given.id), 'shim-binary-path')));
  globalThis.process.kill(stale, 'SIGKILL');
  const process = await creating;
  assert.equal(await saidInAll(process), 'hello\n');
});

test('a shim is not ended when its number has become another’s', async () => {
  const other = spawn('sleep', ['1000']);
  const { pid } = other;
  assert.ok(pid !== undefined);
  room.processes.endShim({ pid, containerId: container([]).id });
  await sleep(100);
  assert.ok(!hasEnded(pid));
  other.kill();
});

test('a runtime that says a word before the container does', async () => {
  const program = join(room.execRoot, 'talkative');
  const script = '#!/bin/sh\ncase " $* " in *" create "*) echo a warning >&2;; esac\nexec runc "$@"\n';
  writeFileSync(program, script, { mode: 0o755 });
  const process = await room.create(container(['echo', 'hello']), { path: program, args: [] });
  assert.equal(await saidInAll(process), 'hello\n');
});

test('shims of others at the same containerd are nobody’s to end', async () => {
  const given = container(['sleep', '1000']);
  const process = await room.create(given);
  await process.start();
  const containerd = new Containerd(room.runtime.containerd.socket, 'others');
  const others = room.open(containerd);
  const sees = (processes: Processes) => processes.shims().some(({ containerId }) => containerId === given.id);
  assert.deepEqual([sees(room.processes), sees(others)], [true, false]);
  others.close();
  containerd.close();
  await room.processes.discard(given.id);
});

test('a start whose process comes late is a start, and one whose process was killed says so', async () => {
  for (const late of [true, false]) {
    const given = container(['echo', 'hello']);
    const process = await room.create(given);
    const output = collect(process.io);
    const fifo = join(room.execRoot, 'runc/fairway', given.id, 'exec.fifo');
    await freeze(process.pid);
    const started = process.start().then(
      () => 'started',
      (error: Error) => error.message,
    );
    assert.equal(await Promise.race([started, sleep(2500, 'not yet')]), 'not yet');
    globalThis.process.kill(process.pid, late ? 'SIGCONT' : 'SIGKILL');
    assert.match(await started, late ? /^started$/ : /container process is already dead|container that has stopped/);
    assert.equal(existsSync(fifo), !late);
    if (late) assert.equal((await process.exited).code, 0);
    await room.processes.discard(given.id);
    if (late) assert.equal(await output, 'hello\n');
  }
});

test('a start that the last daemon left waiting does not keep the next one from its container', async () => {
  const given = container(['echo', 'hello']);
  const process = await room.create(given);
  await freeze(process.pid);
  const asked = room.runtime.containerd.tasks.start({ containerId: given.id, execId: '' });
  asked.catch(() => undefined);
  await eventually('the shell waits', () =>
    commandLines().some((line) => line.startsWith('sh ') && line.endsWith(given.id)),
  );
  globalThis.process.kill(process.pid, 'SIGKILL');
  const next = room.open();
  using _ = next.unblock();
  await assert.rejects(asked, /container process is already dead|container that has stopped/);
  await next.discard(given.id);
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

/** What containerd keeps of its task. */
function bundleOf(id: string): string {
  return join(room.execRoot, 'containerd/io.containerd.runtime.v2.task/fairway', id);
}

async function restartContainerd(): Promise<void> {
  const back = new Promise<void>((resolve) => room.runtime.onRestart(resolve));
  process.kill(Number(readFileSync(join(room.execRoot, 'containerd/containerd.pid'), 'utf8')), 'SIGKILL');
  await back;
}

/** The shim is asked to remove its ended task, and whoever asked does not hear its answer: containerd does not tell it to end. */
async function takeHalfAway(id: string, shim: number): Promise<void> {
  const { tasks } = room.runtime.containerd;
  const task = { containerId: id };
  // Once only: who asks again makes containerd forget or end the shim.
  await freeze(shim);
  await assert.rejects(tasks.delete(task, { signal: AbortSignal.timeout(5000) }));
  process.kill(shim, 'SIGCONT');
  await eventually('the shim has done it', () =>
    tasks.get(task).then(
      () => false,
      (error) => hasStatus(error, 'NOT_FOUND'),
    ),
  );
}

/**
 * What a daemon can leave that is killed while containerd takes an ended task away: the task and its folder are gone, containerd
 * knows nothing of it, and has not told the shim to end.
 */
async function forgottenShim(given: Container): Promise<number> {
  const process = await room.create(given);
  const shim = shimOf(process);
  await process.start();
  await process.exited;
  await takeHalfAway(given.id, shim);
  rmSync(bundleOf(given.id), { recursive: true });
  await restartContainerd();
  await room.processes.discard(given.id);
  await room.runtime.snapshots.remove(given.id);
  return shim;
}

/** Program and last argument of each process. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
        return [`${basename(words[0] ?? '')} ${words.at(-1)}`];
      } catch {
        return [];
      }
    });
}

/** SIGSTOP reaches one thread, which tells the others: until it has run, they go on. */
async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const tasks = `/proc/${pid}/task`;
  await eventually('all of its threads have stopped', () =>
    readdirSync(tasks).every((task) => /^State:\s+T/m.test(readFileSync(`${tasks}/${task}/status`, 'utf8'))),
  );
}

function shimOf({ pid }: { readonly pid: number }): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** One whose parent is now the machine's init may not have been collected yet: then it is a zombie. */
function hasEnded(pid: number): boolean {
  const status = `/proc/${pid}/status`;
  return !existsSync(status) || /^State:\s+Z/m.test(readFileSync(status, 'utf8'));
}

/** Starts what ends well by itself, and takes it away. @returns all it said */
async function saidInAll(process: Process): Promise<string> {
  const output = collect(process.io);
  await process.start();
  assert.equal((await process.exited).code, 0);
  await process.delete();
  return await output;
}
