import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { legacyMounts, readLegacy, readUnified } from './cgroups.ts';

/** A folder with these files. */
function folder(files: Readonly<Record<string, string>>): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'fairway-cgroups-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test('v1 controllers are found where they are mounted, together or alone', () => {
  const mounts = legacyMounts(
    [
      '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
      '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
      '33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
      '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
    ].join('\n'),
  );
  assert.equal(mounts.get('cpuacct'), '/sys/fs/cgroup/cpu,cpuacct');
  assert.equal(mounts.get('memory'), '/sys/fs/cgroup/memory');
  assert.equal(mounts.get('pids'), undefined);
});

test('v1: what a controller can do is what files it has', () => {
  using memory = folder({ 'memory.soft_limit_in_bytes': '', 'memory.oom_control': '' });
  using cpuset = folder({ 'cpuset.effective_cpus': '0-3\n', 'cpuset.effective_mems': '0\n' });
  const abilities = readLegacy(
    new Map([
      ['memory', memory.path],
      ['cpuset', cpuset.path],
    ]),
  );
  const { swap, memoryReservation, memorySwappiness, oomKillDisable, cpuShares, pids, cpus, mems } = abilities;
  assert.deepEqual(
    [abilities.memory, swap, memoryReservation, memorySwappiness, oomKillDisable],
    [true, false, true, false, true],
  );
  assert.deepEqual([cpuShares, pids, abilities.cpuset, cpus, mems], [false, false, true, '0-3', '0']);
});

test('v2: by controller; swap where a child of the root has a limit for it', () => {
  const root = { 'cgroup.controllers': 'cpuset cpu io memory pids\n', 'cpuset.cpus.effective': '0-1\n' };
  using plain = folder({ ...root, 'system.slice/memory.max': 'max' });
  using swapping = folder({
    ...root,
    'init.scope/x': '',
    'system.slice/memory.max': '',
    'system.slice/memory.swap.max': '',
  });
  assert.deepEqual([readUnified(plain.path).swap, readUnified(swapping.path).swap], [false, true]);
  const { memory, oomKillDisable, cpuQuota, readBps, cpus } = readUnified(plain.path);
  assert.deepEqual([memory, oomKillDisable, cpuQuota, readBps, cpus], [true, false, true, true, '0-1']);
});

test('v2: a controller that is not there limits nothing', () => {
  using bare = folder({ 'cgroup.controllers': 'pids\n' });
  const { memory, swap, cpuShares, blkioWeight, pids } = readUnified(bare.path);
  assert.deepEqual([memory, swap, cpuShares, blkioWeight, pids], [false, false, false, false, true]);
});
