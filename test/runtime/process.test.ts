import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../host.ts';
import { collect, container, ProcessRoom, until } from './process-room.ts';

let room: ProcessRoom;
before(async () => {
  room = await ProcessRoom.start();
});
after(async () => await room[Symbol.asyncDispose]());

test('output of both streams, and the exit code', async () => {
  const { output, code } = await room.run(['sh', '-c', 'echo out; echo err >&2; exit 42']);
  assert.match(output, /^(out\n\[err\n\]|\[err\n\]out\n)$/);
  assert.equal(code, 42);
});

test('the environment is Docker’s', async () => {
  const { output } = await room.run(['sh', '-c', 'env | sort; pwd; id; hostname; cat /etc/hosts']);
  assert.equal(
    output,
    [
      'HOME=/root',
      'HOSTNAME=box',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'PWD=/',
      'SHLVL=1',
      '/',
      'uid=0(root) gid=0(root) groups=0(root)',
      'box',
      'hosts',
      '',
    ].join('\n'),
  );
});

test('another user, with the groups of the container’s own files', async () => {
  const spec = { user: 'user', workingDirectory: '/home/user', groupAdd: ['www-data'] };
  const { output } = await room.run(['sh', '-c', 'id; pwd; echo $HOME'], spec);
  const groups = 'groups=29(audio),33(www-data),1000(user)';
  assert.equal(
    output.replace(/groups=\S+/, (found) => sorted(found)),
    `uid=1000(user) gid=1000(user) ${groups}\n/home/user\n/home/user\n`,
  );
  await assert.rejects(room.create(container(['true'], { user: 'foo' })), {
    message: 'unable to find user foo: no matching entries in passwd file',
  });
});

function sorted(groups: string): string {
  const [name = '', list = ''] = groups.split('=');
  return `${name}=${list
    .split(',')
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
    .join(',')}`;
}

test('input reaches the process, and its end closes it', async () => {
  const process = await room.create(container(['sh', '-c', 'cat; echo end'], { openStdin: true }));
  const output = collect(process.io);
  process.io.stdin?.write('before the start\n');
  await process.start();
  const big = 'x'.repeat(300_000);
  process.io.stdin?.write(big);
  process.io.stdin?.end('last\n');
  assert.equal((await process.exited).code, 0);
  await process.delete();
  assert.equal(await output, `before the start\n${big}last\nend\n`);
});

test('input that ends before the start is read all the same', async () => {
  const process = await room.create(container(['cat'], { openStdin: true }));
  const output = collect(process.io);
  process.io.stdin?.end('early\n');
  await process.start();
  await process.exited;
  await process.delete();
  assert.equal(await output, 'early\n');
});

test('a terminal has one stream, a size, and echoes', async () => {
  const process = await room.create(container(['sh'], { tty: true, openStdin: true }));
  const output = collect(process.io);
  await process.start();
  await process.resize({ width: 99, height: 33 });
  process.io.stdin?.write('stty size; tty; echo err >&2; exit 3\n');
  assert.equal((await process.exited).code, 3);
  await process.delete();
  assert.match(await output, /33 99\r\n\/dev\/pts\/0\r\nerr\r\n/);
});

test('a signal ends it with 128 and its number', async () => {
  const process = await room.create(container(['sleep', '1000']));
  await process.start();
  assert.deepEqual(await process.pids(), [process.pid]);
  await process.kill(9);
  const { code, at } = await process.exited;
  assert.equal(code, 137);
  assert.match(at, /^20\d\d-\d\d-\d\dT/);
  await assert.rejects(process.kill(15), { kind: 'notFound' });
  await process.delete();
});

test('a signal right after the start is the command’s, not that of what is to become it', async () => {
  for (let round = 0; round < 20; round++) {
    const process = await room.create(container(['sleep', '1000']));
    await process.start();
    // As PID 1 it need not listen to SIGTERM, and goes on.
    await process.kill(15);
    await process.kill(9);
    assert.equal((await process.exited).code, 137);
    await process.delete();
  }
});

