import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Container } from '../../src/model/container.ts';
import type { ExecOptions, Process } from '../../src/runtime/process/processes.ts';
import { collect, container, ProcessRoom } from './process-room.ts';

let room: ProcessRoom;
let given: Container;
let host: Process;
let count = 0;
before(async () => {
  room = await ProcessRoom.start();
  given = container(['sleep', '1000'], { env: ['A=1', 'B=2'], capDrop: ['ALL'] });
  host = await room.create(given);
  await host.start();
});
after(async () => await room[Symbol.asyncDispose]());

function options(args: readonly string[], more: Partial<ExecOptions> = {}): ExecOptions {
  count += 1;
  const base = { env: [], cwd: '', user: '', tty: false, stdin: false, privileged: false };
  return { ...base, id: `e${count}`, args, ...more };
}

async function exec(script: string, more: Partial<ExecOptions> = {}): Promise<{ output: string; code: number }> {
  const process = await host.exec(options(['sh', '-c', script], more));
  const output = collect(process.io);
  await process.start();
  assert.ok(process.pid > 1);
  const { code } = await process.exited;
  return { output: await output, code };
}

test('runs beside the container’s own process', async () => {
  const { output, code } = await exec('echo out; echo $A$B$C; echo err >&2; exit 9', {
    env: ['B=3', 'C=4'],
  });
  assert.equal(output.replace('[err\n]', ''), 'out\n134\n');
  assert.match(output, /\[err\n\]/);
  assert.equal(code, 9);
});

test('as another user, elsewhere', async () => {
  const { output } = await exec('id -un; pwd; echo $HOME', { user: 'user', cwd: '/tmp' });
  assert.equal(output, 'user\n/tmp\n/home/user\n');
  await assert.rejects(host.exec(options(['true'], { user: 'foo' })), { message: /^unable to find user foo/ });
});

test('with capabilities only when privileged', async () => {
  const held = 'grep CapEff /proc/self/status';
  assert.match((await exec(held)).output, /\s0000000000000000\n/);
  assert.doesNotMatch((await exec(held, { privileged: true })).output, /\s0000000000000000\n/);
});

test('with input', async () => {
  const process = await host.exec(options(['sh', '-c', 'cat; echo end'], { stdin: true }));
  const output = collect(process.io);
  process.io.stdin?.end('early\n');
  await process.start();
  assert.equal((await process.exited).code, 0);
  assert.equal(await output, 'early\nend\n');
});

test('with a terminal', async () => {
  const process = await host.exec(options(['sh'], { tty: true, stdin: true }));
  const output = collect(process.io);
  await process.start();
  await process.resize({ width: 90, height: 30 });
  process.io.stdin?.write('stty size; echo $TERM; exit 4\n');
  assert.equal((await process.exited).code, 4);
  assert.match(await output, /30 90\r\nxterm\r\n/);
});

test('what it leaves in the background does not keep it', async () => {
  const { output, code } = await exec('sleep 1000 & echo done');
  assert.equal(output, 'done\n');
  assert.equal(code, 0);
});

test('a missing command is refused in Docker’s words', async () => {
  const process = await host.exec(options(['nosuch']));
  await assert.rejects(process.start(), {
    kind: 'invalidArgument',
    exitCode: 127,
    message:
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown',
  });
  await process.io.ended;
});

test('it can be killed', async () => {
  const process = await host.exec(options(['sleep', '1000']));
  await process.start();
  await process.kill(15);
  // PID 1 of the namespace is another, so the signal is not ignored.
  assert.equal((await process.exited).code, 143);
});

test('it leaves no FIFO behind, and ends with its container', async () => {
  const process = await host.exec(options(['sleep', '1000']));
  await process.start();
  await host.kill(9);
  assert.equal((await process.exited).code, 137);
  await host.exited;
  await host.delete();
  await process.io.ended;
  assert.equal(existsSync(join(room.execRoot, 'io', given.id)), false);
  assert.deepEqual(readdirSync(join(room.execRoot, 'io')), []);
});
