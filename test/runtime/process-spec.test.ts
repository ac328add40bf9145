import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ContainerSpec } from '../../src/model/container.ts';
import type { BindMount } from '../../src/model/mount.ts';
import { readHostFacts } from '../../src/runtime/spec/host.ts';
import { bindMount } from '../plain-spec.ts';
import { ProcessRoom } from './process-room.ts';

let room: ProcessRoom;
let shared: string;
before(async () => {
  room = await ProcessRoom.start();
  shared = mkdtempSync(join(tmpdir(), 'fairway-bind-'));
});
after(async () => {
  await room[Symbol.asyncDispose]();
  rmSync(shared, { recursive: true, force: true });
});

const sh = async (script: string, spec: Partial<ContainerSpec> = {}) =>
  (await room.run(['sh', '-c', script], spec)).output;
const bind = (more: Partial<BindMount> = {}): BindMount => {
  return bindMount({ source: shared, destination: '/data', ...more });
};

test('the kernel holds the container to the profile', async () => {
  assert.match(await sh('grep Seccomp: /proc/self/status'), /\s2\n/);
  assert.match(await sh('unshare -m true || echo refused'), /refused/);
  assert.match(await sh('mkdir /x; mount -t tmpfs x /x || echo refused', { capAdd: [] }), /refused/);
  assert.match(await sh('grep Seccomp: /proc/self/status', { securityOptions: ['seccomp=unconfined'] }), /\s0\n/);
});

test('with CAP_SYS_ADMIN it may mount', async () => {
  assert.equal(await sh('mkdir /x; mount -t tmpfs x /x && echo mounted', { capAdd: ['SYS_ADMIN'] }), 'mounted\n');
});

test('32-bit programs run where the kernel runs them', async (context) => {
  const { architecture, runs32Bit } = readHostFacts();
  if (architecture !== 'amd64' || !runs32Bit)
    return context.skip(`this ${architecture} kernel runs no 32-bit x86 programs`);
  writeFileSync(join(shared, 'exit7'), exit7());
  chmodSync(join(shared, 'exit7'), 0o755);
  // A kernel that could may have been told not to (ia32_emulation=off): then not even the host runs it.
  if (spawnSync(join(shared, 'exit7')).status !== 7)
    return context.skip('this kernel is told to run no 32-bit programs');
  assert.equal((await room.run(['/data/exit7'], { mounts: [bind()] })).code, 7);
});

/** The smallest ELF32 program (elf(5)): exit(7) by int 0x80. */
function exit7(): Buffer {
  const code = Buffer.from([0x31, 0xc0, 0x40, 0x31, 0xdb, 0xb3, 0x07, 0xcd, 0x80]);
  const [headers, base] = [52 + 32, 0x08048000];
  const file = Buffer.alloc(headers);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]).copy(file);
  const words = (at: number, ...values: number[]) => Buffer.from(Uint32Array.from(values).buffer).copy(file, at);
  const halves = (at: number, ...values: number[]) => Buffer.from(Uint16Array.from(values).buffer).copy(file, at);
  halves(16, 2, 3); // ET_EXEC, EM_386
  words(20, 1, base + headers, 52, 0, 0);
  halves(40, 52, 32, 1, 0, 0, 0);
  const size = headers + code.length;
  words(52, 1, 0, base, base, size, size, 5, 0x1000); // PT_LOAD, readable and executable
  return Buffer.concat([file, code]);
}

test('capabilities are what the process holds', async () => {
  const held = 'grep CapBnd /proc/self/status';
  assert.match(await sh(held), /00000000a80425fb/);
  assert.match(await sh(held, { capDrop: ['ALL'] }), /\s0{16}\n/);
});

test('the host’s secrets are masked, its settings read-only', async () => {
  assert.equal(await sh('wc -c < /proc/interrupts; ls /sys/firmware | wc -l'), '0\n0\n');
  const refused = await sh(
    'exec 2>&1; echo x > /proc/sys/kernel/hostname || echo no; cd /sys/fs/cgroup; cd cpu; mkdir x || echo no; touch /sys/x || echo no',
  );
  assert.equal(refused.match(/^no$/gm)?.length, 3);
});

test('a device outside the rules cannot be opened', async () => {
  const loop = 'mknod /loop b 7 0 && head -c 1 /loop 2>&1 || echo refused';
  assert.match(await sh(loop), /not permitted[\s\S]*refused/);
  assert.equal(await sh('mknod /null c 1 3 && echo x > /null && echo written'), 'written\n');
});

test('a privileged container sees the host’s devices and may write its settings', async () => {
  const output = await sh('ls /dev; grep Seccomp: /proc/self/status; touch /proc/sys/kernel/hostname && echo may', {
    privileged: true,
  });
  const devices = readdirSync('/dev').filter((name) => /^(kmsg|mem|loop0|vda)$/.test(name));
  for (const name of devices) assert.match(output, new RegExp(`^${name}$`, 'm'));
  assert.match(output, /Seccomp:\s+0/);
  assert.match(output, /may\n/);
});

test('binds show the host’s files, read-only on request', async () => {
  writeFileSync(join(shared, 'file'), 'from the host\n');
  assert.equal(await sh('cat /data/file; echo back > /data/answer', { mounts: [bind()] }), 'from the host\n');
  assert.equal(readFileSync(join(shared, 'answer'), 'utf8'), 'back\n');
  assert.match(
    await sh('exec 2>&1; echo x > /data/answer || echo no', { mounts: [bind({ readOnly: true })] }),
    /Read-only[\s\S]*no/,
  );
  assert.equal(
    await sh('cat /etc/hosts', { mounts: [bind({ source: join(shared, 'file'), destination: '/etc/hosts' })] }),
    'from the host\n',
  );
});

test('a directory bound on a file is refused with Docker’s advice', async () => {
  await assert.rejects(sh('true', { mounts: [bind({ destination: '/etc/passwd' })] }), {
    kind: 'invalidArgument',
    exitCode: 127,
    message: /not a directory.*: Are you trying to mount a directory onto a file/s,
  });
});

test('a read-only root, with places to write', async () => {
  const output = await sh('touch /x || echo no; touch /dev/shm/x && df -m /dev/shm | tail -1', { readOnlyRoot: true });
  assert.match(output, /no/);
  assert.match(output, /shm\s+64 /);
});

test('no new privileges, a domain name', async () => {
  const spec = { securityOptions: ['no-new-privileges'], domainname: 'example.org' };
  assert.match(
    await sh('grep NoNewPrivs /proc/self/status; cat /proc/sys/kernel/domainname', spec),
    /\s1\nexample\.org\n/,
  );
});