test('a signal can be caught', async () => {
  const process = await room.create(
    container(['sh', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done']),
  );
  const ready = until(process.io, /ready/);
  await process.start();
  await ready;
  await process.kill(15);
  assert.equal((await process.exited).code, 7);
  await process.delete();
});

test('pausing stops output, and it goes on after', async () => {
  const process = await room.create(container(['sh', '-c', 'while :; do echo x; sleep 0.01; done']));
  let count = 0;
  process.io.subscribe(() => {
    count += 1;
  });
  await process.start();
  await until(process.io, /x/);
  await process.pause();
  assert.equal((await room.processes.list()).find((task) => task.pid === process.pid)?.status, 'paused');
  // What was written before may still be on its way.
  await eventually('it is silent', async () => {
    const before = count;
    await sleep(100);
    return count === before;
  });
  await process.resume();
  await until(process.io, /x/);
  await process.kill(9);
  await process.exited;
  await process.delete();
});

const refusals = [
  {
    what: 'a missing command',
    args: ['nosuch'],
    code: 127,
    message:
      'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown',
  },
  {
    what: 'a missing path',
    args: ['/nosuch'],
    code: 127,
    message:
      'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/nosuch": stat /nosuch: no such file or directory: unknown',
  },
  {
    what: 'a file that may not be run',
    args: ['/etc/passwd'],
    code: 126,
    message:
      'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/etc/passwd": permission denied: unknown',
  },
];

for (const { what, args, code, message } of refusals) {
  test(`${what} is refused in Docker’s words, and leaves nothing`, async () => {
    const given = container(args);
    const expected = { name: 'StartError', kind: 'invalidArgument', exitCode: code, message };
    await assert.rejects(room.create(given), expected);
    assert.ok((await room.processes.list()).every((task) => task.id !== given.id));
    await room.processes.discard(given.id);
  });
}

test('a container that was not started is taken away', async () => {
  const process = await room.create(container(['true']));
  await process.delete();
  await process.io.ended;
});

test('fifty megabytes arrive, however slowly they are taken', async () => {
  const process = await room.create(container(['sh', '-c', 'head -c 50000000 /dev/zero; echo end >&2']));
  let bytes = 0;
  let taking = 0;
  let most = 0;
  process.io.subscribe(async (stream, chunk) => {
    if (stream === 'stderr') return;
    bytes += chunk.length;
    taking += 1;
    most = Math.max(most, taking);
    await new Promise((resolve) => setImmediate(resolve));
    taking -= 1;
  });
  await process.start();
  assert.equal((await process.exited).code, 0);
  await process.delete();
  await process.io.ended;
  assert.equal(bytes, 50_000_000);
  assert.equal(most, 1, 'one chunk at a time');
});

test('a process that is restored has lost nothing', async () => {
  const given = container(['sh', '-c', 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; done; sleep 0.3; exit 5']);
  const first = await room.create(given);
  const seen: string[] = [];
  first.io.subscribe((_, chunk) => void seen.push(chunk.toString()));
  const begun = until(first.io, /\n/);
  await first.start();
  await begun;
  const fifo = join(room.execRoot, 'runc/fairway', given.id, 'exec.fifo');
  assert.equal(existsSync(fifo), false);
  room.processes.close();
  await first.io.ended;
  // The daemon may have died before it took this away.
  writeFileSync(fifo, '');
  room.processes = room.open();
  const second = await room.processes.restore(given.id, { tty: false, stdin: false });
  assert.ok(second !== undefined);
  second.io.subscribe((_, chunk) => void seen.push(chunk.toString()));
  assert.equal(second.pid, first.pid);
  assert.equal(existsSync(fifo), false);
  assert.equal((await second.exited).code, 5);
  await second.delete();
  await second.io.ended;
  assert.equal(seen.join(''), Array.from({ length: 3000 }, (_, index) => `${index + 1}\n`).join(''));
});

test('one that ended while nobody watched has its code, and what its pipe held', async () => {
  const given = container(['sh', '-c', 'echo first; sleep 0.2; exit 6']);
  const first = await room.create(given);
  await first.start();
  room.processes.close();
  await room.runtime.containerd.tasks.wait({ containerId: given.id });
  room.processes = room.open();
  const second = await room.processes.restore(given.id, { tty: false, stdin: false });
  assert.equal((await second?.exited)?.code, 6);
  await second?.delete();
  await second?.io.ended;
  assert.equal(await room.processes.restore(given.id, { tty: false, stdin: false }), undefined);
});

test('discarding ends what runs, paused or not, and may be repeated', async () => {
  for (const paused of [false, true]) {
    const given = container(['sleep', '1000']);
    const process = await room.create(given);
    await process.start();
    if (paused) await process.pause();
    await room.processes.discard(given.id);
    assert.equal((await process.exited).code, 137);
    await room.processes.discard(given.id);
    await assert.rejects(room.runtime.containerd.containers.get({ id: given.id }), { kind: 'notFound' });
  }
});
