import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { KernelLimits } from './kernel-limits.ts';

const MIB = 1 << 20;

describe('limits, read back from the kernel', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  /** A container that waits, under these limits. */
  async function run(...flags: string[]): Promise<{ id: string; limits: KernelLimits }> {
    const id = await daemon.ok('run', '-d', ...flags, 'busybox', 'sleep', 'infinity');
    return { id, limits: await KernelLimits.of(daemon.host, `/fairway/${id}`) };
  }
  const refusal = async (...flags: string[]) => {
    const { code, stderr } = await daemon.docker(['create', ...flags, 'busybox', 'true']);
    assert.equal(code, 1);
    return stderr;
  };
  const hostConfig = async (id: string) => JSON.parse(await daemon.ok('inspect', '-f', '{{json .HostConfig}}', id));

  test('without options there are none', async () => {
    const { id, limits } = await run();
    assert.deepEqual([await limits.limit('memory'), await limits.limit('pids')], ['max', 'max']);
    assert.equal(await limits.quota(), 'max 100000');
    const { Memory, MemorySwap, PidsLimit, NanoCpus, OomKillDisable } = await hostConfig(id);
    assert.deepEqual([Memory, MemorySwap, PidsLimit, NanoCpus, OomKillDisable], [0, 0, null, 0, false]);
  });

  test('--memory, --memory-swap, --memory-reservation', async () => {
    const { id, limits } = await run('-m', '64m', '--memory-swap', '96m', '--memory-reservation', '32m');
    assert.equal(await limits.limit('memory'), String(64 * MIB));
    assert.equal(await limits.swap(), String(96 * MIB));
    assert.equal(await limits.limit('reservation'), String(32 * MIB));
    const { Memory, MemorySwap, MemoryReservation } = await hostConfig(id);
    assert.deepEqual([Memory, MemorySwap, MemoryReservation], [64 * MIB, 96 * MIB, 32 * MIB]);
  });

  test('as much swap as memory, unless something else is said', async () => {
    const { id, limits } = await run('-m', '32m');
    assert.equal(await limits.swap(), String(64 * MIB));
    assert.equal((await hostConfig(id)).MemorySwap, 64 * MIB);
    const free = await run('-m', '32m', '--memory-swap', '-1');
    assert.equal((await hostConfig(free.id)).MemorySwap, -1);
  });

  test('who takes more memory than there is is killed', async () => {
    const eat = 'x=$(cat /dev/zero | tr "\\0" x)';
    const { code } = await daemon.docker(['run', '--rm', '-m', '16m', 'busybox', 'sh', '-c', `exec sh -c '${eat}'`]);
    assert.equal(code, 137);
  });

  test('--memory-swappiness and --oom-kill-disable where the kernel has them, a warning where not', async () => {
    const flags = ['-m', '32m', '--memory-swappiness', '7', '--oom-kill-disable'];
    const created = await daemon.docker(['create', ...flags, 'busybox', 'sleep', 'infinity']);
    const id = created.stdout.trim();
    const limits = await KernelLimits.of(daemon.host, `/fairway/${id}`);
    if (limits.unified) {
      assert.match(created.stderr, /memory swappiness capabilities or the cgroup is not mounted/);
      assert.match(created.stderr, /OomKillDisable discarded/);
      assert.equal((await hostConfig(id)).MemorySwappiness, null);
      return;
    }
    await daemon.ok('start', id);
    assert.equal(await limits.read('memory/memory.swappiness', ''), '7');
    assert.match(await limits.read('memory/memory.oom_control', ''), /oom_kill_disable 1/);
    assert.deepEqual((await hostConfig(id)).MemorySwappiness, 7);
  });

  test('--cpus, --cpu-period and --cpu-quota, --cpu-shares', async () => {
    const half = await run('--cpus', '0.5', '--cpu-shares', '512');
    assert.equal(await half.limits.quota(), '50000 100000');
    assert.ok(await half.limits.hasShares(512));
    const { NanoCpus, CpuShares } = await hostConfig(half.id);
    assert.deepEqual([NanoCpus, CpuShares], [500_000_000, 512]);
    const own = await run('--cpu-period', '20000', '--cpu-quota', '5000');
    assert.equal(await own.limits.quota(), '5000 20000');
  });

  test('--cpuset-cpus and --cpuset-mems', async () => {
    const { id, limits } = await run('--cpuset-cpus', '0', '--cpuset-mems', '0');
    assert.deepEqual([await limits.limit('cpus'), await limits.limit('mems')], ['0', '0']);
    const allowed = await daemon.ok('exec', id, 'grep', 'Cpus_allowed_list', '/proc/self/status');
    assert.match(allowed, /\t0$/);
    assert.equal((await hostConfig(id)).CpusetCpus, '0');
  });

  test('--pids-limit holds a container that forks without end', async () => {
    const { id, limits } = await run('--pids-limit', '20');
    assert.equal(await limits.limit('pids'), '20');
    assert.equal((await hostConfig(id)).PidsLimit, 20);
    const bomb = 'i=0; while [ $i -lt 60 ]; do sleep 100 & i=$((i+1)); done; wait';
    const forked = await daemon.docker([
      'run',
      '--rm',
      '--pids-limit',
      '20',
      'busybox',
      'timeout',
      '50',
      'sh',
      '-c',
      bomb,
    ]);
    assert.match(forked.stderr, /can't fork/);
    const free = await run('--pids-limit', '-1');
    assert.deepEqual([await free.limits.limit('pids'), (await hostConfig(free.id)).PidsLimit], ['max', null]);
  });

  test('--device-read-bps by the device’s number; --blkio-weight or a warning', async () => {
    // No loop device: another test's goes away at any time.
    const [name = ''] = (await daemon.host.out(['lsblk', '-e', '1,7', '-dnro', 'NAME'])).split('\n');
    const number = (await daemon.host.out(['cat', `/sys/class/block/${name}/dev`])).trim();
    const { id, limits } = await run('--device-read-bps', `/dev/${name}:1mb`, '--device-write-iops', `/dev/${name}:50`);
    assert.equal(await limits.readBytesASecond(), `${number} ${MIB}`);
    const { BlkioDeviceReadBps, BlkioDeviceWriteIOps } = await hostConfig(id);
    assert.deepEqual(BlkioDeviceReadBps, [{ Path: `/dev/${name}`, Rate: MIB }]);
    assert.deepEqual(BlkioDeviceWriteIOps, [{ Path: `/dev/${name}`, Rate: 50 }]);
    const weighed = await daemon.docker(['create', '--blkio-weight', '300', 'busybox', 'true']);
    assert.equal(weighed.code, 0);
    const { BlkioWeight } = await hostConfig(weighed.stdout.trim());
    assert.ok(BlkioWeight === 300 || /does not support Block I\/O weight/.test(weighed.stderr));
  });

  test('--cgroup-parent and --oom-score-adj', async () => {
    const parent = '/fairway/mine';
    const id = await daemon.ok(
      'run',
      '-d',
      '--cgroup-parent',
      parent,
      '--oom-score-adj',
      '321',
      '-m',
      '32m',
      'busybox',
      'sleep',
      '1000',
    );
    const limits = await KernelLimits.of(daemon.host, `${parent}/${id}`);
    assert.equal(await limits.limit('memory'), String(32 * MIB));
    assert.equal(await daemon.ok('exec', id, 'cat', '/proc/1/oom_score_adj'), '321');
    const { CgroupParent, OomScoreAdj } = await hostConfig(id);
    assert.deepEqual([CgroupParent, OomScoreAdj], [parent, 321]);
    await daemon.ok('rm', '-f', id);
  });

  test('what cannot be is refused in Docker’s words', async () => {
    assert.match(await refusal('-m', '5m'), /Minimum memory limit allowed is 6MB/);
    assert.match(await refusal('-m', '64m', '--memory-swap', '32m'), /Minimum memoryswap limit should be larger than/);
    assert.match(await refusal('--memory-swap', '32m'), /You should always set the Memory limit when using Memoryswap/);
    assert.match(await refusal('--cpus', '4000'), /range of CPUs is from 0\.01 to \d+\.00, as there are only \d+ CPUs/);
    assert.match(
      await refusal('--cpuset-cpus', '4000'),
      /Requested CPUs are not available - requested 4000, available: /,
    );
    assert.match(await refusal('--cpus', '1', '--cpu-quota', '5000'), /Nano CPUs and CPU Quota cannot both be set/);
    assert.match(await refusal('--oom-score-adj', '2000'), /range for oom score adj is \[-1000, 1000\]/);
    assert.match(await refusal('--cpu-rt-runtime', '5'), /--cpu-rt-runtime .* is not supported/);
    const missing = await daemon.docker(['run', '--rm', '--device-read-bps', '/dev/nosuch:1mb', 'busybox', 'true']);
    assert.match(missing.stderr, /stat \/dev\/nosuch: no such file or directory/);
  });

  test('docker info tells what can be limited', async () => {
    const info = JSON.parse(await daemon.ok('info', '-f', '{{json .}}'));
    const { unified } = await KernelLimits.of(daemon.host, '/');
    assert.equal(info.CgroupVersion, unified ? '2' : '1');
    assert.deepEqual([info.MemoryLimit, info.PidsLimit, info.CPUSet, info.CpuCfsQuota], [true, true, true, true]);
    assert.equal(info.OomKillDisable, !unified);
  });
});
